"""How a question finds its passages: its words, what it leans on, what stands beside, and the reasons that are given."""

from datetime import UTC, datetime, timedelta

import pytest

import ragbot.runtime
from ragbot import Document
from ragbot.errors import InputError
from ragbot.search import explain, query
from ragbot.search.rerank import reranked

TALK = [
    "Where did you go last week?",
    "To the harbour museum.",
    "It was quiet there.",
    "What did it cost?",
    "Eleven euros a head.",
]
NOON = datetime(2026, 5, 3, 12, tzinfo=UTC)


def turn(n, text, *, scope="ana", at=NOON):
    return Document(f"turn:{n}", text, kind="turn", scope=scope, valid_from=at, lines=False)


@pytest.fixture
def talk(memory):
    memory.remember(turn(n, text) for n, text in enumerate(TALK))
    return memory


def uris(hits):
    return [hit.chunk.uri for hit in hits]


# Words


def test_what_a_word_weighs_is_counted_in_the_scopes_that_are_searched(memory):
    memory.remember([Document("a.md", "Paris report."), Document("b.md", "Report of May.")])
    memory.remember([Document("mine.md", "Paris lab.", scope="ana"), Document("yours.md", "Lab of May.", scope="ana")])
    before = memory.recall("paris report", scopes=["ana"], part="lexical")
    memory.remember(Document(f"{n}.md", "Paris again.", scope="ben") for n in range(30))
    assert memory.recall("paris report", scopes=["ana"], part="lexical") == before
    assert uris(before) == ["mine.md"]


def test_each_part_can_be_asked_alone(memory):
    memory.remember([Document("a.md", "The lab opens at 9:00."), Document("b.md", "Badges are blue.")])
    dense, words, both = (memory.recall("lab hours", part=part) for part in ("dense", "lexical", "fused"))
    assert uris(words) == ["a.md"]
    assert uris(dense) == uris(both) == ["a.md", "b.md"]
    assert "words" not in dense[0].why and "meaning" not in words[0].why
    like_best = float(both[0].why.split("near the best 3 ")[1])
    assert both[0].score == pytest.approx(dense[0].score + 0.5 * words[0].score + 0.4 * like_best, abs=0.01)


def test_a_turn_is_found_by_the_day_on_which_it_was_said_and_by_who_said_it(memory):
    may, june = (
        Document(f"turn:{n}", "The roof leaks.", "Ana" if n == 5 else "Ben", "turn", "ana", datetime(2026, n, 7, tzinfo=UTC))
        for n in (5, 6)
    )
    memory.remember([may, june])
    for asked in ("what was said in June 2026?", "Ben", "2026年6月说了什么"):
        assert uris(memory.recall(asked, scopes=["ana"], part="lexical"))[0] == "turn:6", asked
    why = memory.recall("the roof in June", scopes=["ana"])[0].why.split("\n")
    assert why[1].endswith(": June, roof") and "said 2026-06-07 by Ben" in why


def test_one_character_is_named_as_the_reason(memory):
    memory.remember(Document("a.md", "图书馆周日关门。"))
    assert "words 0.3 (place 1): 馆\nbest sentence “图书馆周日关门。”" in memory.recall("馆")[0].why


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"part": "best"}, "there is no part 'best' of recall; there are dense,"),
        ({"kinds": ["FILE"]}, "there is no kind 'FILE'; there are file, turn, correction"),
        ({"history": [{"role": "user", "text": "hi"}]}, r"history\[0\] is .*; it takes \(role, text\)"),
        ({"history": [("user", None)]}, r"history\[0\] is"),
        ({"history": [("human", "hi")]}, r"history\[0\] has the role 'human'; there are user and assistant"),
        ({"query": None}, "the query is empty"),
    ],
)
def test_what_cannot_be_recalled_is_named(memory, more, message):
    with pytest.raises(InputError, match=message):
        memory.recall(**({"query": "lab"} | more))


# What a question leans on


def test_a_question_leans_the_more_the_fewer_words_it_has():
    said = [("user", "When does the lab open?"), ("assistant", "At nine.")]
    short, long = (
        query.weighted_messages("And there?", said),
        query.weighted_messages("Which museum near the harbour costs least?", said),
    )
    assert [one.text for one in short] == ["And there?", "When does the lab open?", "At nine."]
    assert short[0].meaning == short[0].words == 1
    assert all(0 < much.words < few.words < 1 for few, much in zip(short[1:], long[1:], strict=True))
    assert query.weighted_messages("And there?", []) == [query.WeightedMessage("And there?")]


