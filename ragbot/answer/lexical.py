"""Does one sentence say no more than another, and nothing else? Rules over words, in code and not learnt.

They are strict on purpose: a claim that fails is not lost, its evidence is quoted instead. What they
cannot see is what the words mean together: that needs a model trained for it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from ragbot.text.codes import codes_in
from ragbot.text.polarity import words_after
from ragbot.text.tokens import CJK, content

_NUMBER = re.compile(r"-?\d+(?:[.,:/]\d+)*(?:\s*[ap]\.?m\b)?|[%£$€¥]", re.IGNORECASE)
_COUNTED = re.compile(r"(?<!\d)(?<!\d[.,:/])(\d++(?:[.,:/]\d++)*+)[\s-]*+([^\W\d_]+)")
_BETWEEN_ADDRESSES = re.compile(r"[\s,;)]+")
_ADDRESS_SIGN = re.compile(r"@|://|www\.")
"""What an address has before its end: one changed sign, and it leads nowhere or elsewhere."""
_TO_LAST_LETTER = re.compile(r".*[\w/]")
_NAME = re.compile(r"(?:(?<=[\w,;:] )|^\W*)[A-Z][\w’'-]+")
CASED = re.compile(r"\b(?:May|March|Will|Mark|US|IT)\b")
"""Names that are other words when they are written small."""
_WORD = re.compile(r"[^\W\d_]+(?:['’][a-z]+)?")
_CJK_CHAR = re.compile(f"[{CJK}]")
_CJK_LIMIT = re.compile("只|仅|除|如果|若|可能|必须|应|至少|最多|不得|以内|之前|之后")
_NEGATION = re.compile(
    r"\b(?:no|not|never|none|nothing|nobody|cannot|without|neither|nor|closed|forbidden|prohibited)\b|n['’]t\b|[不没無无未勿禁]",
    re.IGNORECASE,
)
_CONDITION = re.compile(r"\b(?:if|unless|except|until|provided|only)\b([^,;.]*)", re.IGNORECASE)
_GUARDS = frozenset(
    """before after over under above below from to until only all every each some any most few many more less may might must
    can should shall if unless except or first last once off out up down zero one two three four five six seven eight nine
    ten eleven twelve second third fourth half double""".split()
)
"""Small words that turn a claim: it may not bring one along that the evidence does not have."""
_PREPOSITIONS = frozenset("in on at from to by of for with under over after before until since between near against".split())
"""What leads to a name."""
NEAR = 3
"""How many words before a name a preposition may stand that leads to it."""
_BOUND = re.compile(
    r"\b(?:(?:up)?on request|by (?:appointment|arrangement)|in advance|in writing|subject to|at (?:most|least)|up to)\b",
    re.IGNORECASE,
)
"""Words that bound what is said in a place of their own: neither may be left out."""
_PIECE = re.compile(rf"[{CJK}]|[^\W_{CJK}]+(?:['’][^\W_{CJK}]+)?")
_JOINS = re.compile(r"\b(?:and|or|but|while|whereas|nor)\b|[;；和或但而]", re.IGNORECASE)
_JOINS_OR_STOPS = re.compile(rf"{_JOINS.pattern}|[,，、]", re.IGNORECASE)
MAX_STARTS = 8
_LIST_PARTS = re.compile(r"[^;:.!?。！？；：]+")
_BETWEEN_ITEMS = re.compile(r",\s*(?:and\s|or\s)?\s*|\s+(?:and|or)\s+|、|，|以及|[和或]")
MIN_LIST_ITEMS, MAX_ITEM_WORDS = 3, 5
"""What counts as a list."""
_LIMITS = frozenset("only if unless except until may might must should some few most".split())
"""Small words that bound the evidence: a claim may not leave one out."""


def lexically_entailed(claim: str, evidence: str, context: str = "") -> bool:
    """Whether all that `claim` says stands in `evidence`, a sentence, under the headings `context`.

    Numbers with their units and names, in the same order, negations with what they negate, limits and
    conditions whole, and every content word must be there.
    """
    said = f"{context} {evidence}"
    return (
        _in_order(_numbers(claim), _numbers(said))
        and counted(claim) <= counted(said)
        and addresses(claim) <= addresses(said)
        and set(CASED.findall(claim)) <= set(CASED.findall(said))
        and _negated(claim) <= _negated(said)
        and bool(_negated(claim)) == bool(_negated(evidence))
        and _words(claim) & _GUARDS <= _words(said)
        and _words(evidence) & _LIMITS <= _words(claim)
        and {found.lower() for found in _BOUND.findall(evidence)} <= {found.lower() for found in _BOUND.findall(claim)}
        and set(_CJK_LIMIT.findall(evidence)) <= set(_CJK_LIMIT.findall(claim))
        and _conditions(evidence) <= set(content(claim))
        and _whole_lists(claim, evidence)
        and _in_one_piece(claim, evidence)
        and codes(claim) <= codes(said)
        and not Counter(_latin_words(claim)) - Counter(_latin_words(said))  # nothing twice that is said once
        and _in_order([word for name in _NAME.findall(claim) for word in content(name)], content(said))
        and all(before & elsewhere or not elsewhere for before, elsewhere in _placed(claim, said))
        and _latin(claim) <= _latin(said)
        and _in_order(_CJK_CHAR.findall(claim), _CJK_CHAR.findall(said))
    )


def _in_order(some: Iterable[str], all_of_them: Iterable[str]) -> bool:
    """Whether `some` is what is left of the others when some are struck out."""
    rest: Iterator[str] = iter(all_of_them)
    return all(one in rest for one in some)


def _numbers(text: str) -> list[str]:
    return [re.sub(r"[\s.]+(?=[ap]\.?m$)|\.(?=m$)", "", number.lower()) for number in _NUMBER.findall(text)]


def addresses(text: str) -> set[str]:
    parts = (found[0] for part in _BETWEEN_ADDRESSES.split(text) if (found := _TO_LAST_LETTER.match(part)))
    return {part for part in parts if (sign := _ADDRESS_SIGN.search(part)) and sign.end() < len(part)}


def counted(text: str) -> set[tuple[str, str]]:
    """Each number with the content word right after it: its unit."""
    return {(number, unit[0]) for number, word in _COUNTED.findall(text) if (unit := content(word))}


def _negated(text: str) -> set[str]:
    """The word that each negation is followed by."""
    return words_after(_NEGATION, text)


def _placed(claim: str, said: str) -> Iterator[tuple[set[str], set[str]]]:
    """The prepositions before each name of a claim that follows one, and those before it in what is said.

    With what stood between struck out, ships "in the battle, while armies marched on Montreal" would be ships in Montreal.
    """
    there = defaultdict[str, set[str]](set)
    for name, before in _prepositions(said, NEAR):
        there[name] |= before
    yield from ((before, there[name]) for name, before in _prepositions(claim, 1))


def _prepositions(text: str, near: int) -> Iterator[tuple[str, set[str]]]:
    """Each name with the prepositions among the `near` words before it, articles not counted."""
    words = [word for word in _WORD.findall(text) if word.lower() not in ("the", "a", "an")]
    for at, word in enumerate(words):
        before = {one.lower() for one in words[max(0, at - near) : at]} & _PREPOSITIONS
        if word[0].isupper() and before:
            yield word.lower(), before


def _conditions(text: str) -> set[str]:
    """The words of what a claim is bound to: "if you cancel in writing"."""
    return {word for clause in _CONDITION.findall(text) for word in content(clause)}


def _whole_lists(claim: str, evidence: str) -> bool:
    """Whether each list of the evidence, of three items or more, stands in the claim whole or not at all."""
    there, evidence = set(content(claim)), " ".join(evidence.split())
    for part in _LIST_PARTS.finditer(evidence):
        items = [set(content(item)) for item in _BETWEEN_ITEMS.split(part[0])]
        announced = evidence[max(0, part.start() - 1) : part.start()] in (":", "：")
        items = [item for item in (items if announced else items[1:]) if item]  # else the first one has a beginning that is none
        if len(items) < MIN_LIST_ITEMS - 1 or any(len(item) > MAX_ITEM_WORDS for item in items[:-1]):
            continue
        named = [item <= there for item in items]
        if any(named) and not all(named):
            return False
    return True


def _in_one_piece(claim: str, evidence: str) -> bool:
    """Whether a claim joins no two halves of the evidence, and gives none another subject.

    "The telescope was built in 2011." is not said by "… was built in 1972 and renewed in 2011.", nor is "The lift is in hall E."
    by "The stairs are in hall E." under a heading "Lifts". What is left out between its words holds no "and", comma or the like;
    all of the evidence may come in another order, if it is one clause; words of a heading go before the whole.
    """
    there, said = _pieces(evidence), [word for word, _, _ in _pieces(claim)]
    known = {word for word, _, _ in there}
    kept = [word for word in said if word in known]
    if not kept or Counter(kept) == Counter(word for word, _, _ in there) and not _JOINS.search(evidence):
        return True
    starts = [at for at, (word, _, _) in enumerate(there) if word == kept[0]][:MAX_STARTS]
    return any(_follows(kept, there, at, evidence) for at in starts if at == 0 or len(kept) == len(said))


def _follows(kept: Sequence[str], there: Sequence[tuple[str, int, int]], at: int, evidence: str) -> bool:
    """Whether words follow each other in the evidence from one place on, with nothing between them that joins two things."""
    last = at
    for word in kept[1:]:
        found = next((n for n in range(last + 1, len(there)) if there[n][0] == word), None)
        if found is None or found > last + 1 and _JOINS_OR_STOPS.search(evidence, there[last][2], there[found][1]):
            return False
        last = found
    return True


def _pieces(text: str) -> list[tuple[str, int, int]]:
    """The content words of a text, and each character of what is written without spaces, with their places."""
    found = []
    for piece in _PIECE.finditer(text):
        word = piece[0] if _CJK_CHAR.match(piece[0]) else next(iter(content(piece[0])), "")
        if word:
            found.append((word, *piece.span()))
    return found


def codes(text: str) -> set[tuple[str, ...]]:
    """The codes of a text, as long as they are written: "Part no. 88" is not said by "Part no. 88-12"."""
    return {code.parts for code in codes_in(text)}


def _words(text: str) -> set[str]:
    return {word.lower().replace("’", "'") for word in _WORD.findall(text)}


def _latin(text: str) -> set[str]:
    """The content words of alphabets; what is written without spaces is compared by character."""
    return set(_latin_words(text))


def _latin_words(text: str) -> list[str]:
    return [word for word in content(text) if not _CJK_CHAR.match(word)]
