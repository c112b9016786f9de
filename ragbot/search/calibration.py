"""Numbers that belong to an embedding space: how its cosines lie, and where its thresholds are.

Cosines of two spaces mean different things: unrelated texts have .05 in one and .75 in another. A decision that hangs on a cosine
is therefore made on one scale, that of the reference space (all-MiniLM-L6-v2), onto which the cosines of every space are moved by
two anchors. `training/calibrate.py` fits the numbers of the bundled model; `calibration_of` gives those of any other embedder,
from texts that ship with ragbot.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ragbot.models import bundled
from ragbot.models.embedder import Embedder
from ragbot.search.fuse import RankWeights
from ragbot.text.tokens import content

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

REFERENCE_TEXTS = Path(__file__).parent / "reference_texts.jsonl"
"""Questions with the passage that answers each and a shorter form of it, and statements with later ones that replace them."""
SHORTENED = 0.9
"""`similarity` is this share of the least cosine of any shortened statement and the whole one."""
OTHER_MATTERS, OF_THE_WAY = 0.995, 0.5
"""`same_matter` lies between this quantile of statements of different matters and the median of those of the same one, so much
of the way: one that is taken for outdated although it is not is lost, one that is kept although outdated is only shown beside."""
SHARED_WORDS = 0.75
"""What shared words add to the cosine of two statements, in parts of the distance from unrelated to related: with them the AUC
of the same matter against others is .9995 instead of .9971 (multilingual-e5-small), in Chinese by all-MiniLM-L6-v2 .986
instead of .918 (36 pairs of the reference texts)."""
ACROSS = 0.5
"""So much of the way from the anchors of one language towards those across lie the anchors for passages in the other one. All
the way, they come first too often: over sixteen organisations, half of them Chinese, recall@5 in one's own language was .43
and .60 (English, Chinese) instead of .58 and .76; across .76 and .64 instead of .73 and .57."""
READS_CJK = 0.9
"""An embedder that tells apart this share of Chinese pairs reads Chinese as it reads English."""
MIN_SPREAD = 0.02
"""Anchors that lie nearer to each other than this tell nothing; the space keeps the reference scale."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """The numbers of one space. The defaults are those of no model: they change nothing and decide by the middle."""

    unrelated: float = 0.0
    """The mean cosine of a question and the passage of another question."""
    related: float = 1.0
    """The mean cosine of a question and its own passage."""
    unrelated_cjk: float = 0.0
    related_cjk: float = 1.0
    unrelated_across: float = 0.0
    related_across: float = 0.0
    unrelated_across_cjk: float = 0.0
    related_across_cjk: float = 0.0
    """The same of an English question and a Chinese passage, and the other way round; alike where the space reads not across."""
    answers_across: float = 0.0
    """How often the nearest sentence in another language answers. Where it says little, the sentence is shown and not claimed."""
    reference_unrelated: float = 0.0
    reference_related: float = 1.0
    reference_unrelated_cjk: float = 0.0
    reference_related_cjk: float = 1.0
    """The same of the reference space, in which the numbers below were fitted."""
    same_matter: float = 0.6
    same_matter_cjk: float = 0.6
    """Two statements of one person are of the same matter from this `matter` on (passage with passage)."""
    similarity: float = 0.5
    similarity_cjk: float = 0.5
    """A sentence and the evidence that it shortens have at least this cosine (passage with passage)."""
    words: float = 0.5
    words_cjk: float = 1.0
    feedback: float = 0.4
    feedback_cjk: float = 0.0
    """Ranking weights (`RankWeights`)."""
    full_match: float = 0.0
    """From which part of the highest possible BM25 on a match of words counts in full (`Measured.full`)."""
    sentence_meaning: float = 1.0
    sentence_words: float = 0.3
    sentence_meaning_cjk: float = 0.3
    sentence_words_cjk: float = 1.0
    """What the cosine of a sentence and its match of words count in the order of the evidence."""
    bias: float = -3.6
    cosine: float = 6.3
    coverage: float = 1.8
    bias_cjk: float = -8.3
    cosine_cjk: float = 5.9
    coverage_cjk: float = 10.1
    """The logistic curve of how likely a sentence answers, over aligned cosine and match of words."""

    @classmethod
    def of(cls, numbers: Mapping[str, float]) -> Calibration:
        """The calibration that a store or a file keeps. Names that this version does not know are passed over."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: float(value) for name, value in numbers.items() if name in known})

    def as_mapping(self) -> dict[str, float]:
        """The numbers by name."""
        return asdict(self)

    def aligned(self, cosines: Floats, cjk: bool, across: Bools | None = None) -> Floats:
        """Cosines (n,) of a question and passages, on the reference scale; `across` (n,): which are in the other language."""
        if cjk:
            own, far = (self.unrelated_cjk, self.related_cjk), (self.unrelated_across_cjk, self.related_across_cjk)
            base, top = self.reference_unrelated_cjk, self.reference_related_cjk
        else:
            own, far = (self.unrelated, self.related), (self.unrelated_across, self.related_across)
            base, top = self.reference_unrelated, self.reference_related
        moved = _moved(cosines, own, (base, top))
        if across is None or not self.reads_across:
            return moved
        low, high = (near + ACROSS * (apart - near) for near, apart in zip(own, far, strict=True))
        return np.where(across, _moved(cosines, (low, high), (base, top)), moved)

    def matter(self, cosine: float, one: str, other: str, cjk: bool) -> float:
        """How much two statements are of one matter: their cosine, and more the more words they share."""
        spread = self.related_cjk - self.unrelated_cjk if cjk else self.related - self.unrelated
        return cosine + spread * SHARED_WORDS * _shared(one, other)

    @property
    def reads_across(self) -> bool:
        """Whether a question in one language finds what answers it in the other."""
        ways = (self.related_across - self.unrelated_across, self.related_across_cjk - self.unrelated_across_cjk)
        return min(ways) >= MIN_SPREAD

    def rank_weights(self, policy: Mapping[str, float]) -> RankWeights:
        """The ranking weights of this space, with those that a policy sets."""
        own = {name: getattr(self, name) for name in ("words", "words_cjk", "feedback", "feedback_cjk")}
        return RankWeights.of({**own, **policy})


