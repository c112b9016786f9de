"""What a person tells: what each fact is about, which earlier ones it ends, and which ones an order to forget means.

What is told later ends what was told earlier when it is told, not when somebody asks: the earlier words are set aside as far as
the later ones stand, and are kept for who asks what was so before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from ragbot.memory import Memory
from ragbot.models.supersession import SupersessionModel
from ragbot.temporal.dates import day_in_words, day_of
from ragbot.text import leaning
from ragbot.text.documents import ABOUT
from ragbot.text.tokens import has_cjk
from ragbot.types import TOLD, Chunk, Citation, Document, Turn

MAX_NEAR, MAX_NEWEST = 12, 8
"""So many facts that are near to what is told, and so many of the newest, are looked at."""
FITTED, FOR_MANY = 4, 0.5
"""The thresholds were fitted on messages with about so many facts before them; how much surer the model must be where there are e
times as many: of many that are no end, the likeliest looks more like one."""
MAX_FORGOTTEN = 1000
"""The most facts that are forgotten by one order."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that a person told, and what it is about."""

    chunk: Chunk
    last: bool
    """It was told, or said, in the exchange before."""

    @property
    def text(self) -> str:
        """With what it is about."""
        return f"{self.chunk.heading}: {self.chunk.text}" if self.chunk.heading else self.chunk.text

    @property
    def citation(self) -> Citation:
        """All of its words."""
        one = self.chunk
        return Citation(one.id, one.uri, one.start, one.end, one.text, one.kind, heading=one.heading, said_at=one.valid_from)


@dataclass(frozen=True, slots=True)
class Effect:
    """What a message did to the memory."""

    own: Citation | None = None
    """What it told."""
    replaced: tuple[str, ...] = ()
    """What holds no longer since it was told."""
    forgotten: tuple[str, ...] = ()
    """What was erased by order."""
    unheard: bool = False
    """Who says it may change nothing here."""