def test_earlier_messages_count_less_and_are_cut():
    said = [("user", text) for text in ("one", "two", "three " * 200)]
    found = query.weighted_messages("And there?", said)
    assert [one.text[:5] for one in found[1:]] == ["three", "two"]
    assert found[1].words == 2 * found[2].words
    assert len(found[1].text) == query.LENGTH


def test_a_word_counts_as_in_the_message_where_it_counts_most():
    weights = query.term_weights(query.weighted_messages("And the lab?", [("user", "Is the lab or the pool open?")]))
    assert weights["lab"] == 1 and 0 < weights["pool"] < 1


@pytest.mark.xfail(reason="docs/decisions/0034-customers-words.md", strict=True)
def test_a_question_finds_what_it_leans_on_though_another_line_sounds_more_like_it(memory):
    memory.remember([Document("lab.md", "The lab is closed on Sunday."), Document("pool.md", "The pool is open on Sunday.")])
    for topic in ("lab", "pool"):
        said = [("user", f"When is the {topic} open?"), ("assistant", "Every weekday.")]
        assert uris(memory.recall("And on Sunday?", history=said))[0] == f"{topic}.md"


def test_a_question_finds_what_it_leans_on(memory):
    memory.remember(
        [
            Document("lab.md", "The lab is open on Sunday until noon."),
            Document("pool.md", "The pool is open on Sunday until five."),
        ]
    )
    for topic in ("lab", "pool"):
        said = [("user", f"When is the {topic} open?"), ("assistant", "Every weekday.")]
        assert uris(memory.recall("And on Sunday?", history=said))[0] == f"{topic}.md"


def test_fast_recall_embeds_the_question_alone(open_memory, embedders, home):
    memory = open_memory()
    memory.remember([Document("lab.md", "The lab is closed on Sunday."), Document("pool.md", "The pool is open on Sunday.")])
    said = [("user", "When is the lab open?"), ("assistant", "Every weekday.")]
    (home / "ragbot.toml").write_text('recall = "fast"')
    fast = open_memory()
    slow, quick = (one.recall("And on Sunday?", history=said, part="dense") for one in (memory, fast))
    assert quick == fast.recall("And on Sunday?", part="dense")
    assert slow != quick
    assert uris(fast.recall("And on Sunday?", history=said, part="lexical"))[0] == "lab.md"


# What stands beside


def test_an_answer_is_found_by_the_question_before_it(talk):
    hits = talk.recall("what did the museum cost", scopes=["ana"])
    assert set(uris(hits)[:4]) == {"turn:1", "turn:2", "turn:3", "turn:4"}
    assert "turns beside it +" in next(hit for hit in hits if hit.chunk.uri == "turn:4").why
    assert uris(talk.recall("what did the museum cost", scopes=["ana"], part="lexical")) == ["turn:1", "turn:3"]


def test_turns_of_another_scope_or_another_hour_are_not_beside(memory):
    memory.remember([turn(1, "What does the museum cost?"), turn(2, "Eleven euros.", scope="ben")])
    memory.remember(turn(3, "Nine euros.", at=NOON + timedelta(hours=2)))
    for hit in memory.recall("museum cost", scopes=["ana", "ben"]):
        assert "beside" not in hit.why
        assert memory.around(hit.chunk, scopes=["ana", "ben"]) == []


def test_what_is_around_a_turn(talk, open_memory):
    for memory in (talk, open_memory()):
        (hit,) = memory.recall("quiet", scopes=["ana"], part="lexical")
        assert [chunk.text for chunk in memory.around(hit.chunk, scopes=["ana"])] == [TALK[1], TALK[3]]
        assert [chunk.text for chunk in memory.around(hit.chunk, 2, scopes=["ana"])] == [*TALK[:2], *TALK[3:]]
        assert memory.around(hit.chunk) == []
        talk.refresh()


def test_what_is_around_a_passage(memory, tiny):
    memory.remember(Document("a.md", "# One\n\nlab\n\n# Two\n\npools\n\n# Three\n\nkeys\n\n# Four\n\ncards"))
    (hit,) = memory.recall("pools", part="lexical")
    assert [chunk.text[2:5] for chunk in memory.around(hit.chunk)] == ["One", "Thr"]
    assert [chunk.text[2:5] for chunk in memory.around(hit.chunk, 2)] == ["One", "Thr", "Fou"]
    memory.remember(Document("a.md", "# Two\n\npools\n\n# Three\n\nkeys"))
    (hit,) = memory.recall("pools", part="lexical")
    assert [chunk.text[2:5] for chunk in memory.around(hit.chunk)] == ["Thr"]


