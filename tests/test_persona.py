"""Personas: the words, the threshold and the memory of a bot come from a file, and four come with it."""

import shutil
from pathlib import Path

import pytest
from fakes import FakeGenerator

from ingest import pipeline
from ragbot import Chat, Document, Memory, errors
from ragbot.answer import cloze, persona
from ragbot.answer.verify import without_verdict

CORPORA = Path(__file__).parents[1] / "docs/demo/personas"
LAB = Document(uri="lab.md", text="The lab opens at 9:30 on weekdays.\n\nThe lab closes at 18:00 on weekdays.")


@pytest.fixture
def speaking(open_memory, home):
    """A chat of a persona over the lab's notes, with a generator that says nothing of its own."""

    def open_(name, session="ana"):
        home.mkdir(exist_ok=True)
        (home / "ragbot.toml").write_text(f'persona = "{name}"\n', encoding="utf-8")
        memory = open_memory()
        memory.remember(LAB)
        return Chat(memory, session, "ana", FakeGenerator(""))

    return open_


def test_all_bundled_personas_are_read_and_speak_both_languages():
    assert persona.names() == ["companion", "plain", "service", "tutor"]
    for name in persona.names():
        loaded = persona.load(name, Path())
        assert loaded.name == name
        assert loaded.en.greeting.isascii()
        assert not loaded.zh.greeting.isascii()


def test_a_desk_hands_over_what_it_does_not_know_and_remembers_no_customer(speaking):
    chat = speaking("service")
    refused = chat.ask("Do you rent out cargo bikes?")
    assert "A colleague will take over" in refused.answer
    assert not refused.grounded
    assert "我会请同事来处理" in chat.ask("你们出租货运自行车吗？").answer
    chat.ask("My badge number is 4471.")
    assert "4471" not in chat.ask("What is my badge number?").answer
    assert [stored.uri for stored in chat.memory.documents(("ana", "everyone"))] == ["lab.md"]


@pytest.mark.parametrize(
    "said",
    [
        "I want to speak to a human.",
        "Can I talk to someone at the shop?",
        "Please connect me with a real person",
        "Is there somebody I can speak to?",
        "I need an agent!",
        "human please",
        "请转人工",
    ],
)
def test_a_desk_hands_over_to_who_asks_for_a_person_and_a_plain_bot_has_none(speaking, said):
    turn = speaking("service").ask(said)
    assert turn.answer.startswith(("A colleague will take over", "我会请同事来处理"))
    assert not turn.grounded
    assert "colleague" not in Chat(speaking("plain").memory, "other", "ana", FakeGenerator("")).ask(said).answer


@pytest.mark.parametrize(
    "said",
    [
        "Do I need a person to sign for the parcel?",
        "Who is the manager?",
        "May agents buy for their company?",
        "你们的客服几点上班？",
    ],
)
def test_who_asks_about_people_asks_for_none(speaking, said):
    assert not speaking("service").ask(said).answer.startswith(("A colleague will take over", "我会请同事来处理"))


def test_what_a_plain_bot_is_told_it_knows_from_then_on(speaking):
    chat = speaking("plain")
    chat.ask("My badge number is 4471.")
    assert "4471" in chat.ask("What is my badge number?").answer


