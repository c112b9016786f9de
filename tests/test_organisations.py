"""The organisations: each quote stands in its document, and what trains is kept apart from what reports."""

import json
from collections import Counter

import pytest

from ragbot import Document
from training import organisations
from training.organisations import CompleteAnswer, CustomerQuestion, Organisation

FILES = sorted(organisations.HERE.glob("*.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_quote_stands_in_its_document(file):
    one = json.loads(file.read_text(encoding="utf-8"))
    texts = {each["name"]: each["text"] for each in one["documents"]}
    assert len(texts) == 4 and len(one["questions"]) == 48
    quoting = [*one["questions"], *one["claims"], *one["follow_ups"]]
    assert [each for each in quoting if each["quote"] not in texts[each["document"]]] == []
    assert [sum(each["answerable"] for each in part) for part in (one["questions"][:36], one["questions"][36:])] == [22, 6]
    assert all(each["en"].strip() and each["zh"].strip() for each in (*one["questions"], *one["claims"]))
    assert Counter(each["label"] for each in one["claims"]) == {"supported": 10, "contradicted": 7, "neither": 3}
    for said in (each[language] for each in one["follow_ups"] for language in organisations.LANGUAGES):
        assert len(said["turns"]) in (2, 4) and said["question"].strip() and said["stand_alone"].strip()
    (read,) = organisations.read({file.stem})
    kept_apart = file.stem in organisations.FITTED | organisations.REPORTED
    assert len(read.answers) == (32 if kept_apart else 64)
    assert all(answer.question and answer.quotes for answer in read.answers)
    assert [quote for answer in read.answers for uri, quote in answer.quotes if texts[uri].count(quote) != 1] == []


def test_the_evidence_of_a_claim_holds_its_quote():
    (one,) = organisations.read({"a-05"})
    for claim in one.claims:
        _, said = organisations.evidence(one, claim)
        assert organisations.holds(" ".join(said), claim.quote)


def test_what_fits_and_what_reports_trains_nothing():
    training = {one.name for one in organisations.read()}
    fitted, reported = (
        {one.name for one in organisations.read(names)} for names in (organisations.FITTED, organisations.REPORTED)
    )
    assert fitted == organisations.FITTED and reported == organisations.REPORTED
    assert training | fitted | reported == {file.stem for file in FILES}
    assert len(training) + len(fitted) + len(reported) == len(FILES)


def test_the_quoted_passage_comes_first_and_alone_answers():
    lines = [
        "# Parcels",
        "Parcels worth more than 250 pounds have to be signed for by an adult.",
        "# Shop",
        "We sell *boots* and tents.",
    ]
    documents = (Document("a.md", "\n\n".join(lines)), Document("b.md", "A lost parcel is paid for after ten days."))
    asked = (
        CustomerQuestion("Can my son take it from the courier?", True, "a.md", "signed for by an adult"),
        CustomerQuestion("What do boots cost?", False, "a.md", "We sell boots and tents."),
    )
    first, second = organisations.passages(Organisation("shop", documents, asked, (), (), ()), asked)
    assert [any(one.said) for one in first] == [True, *[False] * (len(first) - 1)]
    assert "signed for by an adult" in first[0].text and len(first) > 1
    assert "tents" in second[0].text and not any(any(one.said) for one in second)


def test_every_sentence_of_a_complete_answer_is_marked():
    lines = [
        "# Rooms",
        "Rooms are booked at the desk. You need a card. Chairs are blue.",
        "# Cards",
        "- Cards cost 5 euros.\n- Ada prints.",
    ]
    text = "\n\n".join(lines)
    quotes = (("a.md", "You need a card."), ("a.md", "- Cards cost 5 euros."), ("b.md", "Ada prints."))
    asked = CompleteAnswer("How do I get a room?", "steps", quotes)
    (passages,) = organisations.passages(Organisation("desk", (Document("a.md", text),), (), (), (), (asked,)), [asked])
    marked = {one.text[start:end].strip("- ") for one in passages for start, end in one.marked}
    assert marked == {"You need a card.", "Cards cost 5 euros."}
