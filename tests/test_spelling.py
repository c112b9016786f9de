"""Misspelt words of a question are read as words that passages hold; names, right words and what others told are left alone."""

import numpy as np
import pytest

from ragbot import Chat, Document
from ragbot.index.columns import Filter
from ragbot.search import spelling
from ragbot.text.tokens import stems

DESK = Document("desk.md", "# Desk\n\nYou can borrow a kayak for two hours.\n\n# Fees\n\nMembership renewal costs eleven euros.")


def mended(question, text, known=()):
    """What is read of a question over one passage."""
    there = set(stems(text.lower().split()))

    def held(words):
        return np.array([word in there for word in words], int)

    return spelling.misspelt(spelling.doubtful(question, known.__contains__), held, known.__contains__)


@pytest.fixture
def ignorant(memory):
    """A memory whose model knows no word."""
    memory.embedder().known = set()
    return memory


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("borow", "borrow"),
        ("kayka", "kayak"),
        ("kayaak", "kayak"),
        ("kajak", "kayak"),
        ("reneual", "renewal"),
        ("renewel", "renewal"),
        ("wehlchair", "wheelchair"),
        ("whelchiar", "wheelchair"),
        ("accomodatoin", "accommodation"),
        ("openinghours", "opening hours"),
        ("Kayka", "Kayak"),
        ("waht", "what"),
    ],
)
def test_what_a_misspelt_word_is_read_as(written, meant):
    text = "opening hours of the wheelchair borrow kayak renewal accommodation what"
    assert mended(f"{written} is there?", text, ("accommodation",)) == {written: meant}


@pytest.mark.parametrize(
    ("question", "text", "known"),
    [
        ("where is the sauna", "the fauna of the park", ()),
        ("where is the bauna", "the fauna of the park", ()),
        ("is there a tower", "a towel", ("tower",)),
        ("are there towers", "a towel", ("tower",)),
        ("who is Marda", "call marta", ()),
        ("who is MARDA", "call marta", ()),
        ("the code is bx-doar", "open the door", ()),
        ("write to doar@example.org or example.doar", "open the door", ()),
        ("a cas", "a case", ()),
        ("borrowing books", "borrow a book", ()),
        ("is it sate", "the same", ()),
        ("who fixes it", "fires", ("fix",)),
        ("i opine so", "an open door", ("open",)),
        ("the first fully paid", "first", ("first", "fully")),
        ("the weekend", "the end of the week", ("weekend",)),
        ("doorafter", "door after after", ()),
        ("why wasnt it open and whos there", "i want it who is whose", ()),
        ("门在哪里", "door", ()),
    ],
)
def test_what_is_left_alone(question, text, known):
    assert mended(question, text, known) == {}


def test_of_several_words_the_likelier_slip_and_then_the_more_frequent_one_is_meant():
    counts = {"bridg": 1, "brigad": 2, "bride": 9}

    def held(words):
        return np.array([counts.get(word, 0) for word in words])

    assert spelling.misspelt(["brigde"], held, set().__contains__) == {"brigde": "bridge"}
    assert spelling.misspelt(["bridxe"], held, set().__contains__) == {"bridxe": "bride"}


def test_of_words_with_the_same_stem_a_known_one_is_meant():
    assert mended("where are glases", "glasses") == {"glases": "glasse"}
    assert mended("where are glases", "glasses", ("glasses",)) == {"glases": "glasses"}


def test_one_word_that_was_written_as_two_is_read_as_one():
    assert mended("the work shop closes", "a workshop on friday", ("work", "shop", "workshop")) == {"work shop": "workshop"}
    assert mended("the work shop closes", "a workshop on friday", ("work", "shop")) == {}
    assert mended("the whee lchair ramp", "a wheelchair") == {"whee lchair": "wheelchair"}
    assert mended("the work shop is shut", "work in the shop or workshop", ("workshop",)) == {}


def test_what_is_no_word_costs_nothing_and_of_many_words_the_first_are_corrected():
    assert mended("n" * 100_000, "n" * 100_001) == mended("kaya" * 8, "kayaa" + "kaya" * 7) == {}
    slips = [f"{word}ingg" for word in ("borrow", "bend", "boil", "camp", "clean", "cook", "draw", "drill", "fold", "glue")]
    assert list(mended(" ".join(slips), " ".join(slip[:-1] for slip in slips))) == slips[: spelling.MOST_WORDS]