def test_a_tutor_asks_for_what_stands_beside_its_answer(speaking):
    turn = speaking("tutor").ask("When does the lab open on weekdays?")
    assert "The lab opens at 9:30 on weekdays." in turn.answer
    assert "Check yourself: what belongs in the gap? “The lab closes at ____ on weekdays.”" in turn.answer
    assert [citation.quote for citation in turn.citations] == ["The lab opens at 9:30 on weekdays."]


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("18:00", "Right! The lab closes at 18:00 on weekdays."),
        ("I think it is 18:00.", "Right! The lab closes at 18:00 on weekdays."),
        ("It closes at 8:00.", "The notes say: The lab closes at 18:00 on weekdays."),
        ("I don't know", "The notes say: The lab closes at 18:00 on weekdays."),
    ],
)
def test_a_tutor_judges_what_is_put_into_the_gap_and_does_not_believe_it(speaking, said, verdict):
    chat = speaking("tutor")
    chat.ask("When does the lab open on weekdays?")
    turn = chat.ask(said)
    assert turn.answer == verdict
    assert [citation.quote for citation in turn.citations] == ["The lab closes at 18:00 on weekdays."]
    assert [stored.uri for stored in chat.memory.documents(("ana", "everyone"))] == ["lab.md"]
    chat.ask("My badge number is 4471.")  # the check is over
    assert len(chat.memory.documents(("ana", "everyone"))) == 2


def test_a_check_is_left_open_by_a_question_and_by_what_is_told_of_oneself(speaking):
    chat = speaking("tutor")
    chat.ask("When does the lab open on weekdays?")
    assert "9:30" in chat.ask("When does the lab open?").answer
    assert chat.ask("My exam is on 4 May.").answer == "Good, I will keep that in mind."
    assert "4 May" in chat.ask("When is my exam?").answer


def test_nothing_is_judged_by_notes_that_are_gone(speaking):
    chat = speaking("tutor")
    checked = chat.ask("When does the lab open on weekdays?")
    chat.memory.retire("lab.md")
    assert "____" in checked.answer
    assert chat.ask("The lab closes at 18:00 on weekdays.").answer == "Good, I will keep that in mind."
    assert len(chat.memory.documents(("ana", "everyone"))) == 1  # what was told is kept: nothing took it for a reply


@pytest.mark.parametrize(
    ("reply", "missing", "right"),
    [
        ("it is 9.2", "9.2", True),
        ("4.9.2", "9.2", False),
        ("2.9", "9.2", False),
        ("19", "9", False),
        ("Chloroplasts", "chloroplast", True),
        ("a chlorine atom", "chloroplast", False),
        ("", "chloroplast", False),
        ("是18点", "18", True),
        ("9am", "9", True),
        ("1000", "1,000", True),
        ("09:30", "9:30", True),
        ("It is not chlorophyll", "chlorophyll", False),
        ("xylem or phloem", "phloem", False),
        ("8:00, 9:00 or 18:00", "18:00", False),
    ],
)
def test_a_gap_is_filled_by_its_word_in_any_form_and_by_its_number_alone(reply, missing, right):
    assert cloze.fills(reply, missing) is right


def test_a_companion_comes_back_to_what_it_was_told_last(speaking):
    chat = speaking("companion")
    assert "Do you want to talk about that?" not in chat.ask("Hello").answer
    chat.ask("I am allergic to walnuts.")
    chat.ask("I started to learn the cello.")
    later = speaking("companion", session="tomorrow").ask("Hello")
    assert "“I started to learn the cello.” Do you want to talk about that?" in later.answer
    assert [citation.quote for citation in later.citations] == ["I started to learn the cello."]


@pytest.mark.parametrize("said", ["Thanks!", "thank you, bye", "ok great", "OK.", "Goodbye", "谢谢！", "好的，再见"])
def test_thanks_and_goodbyes_are_no_greetings(speaking, said):
    turn = speaking("tutor").ask(said)
    assert turn.answer in ("You are welcome. Shall we go on with the notes?", "不客气。我们接着看笔记吗？")
    assert not turn.citations


def test_what_names_another_order_is_no_answer(speaking):
    chat = speaking("service")
    chat.memory.remember(
        Document("orders.csv", "order: A1005; status: shipped; total: 39.90\norder: A1003; status: cancelled; total: 7")
    )
    assert "shipped" in chat.ask("Has order A1005 been shipped?").answer
    assert not chat.ask("Has order A1009 been shipped?").grounded
    assert not chat.ask("What is the total of order A1009?").grounded


