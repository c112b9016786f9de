"""The register of what is derived from documents and their chunks: `forget` erases by it, `check` and `restore` compare by it.

Each table of the database is either the truth (TRUTH) or stands in REGISTER: a new one that is in neither fails a test. Backups
copy both. The files of the index are derived too: they follow the table `erasures`, and `maintenance` erases and checks them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, delete, select, text, update

from ragbot.store import schema as s

FORGOTTEN = "[forgotten]"
"""What stands in place of words that were erased."""
MANY = 500
MAX_SAMPLES = 8
"""So many pieces of what was erased are looked for in the files: each costs a search of all of them."""
SAMPLE_CHARS, MIN_SAMPLE_CHARS = 40, 8
"""A shorter text may stand anywhere by chance."""


@dataclass(frozen=True, slots=True)
class ErasedDocument:
    """A document that is being erased."""

    id: int
    scope: str
    uri: str
    kind: str


@dataclass(frozen=True, slots=True)
class Erased:
    """What `Transaction.erase_document` did: ids of the chunks that are gone, and pieces of them to look for in the files."""

    chunk_ids: tuple[int, ...]
    samples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Derived:
    """Something that is derived from documents or chunks, and the tables that hold it."""

    name: str
    tables: tuple[str, ...]
    erase: Callable[[Connection, Sequence[int]], None] = lambda connection, chunk_ids: None
    """Leaves nothing that is derived from these chunks, at most MANY. It runs before they are deleted themselves."""
    erase_document: Callable[[Connection, ErasedDocument], None] = lambda connection, document: None
    """Leaves nothing that is derived from the document as such. It runs when its chunks are gone, before it is deleted itself."""
    problems: Mapping[str, str] = field(default_factory=dict)
    """What may be wrong with it, in words with a {} for a number or a name, and the SQL that selects those."""


def erase_chunks(connection: Connection, chunk_ids: Sequence[int]) -> None:
    """Erase chunks, at most MANY, and all that is derived from them."""
    for one in REGISTER:
        one.erase(connection, chunk_ids)
    connection.execute(delete(s.chunks).where(s.chunks.c.id.in_(chunk_ids)))


def erase_document(connection: Connection, document: ErasedDocument) -> list[int]:
    """Erase a document, every version of its chunks, and all that is derived from it. The ids of those chunks."""
    own = select(s.chunks.c.id).where(s.chunks.c.document_id == document.id)
    ids = list(connection.execute(own).scalars())
    for at in range(0, len(ids), MANY):
        erase_chunks(connection, ids[at : at + MANY])
    for one in REGISTER:
        one.erase_document(connection, document)
    connection.execute(delete(s.documents).where(s.documents.c.id == document.id))
    return ids


def corrections_of(connection: Connection, document_id: int) -> list[ErasedDocument]:
    """The corrections that set aside passages of a document and of no other: they say of it what it says no longer."""
    d, c, documents = s.disputes.c, s.chunks.c, s.documents.c
    disputing = select(d.document_id).join(s.chunks, c.id == d.chunk_id).where(c.document_id == document_id)
    others = select(d.document_id).join(s.chunks, c.id == d.chunk_id).where(c.document_id != document_id)
    which = documents.id.in_(disputing), documents.id.not_in(others), documents.kind == "correction"
    query = select(documents.id, documents.scope, documents.uri, documents.kind).where(*which)
    return [ErasedDocument(*row) for row in connection.execute(query)]


def samples(connection: Connection, document_id: int) -> list[str]:
    """Pieces of the passages of a document, of all versions, by which it is found in files: at most MAX_SAMPLES."""
    own = select(s.chunks.c.id).where(s.chunks.c.document_id == document_id).order_by(s.chunks.c.id)
    ids = list(connection.execute(own).scalars())
    chosen = ids[:: -(-len(ids) * 2 // MAX_SAMPLES)] if ids else []
    texts = connection.execute(select(s.chunks.c.text).where(s.chunks.c.id.in_(chosen))).scalars()
    pieces = [piece for words in texts for piece in (words[:SAMPLE_CHARS], words[-SAMPLE_CHARS:])]
    return [piece for piece in dict.fromkeys(pieces) if len(piece) >= MIN_SAMPLE_CHARS and "*" not in piece]


def check(connection: Connection) -> list[str]:
    """What of the derived does not fit the documents and chunks, in words; empty if nothing."""
    return [
        problem.format(found)
        for one in REGISTER
        for problem, query in one.problems.items()
        for found in connection.execute(text(query)).scalars()
    ]


def _erase_answers(connection: Connection, chunk_ids: Sequence[int]) -> None:
    """Every claim of an answer that cites one of them goes: it may repeat in other words what another one quotes."""
    cited = select(s.citations.c.turn_id).where(s.citations.c.chunk_id.in_(chunk_ids))
    turn_ids = list(connection.execute(cited.distinct()).scalars())
    for at in range(0, len(turn_ids), MANY):
        some = turn_ids[at : at + MANY]
        forgotten = {"answer": FORGOTTEN, "grounded": False, "confidence": 0.0}
        connection.execute(update(s.turns).where(s.turns.c.id.in_(some)).values(forgotten))
        connection.execute(delete(s.citations).where(s.citations.c.turn_id.in_(some)))
        connection.execute(delete(s.claims).where(s.claims.c.turn_id.in_(some)))


def _erase_hits(connection: Connection, chunk_ids: Sequence[int]) -> None:
    connection.execute(delete(s.turn_hits).where(s.turn_hits.c.chunk_id.in_(chunk_ids)))


def _erase_disputes(connection: Connection, chunk_ids: Sequence[int]) -> None:
    connection.execute(delete(s.disputes).where(s.disputes.c.chunk_id.in_(chunk_ids)))


def _erase_disputes_of(connection: Connection, document: ErasedDocument) -> None:
    connection.execute(delete(s.disputes).where(s.disputes.c.document_id == document.id))


def _erase_vectors(connection: Connection, chunk_ids: Sequence[int]) -> None:
    connection.execute(delete(s.vectors).where(s.vectors.c.chunk_id.in_(chunk_ids)))


def _erase_sources_of(connection: Connection, document: ErasedDocument) -> None:
    here = (s.sources.c.scope == document.scope) & (s.sources.c.uri == document.uri)
    connection.execute(delete(s.sources).where(here))


def _erase_original_of(connection: Connection, document: ErasedDocument) -> None:
    connection.execute(delete(s.originals).where(s.originals.c.document_id == document.id))


def _erase_words_of(connection: Connection, document: ErasedDocument) -> None:
    """A turn or a correction stands a second time, where it was said."""
    turn_id = document.uri.partition(":")[2].partition(".")[0]
    if document.kind == "turn":
        said_it = (s.turns.c.id == turn_id) & (s.turns.c.scope == document.scope)
        connection.execute(update(s.turns).where(said_it).values(question=FORGOTTEN))
    elif document.kind == "correction":
        own = select(s.turns.c.id).where(s.turns.c.id == turn_id, s.turns.c.scope == document.scope)
        said = s.feedback.c.turn_id.in_(own) & (s.feedback.c.kind == "correction")
        connection.execute(update(s.feedback).where(said).values(text=FORGOTTEN))


TRUTH = (
    "transactions",
    "settings",
    "spaces",
    "documents",
    "chunks",
    "erasures",
    "turns",
    "feedback",
    "policies",
    "job_runs",
    "api_keys",
    "session_names",
)
"""The tables that are derived from nothing."""

_NO_CHUNK = "NOT EXISTS (SELECT 1 FROM chunks c WHERE c.id = d.chunk_id)"
REGISTER = (
    Derived(
        "answers",
        ("claims", "citations"),
        erase=_erase_answers,
        problems={
            "turn {} cites a passage that is not there": f"SELECT DISTINCT turn_id FROM citations d WHERE {_NO_CHUNK}",
            "turn {} has a citation of no claim": "SELECT DISTINCT turn_id FROM citations d "
            "WHERE d.claim >= 0 AND NOT EXISTS (SELECT 1 FROM claims c WHERE c.turn_id = d.turn_id AND c.ord = d.claim)",
        },
    ),
    Derived(
        "hits of turns",
        ("turn_hits",),
        erase=_erase_hits,
        problems={"turn {} has a hit that is not there": f"SELECT DISTINCT turn_id FROM turn_hits d WHERE {_NO_CHUNK}"},
    ),
    Derived(
        "disputes",
        ("disputes",),
        erase=_erase_disputes,
        erase_document=_erase_disputes_of,
        problems={"chunk {} is disputed and not there": f"SELECT DISTINCT chunk_id FROM disputes d WHERE {_NO_CHUNK}"},
    ),
    Derived(
        "vectors",
        ("vectors",),
        erase=_erase_vectors,
        problems={"chunk {} has a vector and is not there": f"SELECT DISTINCT chunk_id FROM vectors d WHERE {_NO_CHUNK}"},
    ),
    Derived("originals", ("originals",), erase_document=_erase_original_of),
    Derived("state of sources", ("sources",), erase_document=_erase_sources_of),
    Derived("words where they were said", (), erase_document=_erase_words_of),
)
