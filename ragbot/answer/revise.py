"""What a person wants of the last answer: its sources, less of it, more, or the same again; by rules over words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from ragbot.answer.answer_span import with_said
from ragbot.answer.complete import REACH_OF_SUMMARY, spoken
from ragbot.answer.context import Context
from ragbot.answer.quote import select_sentences
from ragbot.models.answerability import AnswerabilityModel
from ragbot.text.layout import BULLET, is_item
from ragbot.text.tokens import simplified
from ragbot.types import Citation, Claim, Turn

Wish = Literal["source", "more", "shorter", "points", "again", "other"]
MORE = 3
"""How many further sentences are said to who wants more."""
SHORTER = 3
"""A shorter answer has this part of the sentences."""
_WISHES: tuple[tuple[Wish, str], ...] = (
    ("more", r"\btoo (?:short|brief)\b|太[短简]"),
    (
        "source",
        r"\b(?:sources?|cite|citations?|references?|evidence|page|paragraph|sure|certain|really|true|right"
        r"|(?:where|how) (?:did|do|does|have|is|are|was) (?:you|that|this|it))\b|says who"
        r"|出处|来源|依据|根据|引用|原文|哪[里儿份页条]|第几页|确定|真的|没错|肯定",
    ),
    (
        "shorter",
        r"\b(?:short(?:er|en)?|brief(?:er|ly)?|less|half|too (?:long|much)|tl;?dr|nutshell|(?:one|two|a) (?:line|sentence|word)s?"
        r"|summar\w+|condense\w*|cut)\b|短|简[短单洁要]|啰嗦|太长|[一两]句话|精简|概括|一半",
    ),
    ("points", r"\b(?:bullets?|points?|list|items?)\b|分[条点]|逐条|列[出成]|清单"),
    ("again", r"\b(?:repeat|(?:once|say (?:it|that)) (?:again|more)|come again|pardon)\b|再说一[遍次]|没听[清见]|重复"),
    (
        "more",
        r"\b(?:more|longer|detail\w*|expand|elaborate|go on|keep going|continue|else|further|rest|full(?:er)?)\b"
        r"|详细|展开|更多|接着|继续|还有|多说|再说|具体|完整",
    ),
)
_FORMS = re.compile(
    r"\b(?:table|english|chinese|german|french|spanish|simple|simpler|plain|words)\b|表|英文|中文|大白话|通俗|翻", re.IGNORECASE
)
"""What quoting cannot give."""


def wish(text: str) -> Wish:
    """What is wished of the last answer."""
    text = simplified(text.lower())
    if _FORMS.search(text):
        return "other"
    return next((name for name, pattern in _WISHES if re.search(pattern, text)), "other")


def revised(wished: Wish, last: Turn, context: Context, model: AnswerabilityModel | None) -> list[Claim]:
    """The last answer as it is wished; what it stood on and no longer stands is left out. Empty: it cannot be had so."""
    claims = [claim for claim in last.claims if claim.citations and all(stands(cited, context) for cited in claim.citations)]
    if wished == "source":
        cited = dict.fromkeys(one for claim in claims for one in claim.citations)
        said = [(f"{one.where}: “{' '.join(one.quote.split())}”", one) for one in cited]
        return _listed([Claim(text, "supported", last.confidence, (one,)) for text, one in said])
    if wished == "shorter":
        few = max(1, len(claims) // SHORTER)
        return claims[: few + (claims[few - 1 : few] != [] and claims[few - 1].text.rstrip().endswith((":", "：")))]
    if wished == "points":
        return _listed(claims)
    if wished == "more":
        return _more(last, claims, context, model)
    return claims if wished == "again" else []


def stands(cited: Citation, context: Context) -> bool:
    """Whether what is cited is current, and no correction sets it aside."""
    hit = context.of(cited)
    if hit is None:
        return False
    start, end = cited.start - hit.chunk.start, cited.end - hit.chunk.start
    return not any(dispute.start < end and start < dispute.end for dispute in hit.disputes)


def _listed(claims: Sequence[Claim]) -> list[Claim]:
    if len(claims) < 2:
        return list(claims)
    return [claim if is_item(claim.text) else replace(claim, text=BULLET + claim.text) for claim in claims]


def _more(last: Turn, claims: Sequence[Claim], context: Context, model: AnswerabilityModel | None) -> list[Claim]:
    """What else stands about the answer in its document, nearest to the question, in its order."""
    known = [cited for claim in claims for cited in claim.citations]
    hit = context.of(known[0]) if known else None
    if hit is None:
        return []
    found = select_sentences(last.question, [hit, *context.beside(hit, REACH_OF_SUMMARY)], context.vectors, beside=True)
    found = with_said(last.question, found, model) if model else found
    rest = [e for e in found if not any(_overlap(e.citation, cited) for cited in known)]
    nearest = sorted(rest, key=lambda e: (-e.said, -e.score))[:MORE]
    nearest.sort(key=lambda e: e.citation.start)
    return [Claim(text, "supported", last.confidence, (e.citation,)) for text, e in spoken(nearest)]


def _overlap(one: Citation, other: Citation) -> bool:
    return one.uri == other.uri and one.start < other.end and other.start < one.end
