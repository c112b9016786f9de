"""Copies of a passage are one hit, at a cost that grows with their number only; passages of other meaning stay apart."""

import functools

import pytest

import ragbot.search.candidates
from ragbot import Document
from ragbot.search import fold
from ragbot.search.fold import MOST_COPIES, folded, wording
from ragbot.store.snapshot import Snapshot


def fold_texts(*texts, most=10, worded=wording):
    return [(kept, list(also)) for kept, also in folded(((text, "", text) for text in texts), most, worded)]


# What is the same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Store the sample at -20 °C at all times.", "Store the sample at 20 °C at all times."),
        ("Store the sample at −20 °C at all times.", "Store the sample at 20 °C at all times."),
        ("Stored at:\n\n- 20 °C", "Stored at:\n\n20 °C"),
        ("The press is safe if load < 5 tons.", "The press is safe if load > 5 tons."),
        ("The press is safe if its load is\n> 5 tons.", "The press is safe if its load is\n5 tons."),
        ("Use C++ for the driver of the pump.", "Use C# for the driver of the pump."),
        ("Use C++ for the driver of the pump.", "Use C for the driver of the pump."),
        ("The fee is $5 for each visit.", "The fee is €5 for each visit."),
        ("Set flag = !ready before the start.", "Set flag = ready before the start."),
        ("x = a - b", "x = a + b"),
        ("x = a - b", "x = - b"),
        ("x = a * b", "x = a b"),
        ("x = 2 * (3 + 4)", "x = 2 * 3 + 4"),
        ("There are n! ways.", "There are n ways."),
        ("Gate A opens at nine in the morning.", "The gate opens at nine in the morning."),
        ("Vitamin A is taken daily.", "Vitamin is taken daily."),
        ("A dose of .5 mg", "A dose of 5 mg"),
        ("Mix them 1:2.", "Mix them 1.2."),
        ("A pipe of 5' fits.", 'A pipe of 5" fits.'),
        ("It takes 5 MW.", "It takes 5 mW."),
        ("We're open.", "Were open."),
        ("Delete ../x now.", "Delete ./x now."),
        ("Call __init__ first.", "Call init first."),
        ("Is it open on Sunday?", "It is open on Sunday."),
        ("| Monday | | 9:00 |", "| Monday | 9:00 | |"),
        ("रात को कि", "रात को का"),
        ("को ई", "कोई"),
        ("比例为1：2。", "比例为1，2。"),
    ],
)
def test_a_sign_may_be_the_whole_difference(one, other):
    assert fold_texts(one, other) == [(one, []), (other, [])]


@pytest.mark.parametrize(
    "other",
    [
        "the lab opens at nine; bring your badge",
        "  The lab\nopens   at nine.\n\nBring your badge.  ",
        "The lab opens at nine. Bring your badge!",
        "# The lab opens at nine\n\nBring your badge",
        "- The lab opens at nine.\n- Bring your badge.",
        "* The lab opens at nine.\n• Bring your badge.",
        "> The lab opens at nine.\n> Bring your badge.",
        "The **lab** opens at *nine*. _Bring your badge._",
        "***“The `lab` opens at nine.”*** 'Bring your badge.'",
        "| The lab opens at nine | |\n|---|---|\n| Bring your badge | |",
        "The lab opens at nine\n=====\n\nBring your badge\n---\n",
        "a lab opens at nine. Bring your badge.",
        "# The lab opens at nine\r\n---\r\nBring your badge.\r\n",
        "\ufeffThe lab opens at ni\u00adne. Bring your\u00a0badge.",
    ],
)
def test_white_space_markup_quotes_and_stops_say_nothing(other):
    text = "The lab opens at nine. Bring your badge."
    assert fold_texts(text, other) == [(text, [other])]


def test_letters_are_compared_however_they_are_coded():
    assert len(fold_texts("Das Café öffnet um neun.", "Das Cafe\u0301 o\u0308ffnet um neun.")) == 1
    assert len(fold_texts("实验室周一开放。", "实验室周一开放")) == 1


@pytest.mark.parametrize(
    ("whole", "part"),
    [
        ("No dogs are allowed in the hall.", "Dogs are allowed in the hall."),
        ("The lab is open to all on Sunday by appointment.", "The lab is open to all on Sunday."),
    ],
)
def test_a_part_of_a_sentence_may_say_the_contrary(whole, part):
    assert fold_texts(whole, part) == [(whole, []), (part, [])]


