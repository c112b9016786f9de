"""Sources into the memory: look, compare, read, remember. One failed file never touches another."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ingest import parsers, remote, sources
from ingest.dating import dated
from ingest.failed_files import FailedFiles
from ingest.originals import with_original
from ingest.parse_pool import ParsePool, Request
from ingest.parsers.damage import left_out
from ingest.sources import Item, Place, Seen
from ingest.state import DocumentState, FileState, Known, WebState, file_state, stored, updated, web_state
from ragbot.errors import EmptyError, InputError, ReadError, UnsupportedError
from ragbot.memory import Memory
from ragbot.types import EVERYONE, Document, Remembered, SourceNote

Status = Literal["added", "updated", "unchanged", "retired", "skipped", "failed"]
FILES, CHARACTERS, BYTES, SECONDS = 256, 40_000, 64 * 1024 * 1024, 3.0
"""How many files, how much of their text and of what is kept of them, and for how long, wait to be remembered together."""
FEW = 64
"""Up to so many documents are looked up one by one; of more, all that are known are listed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one document. "skipped": met in a folder, and of a type that is not read, without a word in it, or
    reached by a link that leads out of the folder; or named, and retired before."""

    uri: str
    status: Status
    reason: str = ""
    chunks: Remembered = field(default_factory=Remembered)
    name: str = ""
    """Its name for people, as citations show it; "" if the uri is that."""

    def for_people(self) -> tuple[str, str]:
        """Its name and the reason, which names it so too."""
        name = self.name or self.uri
        return name, name + self.reason.removeprefix(self.uri) if self.reason.startswith(self.uri) else self.reason


class Stopped(KeyboardInterrupt):
    """Ctrl-C, and what became of the documents until then; what was read is remembered."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        super().__init__()
        self.outcomes = outcomes


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A document that waits to be remembered, and what is known of its source."""

    document: Document
    state: DocumentState | None


Progress = Callable[[int, int, Outcome], None]
"""Called after each file with how many are done, how many there are, and what became of it."""


def add(
    memory: Memory,
    given: Sequence[str | Path],
    *,
    scope: str = EVERYONE,
    password: str | None = None,
    private: bool = False,
    follow_links: bool = False,
    progress: Progress | None = None,
) -> list[Outcome]:
    """Ingest files, folders, patterns and URLs. What has not changed costs no parsing and no embedding.

    `private` allows addresses of the own network, `follow_links` links that lead out of their folder. What was read when
    Ctrl-C comes is remembered before Stopped, a KeyboardInterrupt, is raised.
    """
    paths, urls = remote.parted(given)
    run = _Run(memory, scope, password, progress)
    files, unread = sources.find([run.place(path) for path in paths], memory.home, follow_links=follow_links)
    with run.told_when_stopped(), remote.Remote(memory, scope, private=private) as web:
        pages, refused = web.find(urls)
        return run.all([*files, *pages], [*unread, *refused], web.stop)


def sync(
    memory: Memory,
    source: str | Path,
    *,
    scope: str = EVERYONE,
    password: str | None = None,
    allow_empty: bool = False,
    private: bool = False,
    follow_links: bool = False,
    progress: Progress | None = None,
) -> list[Outcome]:
    """Ingest a source, as `add` does, and retire what came from it and is no longer there.

    Of files nothing is retired if a part of them could not be listed, or if none is left, unless
    `allow_empty` says so: that is what a mount looks like that has vanished. Of a feed nothing is
    retired because it has left the feed; a page is retired when its server says that it is gone.
    """
    run = _Run(memory, scope, password, progress, retire=True)
    with run.told_when_stopped():
        if not remote.is_url(source):
            return _sync_files(run, run.place(Path(source)), allow_empty=allow_empty, follow_links=follow_links)
        with remote.Remote(memory, scope, private=private) as web:
            outcomes = run.all(*web.find([str(source)]), web.stop)
            if not any(outcome.status == "failed" for outcome in outcomes):
                web.finish()
        return outcomes


def update(
    memory: Memory,
    paths: Collection[Path],
    folders: Sequence[Path],
    *,
    scope: str = EVERYONE,
    password: str | None = None,
    follow_links: bool = False,
) -> list[Outcome]:
    """Ingest those of `paths`, each met in one of `folders`, that are there; retire the documents of, or in, the others."""
    gone = [path for path in paths if not os.path.lexists(path)]
    places = [
        Place(path, folder=next((folder for folder in folders if path.is_relative_to(os.path.abspath(folder))), path.parent))
        for path in sorted(set(paths).difference(gone))
    ]
    files, unread = sources.find(places, memory.home, follow_links=follow_links)
    run = _Run(memory, scope, password, None, retire=True)
    with run.told_when_stopped():
        run.all(files, [failure for failure in unread if not isinstance(failure.cause, EmptyError)])
        lone = [uri for path in gone[:FEW] if memory.document(uri := sources.uri_of(path, memory.home), scope=scope)]
        if len(lone) < len(gone):  # folders, of which only all that is known tells what was in them
            lone = _Run(memory, scope, password, None).known_in(gone)
        return run.retire_gone(lone)


def _sync_files(run: _Run, place: Place, *, allow_empty: bool, follow_links: bool) -> list[Outcome]:
    root, outcomes = sources.root_of(place), run.outcomes
    known = run.known_under(place)
    lone = known == [sources.uri_of(place.path, run.home)]  # a file that was there
    there = os.path.exists(root)
    if not there and not (known and allow_empty) and not (lone and os.path.isdir(root.parent) and any(root.parent.iterdir())):
        raise ReadError(f"{root}: is not there; nothing was changed{_still(known)}")
    files, unread = sources.find([place] if there else [], run.home, follow_links=follow_links)
    none_left = [failure for failure in unread if isinstance(failure.cause, EmptyError) or place.is_pattern]
    if not files and allow_empty and len(none_left) == len(unread):
        unread = []
    elif not files:
        unread = [_with_kept(failure, known) for failure in unread]
    if place.is_pattern and (retired := run.was_retired(place.path)):  # the name of a file that is gone, with the signs of one
        outcomes.append(retired)
        unread = [failure for failure in unread if not isinstance(failure.cause, sources.MissingError)]
    run.all(files, unread)
    if unread and not allow_empty:
        return outcomes
    listed = {file.uri for file in files}
    gone = [uri for uri in known if uri not in listed]
    kept = {} if allow_empty else sources.unmounted({uri: run.known[uri] for uri in gone}, place, run.home)
    for folder in sorted(set(kept.values())):
        count = sum(where == folder for where in kept.values())
        why = f"looks as if a mount had vanished; its documents ({count}) were kept (--allow-empty retires them)"
        outcomes.append(Outcome(sources.uri_of(folder, run.home), "failed", f"{folder}: {why}"))
    return run.retire_gone([uri for uri in gone if uri not in kept], None if follow_links else root)


def _with_kept(failure: sources.Unread, known: Sequence[str]) -> sources.Unread:
    """That nothing is there, and what is kept all the same."""
    if not isinstance(failure.cause, EmptyError | sources.MissingError):
        return failure
    return replace(failure, cause=type(failure.cause)(f"{failure.cause}{_still(known)}"))


def _still(known: Sequence[str]) -> str:
    return f"; its documents ({len(known)}) still answer (--allow-empty retires them)" if known else ""


class _Run:
    """One pass over items of one scope."""

    def __init__(
        self, memory: Memory, scope: str, password: str | None, progress: Progress | None, *, retire: bool = False
    ) -> None:
        self.home = memory.home
        self._memory, self._scope, self._password, self._progress, self._retire = memory, scope, password, progress, retire
        self.known: dict[str, Known] = {}
        """What is known of the sources of current documents, by uri."""
        self.outcomes: list[Outcome] = []
        self._names: dict[str, str] = {}
        self._seen: dict[str, Seen] = {}
        self._waiting: dict[str, _Waiting] = {}
        self._notes: list[SourceNote] = []
        self._stopped = threading.Event()
        self._failed_files = FailedFiles(memory, scope)

    def place(self, path: Path) -> Place:
        """What a path stands for. With the signs of a pattern it is a name all the same where a file, or a known document
        or folder, is or was called so."""
        name = Place(path)
        is_pattern = sources.may_be_pattern(path) and not self.known_under(name)
        return Place(path, is_pattern=True) if is_pattern else name

    def all(
        self, items: Sequence[Item], unread: Sequence[sources.Unread], stop: Callable[[], None] = lambda: None
    ) -> list[Outcome]:
        """What became of every item, and of what could not be looked into. `stop` ends what looking at an item waits for."""
        self._know(items)
        self._names |= {item.uri: item.name for item in items}
        outcomes, before = self.outcomes, len(self.outcomes) + len(unread)
        outcomes += [Outcome(failure.uri, "failed", str(failure.cause)) for failure in unread]
        try:
            with closing(self._ingest(items, stop)) as ingested:
                for outcome in map(self._named, ingested):
                    outcomes.append(outcome)
                    if self._progress:
                        self._progress(len(outcomes) - before, len(items), outcome)
        except KeyboardInterrupt:  # what was read is not lost; a second Ctrl-C ends this too
            told = {outcome.uri for outcome in outcomes}
            for outcome in map(self._named, self._keep()):
                written = outcome.status == "unchanged" and outcome.uri not in self.known  # Ctrl-C came before it was told
                if outcome.uri not in told:
                    outcomes.append(replace(outcome, status="added") if written else outcome)
            raise
        return outcomes

    @contextmanager
    def told_when_stopped(self) -> Iterator[None]:
        """Raise Stopped at Ctrl-C."""
        try:
            yield
        except KeyboardInterrupt as cause:
            raise Stopped(self.outcomes) from cause

    def known_under(self, place: Place) -> list[str]:
        """The documents that came from files of a place; none that came otherwise."""
        self._know(None)
        return [uri for uri, known in self.known.items() if known.file and sources.covers(place, uri, self.home)]

    def was_retired(self, path: Path) -> Outcome | None:
        """That nothing is done for a file which is gone, and whose document was retired before; None if there was none."""
        uri = sources.uri_of(path, self.home)
        if uri in self.known or not self._memory.source_states(FileState.kind, scope=self._scope, uris=[uri]):
            return None
        return Outcome(uri, "skipped", f"{uri}: is no longer there, and its document is retired already")

    def known_in(self, places: Iterable[Path]) -> list[str]:
        """The documents of files that were at these places, or in them."""
        self._know(None)
        wanted = {os.path.abspath(place) for place in places}
        paths = ((uri, sources.path_of(uri, self.home)) for uri, known in self.known.items() if known.file)
        return [uri for uri, path in paths if any(str(place) in wanted for place in (path, *path.parents))]

    def retire_gone(self, uris: Iterable[str], within: Path | None = None) -> list[Outcome]:
        """Retire documents whose files are gone. One may have come since its folder was listed, or be out of sight.

        What became of them, after what became of all others in this run. Those that are there, and by a link lead out of the
        folder `within`, are passed over.
        """
        paths = {uri: sources.path_of(uri, self.home) for uri in uris}
        gone = [uri for uri, path in paths.items() if sources.is_gone(path)]
        for at in range(0, len(gone), FILES):
            some = gone[at : at + FILES]
            counts = self._memory.retire_each(some, scope=self._scope)
            self.outcomes += [
                Outcome(uri, "retired", "no longer there", Remembered(retired=count), self._names.get(uri, ""))
                for uri, count in zip(some, counts, strict=True)
            ]
        why = "cannot be looked at, or is a link to nothing; its document was kept"
        for uri in sorted(paths.keys() - set(gone)):
            if not os.path.isfile(paths[uri]):
                self.outcomes.append(self._named(Outcome(uri, "failed", f"{uri}: {why}")))
            elif within and sources.leads_out(paths[uri], within):
                self.outcomes.append(self._named(self._passed_over(uri)))
        return self.outcomes

    def _named(self, outcome: Outcome) -> Outcome:
        return replace(outcome, name=self._names.get(outcome.uri, ""))

    def _know(self, items: Sequence[Item] | None) -> None:
        if self.known:
            return
        if items is None or len(items) > FEW:
            found, only = self._memory.documents([self._scope]), None
        else:
            looked_up = (self._memory.document(item.uri, scope=self._scope) for item in items)
            found = [one for one in looked_up if one]
            only = [one.uri for one in found]
        uris = [one.uri for one in found]
        self._names |= {one.uri: one.metadata.get("name", "") for one in found}
        files = self._memory.source_states(FileState.kind, scope=self._scope, uris=only)
        pages = self._memory.source_states(WebState.kind, scope=self._scope, uris=only)
        self.known = {
            uri: Known(
                file=file_state(files[uri]) if uri in files else None,
                web=web_state(pages[uri]) if uri in pages else None,
            )
            for uri in uris
        }

    def _ingest(self, items: Sequence[Item], stop: Callable[[], None]) -> Generator[Outcome]:
        """Remember some documents at a time: they share a pass through the embedder and a transaction."""

        def stop_looking() -> None:
            self._stopped.set()
            stop()

        since = time.monotonic()
        with ParsePool(stop=stop_looking) as reading:
            for found in reading.each(items, self._wanted):
                if found:
                    yield from self._take(*found)
                if _enough(self._waiting, since):
                    yield from self._remember_waiting()
                    since = time.monotonic()
        yield from self._keep()

    def _take(self, item: Item, read: Document | ReadError | None) -> Iterator[Outcome]:
        """Put a document among those that wait; or say at once what became of an item that is none."""
        looked = self._seen.pop(item.uri, None)
        seen = looked or Seen(None)
        if isinstance(read, Document):
            read = sources.swapped(seen) or read
        if looked and looked.path:
            self._failed_files.give(item.uri, read if isinstance(read, ReadError) else None, looked.state)
        if isinstance(read, Document) and seen.path:
            read = with_original(read, seen.path)
        if seen.passing and seen.path:
            seen.path.unlink(missing_ok=True)
        if isinstance(read, Document):
            named = self._dated(replace(read, metadata={**read.metadata, "name": item.name}) if item.name else read, seen)
            self._waiting[item.uri] = _Waiting(named, self._state(item.uri, seen))
            return
        if read is None and not seen.gone:
            self._notes += self._note(item.uri, seen.state)
        yield self._not_read(item, read, seen)

    def _dated(self, document: Document, seen: Seen) -> Document:
        """The document with the time from which it holds."""
        before = self._memory.document(document.uri, scope=self._scope) if document.uri in self.known else None
        last_modified = seen.state.last_modified if isinstance(seen.state, WebState) else ""
        try:
            return dated(document, None if seen.passing else seen.path, last_modified, before.valid_from if before else None)
        except FileNotFoundError:  # it was there when it was read
            return document

    def _keep(self) -> Iterator[Outcome]:
        """Write all that was not yet written."""
        yield from self._remember_waiting()
        if self._notes:
            self._memory.note(self._notes)
            self._notes = []
        self._failed_files.keep()

    def _remember_waiting(self) -> Iterator[Outcome]:
        """Remember what waits, which is let go of afterwards: what is interrupted is done again."""
        yield from self._remember(self._waiting)
        self._waiting = {}

    def _wanted(self, item: Item) -> Request | None:
        """Whether an item needs reading. Called in the threads of the reading."""
        if (cause := self._failed_files.of(item, self._stopped.is_set)) is not None:
            raise cause
        known = self.known.get(item.uri, Known())
        compared = known if known.parser == parsers.version(item.uri) else Known()
        seen = self._seen[item.uri] = item.look(compared, self._stopped.is_set)
        if seen.path is None:
            return None
        return Request(seen.path, item.uri, self._scope, self._password, seen.suffix)

    def _state(self, uri: str, seen: Seen) -> DocumentState | None:
        """What is known of a source, once what it held was parsed."""
        state = replace(seen.state, parser=parsers.version(uri)) if seen.state else None
        moved = seen.path and seen.stamp and sources.stamp(seen.path) != seen.stamp
        if isinstance(state, FileState) and moved:  # nobody knows which of both was read
            return replace(state, sha256="changed while it was read", stamp="")
        return state

    def _note(self, uri: str, new: DocumentState | None, document: Document | None = None) -> list[SourceNote]:
        """That the source of a document, or what `document` says of itself, has changed and its text has not."""
        known = self.known.get(uri, Known())
        before: DocumentState
        after: DocumentState
        if known.file and isinstance(new, FileState):
            before, after = known.file, updated(known.file, new)
        elif known.web and isinstance(new, WebState):
            before, after = known.web, updated(known.web, new)
        else:
            return []
        metadata = {key: value for key, value in document.metadata.items() if value} if document else {}
        if before == after:
            return []
        return [SourceNote(stored(self._scope, uri, before), stored(self._scope, uri, after), metadata)]

    def _not_read(self, item: Item, cause: Document | ReadError | None, seen: Seen) -> Outcome:
        if isinstance(cause, sources.LeadsOutError) and item.uri in self.known:
            return self._passed_over(item.uri)
        if isinstance(cause, UnsupportedError | EmptyError) and not item.named and item.uri not in self.known:
            return Outcome(item.uri, "skipped", str(cause))
        if isinstance(cause, ReadError):
            return self._failed(item.uri, cause)
        if not seen.gone:
            return Outcome(item.uri, "unchanged")
        if not self._retire or item.uri not in self.known:
            return self._failed(item.uri, ReadError(f"{item.uri}: {seen.gone}; check the address"))
        return Outcome(item.uri, "retired", seen.gone, Remembered(retired=self._memory.retire(item.uri, scope=self._scope)))

    def _failed(self, uri: str, cause: Exception) -> Outcome:
        still = self._still_answers(uri)
        return Outcome(uri, "failed", f"{cause} ({still})" if still else str(cause))

    def _passed_over(self, uri: str) -> Outcome:
        """Of a document that was read through a link that is not followed now."""
        why = "is passed over, as a link leads out of its folder"
        mend = f"--follow-links keeps it in step, `ingest forget {uri}` erases it"
        return Outcome(uri, "skipped", "; ".join(filter(None, (f"{uri}: {why}", self._still_answers(uri), mend))))

    def _still_answers(self, uri: str) -> str:
        old = self._memory.document(uri, scope=self._scope) if uri in self.known else None
        return f"its version of {old.recorded_at:%Y-%m-%d} still answers" if old else ""

    def _remember(self, waiting: Mapping[str, _Waiting]) -> Iterator[Outcome]:
        unchanged: list[SourceNote] = []
        states = [stored(self._scope, uri, one.state) for uri, one in waiting.items() if one.state]
        for document, done in self._memory.remember_each([one.document for one in waiting.values()], states=states):
            if isinstance(done, InputError):
                yield self._failed(document.uri, done)
            elif done.skipped:  # other bytes, same text
                unchanged += self._note(document.uri, waiting[document.uri].state, document)
                yield Outcome(document.uri, "unchanged", chunks=done)
            else:
                yield Outcome(document.uri, "updated" if document.uri in self.known else "added", left_out(document), done)
        if unchanged:
            self._memory.note(unchanged)


def _enough(waiting: Mapping[str, _Waiting], since: float) -> bool:
    documents = [one.document for one in waiting.values()]
    much = sum(len(one.text) for one in documents) >= CHARACTERS
    much |= sum(len(one.original.data) for one in documents if one.original) >= BYTES
    return bool(waiting) and (much or len(waiting) >= FILES or time.monotonic() - since >= SECONDS)
