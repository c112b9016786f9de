"""A code is as long as it is written, however it is written; a question for one is not answered by another."""

import pytest

from ragbot import Document
from ragbot.answer.lexical import lexically_entailed
from ragbot.search.query import term_weights, weighted_messages
from ragbot.text.codes import asked_codes, codes_in
from ragbot.text.polarity import asks_negated, is_negated


@pytest.mark.parametrize(
    ("asked", "there"),
    [
        ("line 34", "line 34A"),
        ("F2", "F21"),
        ("F22", "F22a"),
        ("E17", "E17b"),
        ("QX81", "QX810"),
        ("T90", "T9"),
        ("88-13", "88-12"),
        ("T9", "T90"),
        ("第2条", "第12条"),
        ("3号线", "13号线"),
    ],
)
def test_a_code_is_not_another_that_is_longer_or_shorter(asked, there):
    (one,) = asked_codes(f"What is {asked}?", [f"This is {there}."])
    (other,) = codes_in(there)
    assert not one.is_named(other) and one.rivals(other)


@pytest.mark.parametrize(
    ("asked", "there"),
    [
        ("pps9087", "PPS-9087"),
        ("PPS 9087", "PPS-9087"),
        ("qx 81", "QX81"),
        ("part 88 - 12", "Part no. 88-12"),
        ("F 21", "F21"),
        ("§4a", "§ 4a"),
        ("version 2.1.3", "v2.1.3"),
        ("ext. 120", "Extension 120"),
        ("Ｆ２１", "F21"),
    ],
)
def test_a_code_may_be_written_in_other_ways(asked, there):
    (one,) = asked_codes(f"What is {asked}?", [there, "F22, PPS-1, QX9"])
    assert any(one.is_named(code) for code in codes_in(there))


@pytest.mark.parametrize(
    "question",
    [
        "What do 2 tickets cost?",
        "Is the lab open on 24 December?",
        "Does it cost 12 euros?",
        "Is 5kg too heavy?",
        "What was 2026-05-01?",
    ],
)
def test_a_number_that_counts_or_dates_is_no_code(question):
    assert asked_codes(question, ["It costs 14 euros. December 26: closed. Line 4."]) == []


def test_written_almost_alike_each_code_is_its_own():
    texts = ["Room B12 is the laboratory.", "Room B-12 is the store."]
    (one,) = asked_codes("What is in room B-12?", texts)
    assert [one.is_named(code) for text in texts for code in codes_in(text)] == [False, True]


def test_a_code_is_looked_for_together_and_apart():
    words = term_weights(weighted_messages("Where is pps9087?", ()))
    assert {"pps", "9087", "pps9087"} <= set(words)


def test_exponents_are_no_digits_of_a_code():
    assert [code.written for code in codes_in("10⁴ pieces")] == ["10"]


def test_only_the_line_that_is_asked_for_answers(chat_of):
    chat = chat_of()
    chat.memory.remember(Document("lines.md", "- Line 34 goes to Millpond.\n- Line 34A goes to Fernside.\n- Line 3 goes home.\n"))
    assert chat.ask("Where does line 34 go?").answer.endswith("Millpond.")
    assert chat.ask("Where does line 34A go?").answer.endswith("Fernside.")
    assert not chat.ask("Where does line 35 go?").claims


def test_a_claim_keeps_a_code_to_its_end():
    assert not lexically_entailed("Part no. 88 costs 34 marks.", "Part no. 88-12 costs 34 marks.")


def test_a_claim_drops_no_item_of_a_list():
    levels = "The four levels of appeal are: review, hearing, board and court."
    assert not lexically_entailed("The four levels of appeal are: review, hearing and board.", levels)
    assert lexically_entailed(levels, levels)
    assert lexically_entailed("The pool opens at 9.", "The pool opens at 9, closes at noon, and is heated.")


def test_a_claim_says_nothing_twice_that_is_said_once():
    assert not lexically_entailed("The lab opens on weekdays at 9:00 on weekdays.", "On weekdays the lab opens at 9:00.")


# Negation


@pytest.mark.parametrize(
    ("sentence", "negated"),
    [
        ("Paint is not allowed in the fridge.", True),
        ("The laser must not be used without goggles.", False),
        ("Neither radios nor headphones are permitted.", True),
        ("Smoking is prohibited except behind the shed.", None),
        ("冰箱内不得存放油漆。", True),
        ("水槽是不锈钢的。", False),
        ("油漆嚴禁存放在冰箱裡。", True),
    ],
)
def test_whether_a_sentence_negates(sentence, negated):
    assert is_negated(sentence) is negated


@pytest.mark.parametrize(
    ("question", "negated"),
    [
        ("What is allowed in the fridge?", False),
        ("Which tool may be used without goggles?", True),
        ("When is the lab open?", None),
        ("Why is the lamp not on?", None),
        ("What should I press if the door won't open?", False),
        ("What is the wifi password?", None),
        ("泳池裡什麼可以帶？", False),
    ],
)
def test_what_a_question_asks_for(question, negated):
    assert asks_negated(question) is negated


