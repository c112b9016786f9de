"""What the doors offer, and who may have it. Each call names its principal; what that may not see is as if it were not there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from ingest.dating import DATED_BY
from ingest.pipeline import Outcome
from ingest.state import FailedState, failed_state
from ingest.uploads import Uploads
from ragbot import changes
from ragbot.access import AccessRole, Principal
from ragbot.answer import persona as personas
from ragbot.answer.intent import Ask
from ragbot.answer.persona import Persona
from ragbot.changes import Changed, Conflict, Freshness
from ragbot.chat import Chat
from ragbot.errors import AccessError, InputError, NotFoundError
from ragbot.memory import Memory
from ragbot.search import filter
from ragbot.store import Snapshot, Stored
from ragbot.store.history import StaleCitation
from ragbot.store.turns import Session
from ragbot.text import storable
from ragbot.text.documents import ABOUT
from ragbot.types import EVERYONE, TOLD, Chunk, Document, Feedback, Forgotten, Hit, Original, Remembered, Turn, TurnHit

MODEL = "ragbot"
"""The name of the configured persona in the principal's own scope; "ragbot:tutor@team" is another one in another scope."""
MAX_PAGE, MAX_NAME = 200, 120
OWN = (TOLD, "correction:")
"""What the addresses begin with that the bot gives itself."""
OWN_METADATA = {"langchain", changes.PROMOTED_BY, ABOUT, DATED_BY}


