"""What the memory's own routes take and give, as OpenAPI describes it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ragbot.types import Kind, Verdict

MAX_MESSAGE, MAX_TEXT, MAX_NAME, MAX_HISTORY = 20_000, 500_000, 500, 100
"""The longest message, document and name, in characters, and how many messages of before."""
MAX_STARS = 4


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time needs its zone, as in 2024-05-01T09:00:00Z")
    if not 1 < value.year < 9999:
        raise ValueError("a year from 2 to 9998")
    return value


def _few_stars(value: str) -> str:
    if value.count("*") > MAX_STARS:
        raise ValueError(f"at most {MAX_STARS} stars")
    return value


Time = Annotated[datetime, AfterValidator(_aware), Field(examples=["2024-05-01T09:00:00Z"])]
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME, pattern=r"\S")]
Pattern = Annotated[str, Field(min_length=1, max_length=MAX_NAME), AfterValidator(_few_stars)]
Message = Annotated[str, Field(min_length=1, max_length=MAX_MESSAGE, pattern=r"\S")]


class Model(BaseModel):
    """A body; unknown fields are a mistake."""

    model_config = ConfigDict(extra="forbid", json_schema_serialization_defaults_required=True)


class Said(Model):
    """A message of before."""

    role: Literal["user", "assistant"]
    content: Annotated[str, Field(max_length=MAX_MESSAGE)]


class Ask(Model):
    """A message to the bot: a question, or something to remember."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"message": "When does the lab open?", "session": "ana"}]}
    )
    message: Message
    model: Annotated[str, Field(max_length=MAX_NAME)] = "ragbot"
    session: Name = "default"
    as_of: Time | None = None
    """What held then."""
    history: Annotated[list[Said] | None, Field(max_length=MAX_HISTORY)] = None
    """What was said before, where the caller keeps it; else the last turns of the session."""
    stream: bool = False
    """Events of the answer as they come (text/event-stream): block, claim, note, refusal, done."""


class Recall(Model):
    """What to look for."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"query": "lab hours", "k": 3, "explain": True}]})
    query: Message
    k: Annotated[int, Field(ge=1, le=100)] = 5
    scope: Name | None = None
    history: Annotated[list[Said], Field(max_length=MAX_HISTORY)] = []
    as_of: Time | None = None
    known_at: Time | None = None
    since: Time | None = None
    until: Time | None = None
    kinds: Annotated[list[Kind], Field(max_length=3)] = []
    uris: Annotated[list[Pattern], Field(max_length=20)] = []
    explain: bool = False
    """With the reasons of each hit, in words, and its features."""


class Remember(Model):
    """A document."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"uri": "lab.md", "text": "The lab opens at 9:30.", "scope": "everyone"}]}
    )
    uri: Name
    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
    title: Annotated[str, Field(max_length=MAX_NAME)] = ""
    scope: Name | None = None
    valid_from: Time | None = None
    valid_to: Time | None = None
    metadata: Annotated[dict[Annotated[str, Field(max_length=MAX_NAME)], str], Field(max_length=50)] = {}


class Rating(Model):
    """Whether an answer was good."""

    up: bool