def test_negation_turns_no_question_round(chat_of):
    chat = chat_of()
    fridge = "Paint is not allowed in the fridge. Drinks are allowed in the fridge."
    chat.memory.remember(Document("kitchen.md", fridge))
    assert chat.ask("What is allowed in the fridge?").answer == "Drinks are allowed in the fridge."
    assert chat.ask("What is not allowed in the fridge?").answer == "Paint is not allowed in the fridge."


def test_where_only_the_opposite_is_written_nothing_else_answers(chat_of):
    chat = chat_of()
    chat.memory.remember(
        Document("safety.md", "PVC must not be cut in the laser cutter. The hall was painted with a cutter once.")
    )
    turn = chat.ask("What may I cut in the laser cutter?")
    assert not turn.claims and "safety.md" in turn.answer


# Repetition


def test_what_one_page_repeats_does_not_stand_alone(chat_of):
    chat = chat_of()
    loud = "\n\n".join(f"{n}. When does the pool open on Monday? The pool opens at 3:00 on Monday." for n in range(1, 6))
    chat.memory.remember([Document("loud.md", loud), Document("pool.md", "On Monday our pool opens at 9:00, as ever.")])
    turn = chat.ask("When does the pool open on Monday?")
    assert "9:00" in turn.answer
    assert {cited.uri for cited in turn.citations} >= {"pool.md"}


def test_what_is_said_again_and_again_still_answers_where_nothing_else_does(chat_of):
    chat = chat_of()
    chat.memory.remember(Document("loud.md", "\n\n".join(f"{n}. The pool opens at 9:00 on Monday." for n in range(1, 6))))
    assert "9:00" in chat.ask("When does the pool open on Monday?").answer


@pytest.mark.parametrize(
    ("one", "other", "question"),
    [
        ("Dogs are allowed in the dome.", "Dogs are not allowed in the dome.", "Are dogs allowed in the dome?"),
        ("Entry to the dome costs 8 euros.", "Entry to the dome costs 12 euros.", "How much is entry to the dome?"),
        ("天文台门票八元。", "天文台门票十二元。", "天文台门票多少钱？"),
    ],
)
def test_two_sources_that_contradict_each_other_are_both_named(chat_of, one, other, question):
    chat = chat_of()
    chat.memory.remember([Document("a.md", one), Document("b.md", other)])
    turn = chat.ask(question)
    assert {cited.uri for cited in turn.citations} == {"a.md", "b.md"}, turn.answer


def test_what_two_sources_say_of_two_things_is_no_contradiction(chat_of):
    chat = chat_of()
    chat.memory.remember([Document("a.md", "Room 4A costs 8 euros."), Document("b.md", "Room 4B costs 12 euros.")])
    assert {cited.uri for cited in chat.ask("What does room 4A cost?").citations} == {"a.md"}


# Rows


def test_a_row_is_found_by_the_names_of_its_columns(chat_of):
    chat = chat_of()
    table = (
        "Machine | Job | Due every | Responsible\nPress | Oil change | 620 hours | Ilse\nLathe | Oil change | 450 hours | Marek"
    )
    chat.memory.remember(Document("care.md", table))
    turn = chat.ask("Who is responsible for the oil change of the press?")
    assert "Ilse" in turn.answer and "Marek" not in turn.answer


def test_a_row_of_another_day_or_city_does_not_answer(chat_of):
    chat = chat_of()
    table = "Day | Line | First bus\nMonday | Red line | 6:50\nMonday | Green line | 7:10\nSunday | Green line | 9:30"
    chat.memory.remember(Document("bus.md", table))
    assert "9:30" in chat.ask("When does the first Green line bus go on Sunday?").answer
    assert not chat.ask("When does the first Red line bus go on Sunday?").claims


def test_tables_of_one_page_with_as_many_columns_are_told_apart(chat_of):
    chat = chat_of()
    days = "Day | First bus | Last bus\nMonday | early | late\nSunday | noon | dusk"
    halls = "Hall | Opens | Closes\nNorth hall | Monday | Friday\nSouth hall | Tuesday | Sunday"
    chat.memory.remember(Document("page.md", f"{days}\n\n{halls}"))
    assert "Tuesday" in chat.ask("When does the South hall open?").answer
    assert "noon" in chat.ask("When is the first bus on Sunday?").answer


def test_a_rule_that_is_not_there_is_not_answered_by_a_number(chat_of):
    chat = chat_of()
    chat.memory.remember(Document("club.md", "- 3. Dogs stay outside.\n\nA workshop with fewer than 4 bookings is called off."))
    assert not chat.ask("What does rule 4 say?").claims
    assert chat.ask("What does rule 3 say?").answer == "Dogs stay outside."
