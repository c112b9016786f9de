"""Moves passages from memory into sealed segments, merges those, and keeps what was erased out of them.

One process at a time, beside all readers and writers; it may be killed at any point. What is
published was made from one committed snapshot, and gives way where something was erased since.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from ragbot.errors import BusyError, HomeError
from ragbot.index import files, segment_files
from ragbot.index import manifest as manifests
from ragbot.index.columns import BLANK, FOREVER
from ragbot.index.follower import Follower, Replaced
from ragbot.index.hnsw import Stop, Stopped
from ragbot.index.merge_plan import merge_policy
from ragbot.index.passages import Source, TokensOf
from ragbot.index.segment import Segment
from ragbot.index.view import View
from ragbot.types import Manifest, Space

log = logging.getLogger(__name__)

Mask = NDArray[np.bool_]

SEAL_AT = 2048
"""So many passages are worth a segment of their own on the disk."""
MOST_HIDDEN = 0.25
"""A segment with a larger share of retired passages is rebuilt without them."""
WHOSE = ("ids", "scope")
"""Files that tell which passages a segment holds."""
LOCK = "builder.lock"
ASKED = "builder.asked"
WAIT_S = 30.0
LOOK_EVERY_S = 0.5
LEFT_S = 5.0
"""Who asked, and did not ask again for so long, waits no more."""
MOST_ROWS = 1 << 20
"""No segment has more passages: making one takes memory for its graph, about 1 kB a passage."""


class BuilderSource(Source, Protocol):
    """A snapshot, as far as building needs it."""

    def kept_spaces(self) -> list[Space]: ...
    def last_vector_id(self, space: Space) -> int: ...


class Store(Protocol):
    """Where snapshots come from."""

    def reading(self) -> AbstractContextManager[BuilderSource]: ...
    def writing(self) -> AbstractContextManager[BuilderSource]: ...


class Compactor:
    """Makes the segments of one space of a home. It keeps a view of its own between calls; one thread uses it."""

    def __init__(self, home: Path, store: Store, tokens_of: TokensOf, space: Space | None = None) -> None:
        self._home = home
        self._folder = home / manifests.FOLDER
        self._store = store
        # To seal what lies in memory no byte of the rest is read; what is made from a segment verifies it first.
        self._follower = Follower(home, tokens_of, space, verify=False)
        self._verified: set[str] = set()

    @property
    def _view(self) -> View:
        return self._follower.view

    def step(self, stop: Stop, *, most: int = MOST_ROWS) -> bool:
        """Do what is most due: drop what was erased, seal what came, or merge up to `most` passages. False if nothing was.

        Raises Stopped if `stop` says so on the way, or the ground changed. Hold the lock of `building`.
        """
        self._follow(stop)
        return self._mend(stop) or self._drop_erased(stop) or self._seal(stop) or self._merge(stop, most)

    def compact_all(self, stop: Stop) -> int:
        """Make as few segments as can be of what is current, and of what is past. How many passages are in them."""
        self._follow(stop)
        while not self._sound(self._view.sealed):
            self._follow(stop)
        parts = self._view.segments
        if not parts:
            self._publish((), stop, all_in=True)
            return 0
        self._publish(self._written(parts, stop), stop, all_in=True)
        return sum(int(np.count_nonzero(~part.erased)) for part in parts)

    def rebuild(self, stop: Stop) -> int:
        """As `compact_all`, of the database alone: no segment is believed."""
        self._follow(stop)
        for name in list(self._view.sealed):
            self._follower.distrust(name)
        return self.compact_all(stop)

    def drop_erased(self) -> None:
        """Make segments again that hold something erased, and drop files that nobody names."""
        space = self._follower.fixed
        if space is None or manifests.read(self._home, space.id):
            self._follow()
            while not self._sound(self._view.sealed, only=WHOSE):
                self._follow()
            while self._mend(lambda: False) or self._drop_erased(lambda: False):
                self._follow()
        with self._store.writing() as source:
            manifests.sweep(self._home, _kept(source))

    def _follow(self, stop: Stop = lambda: False) -> None:
        while True:
            with self._store.reading() as source:
                space = self._follower.fixed or source.active_space()
            manifest = manifests.read(self._home, space.id) if space else None
            with contextlib.suppress(Replaced), self._store.reading() as source:
                self._follower.follow(source, manifest, stop)
                return

    def _sound(self, names: Iterable[str], only: Collection[str] | None = None) -> bool:
        """Read every byte of these segments, or of `only` some files. False where one is damaged: it counts as unsealed then."""
        for name in set(names) - self._verified:
            try:
                files.verified(self._folder / name, only)
            except (OSError, ValueError) as cause:
                log.warning("%s: index segment unusable (%s); its passages are sealed again", self._home, cause)
                self._follower.distrust(name)
                return False
            if only is None:
                self._verified.add(name)
        return True

    def _mend(self, stop: Stop) -> bool:
        """Seal what damaged segments held."""
        return bool(self._view.damaged) and self._seal(stop)

    def _drop_erased(self, stop: Stop) -> bool:
        view, names, found = self._view, [], False
        for name, segment in view.sealed.items():
            if np.any(segment.erased & (segment.columns.scope != BLANK)):
                found = True
                if not self._sound([name]):
                    return True
                again = segment_files.write_without_erased(self._folder, name, segment, txn=view.transaction[0], stop=stop)
                names += [again] if again else []
            else:
                names.append(name)
        if found:
            self._publish(names, stop, all_in=False)
        return found

    def _seal(self, stop: Stop) -> bool:
        view = self._view
        if sum(map(len, view.unsealed)) < SEAL_AT and not view.damaged:
            return False
        self._publish([*view.sealed, *self._written(view.unsealed, stop)], stop, all_in=True)
        return True

    def _merge(self, stop: Stop, most: int) -> bool:
        view, most = self._view, min(most, MOST_ROWS)
        for past in (False, True):
            alike = sorted((len(s), name) for name, s in view.sealed.items() if s.past == past)
            many = merge_policy([size for size, _ in alike if size <= most])
            while many > 1 and sum(size for size, _ in alike[:many]) > most:
                many -= 1
            chosen = [name for _, name in alike[:many]] if many > 1 else []
            if not past and not chosen:
                chosen = [n for size, n in alike if size <= most and size - view.sealed[n].holding > MOST_HIDDEN * size][:1]
            if chosen:
                if not self._sound(chosen):
                    return True
                made = self._written([view.sealed[name] for name in chosen], stop)
                self._publish([name for name in view.sealed if name not in chosen] + made, stop, all_in=False)
                return True
        return False

    def _written(self, parts: Sequence[Segment], stop: Stop) -> list[str]:
        """Seal the parts' rows: what is current apart from what is past."""
        names, txn = [], self._view.transaction[0]
        current = [part.columns.retired_at == FOREVER for part in parts]
        for past, keep in ((False, current), (True, [~mask for mask in current])):
            keep = [mask & ~part.erased for mask, part in zip(keep, parts, strict=True)]
            for share in _shares(keep, MOST_ROWS):
                names.append(segment_files.write(self._folder, parts, share, txn=txn, past=past, stop=self._changed(stop)))
        return names

    def _changed(self, stop: Stop) -> Stop:
        """`stop`, or something was erased since: then what is made could not be published."""
        looked = time.monotonic()

        def changed() -> bool:
            nonlocal looked
            if stop():
                return True
            if time.monotonic() - looked < LOOK_EVERY_S:
                return False
            looked = time.monotonic()
            with self._store.reading() as source:
                return bool(len(source.erased_after(self._view.transaction[0])))

        return changed

    def _publish(self, segments: Sequence[str], stop: Stop, *, all_in: bool) -> None:
        """Put `segments` in force. `all_in`: they hold what lay in memory too."""
        view = self._view
        covered = view.last_id if all_in else view.covered
        assert all_in or not view.damaged, "what a damaged segment held would be covered by none"
        assert view.space is not None or not segments
        with self._store.writing() as source:
            txn, token = view.transaction
            in_force = manifests.read(self._home, view.space.id) if view.space else None
            other_past = source.token(txn) != token
            if view.space is None or in_force != view.manifest or other_past or len(source.erased_after(txn)) or stop():
                for name in set(segments) - set(in_force.segments if in_force else ()):
                    files.remove(self._folder / name)
                raise Stopped
            generation = in_force.generation + 1 if in_force else 1
            made = Manifest(generation, view.space.id, covered, tuple(segments), txn, token)
            manifests.publish(self._home, made, {*_kept(source), view.space.id})
        self._follow()


