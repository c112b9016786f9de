"""What the bundled reader was trained on, from a folder of sets: SQuAD 2.0, Doc2Dial, TimeQA, as far as they may train a model.

None of it is part of ragbot. Titles of SQuAD are kept apart: some for the calibration, some for the report.
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ragbot.errors import InputError
from ragbot.text.sentences import Span
from training.answerability.corruptions import Maker, parts
from training.answerability.examples import ReaderQuestion

REPORTED = frozenset({"Force", "Harvard_University", "French_and_Indian_War"})
"""Titles of SQuAD that nothing was trained on; they give the figures."""
CALIBRATED = frozenset({"Scottish_Parliament", "Islamism"})
"""Titles that nothing was trained on, but how the reader is used was chosen on."""
OTHERS = 60
"""How many passages of each of the other sets."""
CLAIMS = 2
"""How many statements are made about a passage at most."""
AROUND = 250
"""How much of a long text is read around an answer on each side, in characters."""
SHORT, LEAST = 300, 200
"""An answer that is longer, in characters, is a passage and no span; a passage that is shorter is a row of a table."""


def read(folder: Path, seed: int) -> list[ReaderQuestion]:
    """What a folder teaches that holds squad_style, doc2dial_val and timeqa_human. Raises InputError if a file is missing."""
    maker = Maker(seed)
    train = [asked for asked in squad(folder / "squad_style") if asked.title not in REPORTED | CALIBRATED]
    passages = defaultdict[str, dict[str, None]](dict)
    for asked in train:
        passages[asked.title][asked.passage] = None
    known = {title: parts(" ".join(some)) for title, some in passages.items()}
    changed = []
    for asked in train:
        if asked.answer:
            other = maker.changed(asked.question, asked.passage, known[asked.title], asked.answer)
            changed += [replace(asked, question=other, span=None, weight=0.5)] if other and other != asked.question else []
    claims = [one for title, some in passages.items() for text in some for one in maker.claims(title, text, known[title], CLAIMS)]
    others = [_some(found(folder), seed) for found in (_doc2dial, _timeqa)]
    return train + changed + claims + others[0] + others[1]


def _some(asked: Iterator[ReaderQuestion], seed: int) -> list[ReaderQuestion]:
    """What is asked about some of the passages: SQuAD is to count most."""
    found = list(asked)
    passages = list(dict.fromkeys(one.passage for one in found))
    chosen = set(random.Random(seed).sample(passages, min(OTHERS, len(passages))))
    return [one for one in found if one.passage in chosen]


def _records(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _lines(file)]


def _lines(file: Path) -> list[str]:
    found = next((name for name in (file, file.with_name(f"{file.name}.gz")) if name.is_file()), None)
    if found is None:
        raise InputError(f"{file}: is missing; name the folder that holds squad_style, doc2dial_val and timeqa_human")
    with gzip.open(found, "rt", encoding="utf-8") if found.suffix == ".gz" else found.open(encoding="utf-8") as lines:
        return list(lines)


def squad(folder: Path) -> Iterator[ReaderQuestion]:
    """The questions of SQuAD 2.0, with and without an answer."""
    passages = {one["id"]: one for one in _records(folder / "squad2_cs224n_dev_corpus.jsonl")}
    for one in _records(folder / "squad2_cs224n_dev_qa.jsonl"):
        passage = passages[one["passage"]]
        span = _first(passage["text"], one["answers"])
        if bool(span) == one["answerable"]:
            yield ReaderQuestion(one["question"], passage["text"], passage["title"], span)


def _doc2dial(folder: Path) -> Iterator[ReaderQuestion]:
    """Questions that open a conversation: they stand alone."""
    documents = {one["id"]: one for one in _records(folder / "doc2dial_val/corpus.jsonl")}
    judged = dict(line.split("\t")[:2] for line in _lines(folder / "doc2dial_val/qrels.tsv"))
    for one in _records(folder / "doc2dial_val/queries.jsonl"):
        document = documents.get(judged.get(one["id"], ""))
        span = _first(document["text"], one["answers"]) if document and not one["history"] else None
        if document and span and span.end - span.start < SHORT:
            begin = max(0, document["text"].rfind("\n", 0, max(0, span.start - AROUND)))
            text = document["text"][begin : span.end + AROUND]
            yield ReaderQuestion(one["text"], text, document["title"], Span(span.start - begin, span.end - begin), worded=False)


def _timeqa(folder: Path) -> Iterator[ReaderQuestion]:
    passages = {one["id"]: one for one in _records(folder / "timeqa_human/corpus_train.jsonl")}
    for one in _records(folder / "timeqa_human/qa_train.jsonl"):
        for id in one["evidence"][:1]:
            text = plain(passages[id]["text"])
            if len(text) > LEAST and (span := _first(text, [plain(answer) for answer in one["answers"]])):
                yield ReaderQuestion(one["question"], text, passages[id]["title"], span)


def _first(text: str, answers: list[str]) -> Span | None:
    """Where the first of the answers that stands in a text does."""
    return next((Span(at, at + len(answer)) for answer in answers if answer and (at := text.find(answer)) >= 0), None)


def plain(text: str) -> str:
    """Text that was split into tokens, as people write it."""
    text = re.sub(r"\s+([,.;:)\]])", r"\1", re.sub(r"([(\[])\s+", r"\1", text))
    return text.replace(" '", "'").replace("`` ", '"').replace(" ''", '"')
