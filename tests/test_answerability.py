"""A chat with a reader: what it refuses, what it has said, and when it is not asked."""

import re
from pathlib import Path

import pytest
from fakes import vectors_of

import ragbot.runtime
from ragbot import Document
from ragbot.answer import persona, quote
from ragbot.answer.answer_span import with_answer_span
from ragbot.models.answerability import AnswerSpan, Passage

UNKNOWN = persona.load("plain", Path()).en.unknown


class Reader:
    """Sees no words that a question leans on."""

    def completed(self, question, _turns):
        return question


class ClockReader(Reader):
    """Takes the first time of day for the answer, and is sure of it."""

    def read(self, _question, passages):
        found = [re.search(r"\d+:\d\d", one.text) for one in passages]
        return [AnswerSpan(0.99, m.group()) if m else AnswerSpan(0.01) for m in found]


class FixedReader(Reader):
    """Makes the same of everything."""

    def __init__(self, chance, words=""):
        self.made, self.shown = AnswerSpan(chance, words), []

    def read(self, _question, passages):
        self.shown += passages
        return [self.made for _ in passages]


def reads(home, monkeypatch, reader):
    home.mkdir(exist_ok=True)
    (home / "ragbot.toml").write_text('reader = "bundled"', encoding="utf-8")
    monkeypatch.setattr(ragbot.runtime, "open_answerability_model", lambda: reader)
    ragbot.runtime.shared_runtime.cache_clear()  # a process that starts with this model


def test_a_reader_that_sees_no_answer_has_it_refused(chat_of, home, monkeypatch):
    chat = chat_of("The lab opens at 9:30.")
    chat.memory.remember(Document("a.md", "The lab opens at 9:30. The café sells soup.", title="Lab"))
    assert chat.ask("When does the lab open?").answer == "The lab opens at 9:30."
    reader = FixedReader(0.01)
    reads(home, monkeypatch, reader)
    strict = chat_of("The lab opens at 9:30.", session="other")
    turn = strict.ask("When does the lab open?")
    assert turn.answer.startswith(UNKNOWN)
    assert turn.confidence < 0.3
    # The whole passage is read, under its title.
    assert reader.shown[0][:2] == ("Lab", ["The lab opens at 9:30.", "The café sells soup."])


def test_a_reader_that_sees_the_answer_has_it_said_though_no_word_is_shared(chat_of, home, monkeypatch):
    chat = chat_of("")
    chat.memory.remember(Document("a.md", "Parcels worth more than 250 pounds have to be signed for by an adult."))
    question = "Only my son will be at home, can he take it?"
    assert not chat.ask(question).grounded
    reads(home, monkeypatch, FixedReader(0.9, "have to be signed for by an adult"))
    turn = chat_of("", session="other").ask(question)
    assert turn.grounded and turn.confidence == pytest.approx(0.9)


@pytest.mark.model
def test_the_readers_make_no_answer_of_what_does_not_speak_to_the_question(bundled_models):
    passage = Passage("a.md", ["There are 9 parking spaces for holders of a badge."], 0.05, 0.0)
    (said,) = bundled_models.answerability.read("What is the name of my dog?", [passage])
    assert said.chance < 0.2


@pytest.mark.parametrize(
    ("words", "first"), [("10:00", "On Saturday it opens at 9:30."), ("9:30", "On Saturday it opens at 9:30.")]
)
def test_the_words_of_a_reader_do_not_put_another_days_line_first(memory, words, first):
    memory.remember(Document("a.md", "On Friday it opens at 10:00.\n\nOn Saturday it opens at 9:30."))
    question = "When does it open on Saturday?"
    found = quote.select_sentences(question, memory.recall(question, 5), vectors_of(memory.embedder()))
    best, *_ = with_answer_span(question, found, FixedReader(0.95, words), memory.calibration())
    assert best.text == first


def test_with_a_reader_another_source_that_says_otherwise_is_named(chat_of, home, monkeypatch):
    home.mkdir()
    (home / "ragbot.toml").write_text('reader = "bundled"', encoding="utf-8")
    monkeypatch.setattr(ragbot.runtime, "open_answerability_model", ClockReader)
    chat = chat_of("The lab opens at 9:30.")
    chat.memory.remember(Document("a.md", "The lab opens at 9:30."))
    chat.memory.remember(Document("b.md", "In summer the lab opens at 8:00."))
    turn = chat.ask("When does the lab open?")
    first, other = (citation.quote for citation in turn.citations)
    assert {first, other} == {"The lab opens at 9:30.", "In summer the lab opens at 8:00."}
    assert f"Another source says: {other}" in turn.answer


CAFE = (
    "The café opens late on Sunday. Soup is what the café is open for on Sunday from 12:00 in the hall. The hall has forty seats."
)


class HallReader(Reader):
    """Takes the hall's line for the answer, if it is shown one."""

    def read(self, _question, passages):
        return [AnswerSpan(0.99, "" if "12:00" not in one.text else "from 12:00 in the hall") for one in passages]


