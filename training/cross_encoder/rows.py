"""Rows that the cross-encoder learns from, read from a folder of public sets (one `<set>.jsonl.gz` each) and from SQuAD 2.0.

None of the sets is part of ragbot. `HELD_OUT` of the titles are kept apart; so are the titles of SQuAD that `data` keeps apart.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ragbot.errors import InputError
from ragbot.text.sentences import sentences
from ragbot.text.tokens import content, has_cjk
from training import organisations
from training.answerability import data
from training.cross_encoder.corruptions import KINDS, altered, misspelt
from training.cross_encoder.network import NOT_SUPPORTED

QUESTION, CLAIM, TURN, PASSAGE, COMPLETE = "question", "claim", "turn", "passage", "complete"
TASKS = (QUESTION, CLAIM, TURN, PASSAGE, COMPLETE)
"""What a row teaches. A passage is a question too, but nobody marked the words of its answer; where the answer is complete, whole
sentences are marked."""
ASKED = (QUESTION, PASSAGE, COMPLETE)
SUPPORTED, CONTRADICTED, NEITHER = 0, 1, 2
"""Labels of a claim."""
LABELS = {"SUPPORTED": SUPPORTED, "REFUTED": CONTRADICTED, "NEI": NEITHER, "NOT_SUPPORTED": NOT_SUPPORTED}
WRITTEN = {"supported": SUPPORTED, "contradicted": CONTRADICTED, "neither": NEITHER}
"""Labels of the organisations' claims."""
HELD_OUT = 10
"""Every so many-th title, by a hash of it, is kept for the figures."""
LONG = 300
"""An English passage of which claims are made has more characters than that."""
LONG_EVIDENCE = 1000
"""Evidence that is longer, in characters, is left out: cutting it might cut off what supports a claim."""
NEIGHBOURS = (0, 1, 1, 2, 6)
"""How many sentences the evidence has before, or after, the one that a claim is made of."""
BESIDE = 2
"""Passages that a customer's question is read with which do not answer it, the one that tempts among them."""
ELSEWHERE = 0.3
"""The share of the organisations' claims that are read with another passage too, which does not tell."""
LOWERED, MISSPELT = 0.1, 0.1
"""The share of questions that are written without capitals, or with a slip of the finger."""


@dataclass(frozen=True, slots=True)
class Row:
    """Two texts, and what is to be said of them."""

    task: str
    first: str
    """The question, the claim, or the turns before."""
    second: str
    """The passage, the evidence, or the question that follows the turns."""
    label: int
    """Of a question: 1 where the passage answers it. Of a claim: one of the labels above. Of turns: 0."""
    marked: tuple[tuple[int, int], ...] = ()
    """Characters: the answer in the passage, or all sentences that it says; or the words of the turns that the question needs."""


def kept_apart(title: str) -> bool:
    """Whether nothing is trained on a title."""
    return zlib.crc32(title.encode()) % HELD_OUT == 0


def read(sets: Path, own: Path, seed: int, share: float = 1.0) -> list[Row]:
    """All rows that train: of the organisations, and a share of those of the folder of sets and the one that holds squad_style.

    Raises InputError if a file is missing.
    """
    rng = random.Random(seed)
    public = _public(sets, own, rng)
    found = [*(_some(public, round(share * len(public)), rng) if share < 1 else public), *_customers(rng)]
    return [_as_typed(row, rng) for row in found]


def _customers(rng: random.Random) -> Iterator[Row]:
    """Of the organisations that train, the questions with one sentence that answers, each in one language, and those with
    complete answers in both, with the passages that a chat would read; claims, and what follows on.
    """
    for organisation in organisations.read():
        asked = organisation.questions
        some = [rng.choice(pair) for pair in zip(asked[::2], asked[1::2], strict=True)]
        texts = [one.text for one in some] + [one.question for one in organisation.answers]
        for text, passages in zip(texts, organisations.passages(organisation, [*some, *organisation.answers]), strict=True):
            holding = [one for one in passages if any(one.said)]
            beside = [one for one in passages if not any(one.said)][:BESIDE]
            yield from (Row(COMPLETE, text, one.text, int(any(one.said)), one.marked) for one in (*holding, *beside))
        yield from claims(organisation, rng)
        yield from (turn(one.turns, one.question, one.stand_alone) for one in organisation.follow_ups)


