"""Whether a sentence affirms or negates, and which of the two a question asks for. Rules over words, in English and Chinese.

"What is allowed in the fridge?" is not answered by what is not allowed in it. "May not be used without goggles" negates twice.
"""

from __future__ import annotations

import re

from ragbot.text.tokens import CJK, content, simplified

NEGATION = re.compile(
    r"\b(?:not|no(?!\.? ?\d)|never|none|nobody|nothing|neither|cannot|without|nowhere|forbidden|prohibit(?:ed|s)?|ban(?:ned|s)?"
    r"|exclud(?:ed|es)"
    r"|impossible|closed|unavailable|refus(?:es|ed)|reject(?:s|ed)|needless|unnecessary|optional)\b|n['’]t\b"
    r"|禁止|严禁|谢绝|拒绝|关闭|[不没無无未勿](?!锈|同|仅|但|断|久|少|线|障|来|论|管|锡)",
    re.IGNORECASE,
)
_NEITHER = re.compile(r"\bneither\b(.*?)\bnor\b", re.IGNORECASE)
_LIMITED = re.compile(
    r"\b(?:except|unless|only|but not|nowhere but|other than|apart from|instead|not only|if|no (?:more|less|fewer|later"
    r"|earlier) than"
    r"|not (?:before|after|on|in|at|until|more|less|later|earlier|all|every(?:body|one)?))\b|除.{0,20}外|仅|只|如果|若",
    re.IGNORECASE,
)
"""With these a sentence may affirm and negate at once."""
_ASIDE = re.compile(
    r"\b(?:if|when|because|since|although|so that|in case|after|before|while)\b[^,;?]*|(?:如果|当|因为|虽然)[^，。？]*",
    re.IGNORECASE,
)
"""Clauses of a question that say under which circumstances it is asked."""
_NEGATED = re.compile(rf".{{0,40}}[^\W{CJK}]*", re.DOTALL)
"""So far from a negation stands the word that it negates, if there is one."""
_WHICH = re.compile(r"\b(?:what|which|who|whom|where|whose|how(?= (?:must|may|should|shall)\b))\b|什么|哪|谁", re.IGNORECASE)
_OTHER = re.compile(r"\b(?:why|when|how (?:long|many|much|often|far|old))\b|为什么|为何|何时|什么时候|多少|多久", re.IGNORECASE)
_DEONTIC = re.compile(
    r"\b(?:may|can|could|must|should|need(?:s|ed)?|ha(?:s|ve) to|allow(?:ed|s)?|permit(?:ted|s)?|forbidden|prohibited"
    r"|banned|welcome"
    r"|possible|require[ds]?|compulsory|mandatory|obligatory|necessary|includ(?:ed|es?)|exclud(?:ed|es?)|cover(?:ed|s)?"
    r"|accept(?:ed|s)?"
    r"|belongs?|offer(?:ed|s)?|available|open|closed|free|valid|exempt|eligible)\b"
    r"|可以|能|必须|需要|允许|禁止|不得|包含|包括|应|须",
    re.IGNORECASE,
)
"""What may be so or not, and is asked for."""


def is_negated(text: str) -> bool | None:
    """Whether a sentence negates, as a whole; None where it may do both."""
    text = simplified(text)
    if _LIMITED.search(text):
        return None
    return len(NEGATION.findall(_NEITHER.sub(r"neither\1or", text))) % 2 == 1


def words_after(negation: re.Pattern[str], text: str) -> set[str]:
    """The content word that follows each negation, "" where none does."""
    text = simplified(text)
    after = (_NEGATED.match(text, found.end()) for found in negation.finditer(text))
    return {next(iter(content(words[0] if words else "")), "") for words in after}


def negated_words(text: str) -> set[str]:
    """The content words that a sentence negates."""
    return words_after(NEGATION, text) - {""}


def asks_which(question: str) -> bool:
    """Whether a question asks what, which, who or where, and negates nothing."""
    asked = _ASIDE.sub("", simplified(question))
    return bool(_WHICH.search(asked)) and not _OTHER.search(asked) and not NEGATION.search(asked)


def asks_negated(question: str) -> bool | None:
    """Whether a question asks for what is not so; None where either answers it."""
    asked = _ASIDE.sub("", simplified(question))
    if not _WHICH.search(asked) or _OTHER.search(asked) or _LIMITED.search(asked):
        return None
    negations = len(NEGATION.findall(asked))
    return negations % 2 == 1 if negations or _DEONTIC.search(asked) else None
