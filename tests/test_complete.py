"""Answers of several sentences: which are said, in which order, and how they stand."""

from pathlib import Path

import pytest
from test_answerability import Reader, reads

from ragbot import Document
from ragbot.answer import persona
from ragbot.models.answerability import AnswerSpan
from ragbot.text import layout

RULES = """# Library

The reading room holds forty people. Readers may borrow:

1. ten books for four weeks,
2. three films for one week,
3. one lamp for a night.

Everything is brought back to the desk. Dogs stay outside."""
FINES = "Each day that a book is late costs 20 cents. The desk takes no cards. Fines of children are halved."


class MarkingReader(Reader):
    """Is sure that a complete answer says the sentences with one of its words, and no others."""

    def __init__(self, *words):
        self.words = words

    def read(self, _question, passages):
        each = [[0.9 if any(word in text for word in self.words) else 0.02 for text in one.sentences] for one in passages]
        return [AnswerSpan(0.95 if max(said) > 0.5 else 0.05, "", said) for said in each]


@pytest.fixture
def library(chat_of, home, monkeypatch):
    """A chat over the documents whose reader marks the sentences with these words."""

    def asked(*words):
        reads(home, monkeypatch, MarkingReader(*words))
        chat = chat_of("no words that stand in the evidence")
        chat.memory.remember([Document("rules.md", RULES), Document("fines.md", FINES, title="Fines")])
        return chat

    return asked


def test_a_list_is_said_whole_and_item_by_item(library):
    turn = library("borrow", "weeks", "week", "night").ask("What can readers borrow?")
    assert turn.answer.splitlines() == [
        "Readers may borrow:",
        "1. ten books for four weeks,",
        "2. three films for one week,",
        "3. one lamp for a night.",
    ]
    assert [cited.uri for cited in turn.citations] == ["rules.md"] * 4 and turn.grounded


def test_sentences_of_two_documents_are_said_one_after_the_other(library):
    turn = library("desk takes", "brought back").ask("Where are books brought back, and does the desk take cards?")
    assert {cited.uri for cited in turn.citations} == {"rules.md", "fines.md"}
    assert set(turn.answer.split(". ")) == {"Everything is brought back to the desk", "The desk takes no cards."}


def test_what_is_said_piece_by_piece_is_what_is_kept(library):
    chat = library("borrow", "weeks", "week", "night", "Dogs")
    said = "".join(chat.stream("What can readers borrow?"))
    (turn,) = _turns(chat)
    assert said == turn.answer and said.endswith("night.\nDogs stay outside.")


def test_the_second_of_two_questions_is_searched_for_by_itself(library):
    """Its document shares no word with the first question, and none fits both better."""
    chat = library("halved")
    chat.memory.remember(Document(f"{n}.md", f"Reading room {n} holds {n} people who read.", title="Rooms") for n in range(20))
    turn = chat.ask("How many people does the reading room hold, and what do fines of children come to?")
    assert "Fines of children are halved." in turn.answer


def test_the_last_answer_is_said_shorter_longer_and_with_its_sources(library, monkeypatch):
    chat = library("borrow", "weeks", "week", "night")
    first = chat.ask("What can readers borrow?")
    monkeypatch.setattr(chat, "_intents", lambda texts: [_Revise() for _ in texts])
    shorter = chat.ask("shorter please")
    assert shorter.answer == "Readers may borrow:\n1. ten books for four weeks," and shorter.citations == first.citations[:2]
    source = chat.ask("Where did you get that from?")
    assert source.answer.startswith("- rules.md, line 3: “Readers may borrow:”\n- rules.md, line 5") and len(source.claims) == 4
    more = chat.ask("more detail please")
    assert "Everything is brought back to the desk." in more.answer and not set(more.citations) & set(first.citations)
    again = chat.ask("more detail please")  # all has been said by then
    assert again.answer == persona.load("plain", Path()).en.no_more
    assert chat.ask("as a table").answer == persona.load("plain", Path()).en.verbatim


def test_what_is_no_longer_current_is_not_said_again(library, monkeypatch):
    chat = library("takes no cards")
    assert "no cards" in chat.ask("Does the desk take cards?").answer
    chat.memory.remember(Document("fines.md", "The desk takes cards since May.", title="Fines"))
    monkeypatch.setattr(chat, "_intents", lambda texts: [_Revise() for _ in texts])
    assert "no cards" not in chat.ask("say that again").answer


def test_what_was_corrected_is_not_said_again(library, monkeypatch):
    chat = library("cents")
    first = chat.ask("What does a late book cost each day?")
    assert "20 cents" in first.answer
    chat.correct(first.id, "It is 30 cents a day since May.")
    monkeypatch.setattr(chat, "_intents", lambda texts: [_Revise() for _ in texts])
    assert "20 cents" not in chat.ask("say that again").answer


class _Revise:
    """What the model of intents makes of a message that is about the last answer."""

    kind, form, chance, told, other = "revise", "", 0.99, 0.0, "revise"


def _turns(chat):
    with chat.memory.store.reading() as snapshot:
        return snapshot.turns(chat.scope, chat.session, 5)


@pytest.mark.parametrize(
    ("texts", "answer"),
    [
        (["It opens at nine.", "It closes at five."], "It opens at nine. It closes at five."),
        (["Bring:", "- a card", "- a pen", "It is free."], "Bring:\n- a card\n- a pen\nIt is free."),
        (["九点开门。", "五点关门。"], "九点开门。五点关门。"),
        (["It opens.", "1. Ring.", "2. Wait."], "It opens.\n1. Ring.\n2. Wait."),
        ([], ""),
    ],
)
def test_sentences_follow_each_other_and_items_stand_on_lines_of_their_own(texts, answer):
    assert layout.joined(texts) == answer