class Correction(Model):
    """What is right instead, as a full sentence."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"text": "The lab opens at 10:00 since May."}]})
    text: Message


class Address(Model):
    """A document, a correction, or something told."""

    uri: Name
    scope: Name | None = None


class Citation(Model):
    """The very words that carry a sentence of an answer."""

    passage: str
    """The id of the passage."""
    uri: str
    where: str
    """The place in words."""
    quote: str
    url: str
    """Where it can be looked at."""
    kind: Kind
    page: int | None
    line: int
    heading: str
    valid_from: datetime | None
    said_at: datetime | None


class Claim(Model):
    """One statement of an answer."""

    text: str
    verdict: Verdict
    score: float
    citations: list[Citation]


class Turn(Model):
    """One exchange."""

    id: str
    session: str
    scope: str
    question: str
    answer: str
    grounded: bool
    confidence: float
    claims: list[Claim]
    nearby: list[Citation]
    """What a refusal names as near."""
    at: datetime


class Retrieved(Model):
    """A passage that was retrieved for an answer, as it is now."""

    place: int
    score: float
    passage: str
    uri: str | None
    """None if the passage is no longer current, or no longer to be seen."""
    text: str | None
    reasons: list[str]


class Opinion(Model):
    """What a person said about an answer."""

    kind: Literal["up", "down", "correction"]
    text: str
    author: str
    at: datetime


class TurnWhy(Turn):
    """An answer with what it stands on."""

    current: list[str]
    """The cited passages that are still current."""
    retrieved: list[Retrieved]
    feedback: list[Opinion]


class Turns(Model):
    """The last turns of a session, oldest first."""

    turns: list[Turn]


class Passage(Model):
    """A passage of a document."""

    passage: str
    uri: str
    scope: str
    title: str
    heading: str
    text: str
    kind: Kind
    page: int | None
    line: int
    valid_from: datetime
    valid_to: datetime | None
    current: bool


class HitOut(Model):
    """A passage that was found."""

    passage: Passage
    name: str
    score: float
    also: list[str]
    """Addresses of passages that say the same in the same words."""
    set_aside: list[str]
    """Corrections and later words that set something of it aside."""
    reasons: list[str]
    features: dict[str, float | int | None]


class Hits(Model):
    """What was found, best first."""

    hits: list[HitOut]


class DocumentOut(Model):
    """A document without its text."""

    uri: str
    scope: str
    name: str
    title: str
    kind: Kind
    passages: int
    valid_from: datetime
    valid_to: datetime | None
    recorded_at: datetime
    dated_by: str
    """What its time was taken from."""


class Documents(Model):
    """A page of documents; `next` is the cursor of the page after it, if there is one."""

    documents: list[DocumentOut]
    next: str | None


class WholeDocument(DocumentOut):
    """A document with its passages, in order."""

    text: list[Passage]


class RememberedOut(Model):
    """What became of a document: passages that are new, kept and retired."""

    uri: str
    scope: str
    status: Literal["added", "updated", "unchanged"]
    added: int
    kept: int
    retired: int
    note: str
    """What of a file was not read; "" if nothing."""


class ForgottenOut(Model):
    """What was erased, and whether no file of the home holds anything of it any more."""

    uri: str
    passages: int
    cleared: bool


class Done(Model):
    """That it is done."""

    uri: str
    done: bool


class Told(Model):
    """Something that a person told."""

    uri: str
    text: str
    about: str
    said_at: datetime
    set_aside_by: list[str]


class Facts(Model):
    """What was told, the newest first."""

    facts: list[Told]


class ChangedOut(Model):
    """What became of a document, in its own sentences."""

    uri: str
    scope: str
    kind: Kind
    name: str
    title: str
    status: Literal["added", "changed", "gone"]
    at: datetime
    added: list[str]
    removed: list[str]


class Digest(Model):
    """What is new, changed and gone."""

    changes: list[ChangedOut]


class Side(Model):
    """One side of a conflict."""

    uri: str
    scope: str
    says: str
    valid_from: datetime


class ConflictOut(Model):
    """Two sentences that say otherwise about the same."""

    leads: Side
    other: Side


class Conflicts(Model):
    """What contradicts what today."""

    conflicts: list[ConflictOut]


class Stale(Model):
    """An answer that stands on words which have changed since."""

    turn: str
    session: str
    scope: str
    question: str
    answer: str
    at: datetime
    source: str
    quote: str
    changed_at: datetime


class Affected(Model):
    """Past answers that stand on what is no longer so, the newest first."""

    answers: list[Stale]


class Status(Model):
    """What this key is, and sees."""

    name: str
    scopes: list[str]
    roles: list[str]
    models: list[str]
    documents: dict[str, int]
    """Documents by scope."""
    embedder: str
    freshness: dict[str, Any] | None
    """Of the whole home; for administrators."""


class ErrorBody(Model):
    """What went wrong, in the protocol's shape."""

    message: str
    type: str
    param: str | None
    code: str | None


class Error(Model):
    """An error."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"error": {"message": "…", "type": "invalid_request_error", "param": None, "code": None}},
            ]
        },
    )
    error: ErrorBody