def claims(organisation: organisations.Organisation, rng: random.Random) -> Iterator[Row]:
    """The claims with their evidence and some of the sentences about it; some with a passage that holds no word of that."""
    for claim in organisation.claims:
        heading, said = organisations.evidence(organisation, claim)
        label = WRITTEN[claim.label]
        yield Row(CLAIM, claim.text, f"{heading}\n{_about(said, claim.quote, rng)}".strip(), label)
        if rng.random() < ELSEWHERE:
            other = rng.choice([one for one in organisation.claims if one.quote != claim.quote])
            heading, said = organisations.evidence(organisation, other)
            text = _about(said, other.quote, rng)
            if not organisations.holds(text, claim.quote):
                yield Row(CLAIM, claim.text, f"{heading}\n{text}".strip(), NEITHER)


def _about(said: Sequence[str], quote: str, rng: random.Random) -> str:
    """The sentences of a passage that hold the quoted ones, with some of those around."""
    held = [at for at, one in enumerate(said) if organisations.holds(quote, one) or organisations.holds(one, quote)]
    first, last = (held[0], held[-1]) if held else (0, len(said) - 1)
    return " ".join(said[max(0, first - rng.choice(NEIGHBOURS)) : last + 1 + rng.choice(NEIGHBOURS)])[:LONG_EVIDENCE]


def _public(sets: Path, own: Path, rng: random.Random) -> list[Row]:
    squad = [
        Row(QUESTION, one.question, f"{one.title.replace('_', ' ')}\n{one.passage}", int(one.span is not None), _under(one))
        for one in data.squad(own / "squad_style")
        if one.title not in data.REPORTED | data.CALIBRATED
    ]
    human = list(_questions(sets, "unansq_dev")) + list(_questions(sets, "unansq_ctx")) + squad
    found = human + human
    found += _questions(sets, "squad1_train_parts")
    for name, most in (
        ("synth_unans_en", 3000),
        ("drcd", 4000),
        ("synth_unans_zh", 4000),
        ("policyqa", 1200),
        ("policyqa_unans", 1200),
        ("covid_qa", 500),
        ("contrast_sets", 1200),
        ("condaqa", 1200),
    ):
        found += _some(_questions(sets, name), most, rng)
    qamr = list(_questions(sets, "qamr"))
    found += [row for row in qamr if not row.label] + _some([row for row in qamr if row.label], 1500, rng)
    for name, most in (("squad_as2", 1500), ("selqa", 700), ("medquad_rerank", 700), ("bioasq_rerank", 500)):
        found += _ranked(sets, name, most, rng)
    for name, most in (
        ("cad_nli", 8000),
        ("begin", 4600),
        ("fever_symmetric", 1400),
        ("expertqa_claims", 1200),
        ("wice", 1300),
        ("summedits", 1500),
        ("halueval_qa", 1500),
        ("pawsx_zh", 3000),
    ):
        found += _some(_claims(sets, name), most, rng)
    passages = {
        row.second for row in found if row.task == QUESTION and row.label and (len(row.second) > LONG or has_cjk(row.second))
    }
    found += _altered(sorted(passages), 6000, rng)
    for name in ("canard_dev", "cast", "ikat"):
        found += turns(sets, name)
    found += _chinese_turns(sets, 1500, rng)
    return found


def _under(one: Any) -> tuple[tuple[int, int], ...]:  # noqa: ANN401
    by = len(one.title) + 1
    return ((one.span.start + by, one.span.end + by),) if one.span else ()


def records(sets: Path, name: str) -> list[dict[str, Any]]:
    """The records of a set. Raises InputError if its file is missing."""
    file = sets / f"{name}.jsonl.gz"
    if not file.is_file():
        raise InputError(f"{file}: is missing; name the folder that holds the sets that may train")
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _some(rows: Iterator[Row] | Sequence[Row], most: int, rng: random.Random) -> list[Row]:
    rows = list(rows)
    return rng.sample(rows, min(most, len(rows)))


def _questions(sets: Path, name: str) -> Iterator[Row]:
    for one in records(sets, name):
        title = one.get("title", "")
        if title and kept_apart(title):
            continue
        head = f"{title}\n" if title else ""
        spans = [(a["start"] + len(head), a["start"] + len(a["text"]) + len(head)) for a in one.get("answers", ())]
        spans = [span for span in spans if span[0] >= len(head)]
        yes = one["answerable"] is True
        if name == "qamr":
            spans = spans[:1]
        yield Row(QUESTION, one["question"], head + one["passage"], int(yes), tuple(spans) if yes else ())


def _ranked(sets: Path, name: str, most: int, rng: random.Random) -> Iterator[Row]:
    found = records(sets, name)
    for one in rng.sample(found, min(most, len(found))):
        first = one["positive"] if isinstance(one["positive"], str) else rng.choice(one["positive"])
        yield Row(PASSAGE, one["query"], first[:LONG_EVIDENCE], 1)
        if one.get("negatives"):
            yield Row(PASSAGE, one["query"], rng.choice(one["negatives"])[:LONG_EVIDENCE], 0)


