"""Turns, claims, hits and policies in the store."""

from datetime import UTC, datetime

import numpy as np
import pytest
from fakes import FakeEmbedder, FakeGenerator

from ragbot import Chat
from ragbot.errors import InputError, NotFoundError
from ragbot.store import Raced
from ragbot.types import Citation, Claim, Document, HitFeatures, Policy, Turn, TurnHit

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


def turn(id, *, at=NOON, **rest):
    said = {"session": "s", "scope": "ana", "question": "When?", "answer": "", "claims": (), "grounded": False, "at": at}
    return Turn(**{"id": id, **said, **rest})


def citation(chunk):
    return Citation(chunk.id, chunk.uri, chunk.start, chunk.end, chunk.text)


@pytest.fixture
def chunks(memory):
    memory.remember([Document("lab.md", "The lab opens at 9:00."), Document("inn.md", "The inn opens at 7:00.")])
    with memory.store.reading() as snapshot:
        return [snapshot.chunks_of("everyone", uri)[0] for uri in ("lab.md", "inn.md")]


def test_a_turn_comes_back_with_its_claims_its_hits_and_what_made_it(memory, chunks):
    lab, inn = map(citation, chunks)
    claims = (
        Claim("The lab opens at 9:00.", "supported", 0.9, (lab, inn)),
        Claim("Both open early.", "partial", 0.5, (inn,)),
        Claim("I hope that helps.", "unsupported", 0.0),
    )
    answered = turn(
        "t1",
        answer="The lab opens at 9:00. Both open early. I hope that helps.",
        claims=claims,
        confidence=0.8,
        policy=3,
        strategy="wide",
        propensity=0.25,
        versions={"embedder": "e 1", "index": "7"},
    )
    features = HitFeatures(cosine=np.float32(0.5), dense_rank=1, bm25=2.0, lexical_rank=np.int64(2), rerank=1.5, rerank_from=4)
    hits = [TurnHit(chunks[0].id, 1, 0.7, features), TurnHit(chunks[1].id, 2, np.float32(0.5), HitFeatures())]
    with memory.store.writing() as transaction:
        transaction.add_turn(turn("t1"))
        transaction.add_answer(answered, hits)
    with memory.store.reading() as snapshot:
        assert snapshot.turn("t1") == answered
        assert snapshot.turn("t1").citations == (lab, inn)
        assert snapshot.turn_hits("t1") == hits
        assert snapshot.turn_hits("t1")[0].features.lexical_rank == 2
        assert snapshot.turn_hits("t1")[1].features.cosine is None


def test_turns_stand_in_the_order_in_which_they_were_added_whatever_the_clock_says(memory):
    with memory.store.writing() as transaction:
        for n, hour in enumerate((12, 9, 15, 9)):
            transaction.add_turn(turn(f"t{n}", at=NOON.replace(hour=hour)))
    with memory.store.reading() as snapshot:
        assert [one.id for one in snapshot.turns("ana", "s", 3)] == ["t1", "t2", "t3"]


def test_an_answer_that_cites_what_was_erased_meanwhile_is_refused_and_a_hit_on_it_left_out(memory, chunks):
    lab, inn = chunks
    with memory.store.writing() as transaction:
        transaction.add_turn(turn("t1"))
    memory.forget("lab.md")
    claimed = turn("t1", answer="x", claims=(Claim("x", "supported", 1.0, (citation(lab),)),))
    with pytest.raises(Raced), memory.store.writing() as transaction:
        transaction.add_answer(claimed)
    hits = [TurnHit(lab.id, 1, 0.7, HitFeatures()), TurnHit(inn.id, 2, 0.5, HitFeatures())]
    with memory.store.writing() as transaction:
        transaction.add_answer(turn("t1", answer="I don't know."), hits)
    with memory.store.reading() as snapshot:
        assert snapshot.turn_hits("t1") == hits[1:]