def test_a_misspelt_question_finds_what_the_right_one_finds_and_says_how_it_was_read(ignorant):
    ignorant.remember([DESK, Document("lab.md", "The lab opens at 9:00 on Monday.")])
    for part in (None, "lexical", "dense"):
        right, slip = (ignorant.recall(f"can i {word} a kayak", 1, part=part) for word in ("borrow", "borow"))
        assert slip == right
        assert slip[0].why == f"read “borow” as “borrow”\n{right[0].why}"
    assert ignorant.corrected("can i borow a kayka") == {"borow": "borrow", "kayka": "kayak"}
    assert ignorant.corrected("can i borrow a kayak") == {}


def test_a_word_that_the_model_knows_is_right(memory):
    memory.embedder().known = {"sauna"}
    memory.remember(Document("park.md", "The sauno and fauna of the park."))
    assert memory.corrected("where is the sauna") == {}
    memory.embedder().known = set()
    assert memory.corrected("where is the sauna") == {"sauna": "sauno"}


def test_the_words_of_others_and_of_the_past_correct_nothing(ignorant, open_memory):
    ignorant.remember([Document("mine.md", "The kayak is mine.", scope="ana"), Document("old.md", "The anchor is red.")])
    ignorant.remember(Document("all.md", "The lab is shut."))
    ignorant.retire("old.md")
    for memory in (ignorant, open_memory()):
        assert memory.corrected("whose kayka", scopes=("everyone", "ana")) == {"kayka": "kayak"}
        assert memory.corrected("whose kayka", scopes=("everyone", "ben")) == {}
        assert memory.corrected("whose anchro") == {}
        memory.refresh()
    ignorant.forget("mine.md", scope="ana")
    assert ignorant.corrected("whose kayka", scopes=("everyone", "ana")) == {}


def test_an_empty_home_corrects_nothing(memory):
    assert memory.corrected("whose kayka") == {}


def test_a_misspelt_question_is_answered_and_kept_as_it_was_typed(chat_of):
    chat = chat_of()
    chat.memory.remember([DESK, Document("lab.md", "The lab opens at 9:00 on Monday.")])
    chat.memory.embedder().known = set()
    turn = chat.ask("what does membreship renewel cost?")
    assert turn.grounded and turn.answer == "Membership renewal costs eleven euros."
    assert turn.question == "what does membreship renewel cost?"
    again = chat.ask("and for how long can i borow a kayka?")
    assert again.answer == "You can borrow a kayak for two hours."


def test_counts_of_terms_are_those_of_a_scan(memory, tiny):
    texts = [f"tarn {'fell' if n % 3 else 'beck'} {'gill' if n == 7 else 'force'}" for n in range(40)]
    memory.remember(Document(f"{n}.md", text, scope="ana" if n % 2 else "everyone") for n, text in enumerate(texts))
    for _ in range(2):
        memory.recall("tarn")
        for scopes in (("everyone",), ("ana",), ("everyone", "ana"), ("ben",)):
            seen = [text for n, text in enumerate(texts) if ("ana" if n % 2 else "everyone") in scopes]
            words = ["tarn", "fell", "beck", "gill", "forc", "dale"]
            found = memory.retriever.view.count_holders(words, Filter(frozenset(scopes)))
            assert found.tolist() == [sum(word in text for text in seen) for word in words]
        memory.refresh()


@pytest.mark.model
def test_the_bundled_model_knows_words_and_no_slips(bundled_models):
    known = bundled_models.embedder.knows_word
    assert all(map(known, ["membership", "receive", "tomorrow", "library", "kitchen"]))
    assert not any(map(known, ["membreship", "recieve", "refnud", "libary", "tommorow"]))


@pytest.mark.model
def test_slips_over_the_bundled_models(home):
    with Chat.open(home) as chat:
        chat.memory.remember([DESK, Document("park.md", "The fauna of the park is described on a board.")])
        assert chat.memory.corrected("where is the sauna") == {}
        turn = chat.ask("What does a membreship renewel cost?")
        assert "eleven euros" in turn.answer and turn.grounded