def _claims(sets: Path, name: str) -> Iterator[Row]:
    for one in records(sets, name):
        if one["label"] in LABELS and len(one["evidence"]) <= LONG_EVIDENCE:
            claim = f"{one['question']} {one['claim']}" if name == "halueval_qa" else one["claim"]
            yield Row(CLAIM, claim, one["evidence"], LABELS[one["label"]])


def _altered(passages: Sequence[str], most: int, rng: random.Random) -> Iterator[Row]:
    """Claims made of a sentence of a passage, half of them with one thing changed, over the sentence and its neighbours."""
    for passage in rng.sample(passages, min(most, len(passages))):
        spans = [span for span in sentences(passage) if span.end - span.start > 12]
        if not spans:
            continue
        at = rng.randrange(len(spans))
        around = spans[max(0, at - rng.choice(NEIGHBOURS)) : at + 1 + rng.choice(NEIGHBOURS)]
        evidence, said = passage[around[0].start : around[-1].end][:LONG_EVIDENCE], passage[spans[at].start : spans[at].end]
        if said not in evidence:
            continue
        if rng.random() < 0.4:
            yield Row(CLAIM, altered(said, "", rng) or said, evidence, SUPPORTED)
            continue
        for kind in rng.sample(KINDS, len(KINDS)):
            other = altered(said, kind, rng)
            if other and other != said:
                yield Row(CLAIM, other, evidence, NOT_SUPPORTED if kind == "name" else CONTRADICTED)
                break


def turns(sets: Path, name: str) -> Iterator[Row]:
    """Questions that follow others, with the words of those that a person put into the question that stands alone."""
    for one in records(sets, name):
        title = one.get("title") or one["id"].rpartition("_")[0]
        if one["history"] and not kept_apart(title):
            yield turn(one["history"], one["query"], one["rewrite"])


def turn(history: Sequence[Any], query: str, rewrite: str) -> Row:
    """A row of the turns before (the last 1,200 characters), a question, and the question as it would stand alone."""
    said = [h if isinstance(h, str) else str(h.get("text", h)) for h in history]
    text = "\n".join(said)[-1200:]
    wanted = set(content(rewrite)) - set(content(query))
    if has_cjk(text):
        marked = _shared(text, rewrite, query)
    else:
        marked = [m.span() for m in re.finditer(r"[^\W_]+(?:[-'’.][^\W_]+)*", text) if set(content(m.group())) & wanted]
    return Row(TURN, text, query, 0, tuple(marked))


def _shared(text: str, rewrite: str, query: str) -> list[tuple[int, int]]:
    """Spans of two characters or more of a Chinese text that stand in the rewritten question and not in the question."""
    found, at = list[tuple[int, int]](), 0
    while at < len(text):
        end = at + 2
        if "\n" in text[at:end] or text[at:end] not in rewrite or text[at:end] in query:
            at += 1
            continue
        while end < len(text) and text[at : end + 1] in rewrite:
            end += 1
        found.append((at, end))
        at = end
    return found


def _chinese_turns(sets: Path, most: int, rng: random.Random) -> Iterator[Row]:
    """Two questions about one title, the second with a pronoun, or nothing, in place of the title."""
    by_title = defaultdict[str, list[dict[str, Any]]](list)
    for one in records(sets, "drcd"):
        if not kept_apart(one["title"]):
            by_title[one["title"]].append(one)
    made = 0
    for title, some in sorted(by_title.items()):
        named = [one for one in some if title in one["question"]]
        for one in named:
            others = rng.sample(some, min(len(some), rng.randrange(1, 4)))
            said = [text for other in others if other is not one for text in (other["question"], other["answers"][0]["text"])]
            at = rng.randrange(len(said) // 2 + 1) * 2
            first = rng.choice(named)
            if first is not one:
                said[at:at] = [first["question"], first["answers"][0]["text"]]
            text = "\n".join(said)
            if title not in text or made >= most:
                continue
            made += 1
            places = tuple((m.start(), m.end()) for m in re.finditer(re.escape(title), text))
            query = one["question"].replace(title, rng.choice(("它", "他", "这", "那里", "", "")), 1)
            yield Row(TURN, text, query, 0, places)


def _as_typed(row: Row, rng: random.Random) -> Row:
    """Some questions without capitals, some with a slip of the finger."""
    if row.task in ASKED and rng.random() < LOWERED:
        row = replace(row, first=row.first.lower())
    if row.task in ASKED and rng.random() < MISSPELT:
        row = replace(row, first=misspelt(row.first, rng))
    return row
