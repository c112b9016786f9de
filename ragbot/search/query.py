"""What a question leans on: the turns before it, each counting less than the question itself. Rules, no model.

Rather than to rewrite the question, its vector is mixed with those of the last turns, and their words are looked for
beside its own. The fewer words a question has of its own, the more it leans.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ragbot.text.codes import query_forms
from ragbot.text.tokens import content, query_tokens

TURNS = 2
"""How many messages of each side are looked back."""
FADE = 0.5
"""What a message counts beside the one after it."""
MEANING = {"user": 0.2, "assistant": 0.2}
WORDS = {"user": 0.2, "assistant": 0.05}
"""What the last message of each side counts beside a question that stands alone: its vector, and its words."""
OWN_WORDS = 2
"""With so many words of its own a question stands alone; with fewer it leans more, with more it leans less."""
LEAST, MOST = 0.6, 3.0
LENGTH = 300
"""What is read of an earlier message, in characters: it opens with its matter."""


@dataclass(frozen=True, slots=True)
class WeightedMessage:
    """A message, and what its meaning and its words count in a search."""

    text: str
    meaning: float = 1.0
    words: float = 1.0


def weighted_messages(question: str, history: Sequence[tuple[str, str]]) -> list[WeightedMessage]:
    """The question, and what it leans on; `history` is (role, text), oldest first."""
    leans = min(MOST, max(LEAST, OWN_WORDS / max(1, len(set(content(question))))))
    found = [WeightedMessage(question)]
    for role in MEANING:
        texts = [text for who, text in reversed(history) if who == role and text.strip()][:TURNS]
        for back, text in enumerate(texts):
            counts = leans * FADE**back
            found.append(WeightedMessage(text[:LENGTH], MEANING[role] * counts, WORDS[role] * counts))
    return found


def term_weights(said: Sequence[WeightedMessage]) -> dict[str, float]:
    """The tokens to look for, each with the most that it counts in any message."""
    found: dict[str, float] = {}
    for one in said:
        for token in query_tokens(" ".join((one.text, *query_forms(one.text)))):
            found[token] = max(found.get(token, 0.0), one.words)
    return found
