"""Sentences of a document that give orders to whoever reads it with a machine. Rules, no model.

What a document says is data. Such a sentence is no evidence, and is never shown to the generator; the passage around it is.
"""

from __future__ import annotations

import re

_ORDERS = re.compile(
    r"""
    \b(?:ignore|disregard|forget|override|bypass|skip)\b[^.!?\n]{0,40}\b(?:previous|above|prior|earlier|preceding|foregoing|system|
        other|these|those|your|all)\b[^.!?\n]{0,30}\b(?:instructions?|prompts?|rules?|messages?|context|passages?|documents?|
        facts?|guidelines?|directions?|text|sources?|training)\b
    | \b(?:you\ are|you're)\ now\b | \bfrom\ now\ on,?\ (?:you|answer|reply|respond|always)\b
    | \bpretend\ (?:to\ be|that\ you|you)\b | \bact\ as\ (?:if\ you|an?\ (?:ai|assistant|unrestricted|different|hacker|admin))
    | \b(?:new|updated|real|hidden|secret|important)\ (?:system\ )?(?:instructions?|prompt|directive)\b
    | \bsystem\ (?:prompt|message|override|instruction)\b | \bdeveloper\ mode\b | \bjailbr(?:eak|oken)\b | \bprompt\ injection\b
    | ^\W*(?:system|assistant|developer|human|user|ai|bot|chatgpt|tool)\s*(?:\(.{0,20}\))?\s*[:>]
    | <\s*/?\s*\|?\s*(?:im_start|im_end|system|assistant|user|endoftext|eot_id|start_header_id|end_header_id|s)\s*\|?\s*>
    | \[/?(?:INST|SYS|SYSTEM)\] | <<\s*/?SYS\s*>> | ^\W*\#{2,}\s*(?:system|instruction|assistant|response|new\ task)
    | \b(?:reply|respond|answer|say|output|print|write|repeat)\b[^.!?\n]{0,40}\b(?:only|exactly|verbatim|nothing\ (?:else|but)|
        (?:to|for)\ (?:every|any|all|each)\ (?:question|quer|prompt|request|user)|every\ (?:question|prompt|request))
    | \b(?:answer|reply\ to|respond\ to)\ (?:every|any|all|each|this|the\ next)\ (?:question|quer|prompt|request|user)
    | \b(?:the\ )?(?:assistant|chatbot|bot|ai(?:\ (?:model|assistant|system))?|language\ model|llms?|model)s?\b[^.!?\n]{0,30}
        \b(?:must|should|shall|has\ to|have\ to|needs?\ to|will|is\ (?:to|required|instructed|ordered)|are\ (?:to|required)|reading\ this)\b
    | \b(?:assistant|chatbot|language\ model|llm|ai)\s*,\s*(?:please\ )?\w+
    | \b(?:do\ not|don't|never)\ (?:cite|quote|mention\ (?:this|the\ source)|tell\ the\ user|reveal\ (?:this|these)|use\ (?:the\ )?other)
    | \b(?:send|forward|post|upload|append|attach|exfiltrate|leak|submit|include|copy)\b[^.!?\n]{0,60}\b(?:conversation|chat|history|
        question|prompt|passwords?|api\ keys?|secrets?|memory|user(?:'s)?\ (?:data|name|message))\b[^.!?\n]{0,60}(?:https?:|@|\bto\b)
    | !\[[^\]]*\]\(\s*(?:https?:)?//[^)]*\)
    | \b(?:https?:)?//\S*[?&][\w-]*=(?:\{|%7b|\[|<|\$|question|history|data|secret|answer|conversation|prompt)
    | \b(?:decode|execute|run|eval)\b[^.!?\n]{0,40}\b(?:base64|following\ (?:code|command|instructions?)|this\ (?:code|command))\b
    | \brepeat\ after\ me\b | \bend\ of\ (?:document|context|passages?|facts|prompt)\b
    | (?:忽略|无视|忘记|不要理会|跳过)[^。！？]{0,12}(?:以上|之前|前面|上述|先前|所有|其他|系统)[^。！？]{0,8}(?:指令|内容|提示|规则|信息|资料|要求|文字)
    | 你现在(?:是|要|必须) | 从现在(?:起|开始)[，,]?(?:你|请|只) | (?:系统|新的?|隐藏)(?:提示|指令|消息)\s*[：:]? | ^\W*(?:系统|助手|用户)\s*[：:]
    | (?:请)?只(?:能)?(?:回答|回复|输出|说)[“"「：:] | (?:机器人|助手|模型|AI|人工智能)[^。！？]{0,6}(?:必须|应该|应当|要|请)
    | 对(?:任何|所有|每个)问题[^。！？]{0,6}(?:回答|回复) | 不要(?:引用|提及|透露)(?:来源|本|这|出处) | 开发者模式 | 越狱
    | (?:发送|转发|上传|附上)[^。！？]{0,20}(?:对话|聊天|记录|密码|问题)[^。！？]{0,20}(?:到|至|给|https?)
    """,
    re.IGNORECASE | re.VERBOSE | re.MULTILINE,
)
_TEMPLATE = re.compile(r"<(?=\s*/?\s*\|)|(?<=\|)>|\[(?=/?INST\])|<(?=<\s*/?SYS)")
"""What the marks of chat templates begin or end with."""
_IMAGE = re.compile(r"!\[([^\]]*)\]\([^)]*\)")


def gives_orders(sentence: str) -> bool:
    """Whether it tells the reader's machine what to do, or is made to look like its prompt."""
    return _ORDERS.search(sentence) is not None


def harmless(text: str) -> str:
    """The text without what a chat template or a page that shows Markdown would act on: marks of turns, and images from elsewhere."""
    return _TEMPLATE.sub(" ", _IMAGE.sub(r"\1", text))
