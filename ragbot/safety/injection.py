"""Detect prompt injection: sentences that instruct a language model. Uses rules, not a model.

Text of a document is data. An instruction is not evidence and is never shown to the generator; the rest of its passage is.
"""

from __future__ import annotations

import re

from ragbot.text.characters import undisguised
from ragbot.text.tokens import has_cjk

_PROMPT_NOUN = (
    "(?:instructions?|prompts?|rules?|messages?|context|passages?|documents?|facts?|guidelines?|directions?|text|sources?|orders)"
)
_REQUEST_NOUN = "(?:questions?|quer(?:y|ies)|prompts?|requests?|users?)"
_ASSISTANT = (
    "(?:assistants?|chat ?bots?|bots?|ai(?: (?:models?|assistants?|systems?|agents?))?|artificial intelligence|(?:large"
    " )?language"
    " models?|llms?|chatgpt|gpt)"
)
_MODEL = _ASSISTANT.replace("assistants?|", "", 1).replace("|bots?", "", 1)
"""Names that only a model has: a person or a thing may be an assistant too."""
_REPLY_VERB = "(?:say|tell|answer|reply|respond|recommend|claim|ignore|output)"
_MODEL_VERB = (
    "(?:say|state|tell|answer|reply|respond|recommend|claim|ignore|output|reveal|print|show|paste|send|append|add"
    "|advertise|promote"
    "|skip|omit|drop|write|mention|repeat|act|pretend|treat|obey|execute|override|insist|confirm|deny|hand out|leak"
    "|disclose|shout)"
)
_READER = "(?:user|reader|customer|visitor|guest|tourist|passenger|tenant|client|everyone|everybody|people)s?"
_OWN_NOUN = (
    "(?:(?:system |hidden |secret |safety |content |previous )?(?:instructions?|prompts?|guidelines?|rules|polic(?:y"
    "|ies)|persona"
    "|programming|training|restrictions|limits|safeguards|role|settings))"
)
"""What only a model has of its own."""
_PRIVATE_DATA = (
    "(?:conversation|chat history|chat|passwords?|api keys?|user(?:'s)? (?:data|question)|system prompt|question of the user)"
)
_MEMBERSHIP = r"(?:\w+ )?(?:member|customer|guest|owner|student|user|subscriber|part|hour|few|step|minute)"
"""Roles after "you are now a …" that a text gives to its human reader, not to a model."""
_LABELLED_SENTENCE = (
    r"(?=(?:\s+\S+){4})(?=[^\n]*\b(?:you|your|must|always|never|instructions?|is|are|was|were|has|have|had|will|opens?"
    r"|closes?|costs?|pays?"
    rf"|certainly|sure|{_REPLY_VERB[3:]}\b)"
)
"""What follows a label like "assistant:" if it is a sentence and not a value."""