def _shares(keep: Sequence[Mask], most: int) -> Iterator[list[Mask]]:
    """The rows that are marked, in as few shares of at most `most` as can be, all of about one size."""
    total = sum(int(np.count_nonzero(mask)) for mask in keep)
    many = -(-total // most)
    for share in range(many):
        first, end, at, marked = share * total // many, (share + 1) * total // many, 0, []
        for mask in keep:
            rows = np.flatnonzero(mask)
            chosen = np.zeros_like(mask)
            chosen[rows[max(0, first - at) : max(0, end - at)]] = True
            marked.append(chosen)
            at += len(rows)
        yield marked


def _kept(source: BuilderSource) -> set[int]:
    return {space.id for space in source.kept_spaces()}


@contextmanager
def building(home: Path, wait_s: float = WAIT_S) -> Iterator[None]:
    """Be the one process that makes segments. Raises BusyError if another one is at it for `wait_s`.

    Who waits asks who is at it to step aside. Raises HomeError where the home may not be written.
    """
    lock, asked = FileLock(home / LOCK), home / ASKED
    until = time.monotonic() + wait_s
    with contextlib.ExitStack() as held:
        while True:
            try:
                held.enter_context(lock.acquire(timeout=min(wait_s, LOOK_EVERY_S)))
                break
            except Timeout as cause:
                if time.monotonic() >= until:
                    raise BusyError(f"{home}: another process is building its index; try again") from cause
                asked.touch()
            except OSError as cause:
                raise HomeError(f"{home}: its index cannot be built ({cause.strerror}); check its permissions") from cause
        if wait_s:
            asked.unlink(missing_ok=True)
        yield


def asked_aside(home: Path) -> bool:
    """Whether somebody waits for the builder to step aside."""
    try:
        # Who waits asks again and again: what lies in the future is from before the clock was set back.
        return 0 <= time.time() - (home / ASKED).stat().st_mtime < LEFT_S
    except FileNotFoundError:
        return False


def use_cores(count: int) -> None:
    """Let this thread's building use so many cores."""
    import faiss

    faiss.omp_set_num_threads(count)
