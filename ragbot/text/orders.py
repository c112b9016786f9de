"""Sentences of a document that give orders to whoever reads it with a machine. Rules, no model.

What a document says is data. Such a sentence is no evidence, and is never shown to the generator; the passage around it is.
"""

from __future__ import annotations

import re

_WHAT = "instructions?|prompts?|rules?|messages?|context|passages?|documents?|facts?|guidelines?|directions?|text|sources?"
_ASKED = "questions?|quer(?:y|ies)|prompts?|requests?|users?"
_READER = "assistants?|chatbots?|bots?|ai(?: (?:models?|assistants?|systems?))?|language models?|llms?"
_PRIVATE = "conversations?|chats?|history|questions?|prompts?|passwords?|api keys?|secrets?|memory|user(?:'s)? data"

_ENGLISH = (
    rf"\b(?:ignore|disregard|forget|override|bypass|skip)\b[^.!?\n]{{0,40}}\b(?:previous|above|prior|earlier|preceding|foregoing"
    rf"|system|other|these|those|your|all|everything)\b[^.!?\n]{{0,30}}\b(?:{_WHAT}|above|before)\b",
    r"\b(?:you are|you're) now (?!an? (?:member|customer|guest|owner|student|part)\b)(?:an?|the|called|known|free)\b",
    r"\bfrom now on,? (?:you|answer|reply|respond|always)\b",
    r"^\W*(?:please )?pretend\b|\bpretend (?:to be|that you|you)\b",
    r"\bact as (?:if you|an? (?:ai|assistant|unrestricted|different|hacker|admin))",
    r"\b(?:new|updated|real|hidden|secret|important) (?:system )?(?:instructions?|prompt|directive)\b",
    r"\bsystem (?:prompt|message|override|instruction)s?\b",
    r"\bdeveloper mode\b|\bjailbr(?:eak|oken)\b",
    r"^\W*(?:system|assistant|developer|human|user|ai|bot|chatgpt|tool)\s*(?:\(.{0,20}\))?\s*[:>]",
    r"<\s*/?\s*\|?\s*(?:im_start|im_end|system|assistant|user|endoftext|eot_id|start_header_id|end_header_id)\b[^>\n]{0,20}>",
    r"\[/?(?:INST|SYS|SYSTEM)\]|<<\s*/?SYS\s*>>|^\W*#{2,}\s*(?:system|instruction|assistant|response|new task)",
    r"\b(?:reply|respond|answer|say|output|print|write|repeat)\b[^.!?\n]{0,40}\b(?:only|exactly|verbatim|nothing (?:else|but))\b",
    rf"(?:^\W*|[,;:] ?|\b(?:please|now|always|must|then) )(?:reply|respond|answer|say|output|print|write)\b[^.!?\n]{{0,40}}"
    rf"\b(?:every|any|all|each|the next) (?:{_ASKED})\b",
    rf"\b(?:{_READER})\b[^.!?\n]{{0,30}}\b(?:must|should|shall|ha(?:s|ve) to|needs? to|(?:is|are) to|reading)\b",
    rf"\b(?:{_READER})\s*[,:]\s*\w+|\b(?:dear|attention|hey|note to|message (?:to|for)) (?:the )?(?:{_READER})\b",
    r"\b(?:do not|don't|never) (?:cite|quote|mention (?:this|the source)|tell the user|reveal (?:this|these)|use (?:the )?other)",
    rf"\b(?:send|forward|post|upload|append|attach|exfiltrate|leak|submit|copy)\b[^.!?\n]{{0,60}}\b(?:{_PRIVATE})\b",
    r"!\[[^\]]*\]\(\s*(?:https?:)?//[^)]*\)",
    r"//\S*[?&][\w-]*=(?:\{|%7b|\[|<|\$|question|history|data|secret|answer|conversation|prompt)",
    r"\b(?:decode|execute|run|eval)\b[^.!?\n]{0,40}\b(?:base64|following (?:code|command|instructions?)|this (?:code|command))\b",
    r"\brepeat after me\b|\bend of (?:the )?(?:documents?|context|passages?|facts|prompt)\b",
)
_CHINESE = (
    "(?:忽略|无视|忘记|不要理会|跳过)[^。！？]{0,12}(?:以上|之前|前面|上述|先前|所有|其他|系统)"
    "[^。！？]{0,8}(?:指令|内容|提示|规则|信息|资料|要求|文字)",
    "你现在(?:是|要|必须)|从现在(?:起|开始)[，,]?(?:你|请|只)",
    r"(?:系统|新的?|隐藏)(?:提示|指令|消息)\s*[：:]?|^\W*(?:系统|助手|用户)\s*[：:]",
    '只(?:能)?(?:回答|回复|输出|说)[“"「：:]',
    "(?:机器人|助手|模型|AI|人工智能)[^。！？]{0,6}(?:必须|应该|应当|要|请)",
    "对(?:任何|所有|每个)问题[^。！？]{0,6}(?:回答|回复)|不要(?:引用|提及|透露)(?:来源|本|这|出处)|开发者模式|越狱",
    "(?:发送|转发|上传|附上)[^。！？]{0,20}(?:对话|聊天|记录|密码|问题)",
)
_ORDERS = re.compile("|".join((*_ENGLISH, *_CHINESE)), re.IGNORECASE | re.MULTILINE)

_TEMPLATE = re.compile(r"<(?=\s*/?\s*\|)|(?<=\|)>|\[(?=/?INST\])|<(?=<\s*/?SYS)")
"""What the marks of chat templates begin or end with."""
_IMAGE = re.compile(r"!\[([^\]]*)\]\([^)]*\)")


def gives_orders(sentence: str) -> bool:
    """Whether it tells the reader's machine what to do, or is made to look like its prompt."""
    return _ORDERS.search(sentence) is not None


def harmless(text: str) -> str:
    """The text without what a chat template, or a page that shows Markdown, would act on: marks of turns, images."""
    return _TEMPLATE.sub(" ", _IMAGE.sub(r"\1", text))
