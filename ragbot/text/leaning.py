"""Whether a sentence that somebody tells says itself whom or what it is about. Rules, no model."""

from __future__ import annotations

import re

from ragbot.text.tokens import content, has_cjk, simplified

_OPENING = (
    r"(?:(?:and|but|so|oh|ah|um|no|nope|nah|wait|sorry|actually|btw|by the way|also|ok|okay|well|hang on|hold on|correction"
    r"|update|edit|turns out|i mean|wrong|not quite|scrap that)\b[\s,.!:;–-]*)*"
)
_POINTS = re.compile(
    rf"^\W*{_OPENING}(?:(?:he|she|it|they|him|them|his|her|hers|its|their|theirs|both)\b"
    r"|(?:that|this|these|those)\b(?! (?:\w+day|week|month|year|morning|evening|afternoon|summer|winter|spring|autumn)\b)"
    r"|(?:the )?same\b)(?!.*\b(?:my|our|i|we)\b)",
    re.IGNORECASE,
)
_NO_SUBJECT = re.compile(
    rf"^\W*{_OPENING}(?:is|was|are|were|has|had|hates?|loves?|likes?|lives?|works?|wants?|needs?|starts?|eats?|drinks?|goes|comes?"
    r"|plays?|speaks?|costs?|opens?|closes?|takes?|weighs?|turned|turns|moved|got|at|on|from|until|till|since|in|with)\b"
    r"(?!.*\b(?:my|our|i|we)\b)",
    re.IGNORECASE,
)
_OWN = re.compile(r"\b(?:i|i'm|i've|i'll|i'd|my|mine|we|we're|we've|our|us|me)\b", re.IGNORECASE)
_MEANS = re.compile(r"^\W*(?:no|nope|nah|sorry|oops|wait|correction|i meant|hang on|actually)\b", re.IGNORECASE)
FEW_WORDS, FEW_CHARACTERS = 3, 12
"""Fewer content words, or characters of Chinese, without anybody's name or "my" say not what they are about."""
_OPENING_ZH = (
    r"^(?:不对|不是|哦|哎|唉|噢|啊|对了|等等|打错了|说错了?|记错了?|看错了?|搞错了?|我记岔了|更正一下?"
    r"|补充一下?|另外|还有|其实|而且|但是?|不过)*[,，。.!！:：\s]*"
)
_POINTS_ZH = re.compile(rf"{_OPENING_ZH}(?:他|她|它|这个?|那个?|其|是|改|换|挪|推|延|提前)")
_MEANS_ZH = re.compile(r"^(?:不对|打错|说错|记错|看错|搞错|我记岔|更正)")
_OWN_ZH = re.compile(r"我|咱|俺")
_SUBJECT = re.compile(
    r"\W*(?!(?:I|My|Our|We|The|This|That|It|He|She|They|His|Her|Their|Its|A|An|No|Not|Now|And|But|So|Also|From|On|At|In|As|To|For|If|Just"
    r"|Actually|Sorry|Wait|Please|Since|There|Here|You|Your|All|Some|One|Two|What|When|Where|Who|How|Is|Are|Was|Will|Can)\b)"
    r"((?:(?:Dr|Mr|Mrs|Ms|Prof)\.? )?[A-Z][a-zé]+)(?:['’]s)?\b(?=\s+[a-z])"
)
_SUBJECT_ZH = re.compile(r"\s*([\u4e00-\u9fff]{2,3})(?=的|是|住|在|叫|有|喜欢|对|属)(?<!今天)(?<!明天)(?<!现在)")
"""A name at the beginning."""
_VALUES = re.compile(
    r"[#£$€]?\d[\d.,:/-]*(?:\s?(?:am|pm|%|€|kg|km))?|[零一二三四五六七八九十百千万两]+(?=[点号日月块元个岁周天层楼])",
    re.IGNORECASE,
)
MAX_ABOUT = 80
"""Characters of what a sentence is about that are kept."""


_NOW = frozenset(content("now instead currently"))


def leans(sentence: str) -> bool:
    """Whether it is about what was told before it: by a pronoun, without a subject, or since it says too little."""
    if has_cjk(sentence):
        text = simplified(sentence.strip())
        if _POINTS_ZH.search(text) or _MEANS_ZH.search(text):
            return True
        return len(re.sub(r"\W", "", text)) < FEW_CHARACTERS and not _OWN_ZH.search(text) and "叫" not in text
    if _POINTS.search(sentence) or _NO_SUBJECT.search(sentence) or _MEANS.search(sentence):
        return True
    named = re.search(r"(?<=[a-z,] )[A-Z][a-z]+", sentence)
    return len(set(content(sentence))) < FEW_WORDS and not _OWN.search(sentence) and not named


def other_subject(one: str, other: str) -> bool:
    """Whether two statements name whom they are about at their beginning, and not the same: "Ana's desk …", "Ben's desk …"."""
    first, second = (_SUBJECT.match(text) or _SUBJECT_ZH.match(text) for text in (one, other))
    if first is None or second is None or "我" in first[1] + second[1]:
        return False
    if set(content(one[first.end() :])) - _NOW == set(content(other[second.end() :])) - _NOW:  # somebody else in the same role
        return False
    return first[1].lower() not in other.lower() and second[1].lower() not in one.lower()


def shortened(text: str) -> str:
    """As much of a sentence as is kept of what another one is about."""
    text = " ".join(text.split()).strip(" .。!！,，;；")
    return text if len(text) <= MAX_ABOUT else text[:MAX_ABOUT].rpartition(" ")[0] or text[:MAX_ABOUT]


def about(sentence: str, before: str, before_about: str = "") -> str:
    """What a sentence is about that leans on one told before it, which itself may lean; "" where it does not lean."""
    if not before or not leans(sentence):
        return ""
    return before_about or without_values(before)


def without_values(text: str) -> str:
    """What a fact is about: its words without its numbers, which may change or be forgotten."""
    return shortened(_VALUES.sub("…", text))