def test_sentences_are_held_wherever_they_stand():
    first, second, third = "Bring your own badge each day.", "Is the lab closed on Sunday?", "It is closed on every Sunday."
    whole = f"{first} {second} {third}"
    parts = [first, second, third, f"{first} {second}", f"- {second}\n- {third}"]
    assert fold_texts(whole, *parts) == [(whole, parts)]
    assert len(fold_texts(whole, f"{first} {third}")) == 2, "not one after the other"


# What it costs


def test_a_hit_names_no_more_copies_than_anyone_reads():
    texts = ["The lab opens at nine."] * (MOST_COPIES + 100) + ["The hall opens at ten."] * 3
    assert [len(also) for _, also in fold_texts(*texts, most=2)] == [MOST_COPIES, 2]


def test_no_more_is_read_than_it_takes():
    items = ((n, "", f"Room {max(n, 50)} opens at nine.") for n in range(100))
    assert [kept for kept, _ in folded(items, 4)] == [0, 51, 52, 53]
    assert next(items)[0] == 53 + 4 + 1


class Counted(str):
    """A wording that counts how often another is looked for in it."""

    count = 0

    def __contains__(self, part):
        Counted.count += 1
        return super().__contains__(part)


def test_what_does_not_repeat_anything_is_compared_with_almost_nothing(monkeypatch):
    monkeypatch.setattr(Counted, "count", 0)
    footer = "This page is a part of the handbook."
    texts = [f"Room {n} of the house opens at nine. {footer}" for n in range(300)]
    assert len(fold_texts(*texts, most=300, worded=lambda text: Counted(wording(text)))) == 300
    assert not Counted.count
    assert fold_texts(*texts, footer, most=300, worded=lambda text: Counted(wording(text)))[0] == (texts[0], [footer])
    assert Counted.count == 1


@pytest.fixture
def counted(monkeypatch):
    """What is worded and what is read, by everyone."""
    worded, read = [], []
    wording, chunks = fold.wording, Snapshot.chunks

    def wording_(text):
        worded.append(text)
        return wording(text)

    def chunks_(self, ids, *args):
        read.append(list(ids))
        return chunks(self, ids, *args)

    monkeypatch.setattr(ragbot.search.candidates, "_wording", functools.cache(wording_))
    monkeypatch.setattr(Snapshot, "chunks", chunks_)
    return worded, read


def test_copies_are_read_and_worded_once_however_many_there_are(memory, counted, monkeypatch):
    monkeypatch.setattr(ragbot.search.candidates, "POOL", 4)
    copies = [Document(f"copy{n}.md", "The lab opens at nine.") for n in range(150)]
    memory.remember([*copies, *(Document(f"{n}.md", f"The lab of house {n} opens at ten o'clock.") for n in range(3))])
    worded, read = counted
    hits = memory.recall("when does the lab open at nine", k=4)
    assert [len(hit.also) for hit in hits] == [149, 0, 0, 0]
    assert len(worded) == len(set(worded)) <= 5, "each text, and the heading"
    ids = [id for some in read for id in some]
    assert len(ids) == len(set(ids)) <= 153
    assert len(read) < 15


def test_it_looks_behind_copies_up_to_a_bound(memory, monkeypatch):
    monkeypatch.setattr(ragbot.search.candidates, "POOL", 2)
    monkeypatch.setattr(ragbot.search.candidates, "MAX_HITS", 20)
    memory.remember([Document(f"copy{n}.md", "The lab opens at nine.") for n in range(19)])
    memory.remember(Document("hall.md", "Beside it, there is another hall of the lab, and that one opens later."))
    assert {hit.chunk.uri for hit in memory.recall("lab opens", k=2)} > {"hall.md"}
    memory.remember([Document(f"more{n}.md", "The lab opens at nine.") for n in range(2)])
    assert len(memory.recall("lab opens", k=2)) == 1


def test_without_copies_twice_as_many_are_read_as_are_wanted(memory, counted):
    memory.remember([Document(f"{n}.md", f"Lab {n} opens at nine.") for n in range(30)])
    assert len(memory.recall("lab opens", k=3)) == 3
    assert [len(some) for some in counted[1]] == [6]
