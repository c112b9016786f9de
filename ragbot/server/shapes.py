"""The nouns of ragbot in the shapes of the routes. All of it passes the gate; no number of the store gets out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ragbot import types as t
from ragbot.changes import Changed, Conflict
from ragbot.safety.gate import harmless, harmless_name
from ragbot.search.explain import describe
from ragbot.server import schema as s
from ragbot.server.links import Links
from ragbot.server.service import Explained
from ragbot.store import Stored
from ragbot.store.history import StaleCitation

HIDDEN_FEATURES = ("newer_than",)
"""Numbers of the store."""


@dataclass(frozen=True, slots=True)
class Shapes:
    """Shapes for one request: `base` is the address that it came to, `key_id` the key that it came with."""

    links: Links
    base: str
    key_id: str | None

    def citation(self, cited: t.Citation) -> s.Citation:
        """A citation with its link."""
        return s.Citation(
            passage=self.links.id_of(cited.chunk_id),
            uri=cited.uri,
            where=cited.where,
            quote=cited.quote,
            url=self.links.url(cited, self.base, self.key_id),
            kind=cited.kind,
            page=cited.page,
            line=cited.line,
            heading=cited.heading,
            valid_from=cited.valid_from,
            said_at=cited.said_at,
        )

    def claim(self, claim: t.Claim) -> s.Claim:
        """A claim with its citations."""
        return s.Claim(
            text=claim.text, verdict=claim.verdict, score=claim.score, citations=[self.citation(one) for one in claim.citations]
        )

    def turn(self, turn: t.Turn) -> s.Turn:
        """A turn without the names of models and indexes: these count everybody's writes."""
        return s.Turn(
            id=turn.id,
            session=turn.session,
            scope=turn.scope,
            question=turn.question,
            answer=turn.answer,
            grounded=turn.grounded,
            confidence=turn.confidence,
            claims=[self.claim(one) for one in turn.claims],
            nearby=[self.citation(one) for one in turn.nearby],
            at=turn.at,
        )

    def why(self, explained: Explained) -> s.TurnWhy:
        """A turn with what it stands on."""
        current = explained.current
        cited = {one.chunk_id for one in explained.turn.citations}
        return s.TurnWhy(
            **self.turn(explained.turn).model_dump(),
            current=[self.links.id_of(chunk_id) for chunk_id in sorted(cited & set(current))],
            retrieved=[self._retrieved(hit, current.get(hit.chunk_id)) for hit in explained.retrieved],
            feedback=[s.Opinion(kind=one.kind, text=one.text, author=one.author, at=one.at) for one in explained.feedback],
        )

    def _retrieved(self, hit: t.TurnHit, chunk: t.Chunk | None) -> s.Retrieved:
        return s.Retrieved(
            place=hit.ord,
            score=hit.score,
            passage=self.links.id_of(hit.chunk_id),
            uri=chunk.uri if chunk else None,
            text=harmless(chunk.text) if chunk else None,
            reasons=list(describe(hit.features, chunk, {})) if chunk else [],
        )

    def passage(self, chunk: t.Chunk) -> s.Passage:
        """A passage."""
        return s.Passage(
            passage=self.links.id_of(chunk.id),
            uri=chunk.uri,
            scope=chunk.scope,
            title=harmless_name(chunk.title),
            heading=harmless(chunk.heading),
            text=harmless(chunk.text),
            kind=chunk.kind,
            page=chunk.page,
            line=chunk.line,
            valid_from=chunk.valid_from,
            valid_to=chunk.valid_to,
            current=chunk.retired_at is None,
        )

    def hit(self, hit: t.Hit, *, explain: bool) -> s.HitOut:
        """A hit, with its reasons and features if they are asked for."""
        features = {name: value for name, value in asdict(hit.features).items() if name not in HIDDEN_FEATURES}
        return s.HitOut(
            passage=self.passage(hit.chunk),
            name=harmless_name(hit.name or hit.chunk.uri),
            score=hit.score,
            also=list(dict.fromkeys(one.uri for one in hit.also)),
            set_aside=list(dict.fromkeys(one.uri for one in hit.disputes)),
            reasons=[harmless(line) for line in hit.why.split("\n")] if explain else [],
            features=features if explain else {},
        )


def document(stored: Stored) -> s.DocumentOut:
    """A document without its text."""
    return s.DocumentOut(
        uri=stored.uri,
        scope=stored.scope,
        name=harmless_name(stored.metadata.get("name", "") or stored.uri),
        title=harmless_name(stored.title),
        kind=stored.kind,  # type: ignore[arg-type]
        passages=stored.chunks,
        valid_from=stored.valid_from,
        valid_to=stored.valid_to,
        recorded_at=stored.recorded_at,
        dated_by=stored.metadata.get("dated_by", ""),
    )


def told(hit: t.Hit) -> s.Told:
    """Something that a person told."""
    return s.Told(
        uri=hit.chunk.uri,
        text=harmless(hit.chunk.text),
        about=harmless(hit.chunk.heading),
        said_at=hit.chunk.valid_from,
        set_aside_by=[one.uri for one in hit.disputes],
    )


def changed(one: Changed) -> s.ChangedOut:
    """What became of a document."""
    return s.ChangedOut(**asdict(one))


def conflict(one: Conflict) -> s.ConflictOut:
    """Two sides of a conflict."""
    return s.ConflictOut(leads=_side(one.leads, one.says), other=_side(one.other, one.other_says))


def _side(chunk: t.Chunk, says: str) -> s.Side:
    return s.Side(uri=chunk.uri, scope=chunk.scope, says=says, valid_from=chunk.valid_from)


def stale(found: Sequence[StaleCitation]) -> s.Affected:
    """Answers that stand on what is no longer so."""
    return s.Affected(
        answers=[
            s.Stale(
                turn=one.turn_id,
                session=one.session,
                scope=one.scope,
                question=harmless(one.question),
                answer=harmless(one.answer),
                at=one.at,
                source=harmless_name(one.name),
                quote=harmless(one.quote),
                changed_at=one.changed_at,
            )
            for one in found
        ]
    )
