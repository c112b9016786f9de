"""What a chat streams, and what is stored of a turn: claims, hits with their features, versions, how often the store is asked."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from fakes import FakeEmbedder, FakeGenerator
from sqlalchemy import event as sql_event

import ragbot.runtime
from ragbot import Chat, Document, Memory
from ragbot.answer.intent import understand
from ragbot.errors import InputError
from ragbot.runtime import Runtime, shared_runtime
from ragbot.types import Claim, Done, Note, Refusal

LAB = Document("lab.md", "# Hours\n\nThe lab opens at 9:00 on Monday.\n\n# Cards\n\nGift cards cannot be returned.")
QUESTION = "When does the lab open on Monday?"


@pytest.fixture
def chat(chat_of):
    made = chat_of("The lab opens on Monday at 9:00.")
    made.memory.remember(LAB)
    return made


# Events


def test_the_last_event_is_the_turn_as_it_was_stored(chat):
    claim, done = chat.events(QUESTION)
    assert isinstance(claim, Claim) and isinstance(done, Done)
    assert (claim.text, claim.verdict) == ("The lab opens on Monday at 9:00.", "supported")
    assert claim.citations[0].quote == "The lab opens at 9:00 on Monday."
    with chat.memory.store.reading() as snapshot:
        assert snapshot.turn(done.turn.id) == done.turn
    assert done.turn.claims == (claim,) and done.turn.citations == claim.citations
    assert done.turn.confidence == claim.score


def test_stream_and_ask_stand_on_the_events(chat_of):
    texts = ["The lab opens at 9:00 on Monday."] * 3
    streamed, asked, typed = (chat_of(text, session=str(n)) for n, text in enumerate(texts))
    streamed.memory.remember(LAB)
    pieces = list(streamed.stream(QUESTION))
    answer = asked.ask(QUESTION).answer
    events = [event.text for event in typed.events(QUESTION) if not isinstance(event, Done)]
    assert "".join(pieces) == answer == " ".join(events) != ""


@pytest.mark.parametrize(
    ("message", "kinds"),
    [
        ("hello", [Note]),
        ("Who is the president of France?", [Refusal]),
        ("My badge number is 4471.", [Claim]),
        ("谢谢", [Note]),
    ],
)
def test_each_kind_of_message_has_its_events(chat, message, kinds):
    *events, done = chat.events(message)
    assert [type(event) for event in events] == kinds
    assert done.turn.grounded == (kinds == [Claim])


def test_what_is_told_is_stored_before_anything_is_judged(chat, monkeypatch):
    monkeypatch.setattr("ragbot.chat.Answerer.events", lambda *_: pytest.fail("was asked before it was stored"))
    events = chat.events("My badge number is 4471. When does the lab open on Monday?")
    with pytest.raises(pytest.fail.Exception):
        next(events)
    assert chat.memory.recall("badge number", scopes=["ana"])[0].chunk.text == "My badge number is 4471."


def test_a_message_is_understood_once():
    said = [("user", QUESTION), ("assistant", "At nine.")]
    ask = understand("My badge is 4471. And on Sunday?", said)
    assert (ask.kind, ask.language, ask.statements, ask.question) == ("question", "en", "My badge is 4471.", "And on Sunday?")
    assert ask.standalone == f"{QUESTION} And on Sunday?"
    assert understand("图书馆几点开门？", []).language == "zh"
    assert understand("My badge is 4471.", said).standalone == ""


def test_nobody_speaks_for_everyone(memory):
    for scope in ("everyone", " everyone "):
        with pytest.raises(InputError, match="'everyone' is no person's scope"):
            Chat(memory, "s", scope, FakeGenerator())


# A turn is data


def test_what_was_retrieved_is_stored_with_its_features(chat):
    turn = chat.ask(QUESTION)
    hits = chat.memory.recall(QUESTION, chat.memory.settings.passages, scopes=chat.scopes)
    with chat.memory.store.reading() as snapshot:
        stored = snapshot.turn_hits(turn.id)
    assert [(one.chunk_id, one.ord, one.score) for one in stored] == [(h.chunk.id, at, h.score) for at, h in enumerate(hits, 1)]
    assert stored[0].features == hits[0].features
    assert stored[0].features.cosine > 0.5 and stored[0].features.dense_rank == stored[0].features.lexical_rank == 1
    assert (turn.policy, turn.strategy, turn.propensity) == (0, "quote", 1.0)
    assert turn.versions["embedder"].startswith("multilingual-e5-small@") and turn.versions["persona"] == "plain"


def test_forgetting_a_document_takes_its_hits_out_of_the_turns(chat):
    turn = chat.ask(QUESTION)
    chat.memory.forget("lab.md")
    with chat.memory.store.reading() as snapshot:
        assert snapshot.turn_hits(turn.id) == []


def test_prose_is_made_when_somebody_asks(chat, monkeypatch):
    asked = []
    explain = ragbot.search.candidates.explain
    monkeypatch.setattr(ragbot.search.candidates, "explain", lambda *given: asked.append(given) or explain(*given))
    hits = chat.memory.recall(QUESTION)
    assert asked == []
    assert "words" in hits[0].why and len(asked) == 1


# How often the store is asked


def test_an_answer_costs_few_reads_and_writes_and_embeds_nothing_twice(chat, embedders):
    chat.ask("hello")  # opens what is opened once
    chat.memory.recall("hello")  # likewise: which space answers is looked up until a view is made
    begun = []
    engine = chat.memory.store._database.engine
    sql_event.listen(engine, "before_cursor_execute", lambda *given: begun.append(given[2]) if "BEGIN" in given[2] else None)
    (embedder,) = embedders.values()
    del embedder.embedded[:]
    embedder.known = set(re.findall(r"\w+", QUESTION.lower()))
    assert chat.ask(QUESTION).grounded
    assert begun.count("BEGIN IMMEDIATE") == 2
    assert 1 <= begun.count("BEGIN") <= 3
    assert len(embedder.embedded) == len(set(embedder.embedded))


# One runtime for all


def test_all_memories_and_chats_of_a_process_share_their_models(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(ragbot.runtime, "open_embedder", lambda name: opened.append(name) or FakeEmbedder(name))
    monkeypatch.setattr(ragbot.runtime, "open_generator", lambda name, _: opened.append(name) or FakeGenerator())
    chats = [Chat.open(tmp_path / str(n), session="s", scope="ana") for n in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(Chat.load, chats))
    assert sorted(opened) == ["SmolLM2-135M-Instruct", "multilingual-e5-small"]
    own = Runtime()
    with Memory.open(tmp_path / "0", runtime=own) as memory:
        memory.recall("lab")
        memory.embedder()
    assert opened.count("multilingual-e5-small") == 2
    for chat in chats:
        chat.close()


def test_two_models_load_side_by_side_and_one_only_once(monkeypatch):
    both = threading.Barrier(2, timeout=10)  # each waits for the other: one after the other would never end

    def load(name, *_):
        both.wait()
        return FakeEmbedder(name)

    monkeypatch.setattr(ragbot.runtime, "open_embedder", load)
    runtime = shared_runtime()
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(runtime.embedder, ["a", "b"] * 3))
    assert len({id(one) for one in found}) == 2
    runtime.close()
    both.reset()
    with ThreadPoolExecutor(2) as pool:
        assert {id(one) for one in pool.map(runtime.embedder, ["a", "b"])}.isdisjoint(map(id, found))