def test_a_yes_that_nothing_shows_is_not_said(open_memory):
    memory = open_memory()
    memory.remember(Document("delivery.md", "We do not deliver to Switzerland."))
    turn = Chat(memory, "s", "ana", FakeGenerator("Yes, we do not deliver to Switzerland.")).ask("Do you deliver to Switzerland?")
    assert turn.answer == "We do not deliver to Switzerland."
    assert without_verdict("No. 5 is the room.") == "No. 5 is the room."


def test_how_sure_it_has_to_be_is_the_personas(speaking, home):
    own = (persona.BUNDLED / "plain.toml").read_text(encoding="utf-8")
    home.mkdir()
    (home / "stern.toml").write_text(own.replace("refuse_below = 0.55", "refuse_below = 1.0"), encoding="utf-8")
    question = "When does the lab open on weekdays?"
    assert "9:30" in speaking("plain").ask(question).answer
    assert "9:30" not in speaking("stern.toml").ask(question).answer


@pytest.mark.parametrize(
    ("line", "by", "said"),
    [
        ("refuse_below = 0.55", "refuse_below = 2", "refuse_below takes a number from 0 to 1, not 2"),
        (
            "refuse_below = 0.55",
            "refuse_blow = 0.6",
            "unknown setting 'refuse_blow'; known are check, recalls, refuse_below, remember",
        ),
        ('remember = "told"', 'remember = "all"', "remember takes 'told' or 'nothing', not 'all'"),
        ("refuse_below = 0.55", "check = 1", "check takes true or false, not 1"),
        ("[zh]", "[de]", "has no table [zh]"),
        ('unknown = "', 'unknown = "" # "', "[en]: unknown takes a text that is not empty, since nothing would be said, not ''"),
        (
            "{places}",
            "{place}",
            "[en]: nearby takes a text with no braces but {places}, not 'The nearest that I have is in {place}.'",
        ),
        ('noted = "Noted. I will remember that."', "", "[en]: lacks noted; add it"),
        (
            'parting = "',
            'checking = "What else?"\nparting = "',
            "[en]: checking takes a text that holds {gap} once, and no other braces, not 'What else?'",
        ),
        (
            'parting = "',
            'checking = "{gap} {gap!s}"\nparting = "',
            "[en]: checking takes a text that holds {gap} once, and no other braces, not '{gap} {gap!s}'",
        ),
        ('remember = "told"', 'check = true\nremember = "told"', "check is true, but [en] or [zh] has no checking"),
        ('tone = ""', "tone = 3", "[en]: tone takes a text, not 3"),
        (
            'tone = ""',
            'mood = ""',
            "[en]: unknown setting 'mood'; known are about, again, as_of, aside, chatter, checking, forget, "
            "forgotten, greeting, handover, holdings, missing, more, nearby, news, no_more, noted",
        ),
        ('parting = "', 'right = "{sentence} {word}"\nparting = "', "[en]: right takes a text with no braces but {sentence}"),
        ("refuse_below = 0.55", "refuse_below = nan", "refuse_below takes a number from 0 to 1, not nan"),
        ("refuse_below = 0.55", 'name = "me"', "unknown setting 'name'"),
        ("[en]", "[en", "cannot be read as TOML"),
    ],
)
def test_a_mistake_in_a_persona_is_named(home, line, by, said):
    home.mkdir()
    text = (persona.BUNDLED / "plain.toml").read_text(encoding="utf-8")
    assert line in text
    (home / "own.toml").write_text(text.replace(line, by, 1), encoding="utf-8")
    with pytest.raises(errors.ConfigError, match="own.toml") as raised:
        persona.load("own.toml", home)
    assert said in str(raised.value)


