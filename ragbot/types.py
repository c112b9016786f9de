"""The nouns of ragbot. Standard library only; nothing here reads, writes or computes.

All times are aware UTC datetimes. All offsets count characters of `Document.text`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Kind = Literal["file", "turn", "correction"]
FeedbackKind = Literal["up", "down", "correction"]
Role = Literal["system", "user", "assistant"]
Part = Literal["dense", "lexical", "fused", "reranked"]
"""A part of recall that can be asked alone."""
Verdict = Literal["supported", "partial", "unsupported", "contradicted"]
"""How a claim stands to the passages that it cites."""

EVERYONE = "everyone"
"""The scope that every reader may see."""

TOLD = "turn:"
"""What the uri of something that a person told begins with; the turn's id follows, and ".2" for its second sentence."""

LOCAL = "local"
"""The private scope of a chat that names none."""


@dataclass(frozen=True, slots=True)
class Original:
    """The file that a document was read from: its media type and its bytes."""

    content_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Document:
    """A text with an address: what `Memory.remember` takes.

    `scope` and `uri` together identify it; a second document of the same scope and uri is its
    next version. The title of a turn is who said it. `pages` holds the offset at which each page begins (empty: no pages).
    `lines` says whether the lines of `text` are the lines of the original.
    """

    uri: str
    text: str
    title: str = ""
    kind: Kind = "file"
    scope: str = EVERYONE
    valid_from: datetime | None = None
    """From when it is so, in the world; None: from when it is remembered."""
    valid_to: datetime | None = None
    """Until when, where that is known."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    pages: tuple[int, ...] = ()
    lines: bool = True
    original: Original | None = None
    """The file itself, where people are to be shown its pages."""

    @property
    def sha256(self) -> str:
        """Hex digest of title and text: equal digests mean an unchanged document."""
        return hashlib.sha256(f"{self.title}\0{self.text}".encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of a document, the unit of recall and of citation.

    It holds in the world from `valid_from` until `valid_to`, as far as an end is known; it was stored at `recorded_at`, and is
    current while `retired_at` is None. `retired_by` is the digest of the version that replaced it, or "removed".
    `sha256` is the digest of `embedded`, the text that its vector stands for.
    `line` is 0 where the original has no lines of its own.
    """

    id: int
    uri: str
    ord: int
    text: str
    start: int
    end: int
    page: int | None
    sha256: str
    scope: str
    valid_from: datetime
    recorded_at: datetime
    kind: Kind = "file"
    title: str = ""
    heading: str = ""
    line: int = 0
    valid_to: datetime | None = None
    retired_at: datetime | None = None
    retired_by: str | None = None


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A passage of a new version, before it is known whether it is new."""

    text: str
    start: int
    end: int
    page: int | None
    line: int
    heading: str
    embedded: str
    """What its vector stands for, and `sha256` is the digest of."""
    sha256: str


@dataclass(frozen=True, slots=True)
class Space:
    """One embedding space. Vectors of two spaces are never compared."""

    id: int
    model: str
    revision: str
    dim: int
    prefixes: tuple[str, str] = ("", "")
    """What is put before a query and before a passage."""
    calibration: Mapping[str, float] = field(default_factory=dict, compare=False)
    """Thresholds and scales that were fitted on this model, by name; empty where none were. No part of its identity."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Which sealed segments are in force, and up to where they speak for the database."""

    generation: int
    space: int
    covered: int
    """Every chunk with an id up to this one is in the segments, unless it is erased."""
    segments: tuple[str, ...]
    """Their names, which are digests of their content."""
    txn: int
    token: str


@dataclass(frozen=True, slots=True)
class HitFeatures:
    """What ranked a passage. Ranks count from 1; None where that part of the search did not find it or did not run."""

    cosine: float | None = None
    dense_rank: int | None = None
    bm25: float | None = None
    lexical_rank: int | None = None
    neighbours: float = 0.0
    """What the turns beside it added to its score."""
    feedback: float | None = None
    """Its cosine to the best passages (pseudo-relevance feedback)."""
    rerank: float | None = None
    """The score of the reranker."""
    rerank_from: int | None = None
    """Its rank before it was reranked."""
    newer_than: int | None = None
    """The passage about the same that it stands before, since its source is newer or more authoritative."""


