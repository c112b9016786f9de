"""What a person tells: sentence by sentence, the newest counts, and what is to be forgotten is gone."""

from datetime import UTC, datetime, timedelta

import pytest
from fakes import FakeGenerator

from ragbot import Chat, Document, Memory, changes
from ragbot.store.derived import FORGOTTEN
from ragbot.text import leaning, messages

pytestmark = pytest.mark.model


@pytest.fixture
def ana(home):
    with Memory.open(home) as memory:
        yield Chat(memory, "s", "ana", FakeGenerator())


def held(chat):
    return [hit.chunk.text for hit in chat.memory.told(100, scope="ana") if not hit.is_set_aside][::-1]


def test_each_sentence_is_a_fact_and_leans_on_the_one_before(ana):
    ana.ask("my cat is called Miso. She is nine.")
    assert held(ana) == ["my cat is called Miso.", "She is nine."]
    assert ana.memory.told(1, scope="ana")[0].chunk.heading == "my cat is called Miso"
    assert "nine" in ana.ask("How old is my cat?").answer


def test_the_newer_sets_the_older_aside_says_so_and_is_undone(ana):
    ana.ask("I live in Graz.")
    turn = ana.ask("I moved to Linz last week.")
    assert held(ana) == ["I moved to Linz last week."] and "I live in Graz." in turn.answer
    old = ana.memory.told(10, scope="ana")[-1].chunk
    assert changes.unsupersede(ana.memory, old.uri, scope="ana") == 1
    assert held(ana) == ["I live in Graz.", "I moved to Linz last week."]


def test_what_was_so_before_is_still_there(ana):
    ana.ask("我的储物柜是7号。")
    ana.ask("不对，是12号")
    assert held(ana) == ["不对，是12号"]
    now, before = ana.ask("我的储物柜是几号？"), ana.ask("我的储物柜以前是几号？")
    assert "12号" in now.answer and "12号" not in before.answer and "7号" in before.answer


def test_what_is_told_in_one_language_ends_nothing_in_the_other(ana):
    for told in ("My induction is next Tuesday at 6.", "it's been moved to Thursday", "我住在林茨。", "我搬到维也纳了。"):
        ana.ask(told)
    assert held(ana)[0] == "it's been moved to Thursday" and held(ana)[-1] == "我搬到维也纳了。"


def test_what_is_forgotten_by_order_is_named_and_gone(ana, home):
    ana.ask("My locker code is 4471.")
    ana.ask("My sister Ana is allergic to nuts.")
    turn = ana.ask("Forget my locker code")
    assert "4471" in turn.answer and held(ana) == ["My sister Ana is allergic to nuts."]
    with ana.memory.store.reading() as snapshot:
        kept = snapshot.turn(turn.id)
    assert (kept.question, kept.answer) == (FORGOTTEN, FORGOTTEN)
    assert b"4471" not in b"".join(file.read_bytes() for file in home.rglob("*") if file.is_file())
    assert ana.ask("forget everything I told you").answer.count("nuts") == 1
    assert held(ana) == []


def test_a_correction_of_an_answer_from_a_document_corrects_it(ana):
    ana.memory.remember(Document("leave.md", "Employees have 30 days of annual leave."))
    assert "30" in ana.ask("How many days of annual leave do employees have?").answer
    ana.ask("no, it's 45 days")
    answer = ana.ask("How many days of annual leave do employees have?").answer
    assert "45" in answer and "30" not in answer


def test_a_past_time_in_the_question_is_answered_as_of_then(ana):
    then = datetime.now(UTC) - timedelta(days=400)
    ana.memory.remember(Document("fee.md", "The annual fee of the club is 20 euros.", valid_from=then))
    ana.memory.remember(Document("fee.md", "The annual fee of the club is 25 euros.", valid_from=then + timedelta(days=399)))
    assert "25" in ana.ask("What is the annual fee of the club?").answer
    year = then.year
    was = ana.ask(f"What was the annual fee of the club in {year}?")
    assert "20 euros" in was.answer and "25 euros" not in was.answer and f"31 December {year}" in was.answer
    assert "20 euros" in ana.ask("What is the annual fee of the club?", as_of=then + timedelta(days=1)).answer


def test_the_newer_of_two_documents_leads_and_the_other_is_named(ana):
    now = datetime.now(UTC)
    ana.memory.remember(Document("a.md", "The annual fee of the club is 20 euros.", valid_from=now - timedelta(days=90)))
    ana.memory.remember(Document("b.md", "The annual fee of the club is 25 euros.", valid_from=now - timedelta(days=9)))
    answer = ana.ask("What is the annual fee of the club?").answer
    assert answer.index("25 euros") < answer.index("20 euros") and "older source" in answer


def test_what_was_told_is_listed_by_whom_it_is_about(ana):
    for told in ("My sister Lena is allergic to nuts.", "My badge number is 4471."):
        ana.ask(told)
    everything, of_lena = ana.ask("What do you know about me?").answer, ana.ask("What did I tell you about Lena?").answer
    assert "nuts" in everything and "4471" in everything
    assert "nuts" in of_lena and "4471" not in of_lena


@pytest.mark.parametrize(
    ("order", "last", "everything"),
    [
        ("scrap that last bit", True, False),
        ("please forget what I just said", True, False),
        ("忘掉刚才那句", True, False),
        ("Forget my locker code", False, False),
        ("forget everything I told you", False, True),
        ("把我说的全部删掉吧", False, True),
        ("Forget everything Ana told you", False, False),
        ("Forget everything I said yesterday", False, False),
        ("Delete everything on my diet", False, False),
        ("忘掉所有密码", False, False),
        ("把今天说的全部忘掉", False, False),
    ],
)
def test_an_order_to_forget_says_what(order, last, everything):
    assert (messages.forgets_last(order) and not everything, messages.forgets_all(order)) == (last, everything)


@pytest.mark.parametrize("text", ["She is nine.", "no, it's 12 now", "Hates olives.", "它对鸡肉过敏。", "At 3, sorry."])
def test_a_sentence_may_lean_on_the_one_before(text):
    assert leaning.leans(text)


@pytest.mark.parametrize("text", ["I moved to Linz last week.", "My sister Ana is allergic to nuts.", "我上周搬到林茨了。"])
def test_or_stand_alone(text):
    assert not leaning.leans(text)


@pytest.mark.parametrize(
    ("one", "other", "differ"),
    [
        ("Ana's desk is in room 12.", "Ben's desk is in room 14.", True),
        ("小安住在成都。", "小明住在重庆", True),
        ("Ana lives in Graz.", "Ana moved to Linz", False),
        ("My manager is Tom.", "Ana is my manager now", False),
        ("我住在成都。", "我现在住在重庆", False),
        ("Carol leads the team.", "Bob now leads the team.", False),
    ],
)
def test_statements_about_others_are_told_apart(one, other, differ):
    assert leaning.other_subject(one, other) is differ
