"""Why a passage was found, in words that a person can check: which of its words were looked for, and in which sentence."""

from __future__ import annotations

from collections.abc import Mapping

from ragbot.text.sentences import sentences
from ragbot.text.tokens import has_cjk, tokens_with_words

MOST_WORDS = 6
"""How many words are named, those that count most."""
LONGEST = 160
"""What is quoted of a sentence, in characters."""


def matched(text: str, weights: Mapping[str, float]) -> list[str]:
    """The words of `text` that were looked for, as it writes them, the weightiest first. `weights` is by token."""
    found: dict[str, str] = {}
    for token, word in tokens_with_words(text):
        if weights.get(token, 0.0) > 0:
            found.setdefault(token, token if has_cjk(word) else word)
    return [found[token] for token in sorted(found, key=lambda token: -weights[token])][:MOST_WORDS]


def sentence(text: str, weights: Mapping[str, float]) -> str:
    """The sentence of `text` that holds most of what was looked for; "" if none holds any of it."""
    best, most = "", 0.0
    for span in sentences(text):
        one = text[span.start : span.end]
        weight = sum(weights.get(token, 0.0) for token in {token for token, _ in tokens_with_words(one)})
        if weight > most:
            best, most = one, weight
    words = " ".join(best.split())
    return words if len(words) <= LONGEST else f"{words[:LONGEST].rstrip()}…"