# Reasons


def test_reasons_name_parts_words_sentence_time_and_copies(memory):
    text = "Bikes stand in the yard. The lab opens at nine. Keys hang in the office."
    memory.remember([Document("a.md", text), Document("b.md", text), turn(1, "The lab is cold.", scope="everyone")])
    first, second = memory.recall("when is the lab opening?")
    assert first.why.split("\n")[1:] == [
        "words 0.6 (place 2): opens, lab",
        "best sentence “The lab opens at nine.”",
        "near the best 3 0.94",
        "says the same as 1 other",
    ]
    assert first.why.startswith("meaning 0.") and "(place 2)" in first.why
    assert "said 2026-05-03" in second.why


def test_the_weightiest_words_are_named_as_they_are_written():
    weights = {"lab": 1.0, "open": 2.0, "图书": 3.0}
    assert explain.matched("The Lab's opening in 图书馆", weights) == ["图书", "opening", "Lab's"]
    assert explain.best_sentence("Nothing here. The lab is open. A lab.", weights) == "The lab is open."
    assert explain.best_sentence("Nothing here.", weights) == ""
    assert len(explain.best_sentence("open " * 100, weights)) == explain.MAX_QUOTE


# Reranking


class Reads:
    """Finds m right and all else wrong; each batch takes `took` seconds of its clock."""

    model = "reads"

    def __init__(self, took=0.0):
        self.took, self.now, self.read = took, 0.0, []

    def clock(self):
        return self.now

    def scores(self, query, passages):
        self.now += self.took
        self.read += passages
        return [float(passage.endswith("m")) for passage in passages]


@pytest.fixture
def alphabet(memory):
    memory.remember(Document(f"{letter}.md", f"letter {letter}") for letter in "mbcdefghjk")
    return memory


def test_what_was_read_with_the_question_comes_first(alphabet):
    hits = alphabet.recall("letter", 10)
    found = reranked("letter", hits, Reads(), 1.0)
    assert [hit.chunk.text for hit in found] == ["letter m"] + [hit.chunk.text for hit in hits if hit.chunk.uri != "m.md"]
    place = 1 + [hit.chunk.text for hit in hits].index("letter m")
    assert found[0].score == pytest.approx(hits[place - 1].score + 1, abs=1e-4)
    assert found[0].why.endswith(f"read with the question 1.00 (place {place} before)")


@pytest.mark.parametrize(("budget", "batches"), [(0.0, 1), (0.19, 1), (0.2, 2), (0.29, 2), (9.0, 3)])
def test_no_batch_begins_that_would_end_too_late(alphabet, budget, batches):
    hits, snapshot = alphabet.recall("letter", 10), Reads(0.1)
    found = reranked("letter", hits, snapshot, budget, clock=snapshot.clock)
    assert len(snapshot.read) == min(10, 4 * batches)
    assert sorted(hit.chunk.uri for hit in found) == sorted(hit.chunk.uri for hit in hits)


def test_a_configured_reranker_reads_more_than_is_asked_for(alphabet, open_memory, home, monkeypatch):
    with pytest.raises(InputError, match="no reranker is configured"):
        alphabet.recall("letter", part="reranked")
    opened = []
    monkeypatch.setattr(ragbot.runtime, "open_reranker", lambda name: opened.append(name) or Reads())
    (home / "ragbot.toml").write_text('reranker = "reads"')
    memory = open_memory()
    assert memory.recall("letter", 1, part="fused")[0].chunk.uri != "m.md"
    assert opened == []
    assert [memory.recall("letter", 1, part=part)[0].chunk.uri for part in (None, "reranked")] == ["m.md", "m.md"]
    assert opened == ["reads"]
    read = []
    monkeypatch.setattr(Reads, "scores", lambda _, query, passages: read.append(query) or [0.0] * len(passages))
    memory.recall("and there?", 1, history=[("user", "Which letter is last?")])
    assert set(read) == {"Which letter is last? and there?"}
    (home / "ragbot.toml").write_text('reranker = "reads"\nrecall = "fast"')
    assert "read with" not in open_memory().recall("letter", 1)[0].why
