"""Does the index say what the database says? Each disagreement in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ragbot.index import follower, passages, segment_files
from ragbot.index import manifest as manifests
from ragbot.index.columns import BLANK, FOREVER, Ints
from ragbot.index.passages import Source, TokensOf
from ragbot.index.postings import Postings
from ragbot.index.segment import Segment
from ragbot.types import Manifest, Space

NAMELESS = "a file of the index that nothing names"
FORGOTTEN = "which was forgotten"
PASSING = (NAMELESS, FORGOTTEN)
"""Problems that others may be mending at this moment."""
BLOCK = 4096
MANY = 4096
"""So many terms are looked at at a time."""
MOST = 20
"""How many passages a problem names."""

Progress = Callable[[int], None]


class CheckedSource(Source, Protocol):
    """A snapshot, as far as checking needs it."""

    def kept_spaces(self) -> list[Space]: ...
    def chunk_states(self) -> tuple[Ints, Ints]: ...


def problems(
    home: Path,
    source: CheckedSource,
    space: Space,
    manifest: Manifest | None,
    tokens_of: TokensOf,
    *,
    deep: bool,
    progress: Progress,
) -> list[str]:
    """What is wrong with the sealed part, in words. `deep` compares every passage, vector and word, and searches for each."""
    file = manifests.path_of(home, space.id)
    found = [f"{stray.name}: {NAMELESS}" for stray in manifests.strays(home, _kept(source))]
    if manifest is None:
        return found + ([f"{file.name}: cannot be understood; it is not used"] if file.exists() else [])
    if follower.usable(manifest, source, space) is None:
        return [*found, f"{file.name}: is of another past than the database (a restored backup?); it is not used"]
    segments: dict[str, Segment] = {}
    for name in manifest.segments:
        try:
            segments[name] = segment_files.read(home / manifests.FOLDER / name)
        except (OSError, ValueError, KeyError) as cause:
            found.append(f"{manifests.FOLDER}/{name}: is missing or damaged ({cause}); its passages are searched exactly")
    found += _rows(source, space, manifest, segments, lost=len(segments) < len(manifest.segments))
    if deep:
        for name, segment in segments.items():
            fingerprints = _fingerprints(segment.words)
            for at in range(0, len(segment), BLOCK):
                rows = np.arange(at, min(at + BLOCK, len(segment)))
                rows = rows[segment.columns.scope[rows] != BLANK]
                found += [
                    f"{name}: {problem}" for problem in _contents(source, space, segment, rows, fingerprints[rows], tokens_of)
                ]
                progress(len(rows))
    return found


def _kept(source: CheckedSource) -> set[int]:
    return {space.id for space in source.kept_spaces()}


def _rows(source: CheckedSource, space: Space, manifest: Manifest, segments: dict[str, Segment], *, lost: bool) -> Iterator[str]:
    """Whether each passage up to `covered` is in one segment and no other is, and what is hidden of them."""
    ids, retired_at = source.chunk_states()
    erased = source.erased_after(0)
    seen = [np.empty(0, np.int64)]
    for name, sealed in segments.items():
        segment = sealed.hiding(*source.retired_after(sealed.txn), erased[:0])
        own = segment.columns.scope != BLANK
        here = segment.columns.ids[own]
        seen.append(here)
        yield from _named(f"{name}: holds {{}}, {FORGOTTEN}", np.intersect1d(here, erased))
        yield from _named(f"{name}: holds {{}}, which the database does not know", np.setdiff1d(here, np.union1d(ids, erased)))
        at = np.minimum(np.searchsorted(ids, here), max(0, len(ids) - 1))
        known = ids[at] == here if len(ids) else np.zeros(len(here), np.bool_)
        wrong = here[known][segment.columns.retired_at[own][known] != retired_at[at[known]]]
        yield from _named(f"{name}: has another end of validity for {{}} than the database", wrong)
        if segment.past:
            yield from _named(
                f"{name}: keeps {{}} among the past, though current", here[segment.columns.retired_at[own] == FOREVER]
            )
    there, often = np.unique(np.concatenate(seen), return_counts=True)
    yield from _named("{} is in more than one segment", there[often > 1])
    if not lost:
        due = source.vector_ids(space)
        yield from _named("{} is in no segment", np.setdiff1d(due[due <= manifest.covered], there))


def _named(problem: str, ids: Ints) -> Iterator[str]:
    for id in ids[:MOST].tolist():
        yield problem.format(f"chunk {id}")
    if len(ids) > MOST:
        yield problem.format(f"chunk … and {len(ids) - MOST} more")


def _contents(
    source: Source, space: Space, segment: Segment, rows: Ints, fingerprints: NDArray[np.uint64], tokens_of: TokensOf
) -> Iterator[str]:
    """Whether these rows, whose words have these fingerprints, hold what the database holds, and are found by it."""
    ids = segment.columns.ids[rows]
    truth = passages.of_passages(source.passages(space, ids.tolist()), space.dim, tokens_of, segment.txn)
    at, here = truth.rows_of(ids)
    rows, ids, fingerprints = rows[here], ids[here], fingerprints[here]
    yield from _named("{} has another vector than the database", ids[(segment.vectors[rows] != truth.vectors[at]).any(axis=1)])
    yield from _named("{} has another scope, kind or time than the database", ids[_other_columns(segment, rows, truth, at)])
    other = (segment.words.lengths[rows] != truth.words.lengths[at]) | (fingerprints != _fingerprints(truth.words)[at])
    yield from _named("{} has other words than the database", ids[other])
    if segment.graph is not None and not segment.past:
        current = segment.columns.retired_at[rows] == FOREVER
        yield from _named("{} is not found by its own vector", ids[current & ~segment.finds(rows)])


def _other_columns(segment: Segment, rows: Ints, truth: Segment, at: Ints) -> NDArray[np.bool_]:
    mine, theirs = segment.columns.take(rows), truth.columns.take(at)
    other: NDArray[np.bool_] = (mine.documents != theirs.documents) | (mine.valid_from != theirs.valid_from)
    other |= np.array(mine.scopes)[mine.scope] != np.array(theirs.scopes)[theirs.scope]
    other |= np.array(mine.kinds)[mine.kind] != np.array(theirs.kinds)[theirs.kind]
    return other


def _fingerprints(words: Postings) -> NDArray[np.uint64]:
    """(n,): a digest of the words of each passage, and of how often each stands in it."""
    found = np.zeros(len(words.lengths), np.uint64)
    for first in range(0, len(words.terms), MANY):
        terms = slice(first, min(first + MANY, len(words.terms)))
        span = slice(int(words.starts[terms.start]), int(words.starts[terms.stop]))
        of_each = np.repeat(words.terms[terms], np.diff(words.starts[terms.start : terms.stop + 1]))
        # Terms are digests themselves, and odd factors keep them apart.
        np.add.at(found, words.rows[span], of_each * (words.counts[span].astype(np.uint64) * np.uint64(2) + np.uint64(1)))
    return found
