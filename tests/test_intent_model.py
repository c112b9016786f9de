"""What a message is taken for: by the model of intents, on messages of writers whose others trained nothing, and in a chat."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ragbot import Chat, Document, Memory
from ragbot.answer import intent_model
from ragbot.answer.intent import understand
from ragbot.answer.intent_model import QUESTIONS, TELLS, Intent
from ragbot.models import bundled

HELD = sorted((Path(__file__).parent.parent / "training" / "intents").glob("held*.jsonl"))
needs_e5 = pytest.mark.skipif(not bundled.has_e5(), reason="the model of intents belongs to multilingual-e5-small")


def reads(*intents):
    """A model that takes the message, and then its sentences, for these."""
    return lambda texts: [
        Intent(kind, "fact", chance, chance if kind in TELLS else 0.0, "chatter" if kind in (*TELLS, *QUESTIONS) else kind)
        for kind, chance in intents
    ]


def test_a_statement_without_a_verb_is_told():
    told = understand("Dinner with Paul on Friday at eight", (), reads(("statement", 0.9), ("statement", 0.9)))
    assert (told.kind, told.statements, told.question) == ("statement", "Dinner with Paul on Friday at eight", "")


def test_where_the_model_is_not_sure_the_rules_decide():
    asked = understand("When does the lab open", (), reads(("statement", 0.4), ("statement", 0.4)))
    assert (asked.kind, asked.question) == ("question", "When does the lab open")


def test_what_ends_with_a_question_mark_is_asked_whatever_the_model_says():
    asked = understand("The lab opens at nine?", (), reads(("statement", 0.95), ("statement", 0.95)))
    assert (asked.kind, asked.statements) == ("question", "")


def test_a_message_of_several_sentences_tells_and_asks():
    both = understand(
        "My dog is called Rex. Vet hours on Sunday", (), reads(("question", 0.8), ("statement", 0.9), ("question", 0.9))
    )
    assert (both.kind, both.statements, both.question) == ("question", "My dog is called Rex.", "Vet hours on Sunday")


def test_chatter_is_neither_told_nor_asked():
    said = understand("You are useless.", (), reads(("chatter", 0.9), ("chatter", 0.9)))
    assert (said.kind, said.statements, said.question) == ("chatter", "", "")


def test_a_question_behind_a_greeting_is_answered():
    asked = understand("Hi! I'm new, when do you open", (), reads(("greeting", 0.87), ("greeting", 0.99), ("greeting", 0.73)))
    assert asked.kind == "question" and "when do you open" in asked.question


def test_what_is_told_behind_a_greeting_is_not_lost():
    said = understand("Hey there! My badge is 4471.", (), reads(("greeting", 0.8), ("greeting", 0.99), ("statement", 0.9)))
    assert (said.kind, said.statements) == ("statement", "My badge is 4471.")


def test_without_a_model_the_rules_decide():
    assert understand("My badge is 4471.", (), lambda texts: []) == understand("My badge is 4471.", ())


@pytest.mark.model
@needs_e5
def test_messages_of_writers_who_trained_nothing_are_taken_for_what_they_are():
    from ragbot.models.embedder import BundledEmbedder

    rows = [json.loads(line) for file in HELD for line in file.read_text(encoding="utf-8").splitlines()][::4]
    embedder = BundledEmbedder()
    vectors = np.array([embedder.encode_query(row["text"]) for row in rows], np.float32)
    said = intent_model.shipped().read([row["text"] for row in rows], vectors)
    right = Counter(row["intent"] for row, one in zip(rows, said, strict=True) if row["intent"] == one.kind)
    due = Counter(row["intent"] for row in rows)
    assert sum(right.values()) / len(rows) > 0.85
    assert right["statement"] / due["statement"] > 0.85
    assert right["question"] / due["question"] > 0.85


@pytest.mark.model
@needs_e5
def test_a_chat_notes_what_is_told_and_not_what_is_chattered(tmp_path):
    with Memory.open(tmp_path) as memory:
        memory.remember(Document("lab.md", "The lab opens at 9:00.", title="The lab"))
        memory.remember(Document("pay.md", "Pay day is the 28th.", title="Pay", scope="somebody else"))
    with Chat.open(tmp_path) as chat:
        chat.ask("dentist with Oona, Tuesday 14:15, Mill Lane")
        chat.ask("What a silly machine you are.")
        assert [stored.kind for stored in chat.memory.documents([chat.scope])] == ["turn"]
        assert "14:15" in chat.ask("when is the dentist").answer
        holdings = chat.ask("tell me which documents you've got in there").answer
        assert "The lab" in holdings and "Pay" not in holdings
        assert "14:15" in chat.ask("list everything I've told you so far").answer
        assert chat.ask("so what are you exactly, and what are you good for").answer == chat.persona.en.about


@pytest.mark.parametrize(
    "order",
    [
        "forget that the delivery comes on Friday",
        "forget that my locker is 12",
        "Please forget about the dentist.",
        "忘记我的座位号",
    ],
)
def test_an_order_to_forget_is_no_statement(order):
    from ragbot.text import messages

    assert messages.orders_to_forget(order)
    for statement in ("Don't forget that the meeting is at 4.", "I forget that all the time.", "我忘了带钥匙。", "Forget it."):
        assert not messages.orders_to_forget(statement)
