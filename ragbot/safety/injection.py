"""Detect prompt injection in documents: sentences that instruct a language model. Uses rules, not a model.

Text of a document is data. An instruction is not evidence and is never shown to the generator; the rest of its passage is.
"""

from __future__ import annotations

import re
import unicodedata

_PROMPT_NOUN = (
    "(?:instructions?|prompts?|rules?|messages?|context|passages?|documents?|facts?|guidelines?|directions?|text|sources?)"
)
_REQUEST_NOUN = "(?:questions?|quer(?:y|ies)|prompts?|requests?|users?)"
_ASSISTANT_NOUN = "(?:assistants?|chatbots?|bots?|ai(?: (?:models?|assistants?|systems?))?|language models?|llms?)"
_REPLY_VERB = "(?:say|tell|answer|reply|respond|recommend|claim|ignore|output)"
_PRIVATE_DATA = "(?:conversation|chat history|chat|passwords?|api keys?|user(?:'s)? data|system prompt)"
_MEMBERSHIP = r"(?:\w+ )?(?:member|customer|guest|owner|student|user|subscriber|part|hour|few|step|minute)"
"""Roles after "you are now a …" that a text gives to its human reader, not to a model."""
_LABELLED_SENTENCE = (
    r"(?=(?:\s+\S+){4})(?=[^\n]*\b(?:you|your|must|always|never|instructions?|users?|is|are|was|were|will|opens?|closes?|costs?"
    rf"|{_REPLY_VERB[3:]}\b)"
)
"""What follows a label like "system:" if it is a sentence and not a value."""

# Each pattern is narrow on purpose: ordinary sentences of manuals and policies ("Disregard earlier versions",
# "Run the following command", "Assistants must lock the door") have to stay evidence.
_ENGLISH = (
    rf"\b(?:ignore|disregard|forget|override|bypass)\b[^.!?\n]{{0,30}}\b(?:previous|above|prior|earlier|preceding|system|other)"
    rf" (?:\w+ )?{_PROMPT_NOUN}\b(?! if you (?:have|had|already|do not|don't)\b)",
    r"\bforget everything\b[^.!?\n]{0,30}\b(?:told|said|before|above)\b",
    rf"\b(?:you are|you're) now (?!(?:an?|the) {_MEMBERSHIP}\b)(?:an?|the|called|free)\b",
    r"\byou are now \w*(?:bot|gpt)\b",
    rf"\bfrom now on,? (?:{_REPLY_VERB}|always {_REPLY_VERB}|you (?:are|must {_REPLY_VERB}|will {_REPLY_VERB}))\b",
    r"^\W{0,20}(?:please )?pretend (?:that|to be|you)\b",
    r"\bact as (?:if you were|an? (?:ai|unrestricted|hacker))\b",
    r"\b(?:hidden|secret) (?:system )?(?:instructions?|prompt|directive)\b|\bnew (?:system )?(?:instructions?|prompt)\s*:",
    r"\bsystem (?:prompt|override)\b|\bdeveloper mode (?:enabled|activated|on)\b|\bjailbr(?:eak|oken)\b",
    rf"^\W{{0,20}}(?:system|assistant|ai|bot|chatgpt)\s*[:>]{_LABELLED_SENTENCE}|^\W{{0,20}}(?:user|human)\s*:[^\n]*\?",
    r"<\s*/?\s*\|\s*\w+\s*\||<\s*/\s*(?:system|assistant|user)\s*>",
    r"\[/?(?:INST|SYS|SYSTEM)\]|<<\s*/?SYS\s*>>|^\W{0,20}#{2,}\s*(?:system|assistant)\s*:",
    r"\b(?:reply|respond|output) (?:only|exactly|verbatim|nothing)\b|\bsay (?:only|exactly|nothing (?:else|but))\b",
    r"(?:^\W{0,20}|[,;:] ?|\b(?:please|now|always|must|then) )(?:reply to|respond to|answer) (?:every|any|all|each|the next)"
    rf" {_REQUEST_NOUN}\b[^.!?\n]*\b(?:with|by \w+ing)\b",
    rf"\b{_ASSISTANT_NOUN}\b[^.!?\n]{{0,30}}\b(?:must|should|shall|ha(?:s|ve) to|needs? to) (?:\w+ )?{_REPLY_VERB}\b",
    rf"\bif you(?:'re| are) (?:an?|the) {_ASSISTANT_NOUN}\b|\byou are to (?:\w+ )?{_REPLY_VERB}\b",
    rf"\byou (?:must|should|shall|have to|need to) (?:always|never|only) {_REPLY_VERB}(?: (?:that|only|with|no|yes)\b|:)",
    rf"\b(?:dear|hey|note to|message (?:to|for)) (?:the )?{_ASSISTANT_NOUN}\b",
    r"\b(?:do not|don't|never) (?:cite|quote|mention) (?:this|the) (?:file|source|document|passage|page)\b",
    r"\b(?:do not|don't|never) tell the user\b",
    r"(?<!never )(?<!not )(?<!n't )\b(?:send|forward|post|upload|append|attach|leak|submit)\b[^.!?\n]{0,40}"
    rf"\b{_PRIVATE_DATA}\b[^!?\n]{{0,60}}(?:https?:|@|\w\.\w)",
    r"\b(?:whoever|anyone who|everyone who|those who|if you|when you)"
    r" (?:summari[sz]es?|quotes?|processe?s?|answers? (?:about|from)) (?:this|the) (?:page|text|document|file)\b",
    r"\bwhen (?:you are |you're )?asked about\b[^.!?\n]{0,40}\b(?:say|state|answer|reply|respond|claim) (?:that|with)\b",
    r"!\[[^\]]*\]\([^)]*\?[^)]*\)|//\S*[?&][\w-]*=(?:\{|%7b|\[|<|\$)",
    r"\bdecode\b[^.!?\n]{0,40}\bbase64\b|\brepeat after me\b|^\W{0,20}end of (?:document|context)\b",
)
_CHINESE = (
    "(?:忽略|无视|忘记|不要理会)[^。！？]{0,12}(?:以上|之前|前面|上述|先前|系统)[^。！？]{0,8}(?:指令|提示|规则|要求)",
    "你现在(?:是|要|必须)|从现在(?:起|开始)[，,]?(?:你|请|只)(?:回答|回复|说|是)",
    r"(?:新的?|隐藏)(?:提示|指令)\s*[：:]|^\W{0,20}(?:系统|助手)\s*[：:](?=.{6,}[。！])",
    '只(?:能)?(?:回答|回复|输出|说)[“"「：:]',
    "(?:机器人|助手|模型|AI|人工智能)[^。！？]{0,6}(?:必须|应该|应当|要|请)(?:回答|回复|说|忽略)",
    "对(?:任何|所有|每个)问题[^。！？]{0,6}(?:回答|回复)|不要(?:引用|提及|透露)(?:来源|本|这|出处)|开发者模式已|越狱",
    "以上(?:内容|指令|说明|规则)[^。！？]{0,4}(?:作废|无效)|请在回答[^。！？]{0,20}(?:加上|附上|包含|插入)",
    "(?:发送|转发|上传|附上)[^。！？]{0,20}(?:对话|聊天记录|密码)[^。！？]{0,20}(?:到|至|给|https?)",
)
_INSTRUCTIONS = re.compile("|".join((*_ENGLISH, *_CHINESE)), re.IGNORECASE | re.MULTILINE)

