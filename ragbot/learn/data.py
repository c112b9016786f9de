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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ragbot.errors import InputError
from ragbot.learn.examples import Asked, Example, examples
from ragbot.learn.making import Maker, parts
from ragbot.text.sentences import Span

REPORTED = frozenset({"Force", "Harvard_University", "French_and_Indian_War"})
"""Titles of SQuAD that nothing was trained or chosen on."""
CALIBRATED = frozenset({"Scottish_Parliament", "Islamism"})
"""Titles that thresholds and confidence were fitted on."""
EACH = 8
"""How many questions are made for a passage at most."""
SHORT = 300
"""An answer that is longer than this, in characters, is a passage and no span."""


@dataclass(frozen=True, slots=True)
class Data:
    """Examples for both phases of training."""

    made: list[Example]
    real: list[Example]


def read(folder: Path, seed: int, most: int) -> Data:
    """The data of a folder that holds squad_style, doc2dial_val and timeqa_human; `most` questions are made.

    Raises InputError if a file is missing.
    """
    rng, maker = random.Random(seed), Maker(seed)
    train = [asked for asked in squad(folder / "squad_style") if asked.title not in REPORTED | CALIBRATED]
    passages = defaultdict[str, dict[str, None]](dict)
    for asked in train:
        passages[asked.title][asked.passage] = None
    documents = [*_timeqa_documents(folder / "timeqa_human"), *_documents(folder / "doc2dial_val/corpus.jsonl")]
    documents += [(title, " ".join(some)) for title, some in passages.items()]
    made = [asked for title, text in documents for asked in maker.questions(title.replace("_", " "), text, EACH)]
    rng.shuffle(made)
    known = {title: parts(" ".join(some)) for title, some in passages.items()}
    changed = []
    for asked in train:
        if asked.span:
            answer = asked.passage[asked.span.start : asked.span.end]
            other = maker.changed(asked.question, asked.passage, known[asked.title], answer)
            changed += [replace(asked, question=other, span=None, weight=0.5)] if other and other != asked.question else []
    real = train + changed + list(_doc2dial(folder / "doc2dial_val")) + list(_timeqa(folder / "timeqa_human"))
    return Data(
        made=[one for asked in made[:most] for one in examples(asked, 1 if asked.span is None or rng.random() < 0.3 else 0)],
        real=[one for asked in real for one in examples(asked, 1)],
    )


def _records(file: Path) -> list[dict[str, Any]]:
    found = next((name for name in (file, file.with_name(f"{file.name}.gz")) if name.is_file()), None)
    if found is None:
        raise InputError(f"{file}: is missing; name the folder that holds squad_style, doc2dial_val and timeqa_human")
    with gzip.open(found, "rt", encoding="utf-8") if found.suffix == ".gz" else found.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def squad(folder: Path) -> Iterator[Asked]:
    """The questions of SQuAD 2.0, with and without an answer."""
    passages = {one["id"]: one for one in _records(folder / "squad2_cs224n_dev_corpus.jsonl")}
    for one in _records(folder / "squad2_cs224n_dev_qa.jsonl"):
        passage = passages[one["passage"]]
        span = _first(passage["text"], one["answers"])
        if bool(span) == one["answerable"]:
            yield Asked(one["question"], passage["text"], passage["title"], span)


def _doc2dial(folder: Path) -> Iterator[Asked]:
    """Questions that open a conversation: they stand alone."""
    documents = {one["id"]: one for one in _records(folder / "corpus.jsonl")}
    judged = dict(line.split("\t")[:2] for line in (folder / "qrels.tsv").read_text(encoding="utf-8").splitlines())
    for one in _records(folder / "queries.jsonl"):
        document = documents.get(judged.get(one["id"], ""))
        if not one["history"] and document and (span := _first(document["text"], one["answers"])):
            begin = max(0, document["text"].rfind("\n", 0, max(0, span.start - 400)))
            text = document["text"][begin : span.end + 400]
            short = span.end - span.start < SHORT
            near = Span(span.start - begin, span.end - begin)
            # A long answer is known to be there, not where it begins: a claim of what the text says is learnt the same way.
            yield Asked(one["text"], text, document["title"], near, claim=not short, stated=True)


def _timeqa(folder: Path) -> Iterator[Asked]:
    passages = {one["id"]: one for one in _records(folder / "corpus_train.jsonl")}
    for one in _records(folder / "qa_train.jsonl"):
        for id in one["evidence"][:1]:
            text = plain(passages[id]["text"])
            if span := _first(text, [plain(answer) for answer in one["answers"]]):
                yield Asked(one["question"], text, passages[id]["title"], span)


def _timeqa_documents(folder: Path) -> Iterator[tuple[str, str]]:
    titles, texts = dict[str, str](), defaultdict[str, list[str]](list)
    for one in _records(folder / "corpus_train.jsonl"):
        document = one["id"].rpartition("#")[0]
        titles[document] = one["title"]
        texts[document] += [plain(one["text"])] if len(one["text"]) > 60 else []
    yield from ((titles[document], " ".join(some)) for document, some in texts.items())


def _documents(file: Path) -> Iterator[tuple[str, str]]:
    yield from ((one["title"], one["text"]) for one in _records(file))


def _first(text: str, answers: list[str]) -> Span | None:
    """Where the first of the answers that stands in a text does."""
    return next((Span(at, at + len(answer)) for answer in answers if answer and (at := text.find(answer)) >= 0), None)


def plain(text: str) -> str:
    """Text that was split into tokens, as people write it."""
    text = re.sub(r"\s+([,.;:)\]])", r"\1", re.sub(r"([(\[])\s+", r"\1", text))
    return text.replace(" '", "'").replace("`` ", '"').replace(" ''", '"')