class NoModelError(NotFoundError):
    """A model that a key does not have."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What narrows a recall, as `Memory.recall` takes it."""

    as_of: datetime | None = None
    known_at: datetime | None = None
    since: datetime | None = None
    until: datetime | None = None
    kinds: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns of a session, oldest first, where the page before them ends, what people said about each, and its name."""

    turns: tuple[Turn, ...]
    before_seq: int | None
    feedback: dict[str, tuple[Feedback, ...]]
    name: str


@dataclass(frozen=True, slots=True)
class Source:
    """A passage with its document, whether it is still current, and the passages beside it, in order."""

    chunk: Chunk
    stored: Stored | None
    is_current: bool
    beside: tuple[Chunk, ...]


@dataclass(frozen=True, slots=True)
class Explained:
    """A turn and what it stands on: its passages as they are now, what was retrieved, and what people said about it."""

    turn: Turn
    current: dict[int, Chunk]
    retrieved: tuple[TurnHit, ...]
    feedback: tuple[Feedback, ...]
    names: Mapping[int, str]
    """What people call the sources of the passages."""


class Service:
    """One memory for many people. Safe to use from several threads."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self._uploads = Uploads(memory)
        configured = memory.settings.persona
        self._personas = {name: personas.load(name, memory.home) for name in dict.fromkeys((configured, *personas.names()))}
        self._configured = configured

    def close(self) -> None:
        """End the processes that read files. The memory is the caller's."""
        self._uploads.close()

    # Who may what

    def need(self, who: Principal, role: AccessRole) -> None:
        """Raise AccessError if the principal lacks a role."""
        if role not in who.roles:
            raise AccessError(f"this key has not the role {role!r}; an administrator can make one that has (`ragbot keys add`)")

    def reads(self, who: Principal, scope: str | None = None) -> tuple[str, ...]:
        """The scopes that a principal reads, or the one of them that it asks for. Raises AccessError."""
        self.need(who, "read")
        if scope is None:
            return who.reads
        scope = storable(scope)
        if scope not in who.reads:  # the same whether or not there is such a scope
            raise AccessError(
                f"this key does not see the scope {scope!r}; leave it out, or ask for one of {', '.join(who.reads)}"
            )
        return (scope,)

    def writes(self, who: Principal, scope: str | None, role: AccessRole) -> str:
        """The scope that a principal writes to with a role; its own, if it names none. Raises AccessError."""
        self.need(who, role)
        scope = who.scopes[0] if scope is None else storable(scope)
        if scope == EVERYONE:
            self.need(who, "write")
        if scope not in who.scopes:
            raise AccessError(f"this key does not write to the scope {scope!r}; it writes to {', '.join(who.scopes)}")
        return scope

    # Ask

    def models(self, who: Principal) -> list[str]:
        """The names under which a principal can talk: personas, each in the scopes that are not everyone's."""
        self.need(who, "read")
        scopes = [scope for scope in who.scopes if scope != EVERYONE]
        voices = ["", *(f":{name}" for name in self._personas if name != self._configured)]
        return [f"{MODEL}{voice}{'' if scope == who.scopes[0] else f'@{scope}'}" for scope in scopes for voice in voices]

    def chat(self, who: Principal, model: str, session: str, *, tells: bool = True) -> Chat:
        """A conversation under the name of a model. Raises NotFoundError for a model that the principal does not have."""
        if model not in self.models(who):
            raise NoModelError(f"the model {model[:100]!r} does not exist, or this key may not use it; GET /v1/models lists them")
        voice, _, scope = model.removeprefix(MODEL).partition("@")
        persona = self._personas[voice.removeprefix(":") or self._configured]
        return Chat(
            self.memory,
            session,
            scope or who.scopes[0],
            persona=persona,
            reads=self._beside(who, scope or who.scopes[0]),
            tells=tells and "tell" in who.roles,
        )

    def _beside(self, who: Principal, scope: str) -> tuple[str, ...]:
        """What a conversation in a scope reads beside it: nothing in a shared one, whose turns others read."""
        return who.scopes if scope == who.scopes[0] else ()

    def session_of(self, who: Principal, model: str, history: Sequence[tuple[str, str]]) -> str | None:
        """The session that a history belongs to, for protocols that send it with every message; None: none."""
        scope = self.chat(who, model, "-").scope
        with self.memory.store.reading() as snapshot:
            return snapshot.session_of(scope, [(role, storable(text)) for role, text in history])

    def recall(
        self,
        who: Principal,
        query: str,
        k: int,
        selection: Selection,
        *,
        scope: str | None = None,
        history: Sequence[tuple[str, str]] = (),
    ) -> list[Hit]:
        """The passages that fit a query best, of what the principal sees."""
        return self.memory.recall(
            query,
            k,
            scopes=self.reads(who, scope),
            history=history,
            as_of=selection.as_of,
            known_at=selection.known_at,
            since=selection.since,
            until=selection.until,
            kinds=selection.kinds,
            uris=selection.uris,
        )

    # Documents

    def documents(
        self, who: Principal, *, after: tuple[str, str] | None, limit: int, scope: str | None, kinds: Collection[str], uri: str
    ) -> list[Stored]:
        """A page of the documents that the principal sees, in the order of scope and uri; what people told only in own scopes."""
        scopes, kinds = self.reads(who, scope), filter.kinds_of(kinds)
        with self.memory.store.reading() as snapshot:
            return snapshot.documents_page(after, min(limit, MAX_PAGE + 1), scopes, kinds, storable(uri))

    def document(self, who: Principal, uri: str, scope: str | None = None) -> tuple[Stored, list[Chunk]]:
        """A current document and its passages; in the principal's own scope first. Raises NotFoundError."""
        uri = storable(uri)
        with self.memory.store.reading() as snapshot:
            for one in _nearest_first(who, self.reads(who, scope)):
                stored = snapshot.document(one, uri)
                if stored and stored.retired_at is None:
                    return stored, snapshot.chunks_of(one, uri)
        raise NotFoundError(f"{uri}: no such document among those that this key sees; the list of documents shows them")

    def passage(self, who: Principal, chunk_id: int) -> tuple[Chunk, bool]:
        """A passage that an answer cited, and whether it is still current. Raises NotFoundError."""
        scopes = self.reads(who)
        with self.memory.store.reading() as snapshot:
            chunk = snapshot.chunk_ever(chunk_id, scopes)
        if chunk is None:
            raise NotFoundError("there is no such passage among those that this key sees; it may have been forgotten")
        return chunk, chunk.retired_at is None

    def source(self, who: Principal, chunk_id: int, reach: int) -> Source:
        """A passage that an answer cited, with what it was read from and what stands beside it. Raises NotFoundError."""
        chunk, is_current = self.passage(who, chunk_id)
        with self.memory.store.reading() as snapshot:
            stored = snapshot.document(chunk.scope, chunk.uri)
            beside = snapshot.chunks_beside(chunk, reach) if is_current else []
            return Source(chunk, stored, is_current, tuple(beside))

    def original(self, who: Principal, chunk_id: int) -> tuple[Chunk, Original]:
        """The file that the document of a passage was read from. Raises NotFoundError, also if it was not kept."""
        chunk, is_current = self.passage(who, chunk_id)
        with self.memory.store.reading() as snapshot:
            original = snapshot.original(chunk.scope, chunk.uri)
        if original is None or not is_current:
            raise NotFoundError("the file that this passage was read from is not kept; its text is")
        return chunk, original

    def versions(self, who: Principal, uri: str, scope: str | None) -> list[datetime]:
        """When a document came and changed, oldest first. Raises NotFoundError."""
        stored, _ = self.document(who, uri, scope)
        with self.memory.store.reading() as snapshot:
            return snapshot.changes_of(stored.id)

    def failed_files(self, who: Principal) -> list[tuple[str, str, str]]:
        """What could not be read when it was last tried, of the scopes that the principal sees: scope, uri, why."""
        return [
            (scope, uri, failed_state(state).message)
            for scope in self.reads(who)
            for uri, state in self.memory.source_states(FailedState.kind, scope=scope).items()
        ]

    def remember(self, who: Principal, document: Document, scope: str | None) -> Remembered:
        """Make a document, or its new version, searchable."""
        scope = self.writes(who, scope, "write")
        if wrong := OWN_METADATA & document.metadata.keys():
            raise InputError(f"metadata: {min(wrong)!r} is kept by ragbot itself; give it another name")
        if document.uri.startswith(OWN):
            raise InputError(f"uri: addresses that begin with {' or '.join(OWN)} are those of what is told; give another one")
        return self.memory.remember(replace(document, scope=scope))

    def upload(self, who: Principal, path: Path, name: str, scope: str | None) -> Iterator[str | Outcome]:
        """Remember what a file holds: what is being done, then what became of it. Raises ReadError for one without text."""
        return self._uploads.add(path, name, scope=self.writes(who, scope, "write"))

    def forget(self, who: Principal, uri: str, scope: str | None) -> Forgotten:
        """Erase a document with all that is derived from it; with the role `tell`, what was told and corrections."""
        scope, uri = self.writes(who, scope, "tell" if "write" not in who.roles else "write"), storable(uri)
        stored = self.memory.document(uri, scope=scope)
        if stored is not None and stored.kind == "file":
            self.need(who, "write")
        return self.memory.forget(uri, scope=scope)

    # Turns

    def turn(self, who: Principal, turn_id: str) -> Explained:
        """A turn of a scope in which the principal talks, and what it stands on. Raises NotFoundError."""
        scopes = self.reads(who)
        with self.memory.store.reading() as snapshot:
            turn = snapshot.turn(turn_id)
            if turn is None or not _sees(snapshot, who, turn):
                raise NotFoundError(f"{turn_id[:100]}: there is no such turn in the scopes of this key")
            retrieved = snapshot.turn_hits(turn_id)
            ids = [cited.chunk_id for cited in turn.citations] + [hit.chunk_id for hit in retrieved]
            current = snapshot.chunks(ids, scopes)
            names = snapshot.names_of_sources(list(current))
            return Explained(turn, current, tuple(retrieved), tuple(snapshot.feedback(turn_id)), names)

    def read(self, who: Principal, turn_id: str) -> Ask:
        """How the message of a turn is read, after what was said before it. Raises NotFoundError."""
        turn = self.turn(who, turn_id).turn
        return self._chat_in(who, turn).understood(turn)

    def turns(self, who: Principal, session: str, scope: str | None, limit: int) -> list[Turn]:
        """The last turns of a session, oldest first."""
        self.need(who, "read")
        scope = who.scopes[0] if scope is None else storable(scope)
        self.reads(who, scope)
        with self.memory.store.reading() as snapshot:
            found = snapshot.turns(scope, storable(session), min(limit, MAX_PAGE))
            return [turn for turn in found if _sees(snapshot, who, turn)]

    def conversation(self, who: Principal, scope: str, session: str, before_seq: int | None, limit: int) -> Conversation:
        """The last turns of a session, or those before a place. Raises AccessError."""
        self._need_talk(who, scope)
        with self.memory.store.reading() as snapshot:
            page = snapshot.turns_page(scope, storable(session), before_seq, min(limit, MAX_PAGE))
            turns = tuple(turn for turn in page.turns if _sees(snapshot, who, turn))
            said = {turn.id: tuple(snapshot.feedback(turn.id)) for turn in turns}
            return Conversation(turns, page.before_seq, said, snapshot.session_name(scope, storable(session)))

    def sessions(self, who: Principal, scope: str, limit: int, before_seq: int | None = None, words: str = "") -> list[Session]:
        """The conversations of a scope, the one that was last spoken in first. Raises AccessError."""
        self._need_talk(who, scope)
        with self.memory.store.reading() as snapshot:
            return snapshot.sessions(scope, min(limit, MAX_PAGE), before_seq, storable(words))

    def rename_session(self, who: Principal, scope: str, session: str, name: str) -> None:
        """Call a conversation something. Raises AccessError."""
        self._need_talk(who, scope, "tell")
        with self.memory.store.writing() as transaction:
            transaction.replace_session_name(scope, storable(session), storable(" ".join(name.split()))[:MAX_NAME])

    def forget_session(self, who: Principal, scope: str, session: str) -> int:
        """Erase what was asked and answered in a conversation. How many turns. Raises AccessError."""
        self._need_talk(who, scope, "tell")
        return self.memory.forget_session(session, scope=scope)

    def _need_talk(self, who: Principal, scope: str, role: AccessRole = "read") -> None:
        """Raise AccessError unless a principal talks in a scope, with a role."""
        self.need(who, role)
        if scope not in who.scopes or scope == EVERYONE:
            raise AccessError("this key does not talk in that scope")

    def rate(self, who: Principal, turn_id: str, *, up: bool | None, claim: int | None = None) -> None:
        """Say whether an answer, or a claim of it, was good; None: nothing. It replaces what was said before."""
        chat = self._chat_of(who, turn_id)
        chat.unrate(turn_id, author=who.name, claim=claim)
        if up is not None:
            chat.rate(turn_id, up=up, author=who.name, claim=claim)

    def correct(self, who: Principal, turn_id: str, text: str, claim: int | None = None) -> Document:
        """Say what is right instead of an answer, or of a claim of it. Raises NotFoundError, InputError."""
        return self._chat_of(who, turn_id).correct(turn_id, text, author=who.name, claim=claim)

    def _chat_of(self, who: Principal, turn_id: str) -> Chat:
        self.need(who, "tell")
        return self._chat_in(who, self.turn(who, turn_id).turn)

    def _chat_in(self, who: Principal, turn: Turn) -> Chat:
        return Chat(self.memory, turn.session, turn.scope, persona=self.persona, reads=self._beside(who, turn.scope))

    @property
    def persona(self) -> Persona:
        """The configured persona."""
        return self._personas[self._configured]

    def facts(self, who: Principal, scope: str | None, limit: int) -> list[Hit]:
        """What was told in a scope of the principal, newest first, with what later words set aside."""
        scope = who.scopes[0] if scope is None else self.reads(who, scope)[0]
        self.need(who, "read")
        return self.memory.told(min(limit, MAX_PAGE), scope=scope)

    def corrections(self, who: Principal, scope: str) -> list[Chunk]:
        """The corrections that count in a scope of the principal."""
        self._need_talk(who, scope)
        with self.memory.store.reading() as snapshot:
            found = snapshot.documents_page(None, MAX_PAGE, (scope,), ("correction",))
            return [chunk for one in found for chunk in snapshot.chunks_of(scope, one.uri)[:1]]

    def forget_told(self, who: Principal, scope: str | None) -> Forgotten:
        """Erase all that was told in a scope, and all corrections, with what is derived from them."""
        scope = self.writes(who, scope, "tell")
        with self.memory.store.reading() as snapshot:
            uris = [one.uri for one in snapshot.documents([scope]) if one.kind != "file"]
        return self.memory.forget_each(uris, scope=scope)

    def retell(self, who: Principal, uri: str, text: str, scope: str | None) -> None:
        """Let something that was told, or a correction, say something else from now on. Raises NotFoundError, InputError."""
        changes.retell(self.memory, uri, text, scope=self.writes(who, scope, "tell"))

    def unsupersede(self, who: Principal, uri: str, scope: str | None) -> int:
        """Let something that later words set aside hold again. Raises NotFoundError."""
        return changes.unsupersede(self.memory, uri, scope=self.writes(who, scope, "tell"))

    def promote(self, who: Principal, uri: str, scope: str | None) -> None:
        """Make a correction, or something told, count for everyone. Raises NotFoundError."""
        self.writes(who, EVERYONE, "write")
        changes.promote(self.memory, uri, by=who.name, scope=self.writes(who, scope, "write"))

    def retract(self, who: Principal, uri: str) -> None:
        """Take back what was promoted. Raises NotFoundError."""
        self.writes(who, EVERYONE, "write")
        changes.retract(self.memory, uri)

    # What changed

    def diff(self, who: Principal, uri: str, scope: str | None, since: datetime | None, until: datetime | None) -> Changed:
        """What a document says now, or at `until`, and did not at `since`. Raises NotFoundError."""
        for one in _nearest_first(who, self.reads(who, scope)):
            with self.memory.store.reading() as snapshot:
                there = snapshot.document(one, storable(uri))
            if there:
                return changes.diff(self.memory, uri, scope=one, since=since, until=until)
        raise NotFoundError(f"{uri}: no such document among those that this key sees; the list of documents shows them")

    def digest(self, who: Principal, since: datetime, scope: str | None) -> list[Changed]:
        """What is new, changed and gone since then, of what the principal sees."""
        return changes.digest(self.memory, since, scopes=self.reads(who, scope))

    def affected(self, who: Principal, uri: str | None, *, everybody: bool = False) -> list[StaleCitation]:
        """What past answers stood on that has changed since; with the role `admin`, everybody's."""
        self.reads(who)
        if everybody:
            self.need(who, "admin")
        own = [scope for scope in who.scopes if scope != EVERYONE]
        found = changes.affected(self.memory, uri, scopes=None if everybody else own)
        if everybody:
            return found
        with self.memory.store.reading() as snapshot:
            return [one for one in found if (turn := snapshot.turn(one.turn_id)) and _sees(snapshot, who, turn)]

    def conflicts(self, who: Principal, scope: str | None) -> list[Conflict]:
        """Sentences of different documents that say otherwise about the same, of what the principal sees."""
        return changes.conflicts(self.memory, scopes=self.reads(who, scope))

    def counts(self, who: Principal, kinds: Collection[str] = ()) -> dict[str, int]:
        """How many documents, of all kinds or of some, each scope that the principal sees holds."""
        with self.memory.store.reading() as snapshot:
            return snapshot.count_documents(self.reads(who), kinds)

    def freshness(self, who: Principal) -> Freshness:
        """How fresh the whole home is. For the role `admin`: it counts all scopes."""
        self.need(who, "admin")
        return changes.freshness(self.memory)


def _sees(snapshot: Snapshot, who: Principal, turn: Turn) -> bool:
    """Whether a turn is in a scope of the principal, and cites nothing of a scope that it does not read."""
    cited = [one.chunk_id for one in (*turn.citations, *turn.nearby)]
    return turn.scope in who.scopes and snapshot.scopes_of(cited) <= set(who.reads)


def _nearest_first(who: Principal, scopes: Sequence[str]) -> list[str]:
    """Scopes in the order in which a principal means them: its own first, what everyone may see last."""
    return sorted(scopes, key=lambda scope: who.scopes.index(scope) if scope in who.scopes and scope != EVERYONE else len(scopes))
