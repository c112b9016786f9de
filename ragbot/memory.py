"""What ragbot knows: remember, recall, forget, refresh, check.

The store is the truth and the index follows it. Before every recall the index takes over what
any process has committed since the last one; nothing waits for a job or a restart.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ragbot import config as configs
from ragbot import ranking
from ragbot.errors import BusyError, InputError, ModelError, NotFoundError
from ragbot.index import manifest as manifests
from ragbot.index import sealing
from ragbot.index.view import View
from ragbot.models.embedder import Embedder, open_embedder
from ragbot.store import Draft, Raced, Reader, Store, Stored, Writer
from ragbot.store.rows import micros
from ragbot.text import chunks as chunking
from ragbot.text import questions, storable
from ragbot.text.tokens import content, has_cjk, tokens
from ragbot.types import EVERYONE, Checked, Citation, Document, Forgotten, Hit, Refreshed, Remembered, Space

log = logging.getLogger(__name__)

Progress = Callable[[int], None]
"""Called with how many more chunks are embedded."""
Vector = NDArray[np.float32]

POOL = 40
"""How many candidates each part of a recall puts forward."""
MOST = 10_000
"""How many passages one recall may give."""
GROUP = 64
"""How many documents share a pass through the embedder."""
BATCH = 256
TRIES = 20


class Memory:
    """The memory of one home. Safe to use from several threads, and beside other processes."""

    def __init__(self, home: Path, store: Store, config: configs.Config) -> None:
        self.home = home
        self.config = config
        self.store = store
        self._view = View(home)
        self._embedders: dict[str, Embedder] = {}
        self._lock = threading.RLock()

    @classmethod
    def open(cls, home: str | Path | None = None, *, create: bool = True) -> Memory:
        """Open the memory in folder `home` (else RAGBOT_HOME, else `indexes`).

        Loads no model. Raises HomeError if it cannot be opened, or is not there and `create` is
        false; ConfigError if its settings are wrong.
        """
        folder = configs.home_folder(home)
        config = configs.load(folder)
        return cls(folder, Store.open(folder, create=create), config)

    def close(self) -> None:
        """Let go of the database. Nothing needs saving: it was saved when it was said."""
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
        disputes: Sequence[Citation] = (),
        also: Callable[[Writer], None] | None = None,
        progress: Progress | None = None,
    ) -> Remembered:
        """Make each document, or its new version, searchable; it is so when this returns.

        Each document is one transaction. One whose title and text are those of its last version is
        skipped, whatever else is new about it. `disputes` are the citations that a correction sets
        aside; `also` is written in the same transaction as each document. Raises InputError for
        a document without words, before anything of its group is written.
        """
        waiting = iter([documents] if isinstance(documents, Document) else documents)
        total = Remembered()
        while group := list(islice(waiting, GROUP)):
            total += self._remember_group(group, disputes, also, progress)
        if total.added:
            self._seal_long_tail()
        return total

    def _seal_long_tail(self) -> None:
        try:
            sealing.seal_long_tail(self.home, self.store)
        except (OSError, BusyError) as cause:  # it is remembered all the same; the next one seals it
            log.warning("%s: the index was not sealed (%s)", self.home, cause)

    def _remember_group(
        self,
        group: Sequence[Document],
        disputes: Sequence[Citation],
        also: Callable[[Writer], None] | None,
        progress: Progress | None,
    ) -> Remembered:
        group = [_storable(document) for document in group]
        for document in group:
            _need_words(document)
        often = Counter((document.scope, document.uri) for document in group)
        changed = [d for d in group if also or disputes or often[d.scope, d.uri] > 1 or not self._unchanged(d)]
        total = Remembered(skipped=len(group) - len(changed))
        if not changed:
            return total
        drafts = [drafts_of(document) for document in changed]
        space, vectors = self._vectors([draft for some in drafts for draft in some], changed, progress)
        for document, some in zip(changed, drafts, strict=True):
            total += self._write(document, some, space, vectors, disputes, also)
        return total

    def _write(
        self,
        document: Document,
        drafts: Sequence[Draft],
        space: Space,
        vectors: Mapping[str, Vector],
        disputes: Sequence[Citation],
        also: Callable[[Writer], None] | None,
    ) -> Remembered:
        for _ in range(TRIES):
            try:
                with self.store.writing() as writer:
                    done = writer.replace_document(document, drafts, space, vectors, disputes)
                    if also:
                        also(writer)
                return done
            except Raced:
                space, vectors = self._vectors(drafts, [document], None)
        raise BusyError(f"{document.uri}: other processes kept changing the home; try again")

    def _unchanged(self, document: Document) -> bool:
        stored = self.document(document.uri, scope=document.scope)
        return stored is not None and stored.sha256 == document.sha256

    def _vectors(
        self, drafts: Sequence[Draft], documents: Sequence[Document], progress: Progress | None
    ) -> tuple[Space, dict[str, Vector]]:
        """The active space, and a vector in it for each draft whose text is new to the store."""
        space = self._space()
        texts = {draft.sha256: draft.embedded for draft in drafts}
        with self.store.reading() as reader:
            known = reader.vectors_of(space, texts)
        new = [digest for digest in texts if digest not in known]
        if not new:
            return space, {}
        vectors = self._embedder_of(space).encode([texts[digest] for digest in new], progress)
        return space, dict(zip(new, vectors, strict=True))

    def _space(self) -> Space:
        """The space that answers; a new home takes the one of its configured embedder."""
        with self.store.reading() as reader:
            space = reader.active_space()
        if space:
            return space
        embedder = self._embedder(self.config.embedder)
        with self.store.writing() as writer:
            space = writer.active_space()
            if space is None:
                space = writer.add_space(embedder.model, embedder.revision, embedder.dim, embedder.prefixes)
                writer.replace_active_space(space)
        return space

    def _embedder(self, name: str) -> Embedder:
        with self._lock:
            if name not in self._embedders:
                self._embedders[name] = open_embedder(name)
            return self._embedders[name]

    def _embedder_of(self, space: Space) -> Embedder:
        """The embedder that made `space`. Raises ModelError if another one goes by its name now."""
        embedder = self._embedder(space.model)
        if (embedder.revision, embedder.dim) != (space.revision, space.dim):
            raise ModelError(
                f"{space.model}: is not the model that this memory was embedded with (revision {embedder.revision}, "
                f"was {space.revision}); put the old one back, or run `ingest refresh --model {space.model}`"
            )
        return embedder

    def embedder(self) -> Embedder:
        """The embedder of the space that answers, loaded the first time it is asked for."""
        return self._embedder_of(self._space())

    # Recall

    def recall(
        self,
        query: str,
        k: int = 5,
        *,
        scopes: Collection[str] = (EVERYONE,),
        as_of: datetime | None = None,
        history: Sequence[tuple[str, str]] = (),
    ) -> list[Hit]:
        """The k passages that fit `query` best, best first, of those that `scopes` may see.

        `as_of` asks what was current then. `history` is (role, text), oldest first; a question
        that leans on it is completed from it. All of it is of one moment of the database.
        Raises InputError for an empty query, or a k out of range.
        """
        if not query.strip():
            raise InputError("the query is empty; say what to look for")
        if not 1 <= k <= MOST:
            raise InputError(f"k is {k}; it takes a whole number from 1 to {MOST}")
        wanted = storable(questions.standalone(query, history))
        moment = None if as_of is None else micros(as_of)
        for _ in range(TRIES):
            with self.store.reading() as reader:
                space = reader.active_space()
            if space is None:
                return []
            # Before the snapshot: a model that loads or computes must hold up no one else.
            vector = self._embedder_of(space).encode_query(wanted)
            with self._lock:
                manifest = manifests.read(self.home)
                with self.store.reading() as reader:
                    self._view.follow(reader, manifest)
                    if self._view.space != space:
                        continue
                    ranked = self._ranked(reader, wanted, vector, max(k, POOL), scopes, moment)
                    found = reader.chunks([hit.id for hit in ranked], scopes, moment)
            hits = [Hit(found[hit.id], hit.score, hit.why) for hit in ranked if hit.id in found]
            return hits[:k]
        raise BusyError(f"{self.home}: its embedding model kept changing; try again")

    def _ranked(
        self, reader: Reader, query: str, vector: Vector, pool: int, scopes: Collection[str], as_of: int | None
    ) -> list[ranking.Ranked]:
        visible = self._view.rows.visible(scopes, as_of)
        if not len(visible):
            return []
        dense = self._view.index.search(vector, pool, visible)
        lexical = reader.words(content(query), pool, scopes, as_of)
        weight = ranking.WORDS_WEIGHT_CJK if has_cjk(query) else ranking.WORDS_WEIGHT
        return ranking.fuse(dense, lexical, weight)

    def document(self, uri: str, *, scope: str = EVERYONE) -> Stored | None:
        """What is known of a current document; None if there is none."""
        with self.store.reading() as reader:
            stored = reader.document(scope, uri)
        return stored if stored and stored.retired_at is None else None

    def documents(self, scopes: Collection[str] | None = None) -> list[Stored]:
        """Every current document, of all scopes or of some."""
        with self.store.reading() as reader:
            return reader.documents(scopes)

    def note(self, document: Document) -> None:
        """Change what is noted of a document (its metadata), and nothing else."""
        with self.store.writing() as writer:
            writer.replace_metadata(document.scope, document.uri, document.metadata)

    # Forget, refresh, check

    def retire(self, uri: str, *, scope: str = EVERYONE) -> int:
        """Take a document out of recall; `as_of` still reads it. How many chunks were retired."""
        with self.store.writing() as writer:
            return writer.retire_document(scope, uri)

    def forget(self, uri: str, *, scope: str = EVERYONE) -> Forgotten:
        """Erase a document and everything derived from it.

        Every version goes, with vectors, words, sealed segments, and the answers that quoted it.
        Raises NotFoundError if there is no such document.
        """
        with self.store.writing() as writer:
            there = writer.document(scope, uri) is not None
            erased = writer.erase_document(scope, uri)
        # Also where there is none: an earlier forget may have been killed before it came this far.
        sealing.drop_erased(self.home, self.store)
        cleared = self.store.scrub()
        if not there:
            raise NotFoundError(f"{uri}: no such document in scope {scope!r}; `ingest status` lists what is there")
        return Forgotten(len(erased), cleared)

    def refresh(self, model: str | None = None, *, progress: Progress | None = None) -> Refreshed:
        """Seal the index anew; with `model`, re-embed everything with that model first.

        Every chunk gets a vector in the new space while the old one goes on answering, then the
        new one takes over. Cut off, it goes on where it was. Raises ModelError if the model is not there.
        """
        embedded = 0
        space = self._space()
        if model is not None:
            embedder = open_embedder(model)  # anew: what goes by this name may have changed
            self._embedders[embedder.model] = embedder
            with self.store.writing() as writer:
                space = writer.add_space(embedder.model, embedder.revision, embedder.dim, embedder.prefixes)
            embedded = self._move_to(space, embedder, progress)
        sealed = sealing.seal_all(self.home, self.store)
        self.store.scrub()
        return Refreshed(space, embedded, sealed)

    def _move_to(self, space: Space, embedder: Embedder, progress: Progress | None) -> int:
        embedded = 0
        while True:
            with self.store.reading() as reader:
                missing = reader.missing(space, BATCH)
            if missing:
                texts = [chunking.embedded(chunk.title, chunk.heading, chunk.text) for chunk in missing]
                vectors = embedder.encode(texts, progress)
                with self.store.writing() as writer:
                    writer.add_vectors(space, {chunk.id: vector for chunk, vector in zip(missing, vectors, strict=True)})
                embedded += len(missing)
                continue
            try:
                with self.store.writing() as writer:
                    writer.replace_active_space(space)
                return embedded
            except Raced:  # somebody added a chunk since: embed that too
                continue

    def check(self) -> Checked:
        """Compare the index with the truth, and name each disagreement. Changes nothing."""
        manifest = manifests.read(self.home)
        with self.store.reading() as reader:
            documents, chunks, _, _ = reader.counts()
            problems = reader.integrity()
            space = reader.active_space()
            if space:
                problems += [f"chunk {c.id} ({c.uri}) has no vector of {space.model}" for c in reader.missing(space, BATCH)]
            problems += sealing.problems(self.home, reader, space, manifest)
        return Checked(documents, chunks, tuple(problems))


def drafts_of(document: Document) -> list[Draft]:
    """The passages of a document as the store takes them."""
    drafts = []
    for passage in chunking.passages(document.text, document.pages):
        text = document.text[passage.start : passage.end]
        embedded = chunking.embedded(document.title, passage.heading, text)
        drafts.append(
            Draft(
                text=text,
                start=passage.start,
                end=passage.end,
                page=passage.page,
                line=document.text.count("\n", 0, passage.start) + 1 if document.lines and not document.pages else 0,
                heading=passage.heading,
                embedded=embedded,
                sha256=hashlib.sha256(embedded.encode("utf-8", "replace")).hexdigest(),
                tokens=" ".join(tokens(embedded)),
            )
        )
    return drafts


def _storable(document: Document) -> Document:
    return replace(document, uri=storable(document.uri), text=storable(document.text), title=storable(document.title))


def _need_words(document: Document) -> None:
    if not document.uri.strip():
        raise InputError("a document needs a uri: the address that its citations name")
    if not document.scope.strip():
        raise InputError(f"{document.uri}: its scope is empty; name one, or leave it out for everyone")
    if not tokens(document.text):
        raise InputError(f"{document.uri}: holds no words; nothing was remembered of it")