@dataclass(frozen=True, slots=True)
class Dispute:
    """Characters `start` to `end` of a passage, which the correction, or the later message, `uri` sets aside."""

    start: int
    end: int
    uri: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that was found, how well it fits (higher is better), and the features that put it there.

    The age of a hit is `chunk.valid_from` against the time of the question.
    """

    chunk: Chunk
    score: float
    features: HitFeatures = HitFeatures()
    also: tuple[Chunk, ...] = ()
    """Other chunks that say the same in the same words, best first: copies, and what every page repeats."""
    disputes: tuple[Dispute, ...] = ()
    name: str = ""
    """The name by which people know its source, such as its path in the folder that was ingested; "" where that is its uri."""
    explain: Callable[[Hit], str] = field(default=lambda hit: "", repr=False, compare=False)
    """Makes the prose of `why`."""

    @property
    def is_set_aside(self) -> bool:
        """Whether a later message, or a correction, sets aside all of it."""
        return any(one.start <= 0 and one.end >= len(self.chunk.text.rstrip()) for one in self.disputes)

    @property
    def why(self) -> str:
        """Its reasons, one a line: what misspelt words were read as, which part found it, by which words, and more."""
        return self.explain(self)


@dataclass(frozen=True, slots=True)
class Citation:
    """The very words, in a document, that carry a sentence of an answer."""

    chunk_id: int
    uri: str
    start: int
    end: int
    quote: str
    kind: Kind = "file"
    page: int | None = None
    line: int = 0
    heading: str = ""
    said_at: datetime | None = None
    """When a person said it (turns and corrections only)."""
    shown: str = ""
    """The name of its source as it may be said; "" where that is its uri."""
    valid_from: datetime | None = None
    """Since when the passage holds; None where that was not kept."""

    @property
    def where(self) -> str:
        """The place in words: "leave.pdf, page 3", "hours.md, line 12", "you told me on …"."""
        if self.said_at is not None:
            day = f"{self.said_at.day} {self.said_at:%B %Y at %H:%M} UTC"
            return f"you told me on {day}" if self.kind == "turn" else f"you corrected me on {day}"
        name = self.shown or self.uri
        if self.page is not None:
            return f"{name}, page {self.page}"
        if self.line:
            return f"{name}, line {self.line}"
        return f"{name}, “{self.heading}”" if self.heading else name


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement of an answer, and the passages that it stands on."""

    text: str
    verdict: Verdict
    score: float
    """How likely it is, from 0 to 1, that the passages support it."""
    citations: tuple[Citation, ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """One exchange. `grounded` is true if every claim of the answer is supported.

    `answer` is "" where the answer was never finished.
    """

    id: str
    session: str
    scope: str
    question: str
    answer: str
    claims: tuple[Claim, ...]
    grounded: bool
    at: datetime
    confidence: float = 0.0
    """How likely it is, from 0 to 1, that the passages found answer the question."""
    policy: int = 0
    """Version of the policy that ranked; 0 is the one that ragbot ships."""
    strategy: str = ""
    """Name of the strategy that was chosen for this turn; "" where there was no choice."""
    propensity: float = 1.0
    """With which probability that strategy was chosen."""
    nearby: tuple[Citation, ...] = ()
    """What a refusal names as near: no evidence, but traces of what was said."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Names and revisions of the embedder, the generator, the persona and the index that took part."""

    @property
    def citations(self) -> tuple[Citation, ...]:
        """The citations of all claims, in order, each once."""
        return tuple(dict.fromkeys(cited for claim in self.claims for cited in claim.citations))


@dataclass(frozen=True, slots=True)
class TurnHit:
    """A passage that was retrieved for a turn: at which place, with which score, and why."""

    chunk_id: int
    ord: int
    score: float
    features: HitFeatures


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of the ranking weights. It is never changed: what is learnt becomes a new version."""

    version: int
    weights: Mapping[str, float]
    parents: tuple[int, ...]
    """The versions that it was made from."""
    report: Mapping[str, object]
    """The measurements that let it in."""
    at: datetime


@dataclass(frozen=True, slots=True)
class Block:
    """Text of an answer that claims nothing and only gives it its form: a lead-in, a heading."""

    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """What is said beside an answer and claims nothing: a greeting, that something was noted, a question back."""

    text: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """That the memory does not answer, what it has nearby, and how it could come to know."""

    text: str
    confidence: float = 0.0
    """How likely the best evidence answered all the same, 0 to 1."""
    nearby: tuple[Citation, ...] = ()
    """The places that it names."""


@dataclass(frozen=True, slots=True)
class Done:
    """The end of an answer: the turn as it was stored."""

    turn: Turn


Event = Block | Claim | Note | Refusal | Done
"""What a chat streams; the last one is Done. `ragbot.text.layout` says what stands between their texts."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a person said about a turn."""

    id: int
    turn_id: str
    kind: FeedbackKind
    text: str
    chunk_ids: tuple[int, ...]
    author: str
    at: datetime
    claim: int | None = None
    """The place of the claim that it is about; None: the whole answer."""


@dataclass(frozen=True, slots=True)
class SourceState:
    """What is known of the place that a document came from, or would come from: how it looked when it was last looked at.

    `scope`, `uri` and `kind` together identify it. It is forgotten with the document of that scope and uri, and replaced
    with that document's next version.
    """

    scope: str
    uri: str
    kind: str
    values: Mapping[str, object]
    """Of the caller's choosing, as JSON holds it."""
    at: datetime | None = None
    """When it was written; None before that."""


@dataclass(frozen=True, slots=True)
class SourceNote:
    """That a source was looked at again and its document's text is the same: `before` becomes `after`."""

    before: SourceState
    after: SourceState
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What the document says of itself by now, to be put into its metadata."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What `Memory.remember` did. Documents are counted in `skipped`, chunks in the rest."""

    added: int = 0
    kept: int = 0
    retired: int = 0
    embedded: int = 0
    """Added chunks whose vector had to be computed; the others' vectors were reused."""
    skipped: int = 0
    """Documents that had not changed."""

    def __add__(self, other: Remembered) -> Remembered:
        return Remembered(
            self.added + other.added,
            self.kept + other.kept,
            self.retired + other.retired,
            self.embedded + other.embedded,
            self.skipped + other.skipped,
        )


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What `Memory.refresh` did: vectors computed, and chunks now in sealed segments."""

    space: Space
    embedded: int
    sealed: int


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What `Memory.forget` did: chunks erased, and whether no file of the home holds anything of them any more.

    The database's log may while another process reads in it, and the index while another process
    rebuilds it; the next `forget` or `refresh` clears them.
    """

    chunks: int
    cleared: bool


@dataclass(frozen=True, slots=True)
class Checked:
    """What `Memory.check` saw. No problems: truth and index agree."""

    documents: int
    chunks: int
    problems: tuple[str, ...]
    repaired: tuple[str, ...] = ()
    """What was wrong before the index was rebuilt."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a prompt."""

    role: Role
    content: str
