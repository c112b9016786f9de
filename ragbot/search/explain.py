"""Why a passage was found, in words that a person can check. Prose is made from features, when somebody asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ragbot.search.fuse import FEEDBACK_HITS
from ragbot.text import chunks as chunking
from ragbot.text.sentences import sentences
from ragbot.text.tokens import has_cjk, tokens_with_words
from ragbot.types import Chunk, Hit, HitFeatures

MAX_WORDS = 6
"""How many words are named, those that count most."""
MAX_QUOTE = 160
"""How much is quoted of a sentence, in characters."""


def explain(term_weights: Mapping[str, float], read: Mapping[str, str], hit: Hit) -> str:
    """The reasons of a hit, one a line.

    `term_weights` says what each token counted in the search, `read` what misspelt words were read as.
    """
    copies = len(hit.also)
    lines = [f"read “{written}” as “{meant}”" for written, meant in read.items()]
    lines += describe(hit.features, hit.chunk, term_weights)
    if copies:
        lines.append(f"says the same as {copies} other{'s' if copies > 1 else ''}")
    if hit.features.rerank is not None:
        lines.append(f"read with the question {hit.features.rerank:.2f} (place {hit.features.rerank_from} before)")
    return "\n".join(lines)


def describe(features: HitFeatures, chunk: Chunk, term_weights: Mapping[str, float]) -> Iterator[str]:
    """The reasons that features and passage give, but for copies and reranking."""
    if features.cosine is not None:
        yield f"meaning {features.cosine:.2f} ({_place(features.dense_rank)})"
    if features.bm25:
        day = chunking.day(None if chunk.kind == "file" else chunk.valid_from)
        found = ", ".join(matched(f"{chunk.title} {chunk.heading} {chunk.text}\n{day}", term_weights))
        yield f"words {features.bm25:.1f} ({_place(features.lexical_rank)})" + (f": {found}" if found else "")
        if quoted := best_sentence(chunk.text, term_weights):
            yield f"best sentence “{quoted}”"
    if features.feedback:
        yield f"near the best {FEEDBACK_HITS} {features.feedback:.2f}"
    if features.newer_than is not None:
        yield "newer, or more authoritative, than another passage about the same"
    if features.neighbours:
        yield f"turns beside it {features.neighbours:+.2f}"
    if chunk.kind != "file":
        by = f" by {chunk.title}" if chunk.kind == "turn" and chunk.title else ""
        yield f"{'said' if chunk.kind == 'turn' else 'corrected'} {chunk.valid_from:%Y-%m-%d}{by}"


def _place(rank: int | None) -> str:
    return f"place {rank}" if rank else "not among the first"


def matched(text: str, term_weights: Mapping[str, float]) -> list[str]:
    """The words of `text` that were looked for, as it writes them, the weightiest first."""
    found: dict[str, str] = {}
    for token, word in tokens_with_words(text):
        if term_weights.get(token, 0.0) > 0:
            found.setdefault(token, token if has_cjk(word) else word)
    return [found[token] for token in sorted(found, key=lambda token: -term_weights[token])][:MAX_WORDS]


def best_sentence(text: str, term_weights: Mapping[str, float]) -> str:
    """The sentence of `text` that holds most of the words; "" if none holds any of them."""
    best, most = "", 0.0
    for span in sentences(text):
        one = text[span.start : span.end]
        weight = sum(term_weights.get(token, 0.0) for token in {token for token, _ in tokens_with_words(one)})
        if weight > most:
            best, most = one, weight
    words = " ".join(best.split())
    return words if len(words) <= MAX_QUOTE else f"{words[:MAX_QUOTE].rstrip()}…"