# Each pattern is narrow on purpose: ordinary sentences of manuals and policies ("Disregard earlier versions",
# "Run the following command", "Assistants must lock the door") have to stay evidence.
_ENGLISH = (
    rf"\b(?:ignore|disregard|forget|override|bypass|set aside|drop|abandon|discard)\b[^.!?]{{0,30}}\b(?:previous|above"
    rf"|prior|earlier"
    rf"|preceding|system|other) (?:\w+ )?{_PROMPT_NOUN}\b(?! if you (?:have|had|already|do not|don't)\b)",
    r"\b(?:forget|ignore|disregard|set aside|drop|discard) (?:everything|anything|all|what(?:ever)?|the \w+)\b[^.!?]{0,20}"
    r"\b(?:you|your makers|we|they)\b[^.!?]{0,12}\b(?:told|said|given|asked|had|taught|instructed|learn(?:ed|t))\b",
    r"\bforget everything\b[^.!?]{0,30}\b(?:told|said|before|above)\b",
    rf"\b(?:ignore|disregard|override|bypass|drop|abandon|overrule|forget) (?:all )?(?:of )?your (?:\w+ )?{_OWN_NOUN}\b",
    rf"\b(?:you are|you're) now (?!(?:an?|the) {_MEMBERSHIP}\b)(?:an?|the|called|free)\b(?![^.!?\"”]*[\"”])",
    r"\b(?:you are|you're)(?: now)? \w*(?:bot|gpt)\b",
    rf"\bfrom (?:now|here|this (?:point|moment))(?: on(?:wards?)?)?,? (?:please )?(?:{_REPLY_VERB}|act as|always {_REPLY_VERB}"
    rf"|you (?:are|must {_REPLY_VERB}|will {_REPLY_VERB}))\b",
    r"^\W{0,20}(?:please )?pretend (?:that|you are|you're|to be (?:an? )?(?:ai|human|unrestricted|the (?:user|admin"
    r"|developer)))\b",
    r"\bact as (?:if you were|an? (?:ai|unrestricted|hacker))\b",
    r"\b(?:hidden|secret) (?:system )?(?:instructions?|prompts?|directive)\s*[:–—]|\bnew (?:system )?(?:instructions?"
    r"|prompt)\s*[:–—-]",
    rf"\bnew (?:rules?|orders?) for (?:the |all |any )?{_ASSISTANT}\b",
    r"\bsystem(?: prompt)? (?:override|update)\s*[:!–—-]|\bsystem override\b|\bdeveloper mode (?:enabled|activated|on)\b",
    r"\byou (?:are|have been) jailbroken\b|\bjailbreak (?:mode|enabled|activated)\b",
    r"\b(?:reveal|print|show|output|leak|disclose|repeat|paste|recite|reproduce)\b[^.!?]{0,30}\b(?:your|hidden|system|initial)"
    r" (?:\w+ ){0,2}(?:prompt|instructions|system message|guidelines)\b",
    rf"^\W{{0,20}}(?:assistant|ai|chatgpt|llm|chatbot)[\"']?\s*[:>]{_LABELLED_SENTENCE}",
    rf"(?:^|[.!?] |[\n|(])\W{{0,20}}(?:{_MODEL}|assistants?)\s*[:,–—-]+\s*(?:please |kindly |now )?(?:{_MODEL_VERB}|do"
    rf" not|don't|never|always|you|the"
    r" (?:correct|right) answer)\b",
    r"<\s*/?\s*\|\s*\w+\s*\||<\s*/\s*(?:system|assistant|user)\s*>",
    r"\[/?(?:INST|SYS|SYSTEM)\]|<<\s*/?SYS\s*>>|^\W{0,20}#{3}\s*(?:system|assistant|instructions?|response)\s*:",
    r"\b(?:reply|respond|output) (?:only|solely|exactly|verbatim|nothing)\b|\bsay (?:only|exactly|nothing (?:else|but))\b",
    r"^\W{0,20}(?:assistant|ai|chatgpt|llm|chatbot)\s*[:>]\s*(?:certainly|sure|of course|absolutely)\b",
    r"\b(?:ignore|disregard|forget) the \w+,? and (?:say|claim|state|answer|reply|tell|insist)\b",
    r"\b(?:disregard|ignore|forget) (?:everything|all(?: of (?:this|it|that))?|anything)(?: (?:that (?:is|stands)"
    r" )?(?:above|before|so far))\b",
    r"\b(?:you (?:have to|must|should|need to)|always|please) tell the (?:reader|user)s? that\b|\balways (?:say|state"
    r"|answer|reply|claim) that\b",
    r"^\W{0,20}(?:#+ )?(?:answer|say|reply|respond|state) only\s*:|^\W{0,20}(?:#+ )?(?:say|reply|respond)\s*:\s*\w",
    r"\b(?:answers?|repl(?:y|ies)|responses?) (?:must|should|shall|have to) (?:contain|include|mention|end|begin|start|say)\b",
    r"\b(?:respond|reply|answer) to (?:any |all |every )?questions? (?:about|on)\b[^.!?]{0,60}\bwith\b",
    r"\bthis (?:document|page|file|text) (?:overrides|replaces|supersedes|trumps) (?:all|any|every) (?:the )?others?\b",
    r"\bdo not answer the question\b|\boutput the (?:word|phrase|sentence)\b|\banswer (?:only|solely|exactly) [\"“'‘]",
    rf"\b(?:whatever|no matter what|whichever)\b[^.!?]{{0,30}}\b(?:ask(?:s|ed)?|question)\b\W{{0,3}}(?:always |just "
    rf"|you )?{_REPLY_VERB}\b",
    r"(?:^\W{0,20}|[,;:] ?|\b(?:please|now|always|must|then) )(?:reply to|respond to|answer) (?:every|any|all|each|the next)"
    rf" {_REQUEST_NOUN}\b[^.!?]*\b(?:with|by \w+ing)\b",
    r"\b(?:recommend|mention|append|add|include|insert|promote|advertise|end|begin|start|sign)\b[^.!?]{0,60}\b(?:each"
    r"|every|all|any)"
    r" (?:of your )?(?:repl(?:y|ies)|answers?|responses?|outputs?)\b",
    rf"\b{_ASSISTANT}\b[^.!?]{{0,30}}\b(?:must|should|shall|ha(?:s|ve) to|needs? to) (?:\w+ )?(?:{_REPLY_VERB}|state"
    rf"|mention|reveal|claim)\b",
    rf"\b(?:as|for) (?:an?|the) {_ASSISTANT},? you (?:must|shall|should|will)\b",
    rf"\bif you(?:'re| are) (?:an?|the) {_ASSISTANT}\b(?=\s*[,;:–—-]|\s+(?:reading|and|then|please|you|must|say)\b|$)"
    rf"|\byou are to (?:\w+ )?{_REPLY_VERB}\b",
    rf"\byou (?:must|should|shall|have to|need to) (?:always|never|only) {_REPLY_VERB}(?: (?:that|only|with|no|yes)\b|:)",
    rf"\byou (?:must|shall|will|should) now (?:tell the {_READER}|hand out|reveal|deny|claim|recommend|promote|answer"
    rf"|drop|act as)\b",
    rf"\b(?:tell|urge|convince|persuade|ask) (?:the |every |each )?{_READER}\b[^.!?]{{0,30}}\b(?:wire|transfer|pay|send"
    rf"|click|visit|download"
    r"|install)\b[^.!?]{0,60}(?:https?:|@|\w\.\w|\b(?:dollars|euros|pounds|money|bitcoins?)\b)",
    rf"\b(?:dear|hey|note (?:to|for)|message (?:to|for)|attention) (?:the |all |any )?(?:{_MODEL}|assistant|bot|machine)\b",
    rf"\bdear assistants\b[^.!?]{{0,20}}\b(?:please|kindly|{_MODEL_VERB[3:]}\b",
    rf"\b(?:{_MODEL}|assistants?),? (?:please|kindly) {_MODEL_VERB}\b",
    r"\b(?:do not|don't|never) (?:cite|quote|mention) (?:this|the) (?:file|source|document|passage|page)\b",
    r"\b(?:do not|don't|never) tell the user\b",
    r"(?<!never )(?<!not )(?<!n't )\b(?:send|forward|post|upload|append|attach|leak|submit|paste|copy)\b[^.!?]{0,40}"
    rf"\b{_PRIVATE_DATA}\b[^!?]{{0,60}}(?:https?:|@|\w\.\w)",
    r"\b(?:whoever|anyone who|everyone who|those who|if you|when you|when)"
    r" (?:you )?(?:summari[sz]es?|summari[sz]ing|quotes?|processe?s?|answers? (?:about|from)) (?:this|the) (?:page|text"
    r"|document|file|mail)\b",
    r"\bwhen (?:you are |you're )?asked about\b[^.!?]{0,40}\b(?:say|state|answer|reply|respond|claim) (?:that|with)\b",
    r"(?<!/)//\S{0,300}[?&][\w-]{0,60}=(?:\{|%7b|\[|<|\$)",
    r"\bdecode\b[^.!?]{0,40}\bbase ?64\b|\b(?:base ?64|rot ?13)\b[^.!?]{0,60}\b(?:obey|carry out|execute|follow|do what)\b",
    r"\brepeat after me\b|^\W{0,20}end of (?:document|context)\b",
)
_OTHER_LANGUAGES = (
    r"\b(?:vergiss|vergessen sie|ignorier(?:e|en sie)|missachte)\b[^.!?]{0,30}\b(?:bisherigen?|vorherigen?|obigen?|früheren?)"
    r" (?:\w+ )?(?:anweisung(?:en)?|instruktion(?:en)?|regeln|vorgaben)\b",
    r"\b(?:ignor(?:e|ez|er)|oubli(?:e|ez)|ne tiens pas compte de)\b[^.!?]{0,30}\b(?:instructions?|consignes?"
    r"|règles)\b[^.!?]{0,20}"
    r"\b(?:précédentes?|antérieures?|ci-dessus)\b|\btoutes? (?:les )?(?:instructions|consignes) précédentes\b",
    r"\b(?:ignora|olvida|ignore)\b[^.!?]{0,30}\binstrucciones\b[^.!?]{0,20}\b(?:anteriores|previas)\b",
)
_ZH_MODEL = "(?:聊天机器人|机器人|人工智能|智能助[理手]|(?:语言|大)模型|模型|助手|AI)"
_ZH_VERB = "(?:回答|回复|说|声称|忽略|宣布|承认|推荐|告诉|提及|公开|泄露|透露|写上|附上|抄送|输出|执行|否认)"
_CHINESE = (
    "(?:忽略|无视|忘记|忘掉|不要理会|抛开|丢开)[^。！？!?]{0,12}(?:以上|之前|前面|上述|上面|先前|系统|原先|所有)[^。！？!?]{0,8}(?:指令|指示|提示|规则|要求|设定)",
    "(?:忽略|无视|不要理会)(?:以上|上面|前面|上述)(?:的)?(?:所有|全部)?内容[^。!?！？]{0,6}(?:并|，|,|然后)",
    "(?:请)?(?:向|告诉|让)(?:用户|读者|顾客|游客)[^。!?！？]{0,8}(?:推荐|访问|点击|拨打|转账|付款)",
    "(?:忽略|无视|忘记|忘掉|抛开|放下)(?:掉)?你(?:的|原来的|原先的)?(?:设定|身份|规则|指令|限制|角色|要求)",
    "把你[^。!?！？]{0,10}(?:要求|指令|规则|设定)[^。!?！？]{0,8}(?:放到一边|放在一边|丢开|抛开|忘掉)",
    f"你现在(?:是|扮演|要扮演)|你(?:现在)?(?:必须|要|应该?|须)[^。!?！？，,]{{0,10}}{_ZH_VERB}|从现在(?:起|开始)[，,]?(?:你|请?只|请?(?:回答|回复|说))",
    f"(?:新的?|隐藏的?)(?:提示|指令|规则)\\s*[：:—]|^\\W{{0,20}}(?:助手|{_ZH_MODEL})\\s*[：:](?=.{{4,}}[。！!])",
    f"^\\W{{0,20}}系统(?:提示|指令|消息)?\\s*[：:][^。!?！？]{{0,12}}(?:你|从现在|忽略|{_ZH_VERB})|系统(?:提示|指令)[^。!?！？]{{0,6}}(?:泄露|透露|公开)",
    '只(?:能)?(?:回答|回复|输出|说)[“"「：:]',
    f"{_ZH_MODEL}[^。！？!?]{{0,8}}(?:必须|应该|应当|要|请|须)[^。！？!?]{{0,10}}{_ZH_VERB}",
    f"{_ZH_MODEL}(?:处理|阅读|总结|摘要)[^。！？!?]{{0,12}}(?:请|须|要|必须)",
    f"(?:致|给)(?:所有|各位)?{_ZH_MODEL}(?:的话|的说明)?\\s*[：:，,]",
    f"如果你是(?:一个|一名)?{_ZH_MODEL}\\s*[，,。请就]|请(?:你)?{_ZH_MODEL}[^。!?！？]{{0,4}}{_ZH_VERB}",
    "对(?:任何|所有|每个)问题[^。！？!?]{0,6}(?:回答|回复)|不要(?:引用|提及|透露)(?:来源|本|这|出处)|开发者模式已|你已(?:被)?越狱",
    "以上(?:内容|指令|说明|规则)[^。！？!?]{0,4}(?:作废|无效)|请在(?:回答|回复|结尾|每次)[^。！？!?]{0,20}(?:加上|附上|包含|插入|推荐)",
    "请?一律(?:说成|回答成?|回复成?)",
    "(?:发送|转发|上传|附上|提交|粘贴)[^。！？!?]{0,20}(?:对话|聊天记录|密码)[^。！？!?]{0,20}(?:到|至|给|https?)",
    "把[^。！？!?]{0,8}(?:对话|聊天记录|密码|用户的问题|提示词)[^。！？!?]{0,8}(?:发送|转发|上传|提交|粘贴)[^。！？!?]{0,4}(?:到|至|给|https?)",
    "(?:泄露|公开|透露|输出|打印|显示)(?:你的|自己的|全部|系统|隐藏)*(?:提示词|系统提示)",
)
_CASED = re.compile(
    r"!\[[^\]]{0,200}\]\([^)]{0,300}\?[\w-]{0,40}=[A-Z]{4}|"
    rf"^\W{{0,20}}SYSTEM\s*[:>]{_LABELLED_SENTENCE}|^\W{{0,20}}(?:#{{3}}\s*)System\s*:|^\W{{0,20}}(?:USER"
    rf"|Human):[^\n]*\?.{{0,20}}Assistant:",
)
"""Labels of a chat that are other words when they are written otherwise: "System: closed loop, filled with 140 litres"."""
_QUOTED = re.compile(r"[\"“][^\"“”]{8,}[\"”]")
MIN_WORDS_AROUND = 5
"""With so many words, or Chinese characters, around a quotation a sentence speaks of it."""
_MOUTH = re.compile(r"\W{0,20}(?:assistant|ai|chatbot|bot|chatgpt|助手|机器人|人工智能)[\"']?\s*[:>]", re.IGNORECASE)
_INSTRUCTIONS = re.compile("|".join((*_ENGLISH, *_OTHER_LANGUAGES, *_CHINESE)), re.IGNORECASE)


def is_instruction(sentence: str) -> bool:
    """Whether `sentence` instructs a language model, or imitates the markers of its prompt."""
    plain = undisguised(sentence)
    outside = _QUOTED.sub(" ", plain)
    if len(outside.split()) >= MIN_WORDS_AROUND or len(outside) >= MIN_WORDS_AROUND < sum(map(has_cjk, outside)):
        plain = outside  # what is mentioned in quotation marks is not ordered
    if _INSTRUCTIONS.search(plain) or _CASED.search(plain):
        return True
    return "_" in plain and _INSTRUCTIONS.search(plain.replace("_", " ")) is not None


def is_put_in_mouth(reply: str) -> bool:
    """Whether a reply to a question in a text is put into the mouth of a model: "User: When …? Assistant: At three."."""
    return _MOUTH.match(undisguised(reply)) is not None