def test_what_a_reader_takes_for_the_answer_is_said_too_and_cited(chat_of, home, monkeypatch):
    """It stands in the passage of the best sentence, too far below that to come first."""
    reads(home, monkeypatch, HallReader())
    chat = chat_of("")
    chat.memory.remember(Document("a.md", CAFE))
    turn = chat.ask("How late does the café open on Sunday?")
    assert turn.answer == "The café opens late on Sunday. Soup is what the café is open for on Sunday from 12:00 in the hall."
    assert [citation.quote for citation in turn.citations] == [
        "The café opens late on Sunday.",
        "Soup is what the café is open for on Sunday from 12:00 in the hall.",
    ]


class CafeReader(Reader):
    """Is sure of every passage, and sees words in the one about the café."""

    def read(self, _question, passages):
        return [AnswerSpan(0.99, "11:00" if "café" in one.text else "") for one in passages]


def test_what_a_reader_finds_in_other_passages_is_not_said_too(chat_of, home, monkeypatch):
    reads(home, monkeypatch, CafeReader())
    chat = chat_of("")
    chat.memory.remember(Document("a.md", "On Saturday the workshop is open from 9:30.", title="Hours"))
    chat.memory.remember(Document("b.md", "The café beside the workshop is open on Saturday from 11:00.", title="Café"))
    turn = chat.ask("When is the workshop open on Saturday?")
    assert turn.answer == "On Saturday the workshop is open from 9:30."


def test_what_was_said_already_is_not_said_again_in_the_words_of_a_reader(chat_of, home, monkeypatch):
    reads(home, monkeypatch, FixedReader(0.99, "opens late, on Sunday"))
    chat = chat_of("")
    chat.memory.remember(Document("a.md", CAFE))
    assert chat.ask("When does the café open on Sunday?").answer == "The café opens late on Sunday."


def test_what_is_written_without_the_words_of_a_reader_is_not_said(chat_of, home, monkeypatch):
    reads(home, monkeypatch, FixedReader(0.99, "late"))
    chat = chat_of("On Sunday the café opens.")
    chat.memory.remember(Document("a.md", CAFE))
    assert chat.ask("When does the café open on Sunday?").answer == "The café opens late on Sunday."


def test_no_sentence_is_said_twice_whatever_the_words_of_a_reader_are(chat_of, home, monkeypatch):
    reads(home, monkeypatch, FixedReader(0.99, "opens late on a Sunday at nine"))  # most of them are there, not all
    chat = chat_of("")
    chat.memory.remember(Document("a.md", CAFE))
    assert chat.ask("When does the café open on Sunday?").answer == "The café opens late on Sunday."


def test_the_head_of_a_table_is_no_evidence(memory):
    memory.remember(Document("a.md", "| Room | Beds | Sea view |\n|---|---|---|\n| Single | 1 | no |\n| Family | 4 | yes |"))
    question = "Which room has a sea view?"
    found = quote.select_sentences(question, memory.recall(question, 5), vectors_of(memory.embedder()))
    assert [e.text for e in found if "Beds" in e.text] == []
    assert any("Family" in e.text for e in found)


def test_a_chinese_question_is_read_too(chat_of, home, monkeypatch):
    reader = FixedReader(0.01)
    reads(home, monkeypatch, reader)
    chat = chat_of("图书馆九点开门。")
    chat.memory.remember(Document("a.md", "图书馆九点开门。", title="图书馆"))
    turn = chat.ask("图书馆几点开门？")
    assert not turn.grounded and turn.confidence < 0.3
    assert reader.shown[0][:2] == ("图书馆", ["图书馆九点开门。"])


class HoursReader(Reader):
    """Sees an answer only in a passage that names an hour."""

    def read(self, _question, passages):
        return [AnswerSpan(0.95, "10 o'clock") if "10 o'clock" in one.text else AnswerSpan(0.01) for one in passages]


def test_the_passage_that_answers_comes_before_one_that_only_speaks_of_the_matter(memory):
    memory.remember(Document("a.md", "The opening of the sauna on Friday was a success.", title="News"))
    memory.remember(Document("b.md", "On Friday the sauna opens at 10 o'clock.", title="Hours"))
    memory.remember(Document("c.md", "Turns at the desk are taken by Ada.", title="Desk"))
    question = "When is the opening of the sauna on Friday?"
    found = quote.select_sentences(question, memory.recall(question, 5), vectors_of(memory.embedder()))
    assert found[0].hit.chunk.uri == "a.md"
    best, *rest = with_answer_span(question, found, HoursReader(), memory.calibration())
    assert best.hit.chunk.uri == "b.md" and best.answer == "10 o'clock"
    assert sorted(e.text for e in [best, *rest]) == sorted(e.text for e in found)


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Write to first_last@shop.example or set max_tokens.", "Write to first_last@shop.example or set max_tokens."),
        ("The plate is 3*4 m, **not** _less_.", "The plate is 3*4 m, not less."),
        ("- 营业时间是**九点**。", "营业时间是九点。"),
    ],
)
def test_marks_inside_words_are_no_markup(memory, text, spoken):
    memory.remember(Document("a.md", text))
    (found,) = quote.select_sentences(text, memory.recall(text, 1), vectors_of(memory.embedder()))
    assert quote.render_quote(found) == spoken