def test_forgetting_a_cited_passage_takes_every_claim_of_the_answer_and_its_hits(memory, chunks):
    lab, inn = chunks
    claims = (
        Claim("The lab opens at nine.", "supported", 1.0, (citation(lab),)),
        Claim("So.", "supported", 1.0, (citation(inn),)),
    )
    answered = turn("t1", answer="The lab opens at nine. So.", claims=claims, grounded=True)
    other = turn("t2", answer="So.", claims=claims[1:], grounded=True)
    hits = [TurnHit(lab.id, 1, 0.7, HitFeatures()), TurnHit(inn.id, 2, 0.5, HitFeatures())]
    with memory.store.writing() as transaction:
        for one in (answered, other):
            transaction.add_turn(one)
            transaction.add_answer(one, hits)
    memory.forget("lab.md")
    with memory.store.reading() as snapshot:
        kept = snapshot.turn("t1")
        assert (kept.answer, kept.claims, kept.grounded, kept.confidence) == ("[forgotten]", (), False, 0.0)
        assert snapshot.turn("t2") == other
        assert snapshot.turn_hits("t1") == snapshot.turn_hits("t2") == hits[1:]
    assert b"opens at nine" not in (memory.home / "ragbot.db").read_bytes()


def test_policies_are_added_and_never_changed(memory):
    first, second = (Policy(n, {"cosine": 1.0 / n}, tuple(range(1, n)), {"ndcg": 0.5, "on": ["a"]}, NOON) for n in (1, 2))
    with memory.store.writing() as transaction:
        transaction.add_policy(second)
        transaction.add_policy(first)
    with memory.store.reading() as snapshot:
        assert snapshot.policies() == [first, second]
        assert snapshot.policy(2) == second and snapshot.policy(3) is None
    with pytest.raises(InputError, match="policy 2: is there already"), memory.store.writing() as transaction:
        transaction.add_policy(second)


def test_a_calibration_stays_with_its_space_and_is_no_part_of_its_identity(memory, chunks):
    with memory.store.reading() as snapshot:
        before = snapshot.active_space()
    assert before.calibration == FakeEmbedder.calibration
    with memory.store.writing() as transaction:
        transaction.set_calibration(before, {"floor": 0.3})
    with memory.store.reading() as snapshot:
        after = snapshot.active_space()
    assert after.calibration == {"floor": 0.3}
    assert after == before and hash(after) == hash(before)


def test_conversations_are_listed_named_searched_and_erased_with_their_names(memory):
    with memory.store.writing() as transaction:
        for number, (session, question) in enumerate([("a", "Where is the kiln?"), ("b", "100% wool?"), ("a", "And the press?")]):
            transaction.add_turn(turn(str(number), session=session, question=question))
        transaction.add_turn(turn("other", session="a", scope="someone else"))
        transaction.replace_session_name("ana", "b", "Shopping")
        transaction.replace_session_name("ana", "b", "Knitting")
    with memory.store.reading() as snapshot:
        both = snapshot.sessions("ana", 10)
        assert [(one.id, one.name, one.first_question, one.turns) for one in both] == [
            ("a", "", "Where is the kiln?", 2),
            ("b", "Knitting", "100% wool?", 1),
        ]
        assert [one.id for one in snapshot.sessions("ana", 1)] == ["a"]
        assert [one.id for one in snapshot.sessions("ana", 1, both[0].seq)] == ["b"]
        found = {words: [one.id for one in snapshot.sessions("ana", 10, words=words)] for words in ("press", "knit", "0%", "_")}
        assert found == {"press": ["a"], "knit": ["b"], "0%": ["b"], "_": []}
    memory.forget_session("b", scope="ana")
    with memory.store.writing() as transaction:
        transaction.add_turn(turn("again", session="b"))
        assert [one.name for one in transaction.sessions("ana", 10)] == ["", ""]


def test_a_rating_of_a_claim_is_its_own_and_can_be_taken_back(memory):
    chat = Chat(memory, "s", "ana", generator=FakeGenerator())
    chat.memory.remember(Document("hours.md", "The lab opens at 9:30."))
    answered = chat.ask("When does the lab open?")
    for place in (None, 0):
        chat.rate(answered.id, up=False, author="ana", claim=place)
    chat.rate(answered.id, up=True, author="ben", claim=0)
    chat.unrate(answered.id, author="ana", claim=0)
    with chat.memory.store.reading() as snapshot:
        said = [(one.author, one.kind, one.claim) for one in snapshot.feedback(answered.id)]
    assert said == [("ana", "down", None), ("ben", "up", 0)]
    with pytest.raises(NotFoundError, match="no claim 7"):
        chat.rate(answered.id, up=True, claim=7)
