"""Turns, their claims and hits, feedback, and the policies that ranked for them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, or_, select, update

from ragbot.errors import InputError
from ragbot.store import rows
from ragbot.store import schema as s
from ragbot.types import Citation, Claim, Feedback, FeedbackKind, HitFeatures, Policy, Turn, TurnHit

LOOKED_BACK = 8
"""So many exchanges of a history are looked up to find its session: an order to forget erases those before it too."""


class Raced(Exception):
    """Another process changed what this one had read before it wrote: read and compute again."""


@dataclass(frozen=True, slots=True)
class TurnPage:
    """Some turns of a session, oldest first."""

    turns: tuple[Turn, ...]
    before_seq: int | None
    """Where the page before it ends; None where there is none."""


@dataclass(frozen=True, slots=True)
class Session:
    """A conversation: what its person calls it ("" for no name), its first question, and when it was last spoken in."""

    id: str
    name: str
    first_question: str
    turns: int
    last_at: datetime
    seq: int
    """Its place among the sessions of its scope."""


class TurnReads:
    """Reads of turns, in one snapshot."""

    _connection: Connection

    def turn(self, turn_id: str) -> Turn | None:
        """One turn with its claims and their citations."""
        found = self._turns(s.turns.c.id == turn_id, 1)
        return found[0] if found else None

    def turns(self, scope: str, session: str, limit: int) -> list[Turn]:
        """The last turns of a session, oldest first: in the order in which they were added."""
        return self._turns(and_(s.turns.c.scope == scope, s.turns.c.session == session), limit)

    def turns_before(self, turn: Turn, limit: int) -> list[Turn]:
        """The last turns of a session before one of it, oldest first."""
        t = s.turns.c
        own = select(t.seq).where(t.id == turn.id).scalar_subquery()
        return self._turns(and_(t.scope == turn.scope, t.session == turn.session, t.seq < own), limit)

    def sessions(self, scope: str, limit: int, before_seq: int | None = None, words: str = "") -> list[Session]:
        """The sessions of a scope, the one with the newest turn first; with `words`, those in which they were said, or that are
        called so. `before_seq` is where the page before ends."""
        t, n = s.turns.c, s.session_names.c
        newest = func.max(t.seq)
        last = select(t.session, newest.label("seq"), func.count().label("turns"), func.min(t.seq).label("first"))
        last = last.where(t.scope == scope).group_by(t.session)
        if words:
            like = f"%{words.replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"
            said = select(t.session).where(
                t.scope == scope, or_(t.question.like(like, escape="!"), t.answer.like(like, escape="!"))
            )
            named = select(n.session).where(n.scope == scope, n.name.like(like, escape="!"))
            last = last.where(or_(t.session.in_(said), t.session.in_(named)))
        if before_seq is not None:
            last = last.having(newest < before_seq)
        found = last.order_by(newest.desc()).limit(limit).subquery()
        first, end = s.turns.alias(), s.turns.alias()
        query = (
            select(found, first.c.question, end.c.at, n.name)
            .join(first, first.c.seq == found.c.first)
            .join(end, end.c.seq == found.c.seq)
            .outerjoin(s.session_names, and_(n.scope == scope, n.session == found.c.session))
            .order_by(found.c.seq.desc())
        )
        return [
            Session(row.session, row.name or "", row.question, row.turns, rows.moment(row.at), row.seq)
            for row in self._connection.execute(query)
        ]

    def session_name(self, scope: str, session: str) -> str:
        """What a session is called; "" for nothing."""
        n = s.session_names.c
        return str(self._connection.execute(select(n.name).where(n.scope == scope, n.session == session)).scalar() or "")

    def session_of(self, scope: str, history: Sequence[tuple[str, str]]) -> str | None:
        """The session of a scope that a history of (role, text) belongs to; None if it stands in none.

        It is the one in which the last question was last answered so; of an exchange that was erased since, the one before tells.
        """
        t = s.turns.c
        exchanges = [(first[1], then[1]) for first, then in pairwise(history) if (first[0], then[0]) == ("user", "assistant")]
        for question, answer in exchanges[: -LOOKED_BACK - 1 : -1]:
            same = and_(t.scope == scope, t.question == question, t.answer == answer)
            found = self._connection.execute(select(t.session).where(same).order_by(t.seq.desc()).limit(1)).scalar()
            if found is not None:
                return str(found)
        return None

    def turns_page(self, scope: str, session: str, before_seq: int | None, limit: int) -> TurnPage:
        """The last `limit` turns of a session that were added before a place in the order; None: before its end."""
        t = s.turns.c
        which = and_(t.scope == scope, t.session == session)
        if before_seq is not None:
            which = and_(which, t.seq < before_seq)
        found = self._turns(which, limit)
        first = select(t.seq).where(t.id == found[0].id) if len(found) == limit and found else None
        return TurnPage(tuple(found), None if first is None else self._connection.execute(first).scalar())

    def _turns(self, which: ColumnElement[bool], limit: int) -> list[Turn]:
        newest = select(s.turns).where(which).order_by(s.turns.c.seq.desc()).limit(limit)
        found = self._connection.execute(newest).all()
        cited = self._cited([row.id for row in found])
        claims = self._claims([row.id for row in found], cited)
        return [rows.turn(row, claims.get(row.id, ()), cited.get((row.id, s.NO_CLAIM), ())) for row in reversed(found)]

    def _cited(self, turn_ids: Sequence[str]) -> dict[tuple[str, int], list[Citation]]:
        """Citations by turn and claim."""
        cites = s.citations.c
        cited: dict[tuple[str, int], list[Citation]] = {}
        for row in self._connection.execute(select(s.citations).where(cites.turn_id.in_(turn_ids)).order_by(cites.ord)):
            cited.setdefault((row.turn_id, row.claim), []).append(rows.citation(row))
        return cited

    def _claims(self, turn_ids: Sequence[str], cited: Mapping[tuple[str, int], Sequence[Citation]]) -> dict[str, list[Claim]]:
        c = s.claims.c
        found: dict[str, list[Claim]] = {}
        for row in self._connection.execute(select(s.claims).where(c.turn_id.in_(turn_ids)).order_by(c.turn_id, c.ord)):
            citations = tuple(cited.get((row.turn_id, row.ord), ()))
            found.setdefault(row.turn_id, []).append(Claim(row.text, row.verdict, row.score, citations))
        return found

    def turn_hits(self, turn_id: str) -> list[TurnHit]:
        """What was retrieved for a turn, best first, without what was erased since."""
        h = s.turn_hits.c
        query = select(s.turn_hits).where(h.turn_id == turn_id).order_by(h.ord)
        return [
            TurnHit(row.chunk_id, row.ord, row.score, HitFeatures(**json.loads(row.features)))
            for row in self._connection.execute(query)
        ]

    def feedback(self, turn_id: str) -> list[Feedback]:
        """What was said about a turn, oldest first."""
        query = select(s.feedback).where(s.feedback.c.turn_id == turn_id).order_by(s.feedback.c.id)
        return [
            Feedback(
                r.id,
                r.turn_id,
                r.kind,
                r.text,
                tuple(json.loads(r.chunk_ids)),
                r.author,
                rows.moment(r.at),
                None if r.claim == s.NO_CLAIM else r.claim,
            )
            for r in self._connection.execute(query)
        ]

    def policy(self, version: int) -> Policy | None:
        """One version of the ranking weights; None if it is not in this home."""
        row = self._connection.execute(select(s.policies).where(s.policies.c.version == version)).first()
        return rows.policy(row) if row else None

    def policies(self) -> list[Policy]:
        """Every policy of this home, oldest version first."""
        return [rows.policy(row) for row in self._connection.execute(select(s.policies).order_by(s.policies.c.version))]


class TurnWrites(TurnReads):
    """Writes of turns, in one transaction."""

    at: int

    def add_turn(self, turn: Turn) -> None:
        """Add a turn as it is said, before it has an answer. It comes after every turn that is there, whatever the clock says."""
        last = self._connection.execute(select(func.coalesce(func.max(s.turns.c.seq), 0))).scalar_one()
        said = {
            "id": turn.id,
            "session": turn.session,
            "scope": turn.scope,
            "question": turn.question,
            "at": rows.micros(turn.at),
        }
        self._connection.execute(insert(s.turns).values(said | _answer(turn) | {"seq": last + 1}))

    def add_answer(self, turn: Turn, hits: Sequence[TurnHit] = ()) -> None:
        """Complete a turn with its answer, its claims, and what was retrieved for it.

        Hits on chunks that were erased meanwhile are left out. Raises Raced if a cited chunk was: its words must not come back.
        """
        cited = {one.chunk_id for one in (*turn.citations, *turn.nearby)}
        there = set(
            self._connection.execute(
                select(s.chunks.c.id).where(s.chunks.c.id.in_(cited | {hit.chunk_id for hit in hits}))
            ).scalars()
        )
        if not cited <= there:
            raise Raced
        self._connection.execute(update(s.turns).where(s.turns.c.id == turn.id).values(_answer(turn)))
        self._add_claims(turn)
        values = [
            {"turn_id": turn.id, "ord": hit.ord, "chunk_id": hit.chunk_id, "score": float(hit.score), "features": _features(hit)}
            for hit in hits
            if hit.chunk_id in there
        ]
        if values:
            self._connection.execute(insert(s.turn_hits), values)

    def _add_claims(self, turn: Turn) -> None:
        claims = [
            {"turn_id": turn.id, "ord": at, "text": one.text, "verdict": one.verdict, "score": float(one.score)}
            for at, one in enumerate(turn.claims)
        ]
        cited = [(at, one) for at, claim in enumerate(turn.claims) for one in claim.citations]
        cited += [(s.NO_CLAIM, one) for one in turn.nearby]
        citations = [{"turn_id": turn.id, "ord": n, "claim": at, **_citation(one)} for n, (at, one) in enumerate(cited)]
        if claims:
            self._connection.execute(insert(s.claims), claims)
        if citations:
            self._connection.execute(insert(s.citations), citations)

    def erase_session(self, scope: str, session: str) -> int:
        """Erase the turns of a session with all that hangs on them. How many."""
        own = select(s.turns.c.id).where(s.turns.c.scope == scope, s.turns.c.session == session)
        for table in (s.citations, s.claims, s.turn_hits, s.feedback):
            self._connection.execute(delete(table).where(table.c.turn_id.in_(own)))
        self._drop_name(scope, session)
        return self._connection.execute(delete(s.turns).where(s.turns.c.scope == scope, s.turns.c.session == session)).rowcount

    def replace_session_name(self, scope: str, session: str, name: str) -> None:
        """Call a session something; "" for nothing."""
        self._drop_name(scope, session)
        if name:
            self._connection.execute(insert(s.session_names).values(scope=scope, session=session, name=name))

    def _drop_name(self, scope: str, session: str) -> None:
        n = s.session_names.c
        self._connection.execute(delete(s.session_names).where(n.scope == scope, n.session == session))

    def erase_rating(self, turn_id: str, author: str, claim: int = s.NO_CLAIM) -> int:
        """Take back what a person said about a turn, or about one claim of it, by "up" and "down". How often."""
        f = s.feedback.c
        which = f.turn_id == turn_id, f.author == author, f.claim == claim, f.kind.in_(("up", "down"))
        return self._connection.execute(delete(s.feedback).where(*which)).rowcount

    def add_feedback(self, turn: Turn, kind: FeedbackKind, words: str = "", author: str = "", *, claim: int = s.NO_CLAIM) -> None:
        """Add what a person said about a turn, or about one claim of it, with the chunks that it stood on."""
        cited = turn.citations if claim == s.NO_CLAIM else turn.claims[claim].citations
        ids = json.dumps(sorted({one.chunk_id for one in cited}))
        values = {
            "turn_id": turn.id,
            "kind": kind,
            "text": words,
            "chunk_ids": ids,
            "author": author,
            "at": self.at,
            "claim": claim,
        }
        self._connection.execute(insert(s.feedback).values(values))

    def add_policy(self, policy: Policy) -> None:
        """Add a version of the ranking weights. Raises InputError if there is one of that number: policies are never changed."""
        if self.policy(policy.version):
            raise InputError(f"policy {policy.version}: is there already, and a policy is never changed; give it a new number")
        values = {
            "version": policy.version,
            "weights": json.dumps({name: float(weight) for name, weight in policy.weights.items()}),
            "parents": json.dumps(list(policy.parents)),
            "report": json.dumps(dict(policy.report), ensure_ascii=False),
            "at": rows.micros(policy.at),
        }
        self._connection.execute(insert(s.policies).values(values))


def _answer(turn: Turn) -> dict[str, Any]:
    """What is known of a turn once it is answered."""
    return {
        "answer": turn.answer,
        "grounded": turn.grounded,
        "confidence": float(turn.confidence),
        "policy": turn.policy,
        "strategy": turn.strategy,
        "propensity": float(turn.propensity),
        "versions": json.dumps(dict(turn.versions), ensure_ascii=False),
    }


def _features(hit: TurnHit) -> str:
    known: Mapping[str, Any] = {name: value for name, value in asdict(hit.features).items() if value is not None}
    return json.dumps({name: value.item() if isinstance(value, np.generic) else value for name, value in known.items()})


def _citation(cited: Citation) -> dict[str, Any]:
    return {
        "chunk_id": cited.chunk_id,
        "uri": cited.uri,
        "kind": cited.kind,
        "start": cited.start,
        "end": cited.end,
        "quote": cited.quote,
        "page": cited.page,
        "line": cited.line,
        "heading": cited.heading,
        "said_at": None if cited.said_at is None else rows.micros(cited.said_at),
        "shown": cited.shown,
        "valid_from": None if cited.valid_from is None else rows.micros(cited.valid_from),
    }