class Facts:
    """The facts of one person. With no model, the one fact that is nearly the same as a message is ended, or forgotten."""

    def __init__(self, memory: Memory, scope: str, model: Callable[[], SupersessionModel | None]) -> None:
        self._memory, self._scope, self._model = memory, scope, model

    def documents(
        self, told: Sequence[str], turn_id: str, said_on: date, last: Turn | None, ended: Sequence[Fact]
    ) -> list[Document]:
        """A document for each sentence that is told."""
        newest = next(reversed(self.of(last)), None)
        before, about = (newest.chunk.text, newest.chunk.heading) if newest else ("", "")
        found = []
        for number, text in enumerate(told, 1):
            if ended and leaning.leans(text):
                about = ended[0].chunk.heading or leaning.without_values(ended[0].chunk.text)
            else:
                about = leaning.about(text, before, about)
            before, day = text, day_of(text, said_on)
            heading = " – ".join(filter(None, (about, day_in_words(day, chinese=has_cjk(text)) if day else "")))
            uri = f"turn:{turn_id}" if number == 1 else f"turn:{turn_id}.{number}"
            metadata = {ABOUT: heading} if heading else {}
            found.append(Document(uri, text, kind="turn", scope=self._scope, metadata=metadata, lines=False))
        return found

    def ended_by(self, message: str, last: Turn | None) -> list[Fact]:
        """The facts that hold no longer once the message is told, the surest first."""
        return self._meant(message, self._near(message, last))

    def owners(self, documents: Sequence[Document], ended: Sequence[Fact]) -> dict[str, list[Citation]]:
        """Which sentence of a message ends which facts, by the uri of its document."""
        found = dict[str, list[Citation]]()
        model = self._model() if len(documents) > 1 and ended else None
        for fact in ended:
            sure = [model.ends(one.text, [(fact.text, fact.last)])[0] for one in documents] if model else [0.0]
            found.setdefault(documents[sure.index(max(sure))].uri, []).append(fact.citation)
        return found

    def forgotten(self, message: str, last: Turn | None) -> list[Fact]:
        """The facts that an order to forget means, with what they set aside and what sets them aside: it is about the same."""
        return self.with_versions(self._meant(message, self._near(message, last, set_aside=True), orders=True))

    def with_versions(self, facts: Sequence[Fact]) -> list[Fact]:
        """Facts with all earlier and later values of the same."""
        told = {hit.chunk.uri: hit for hit in self._memory.told(MAX_FORGOTTEN, scope=self._scope)} if facts else {}
        found, waiting = dict[str, Fact](), list(facts)
        while waiting:
            fact = waiting.pop()
            if fact.chunk.uri in found:
                continue
            found[fact.chunk.uri] = fact
            later = [one.uri for one in told[fact.chunk.uri].disputes] if fact.chunk.uri in told else []
            earlier = [uri for uri, hit in told.items() if any(one.uri == fact.chunk.uri for one in hit.disputes)]
            waiting += [Fact(told[uri].chunk, False) for uri in (*later, *earlier) if uri in told]
        return list(found.values())

    def all(self) -> list[Fact]:
        """All that the person told, the newest first."""
        return [Fact(hit.chunk, False) for hit in self._memory.told(MAX_FORGOTTEN, scope=self._scope)]

    def just_told(self, turn: Turn | None) -> list[Fact]:
        """What the turn before told; else what its answer stands on, if that is one fact."""
        found = self.of(turn)
        own = [fact for fact in found if turn and fact.chunk.uri.partition(".")[0] == f"{TOLD}{turn.id}"]
        return own or (found if len(found) == 1 else [])

    def of(self, turn: Turn | None) -> list[Fact]:
        """The facts that a turn told, or that its answer stands on."""
        if turn is None:
            return []
        cited = [one.chunk_id for one in turn.citations if one.kind == "turn"]
        with self._memory.store.reading() as snapshot:
            own = snapshot.chunks_told(self._scope, turn.id)
            known = snapshot.chunks(cited, (self._scope,))
        found = {chunk.id: chunk for chunk in (*(known[id] for id in cited if id in known), *own)}
        return [Fact(chunk, True) for chunk in found.values()]

    def _meant(self, message: str, facts: Sequence[Fact], *, orders: bool = False) -> list[Fact]:
        if not facts:
            return []
        model = self._model()
        if model is None:
            return self._of_one_matter(message, facts)
        # The model was trained on pairs of one language. A name may veto what it says: of twenty facts that are alike in all but
        # whom they are about, one comes near.
        facts = [fact for fact in facts if has_cjk(fact.chunk.text) == has_cjk(message)]
        facts = [fact for fact in facts if orders or not leaning.other_subject(fact.chunk.text, message)]
        said = model.ends(message, [(fact.text, fact.last) for fact in facts])
        ranked = sorted(zip(said, facts, strict=True), key=lambda one: -one[0])
        first, more = model.thresholds
        first += FOR_MANY * math.log(max(1.0, len(facts) / FITTED))
        return [fact for at, (logit, fact) in enumerate(ranked) if logit >= (more if at else first)]

    def _of_one_matter(self, message: str, facts: Sequence[Fact]) -> list[Fact]:
        """The fact that says nearly the same, by its vector and words, where no model reads both."""
        numbers, cjk = self._memory.calibration(), has_cjk(message)
        own, *others = self._memory.encode([message, *(fact.text for fact in facts)])
        near = [numbers.matter(float(own @ other), fact.text, message, cjk) for other, fact in zip(others, facts, strict=True)]
        best = max(range(len(facts)), key=near.__getitem__)
        least = numbers.same_matter_cjk if cjk else numbers.same_matter
        same = " ".join(facts[best].chunk.text.split()) == " ".join(message.split())
        return [facts[best]] if near[best] >= least and not same else []

    def _near(self, message: str, last: Turn | None, *, set_aside: bool = False) -> list[Fact]:
        """The facts that a message may be about: what was said last, the nearest and the newest ones."""
        near = self._memory.recall(message, MAX_NEAR, scopes=(self._scope,), kinds=("turn",))
        hits = {hit.chunk.id: hit for hit in (*near, *self._memory.told(MAX_NEWEST, scope=self._scope))}
        facts = {id: Fact(hit.chunk, False) for id, hit in hits.items() if set_aside or not hit.is_set_aside}
        recent = {fact.chunk.id: fact for fact in self.of(last)}
        return [*(recent.get(id, fact) for id, fact in facts.items()), *(one for id, one in recent.items() if id not in hits)]