_TEMPLATE_MARKER = re.compile(r"<(?=\s*/?\s*\|)|(?<=\|)>|\[(?=/?INST\])|<(?=<\s*/?SYS)")
"""The first or last character of a chat template's markers."""
_LINK = re.compile(
    r"!\[([^\[\]]*)\](?:\([^()]*\)|\[[^\[\]]*\])|\[([^\[\]]*)\]\(\s*(?:javascript|data|vbscript):[^\s]*\)", re.IGNORECASE
)
"""Markdown images, inline or by reference, and links with a script or data address."""
_ACTIVE_ELEMENT = re.compile(
    r"<(script|style|iframe|object)\b.*?</\1\s*>"
    r"|</?(?:script|style|iframe|object|embed|img|svg|link|meta|base|form|input|video|audio|source)\b[^>]*>?",
    re.IGNORECASE | re.DOTALL,
)
"""HTML elements that a page would load or run."""
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
"""Invisible characters: soft hyphen, zero-width and direction marks."""


def is_instruction(sentence: str) -> bool:
    """Whether `sentence` instructs a language model, or imitates the markers of its prompt."""
    return _INSTRUCTIONS.search(_INVISIBLE.sub("", unicodedata.normalize("NFKC", sentence))) is not None


def sanitize(text: str) -> str:
    """Remove what a chat template or a page that renders Markdown or HTML would act on.

    That is: turn markers, images, script and data links, and HTML elements that load or run something.
    """
    found = 1
    while found:  # removing one may join the halves of another
        text, first = _ACTIVE_ELEMENT.subn("", text)
        text, found = _LINK.subn(lambda m: m[1] or m[2] or "", text)
        found += first
    return _TEMPLATE_MARKER.sub(" ", text)