def test_a_chat_with_a_wrong_persona_leaves_no_memory_open(home, embedders, monkeypatch):
    home.mkdir()
    (home / "ragbot.toml").write_text('persona = "pirate"\n', encoding="utf-8")
    closed = []
    close = Memory.close
    monkeypatch.setattr(Memory, "close", lambda self: closed.append(self) or close(self))
    with pytest.raises(errors.ConfigError, match="persona pirate"):
        Chat.open(home)
    assert len(closed) == 1


def test_a_bot_that_never_refuses_says_that_it_knows_nothing_all_the_same(speaking, home):
    home.mkdir()
    text = (persona.BUNDLED / "plain.toml").read_text(encoding="utf-8")
    (home / "own.toml").write_text(text.replace("refuse_below = 0.55", "refuse_below = 0"), encoding="utf-8")
    chat = speaking("own.toml")
    chat.memory.retire("lab.md")
    assert chat.ask("When does the lab open?").answer.startswith("I don't know")


def test_a_chinese_check_leaves_out_a_number(speaking):
    chat = speaking("tutor")
    chat.memory.remember(Document(uri="图书馆.md", text="图书馆9点开门。\n\n图书馆18点关门。"))
    assert chat.ask("图书馆几点开门？").answer.endswith("“图书馆____点关门。”")
    assert chat.ask("是18点").answer == "对！图书馆18点关门。"


def test_a_persona_that_is_not_there_is_named_with_those_that_are(home):
    with pytest.raises(errors.ConfigError, match="persona pirate: .*companion, plain, service, tutor"):
        persona.load("pirate", home)
    with pytest.raises(errors.ConfigError, match="there is no such file"):
        persona.load("own.toml", home)


@pytest.mark.model
@pytest.mark.parametrize(
    ("name", "talk"),
    [
        (
            "service",
            [
                ("Hello", "What can I do for you?"),
                ("How long do I have to return a bicycle?", "30 days"),
                ("And sale items?", "14 days"),
                ("Where is order 20431?", "Alpen Post"),
                ("What is the status of order 20417?", "in assembly"),
                ("Do you rent out electric cargo bikes for weddings?", "A colleague will take over"),
                ("Can I speak to a person?", "A colleague will take over"),
                ("打折商品多久可以退货？", "14天"),
            ],
        ),
        (
            "tutor",
            [
                ("Why do leaves look green?", "reflects green light"),
                ("pigment", "Right! Chlorophyll is the green pigment"),
                ("What does the xylem carry?", "____"),
                ("I don't know", "The notes say: The phloem carries sugar"),
                ("And the phloem?", "sugar"),
                ("What is the capital of France?", "The notes do not answer that."),
            ],
        ),
        (
            "companion",
            [
                ("My sister Clara is coming to visit on Saturday.", "I will remember that"),
                ("I am allergic to walnuts.", "I will remember that"),
                ("What am I allergic to?", "walnuts"),
                ("Which walk is flat?", "mill path"),
                ("My sister Clara is coming on Sunday instead.", "I will remember that"),
                ("When is Clara coming to visit?", "Sunday"),
                ("What is the name of my dentist?", "You have not told me that yet."),
                ("My dentist appointment is on 3 December at 14:30.", "I will remember that"),
                ("Actually the dentist moved to 5 December at 9:00.", "I will remember that"),
                ("When is my dentist appointment?", "5 December"),
                ("Hello again", "Do you want to talk about that?"),
            ],
        ),
    ],
)
def test_the_demo_of_a_persona_goes_as_it_should(tmp_path, name, talk):
    home = tmp_path / "indexes"
    home.mkdir()
    (home / "ragbot.toml").write_text(f'persona = "{name}"\n', encoding="utf-8")
    (corpus,) = (folder for folder in (CORPORA / name).iterdir() if folder.is_dir())
    with Memory.open(home) as memory:
        pipeline.sync(memory, shutil.copytree(corpus, tmp_path / corpus.name))
    with Chat.open(home, session="demo") as chat:
        for said, expected in talk:
            assert expected in chat.ask(said).answer, said