def _shared(one: str, other: str) -> float:
    """How many words of the text with fewer of them the other one holds, 0 to 1."""
    first, second = set(content(one)), set(content(other))
    return len(first & second) / max(1, min(len(first), len(second)))


def _moved(cosines: Floats, own: tuple[float, float], reference: tuple[float, float]) -> Floats:
    """From the scale of two anchors to that of two others; as they are where the anchors tell nothing."""
    (low, high), (base, top) = own, reference
    if own == reference or high - low < MIN_SPREAD:
        return cosines
    return (base + (cosines - low) * ((top - base) / (high - low))).astype(np.float32)


@functools.lru_cache(maxsize=1)
def reference() -> Calibration:
    """The calibration of all-MiniLM-L6-v2, made by `training/calibrate.py`."""
    return Calibration.of(json.loads(bundled.calibration_file(bundled.MINILM).read_text(encoding="utf-8")))


@dataclass(frozen=True, slots=True)
class Anchors:
    """What the reference texts of one language say of a space: measured, not fitted."""

    unrelated: float
    related: float
    same_matter: float
    similarity: float
    separation: float
    """How many questions are nearer to their own passage than others are, as a share of all pairs (AUC)."""


def calibration_of(embedder: Embedder) -> Calibration:
    """The numbers that came with an embedder, else those that the reference texts give (some 250 short texts are embedded)."""
    return measured(embedder) if embedder.calibration is None else Calibration.of(embedder.calibration)


def measured(embedder: Embedder) -> Calibration:
    """The numbers that the reference texts give."""
    base, english, chinese = reference(), measure(embedder, "en"), measure(embedder, "zh")
    numbers = base.as_mapping() | anchors(english, chinese)
    if chinese.separation >= READS_CJK:  # it reads both alike: what holds for the one holds for the other
        for name in ("words", "feedback", "sentence_meaning", "sentence_words", "bias", "cosine", "coverage"):
            numbers[f"{name}_cjk"] = numbers[name]
        numbers |= {"reference_unrelated_cjk": base.reference_unrelated, "reference_related_cjk": base.reference_related}
        numbers |= measure_across(embedder)
    return Calibration.of(numbers)


def anchors(english: Anchors, chinese: Anchors) -> dict[str, float]:
    """What was measured of a space, under the names of its calibration."""
    names = ("unrelated", "related", "same_matter", "similarity")
    found = {name: getattr(english, name) for name in names}
    return found | {f"{name}_cjk": getattr(chinese, name) for name in names}


def measure(embedder: Embedder, language: str) -> Anchors:
    """Embed the reference texts of a language ("en" or "zh"), and measure how the cosines of this space lie."""
    rows = [json.loads(line) for line in REFERENCE_TEXTS.read_text(encoding="utf-8").splitlines() if line]
    rows = [row for row in rows if row["lang"] == language]
    answers, changes = [row for row in rows if "question" in row], [row for row in rows if "old" in row]
    questions = np.array([embedder.encode_query(row["question"]) for row in answers], np.float32)
    short, whole = (embedder.encode([row[name] for row in answers]) for name in ("short", "passage"))
    old, new = (embedder.encode([row[name] for row in changes]) for name in ("old", "new"))
    own, other = _apart(questions @ whole.T)
    shared = np.array([[_shared(one["old"], two["new"]) for two in changes] for one in changes], np.float32)
    same, different = _apart(old @ new.T + shared * np.float32(SHARED_WORDS * (own.mean() - other.mean())))
    base = float(np.quantile(different, OTHER_MATTERS))
    return Anchors(
        unrelated=round(float(other.mean()), 4),
        related=round(float(own.mean()), 4),
        same_matter=round(base + OF_THE_WAY * (float(np.median(same)) - base), 4),
        similarity=round(SHORTENED * float((short * whole).sum(1).min()), 4),
        separation=round(float((own[:, None] > other[None, :]).mean()), 4),
    )


def measure_across(embedder: Embedder) -> dict[str, float]:
    """How the cosines lie between a question in one language and passages in the other, from the pairs of reference texts."""
    rows = [json.loads(line) for line in REFERENCE_TEXTS.read_text(encoding="utf-8").splitlines() if line]
    english = {row["question"]: row for row in rows if row["lang"] == "en" and "question" in row}
    pairs = [(row, english[row["english"]]) for row in rows if "english" in row]
    found = {}
    for suffix, way in (("_cjk", pairs), ("", [(two, one) for one, two in pairs])):
        questions = np.array([embedder.encode_query(one["question"]) for one, _ in way], np.float32)
        own, other = _apart(questions @ embedder.encode([told["passage"] for _, told in way]).T)
        found[f"unrelated_across{suffix}"] = round(float(other.mean()), 4)
        found[f"related_across{suffix}"] = round(float(own.mean()), 4)
    return found


def _apart(cosines: Floats) -> tuple[Floats, Floats]:
    """Of (n, n) cosines the diagonal, which are those of pairs, and the others."""
    own = np.eye(len(cosines), dtype=bool)
    return cosines[own], cosines[~own]
