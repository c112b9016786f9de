"""The passages that an answer may stand on, and the vectors of their sentences: each text of a turn is embedded once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from ragbot.answer.intent import History
from ragbot.memory import Memory
from ragbot.safety.gate import harmless_name
from ragbot.search import spelling
from ragbot.search.calibration import Calibration
from ragbot.store.rows import micros, moment
from ragbot.types import Citation, Dispute, Hit

Vectors = NDArray[np.float32]
WIDER = 4
"""So many times as many passages are looked through for other documents than are read."""
MIN_DOCUMENTS = 3
"""Passages of so many documents are read, where there are: one that says the same in every passage must not be the only one."""


MAX_OF_PART = 3
"""The most passages that are read for one of several questions, beside those for all of them together."""


class TurnVectors:
    """Vectors of the texts of one turn, with the numbers of their space. A question is embedded as a question."""

    def __init__(
        self, query: Callable[[str], Vectors], encode: Callable[[Sequence[str]], Vectors], calibration: Calibration
    ) -> None:
        self.query = query
        """The vector (dim,) of a question."""
        self.calibration = calibration
        self._encode = encode
        self._known: dict[str, Vectors] = {}

    def passages(self, texts: Sequence[str]) -> Vectors:
        """The unit vectors (n, dim) of sentences; those seen before in this turn are not embedded again."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._encode(new), strict=True))
        return np.array([self._known[text] for text in texts], np.float32)


class Context:
    """What one person may see of a memory, for one turn. It remembers what it retrieved."""

    def __init__(self, memory: Memory, scopes: Sequence[str], as_of: int | None = None) -> None:
        self._memory, self._scopes = memory, tuple(scopes)
        self.as_of = as_of
        """The moment that is asked about, in microseconds since 1970; None: now."""
        self._vectors: TurnVectors | None = None
        self.hits: Sequence[Hit] = ()
        """What the last retrieval found, and what was read beside it."""

    def at(self, moment: datetime) -> Context:
        """The same memory as of another moment; its hits are its own."""
        return Context(self._memory, self._scopes, micros(moment))

    @property
    def vectors(self) -> TurnVectors:
        """The vectors of this turn; they load the embedder."""
        if self._vectors is None:
            memory = self._memory
            query = functools.partial(memory.encode_query, scopes=self._scopes)
            self._vectors = TurnVectors(query, memory.encode, memory.calibration())
        return self._vectors

    def retrieve(self, query: str, history: History = ()) -> Sequence[Hit]:
        """The passages that fit a query best, best first, and of few documents the best of others beside them."""
        most = self._memory.settings.passages
        hits = self._recall(query, most * WIDER, history=history)
        uris = {hit.chunk.uri for hit in hits[:most]}
        others = {hit.chunk.uri: hit for hit in reversed(hits[most:]) if hit.chunk.uri not in uris and hit.chunk.kind == "file"}
        wanted = max(0, MIN_DOCUMENTS - len(uris))
        self.hits = [*hits[:most], *sorted(others.values(), key=hits.index)[:wanted]]
        return self.hits

    def beside(self, hit: Hit, reach: int) -> list[Hit]:
        """The passages up to `reach` places before and after one, in order; they count as retrieved too."""
        chunks = (
            self._memory.around(hit.chunk, reach, scopes=self._scopes, as_of=self._moment) if hit.chunk.kind == "file" else []
        )
        with self._memory.store.reading() as snapshot:
            disputed = snapshot.disputed([chunk.id for chunk in chunks], self._scopes, self.as_of)
        disputes = {
            chunk.id: tuple(Dispute(start, end, uri) for id, start, end, uri in disputed if id == chunk.id) for chunk in chunks
        }
        return self._noted([Hit(chunk, 0.0, disputes=disputes[chunk.id], name=hit.name) for chunk in chunks])

    def also(self, query: str) -> list[Hit]:
        """The few passages that fit a part of the question best; they count as retrieved too."""
        return self._noted(self._recall(query, MAX_OF_PART))

    def _recall(self, query: str, k: int, *, history: History = ()) -> list[Hit]:
        return self._memory.recall(query, k, scopes=self._scopes, history=history, as_of=self._moment)

    @property
    def _moment(self) -> datetime | None:
        return None if self.as_of is None else moment(self.as_of)

    def of(self, citation: Citation) -> Hit | None:
        """The passage of a citation, as it stands now; None where it is no longer current, or not to be seen."""
        with self._memory.store.reading() as snapshot:
            at = snapshot.time_of(self.as_of)
            chunk = snapshot.chunks([citation.chunk_id], self._scopes, at).get(citation.chunk_id)
            disputed = snapshot.disputed([citation.chunk_id], self._scopes, at)
        if chunk is None:
            return None
        return Hit(chunk, 0.0, disputes=tuple(Dispute(start, end, uri) for _, start, end, uri in disputed), name=citation.shown)

    def _noted(self, hits: list[Hit]) -> list[Hit]:
        known = {hit.chunk.id for hit in self.hits}
        self.hits = [*self.hits, *(hit for hit in hits if hit.chunk.id not in known)]
        return hits

    def as_meant(self, text: str) -> str:
        """The text without slips in the spelling of words that the person may see in passages."""
        return spelling.as_meant(text, self._memory.corrected(text, scopes=self._scopes))

    def titles(self) -> dict[str, datetime]:
        """The titles of the documents that the person may see, and since when they stand, the newest first; what people told is
        left out.
        """
        seen = [stored for stored in self._memory.documents(self._scopes) if stored.kind == "file"]
        found = dict[str, datetime]()
        for stored in sorted(seen, key=lambda stored: stored.recorded_at, reverse=True):
            found.setdefault(harmless_name(stored.title or stored.uri), stored.recorded_at)
        return found

    def told(self, most: int) -> list[Hit]:
        """Those that hold of so many of the newest sentences that the person told, in the own scope, newest first."""
        told = self._memory.told(most, scope=self._scopes[-1])
        return [hit for hit in told if not hit.is_set_aside]
