"""What ragbot knows: remember, recall, forget, refresh, check.

The store is the truth and the index follows it. Before every recall the index takes over what
any process has committed since the last one; nothing waits for a job or a restart.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from ragbot import settings as configs
from ragbot.errors import BusyError, HomeError, InputError, NotFoundError
from ragbot.maintenance import builder
from ragbot.maintenance.builder import Builder
from ragbot.maintenance.refresh import Maintenance, Progress
from ragbot.maintenance.spaces import Counted, Spaces, Vector
from ragbot.models.embedder import Embedder, Vectors
from ragbot.retriever import Retriever, with_disputes
from ragbot.runtime import Runtime, shared_runtime
from ragbot.search import filter
from ragbot.search.calibration import Calibration
from ragbot.store import Raced, Store, Stored, Transaction
from ragbot.store.derived import MAX_SAMPLES
from ragbot.store.rows import micros
from ragbot.text import documents as texts
from ragbot.text import storable
from ragbot.text.documents import Prepared
from ragbot.types import (
    EVERYONE,
    Checked,
    Chunk,
    Citation,
    Document,
    Forgotten,
    Hit,
    NewChunk,
    Part,
    Refreshed,
    Remembered,
    SourceNote,
    SourceState,
)

Disputes = Sequence[Citation] | Callable[[Document], Sequence[Citation]]
"""What a document sets aside; or what each of several does."""
MAX_COMPACTED = 65_536
"""A merge of more passages than this is left to the background and to `refresh`."""
TRIES = 20


class Memory:
    """The memory of one home. Safe to use from several threads, and beside other processes."""

    def __init__(self, home: Path, store: Store, settings: configs.Settings, runtime: Runtime | None = None) -> None:
        self.home = home
        self.settings = settings
        self.store = store
        self.runtime = runtime or shared_runtime()
        self._spaces = Spaces(store, settings.embedder, self.runtime)
        self.retriever = Retriever(home, store, self._spaces, self.runtime, settings)
        self._builder = Builder(home, store, builder.command())
        self._maintenance = Maintenance(home, store, self._spaces)

    @classmethod
    def open(cls, home: str | Path | None = None, *, create: bool = True, runtime: Runtime | None = None) -> Memory:
        """Open the memory in folder `home` (else RAGBOT_HOME, else `indexes`).

        Loads no model; `runtime` holds them, by default the one that all memories of the process share.
        Raises HomeError if it cannot be opened, or is not there and `create` is false; ConfigError if its settings are wrong.
        """
        folder = Path(os.path.abspath(configs.home_folder(home)))  # the same, wherever this process goes
        settings = configs.load(folder)
        return cls(folder, Store.open(folder, create=create), settings, runtime)

    def close(self) -> None:
        """Let go of the database. Nothing needs saving: it was saved when it was said."""
        self._builder.close()
        self.store.close()

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Remember

    def remember(
        self,
        documents: Document | Iterable[Document],
        *,
        disputes: Disputes = (),
        also: Callable[[Transaction], None] | None = None,
        progress: Counted | None = None,
    ) -> Remembered:
        """Make each document, or its new version, searchable; it is so when this returns.

        A document is in one transaction, with others of its group. One whose title and text are
        those of its last version is skipped, whatever else is new about it. `disputes` are the
        citations that a correction sets aside; `also` is written in the same transaction as each
        document. Raises InputError for a document without words, or with a field that cannot be
        stored, before anything of its group is written.
        """
        total = Remembered()
        for group in texts.grouped(self._prepare(document, again=bool(disputes or also)) for document in _listed(documents)):
            for _, done in self._remember_group(group, disputes, also, progress):
                total += done
        return total

    def remember_each(
        self, documents: Iterable[Document], *, states: Iterable[SourceState] = (), progress: Counted | None = None
    ) -> Iterator[tuple[Document, Remembered | InputError]]:
        """Remember documents as they come, and say of each, in order, what became of it once it is durable.

        Each of `states` is written in the transaction of the document of its scope and uri, unless that is skipped.
        Takes no more of `documents` than a group at a time, so that their snapshot waits for the
        embedder. A document that cannot be remembered does not stop the others.
        """

        known = {(state.scope, state.uri): state for state in states}

        def prepared() -> Iterator[Prepared | tuple[Document, InputError]]:
            for document in documents:
                try:
                    one = self._prepare(document, again=False)
                    yield replace(one, state=known.get(one.key))
                except InputError as cause:
                    yield document, cause

        for group in texts.grouped(prepared()):
            good = [one for one in group if isinstance(one, Prepared)]
            done = iter(self._remember_group(good, (), None, progress))
            yield from (next(done) if isinstance(one, Prepared) else one for one in group)

    def _prepare(self, document: Document, *, again: bool) -> Prepared:
        texts.need_sound(document)
        given = {"valid_from": document.valid_from, "valid_to": document.valid_to}
        times = [micros(at, f"{document.uri}: its {name}") for name, at in given.items() if at is not None]
        if times != sorted(set(times)):
            raise InputError(f"{document.uri}: its valid_to is not after its valid_from; give a later one, or leave it out")
        document = texts.storable_document(document)
        if not again and self._unchanged(document):
            return Prepared(document, None)
        return Prepared(document, texts.new_chunks_of(document))

    def _unchanged(self, document: Document) -> bool:
        with self.store.reading() as snapshot:
            ends_at = micros(document.valid_to) if document.valid_to else None
            return snapshot.current_version(document.scope, document.uri) == (document.sha256, ends_at)

    def _remember_group(
        self,
        group: Sequence[Prepared],
        disputes: Disputes,
        also: Callable[[Transaction], None] | None,
        progress: Counted | None,
    ) -> list[tuple[Document, Remembered]]:
        """Remember a group in one transaction."""
        often = Counter((one.document.scope, one.document.uri) for one in group)
        # A document that is twice in its group: the second may go back to what the first replaces.
        due = [
            (one, one.new_chunks or texts.new_chunks_of(one.document))
            for one in group
            if one.new_chunks is not None or often[one.key] > 1
        ]
        skipped = {id(one) for one in group} - {id(one) for one, _ in due}
        done = self._write(due, disputes, also, progress) if due else []
        results = iter(done)
        return [(one.document, Remembered(skipped=1) if id(one) in skipped else next(results)) for one in group]

    def _write(
        self,
        due: Sequence[tuple[Prepared, Sequence[NewChunk]]],
        disputes: Disputes,
        also: Callable[[Transaction], None] | None,
        progress: Counted | None,
    ) -> list[Remembered]:
        documents: Collection[tuple[str, str]] | None = {one.key for one, _ in due}
        for _ in range(TRIES):
            space, vectors = self._spaces.vectors(
                documents, [new_chunk for _, new_chunks in due for new_chunk in new_chunks], progress
            )
            done = []
            try:
                with self.store.writing() as transaction:
                    for one, new_chunks in due:
                        states = [one.state] if one.state else []
                        cited = disputes(one.document) if callable(disputes) else disputes
                        done.append(transaction.replace_document(one.document, new_chunks, space, vectors, cited, states))
                        if also:
                            also(transaction)
            except Raced:
                documents = None  # what was there is there no longer, or in another version
                continue
            self._builder.added(sum(one.added for one in done))
            return done
        raise BusyError(f"{due[0][0].document.uri}: other processes kept changing the home; try again")

    def embedder(self) -> Embedder:
        """The embedder of the space that answers, loaded the first time it is asked for."""
        return self._spaces.embedder_of(self._spaces.active())

    def warm(self) -> None:
        """Load the embedder now, so that the next document or question need not wait for it."""
        with self.store.reading() as snapshot:
            space = snapshot.active_space()
        if space:
            self._spaces.embedder_of(space).encode_query("warm")

    def encode(self, texts: Sequence[str]) -> Vectors:
        """The vectors (n, dim) of sentences, in the space of the last recall."""
        return self._spaces.embedder_of(self.retriever.answering_space()).encode(texts)

    def encode_query(self, text: str, *, scopes: Collection[str] = (EVERYONE,)) -> Vector:
        """The vector (dim,) of a question, in the space of the last recall. Who reads `scopes` has the last ones at hand."""
        return self._spaces.query_vector(self.retriever.answering_space(), text, filter.names(scopes))

    def calibration(self) -> Calibration:
        """The numbers of the space that answers."""
        return self.retriever.calibration()

    def versions(self) -> dict[str, str]:
        """The embedder and the transaction that the last recall saw; empty before the first."""
        view = self.retriever.view
        return {"embedder": f"{view.space.model}@{view.space.revision}", "index": str(view.transaction[0])} if view.space else {}

    def cool(self) -> None:
        """Forget the vectors of the last questions, so that they are computed again, as a measurement needs."""
        self._spaces.cool()

    # Search

    def recall(
        self,
        query: str,
        k: int = 5,
        *,
        scopes: Collection[str] = (EVERYONE,),
        as_of: datetime | None = None,
        known_at: datetime | None = None,
        history: Sequence[tuple[str, str]] = (),
        kinds: Collection[str] = (),
        uris: Collection[str] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        part: Part | None = None,
    ) -> list[Hit]:
        """The k passages that fit `query` best, best first, of those that `scopes` may see.

        Passages that say the same in the same words are one hit, with others in `Hit.also`: not all
        of them, but those that were met in search of k hits, at most `duplicates.MOST_COPIES`.
        `as_of` asks what held then, `known_at` what was known then. `history` is (role, text), oldest first: what the
        question leans on. `part` asks one part of recall alone. `kinds`, `uris` (* stands for anything), and when
        they began to hold (from `since`, before `until`) narrow what is searched. All of it is of one moment of the database.
        Raises InputError for an empty query, a k out of range, or a part, kind or role that does not exist.
        """
        filter.need_query(query, k, part)
        selection = filter.select(scopes, kinds=kinds, uris=uris, as_of=as_of, known_at=known_at, since=since, until=until)
        return self.retriever.retrieve(storable(query), k, selection, filter.history(history), part)

    def recall_by_vector(
        self,
        vector: Sequence[float] | Vector,
        k: int = 5,
        *,
        scopes: Collection[str] = (EVERYONE,),
        kinds: Collection[str] = (),
        uris: Collection[str] = (),
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[Hit]:
        """The k passages that are nearest to a vector (dim,) of the space that answers, best first; their scores are cosines.

        Raises InputError for a vector of another length, or without a direction.
        """
        filter.need_query("a vector", k)
        selection = filter.select(scopes, kinds=kinds, uris=uris, since=since, until=until)
        return self.retriever.nearest(vector, k, selection)

    def corrected(self, question: str, *, scopes: Collection[str] = (EVERYONE,)) -> Mapping[str, str]:
        """What `recall` reads each misspelt word of a question as, by the passages of `scopes`. Empty: none is."""
        return self.retriever.corrected(storable(question), filter.select(scopes))

    def around(
        self, chunk: Chunk, reach: int = 1, *, scopes: Collection[str] = (EVERYONE,), as_of: datetime | None = None
    ) -> list[Chunk]:
        """What stands up to `reach` places before and after a passage, in order, without itself.

        Of a document its current passages, or those of `as_of`; of a turn what was said beside it, two turns on either
        side at most. Nothing where `scopes` may not see it.
        """
        if chunk.scope not in filter.names(scopes):
            return []
        if chunk.kind == "turn":
            return self.retriever.turns_around(chunk, reach)
        with self.store.reading() as snapshot:
            at = snapshot.time_of(None if as_of is None else micros(as_of))
            return snapshot.chunks_beside(chunk, reach, at)

    def told(self, most: int, *, scope: str) -> list[Hit]:
        """What a person told, sentence by sentence, the newest first; later words that set one aside are its disputes."""
        with self.store.reading() as snapshot:
            chunks = snapshot.newest_told(storable(scope), most)
            return with_disputes([Hit(chunk, 0.0) for chunk in chunks], snapshot, filter.select(scope))

    def document(self, uri: str, *, scope: str = EVERYONE) -> Stored | None:
        """What is known of a current document; None if there is none."""
        with self.store.reading() as snapshot:
            stored = snapshot.document(storable(scope), storable(uri))
        return stored if stored and stored.retired_at is None else None

    def documents(self, scopes: Collection[str] | None = None) -> list[Stored]:
        """Every current document, of all scopes or of some."""
        with self.store.reading() as snapshot:
            return snapshot.documents(None if scopes is None else filter.names(scopes))

    def source_states(self, kind: str, *, scope: str = EVERYONE, uris: Collection[str] | None = None) -> dict[str, SourceState]:
        """What is known of sources of one kind, by uri: of all in a scope, or of some. Also of retired documents."""
        with self.store.reading() as snapshot:
            return snapshot.source_states(kind, storable(scope), uris)

    def set_source_states(self, states: Iterable[SourceState], *, erase: Iterable[SourceState] = ()) -> None:
        """Keep what is known of sources, and erase what no longer holds, in one transaction."""
        with self.store.writing() as transaction:
            transaction.erase_source_states(erase)
            transaction.set_source_states(states)

    def note(self, notes: Iterable[SourceNote]) -> None:
        """Note that sources were looked at again: each unless another process wrote what is known of it meanwhile."""
        with self.store.writing() as transaction:
            for one in notes:
                transaction.replace_source_state(one)

    def kv(self, key: str) -> str | None:
        """What `set_kv` kept under a key; None if nothing."""
        with self.store.reading() as snapshot:
            return snapshot.kv(key)

    def set_kv(self, key: str, value: str) -> None:
        """Keep a value of the caller's under a key, in place of the one before."""
        with self.store.writing() as transaction:
            transaction.set_kv(key, value)

    def uri_called(self, given: str, *, scope: str = EVERYONE) -> str:
        """The uri of the document that an address, or the name in citations, stands for; what was given, if there is none.

        Raises InputError if several are called so.
        """
        scope, given = storable(scope), storable(given)
        with self.store.reading() as snapshot:
            if snapshot.document(scope, given):
                return given
            called = [one.uri for one in snapshot.documents([scope]) if one.metadata.get("name") == given]
        if len(called) > 1:
            raise InputError(f"{given}: {len(called)} documents are called so; give the address of one: {', '.join(called[:10])}")
        return called[0] if called else given

    # Forget, refresh, check

    def retire(self, uri: str, *, scope: str = EVERYONE) -> int:
        """Take a document out of recall; `as_of` still reads it. How many chunks were retired."""
        return self.retire_each([uri], scope=scope)[0]

    def retire_each(self, uris: Sequence[str], *, scope: str = EVERYONE) -> list[int]:
        """The same of several, in one transaction."""
        with self.store.writing() as transaction:
            return [transaction.retire_document(storable(scope), storable(uri)) for uri in uris]

    def forget(self, uri: str, *, scope: str = EVERYONE) -> Forgotten:
        """Erase a document and everything derived from it.

        Every version goes, with vectors, words, sealed segments, and the answers that quoted it.
        Raises NotFoundError if there is no such document.
        """
        return self.forget_each([uri], scope=scope)

    def forget_each(self, uris: Sequence[str], *, scope: str = EVERYONE) -> Forgotten:
        """Erase several documents in one transaction. Raises NotFoundError for one that is not there; the others are gone."""
        scope, uris = storable(scope), [storable(uri) for uri in uris]
        with self.store.writing() as transaction:
            missing = [uri for uri in uris if transaction.document(scope, uri) is None]
            erased = [transaction.erase_document(scope, uri) for uri in uris]
        # Also where there is none: an earlier forget may have been killed before it came this far.
        samples = [sample for one in erased for sample in one.samples]
        try:
            cleared = self._maintenance.clear(samples[:: -(-len(samples) // MAX_SAMPLES) or 1])
        except (BusyError, HomeError):  # what is erased is found no more; its files go at the next forget or refresh
            cleared = False
        if missing:
            raise NotFoundError(f"{missing[0]}: no such document in scope {scope!r}; `ingest status` lists what is there")
        return Forgotten(sum(len(one.chunk_ids) for one in erased), cleared)

    def forget_session(self, session: str, *, scope: str) -> int:
        """Erase what was asked and answered in a session, and what each answer stood on. How many turns.

        What was told in it stays known: that is forgotten by its address.
        """
        with self.store.writing() as transaction:
            turns = transaction.erase_session(storable(scope), storable(session))
        # What was told stands in the files by right, and is not looked for; what a busy process holds goes at the next forget.
        with contextlib.suppress(BusyError, HomeError):
            self._maintenance.clear([])
        return turns

    def refresh(self, model: str | None = None, *, back: bool = False, progress: Progress | None = None) -> Refreshed:
        """Rebuild the index as one segment; with `model`, move to that embedding model first, with `back` to the one before.

        Every chunk gets a vector in the new space and an index is made of them, tried against exact
        search, while the old one goes on answering; then the new one takes over, and the old one
        is kept to go back to. Cut off, it goes on where it was. `progress` is called with what is
        done, how much of it, and of how much. Raises ModelError if the model is not there.
        """
        return self._maintenance.refresh(model, back=back, progress=progress or (lambda _what, _done, _all: None))

    def compact(self, most: int = MAX_COMPACTED) -> None:
        """Seal what lies in memory and merge small segments, up to `most` passages at a time, before this returns."""
        self._maintenance.compact(most)

    def check(self, *, deep: bool = False, repair: bool = False, progress: Counted | None = None) -> Checked:
        """Compare the index with the truth, and name each disagreement.

        `deep` compares every vector and word, and looks for each passage by its own vector.
        `repair` throws the index away where it disagrees, and rebuilds it from the database;
        what is left then is named.
        """
        progress = progress or (lambda _: None)
        return self._maintenance.repaired(deep, progress) if repair else self._maintenance.check(deep, progress)

    def backup(self, target: str | Path) -> Path:
        """Copy the truth into the folder `target`, which is a home of its own then. Others may read and write meanwhile."""
        return self._maintenance.backup(Path(target))

    def restore(self, source: str | Path) -> None:
        """Replace all that is known here by what the backup in the folder `source` holds, in one transaction."""
        self._maintenance.restore(Path(source))


def _listed(documents: Document | Iterable[Document]) -> Iterable[Document]:
    if isinstance(documents, str) or not isinstance(documents, Document | Iterable):
        raise InputError(f"{documents!r:.60} is no Document; give Document(uri, text)")
    return [documents] if isinstance(documents, Document) else documents
