"""What strangers' texts may cost: each rule over text takes time in proportion to the text, whatever it repeats."""

import signal
import time
from datetime import UTC, datetime

import pytest

from ragbot.answer import compose, revise, units
from ragbot.answer.intent import understand
from ragbot.answer.lexical import lexically_entailed
from ragbot.answer.vetoes import vetoes
from ragbot.safety import gate, injection, markup
from ragbot.search import fold
from ragbot.text import characters, chunks, codes, messages, polarity, sentences, tokens
from ragbot.types import Chunk, Hit

LENGTH = 5_000
"""Longer than what is kept whole."""
RUNS = ("@", "a", ".", " ", "-", "1", "(", "[", "#", "|", "：")
MORE_RUNS = (
    "/",
    "<",
    '"',
    "*",
    "`",
    "!",
    "\n",
    "不",
    "。",
    "no ",
    "1,",
    "a@",
    "a: ",
    "[a](",
    "x\n",
    "|a|\n",
    "<script>",
    "![a](",
    "\x1b[",
    "a-1 ",
    "AI: ",
    "ignore ",
    "if ",
)
SLACK_S = 0.02
"""Below that a measurement is noise."""
GIVEN_UP_S = 20
"""What takes so much of the processor's time is not waited for."""


def hit_of(text):
    now = datetime.now(UTC)
    return Hit(Chunk(1, "a.md", 0, text, 0, len(text), None, "0", "everyone", now, now), 1.0)


RULES = {
    "passages": chunks.passages,
    "passages of code": lambda text: chunks.passages(text, code=True),
    "passages of rows": lambda text: chunks.passages(text, rows=True),
    "sentences": sentences.sentences,
    "tokens": tokens.tokens,
    "content": tokens.content,
    "query_tokens": tokens.query_tokens,
    "parse": messages.parse,
    "wants_person": messages.wants_person,
    "may_reply": messages.may_reply,
    "contextualize": lambda text: messages.contextualize(text, [("user", text)]),
    "understand": lambda text: understand(text, ()),
    "questions": messages.questions,
    "lexically_entailed": lambda text: lexically_entailed(text, text),
    "vetoes": lambda text: vetoes(text, [text], text),
    "written": lambda text: list(compose.written(iter([text]))),
    "wish": revise.wish,
    "wording": fold.wording,
    "is_instruction": injection.is_instruction,
    "is_put_in_mouth": injection.is_put_in_mouth,
    "strip_active": markup.strip_active,
    "harmless": gate.harmless,
    "harmless_name": gate.harmless_name,
    "units_of": lambda text: units.units_of(hit_of(text)),
    "without_unseen": characters.without_unseen,
    "undisguised": characters.undisguised,
    "codes_in": codes.codes_in.__wrapped__,
    "asked_codes": lambda text: codes.asked_codes(text, [text]),
    "query_forms": codes.query_forms,
    "is_negated": polarity.is_negated,
    "asks_negated": polarity.asks_negated,
}


def seconds(rule, text):
    began = time.process_time()
    rule(text)
    return time.process_time() - began


def grows_faster(rule, run):
    """Whether four times the text takes more than eight times as long, however often it is measured."""
    long = run * (4 * LENGTH // len(run))
    short = long[:LENGTH]
    return all(seconds(rule, long) > 8 * seconds(rule, short) + SLACK_S for _ in range(6))


@pytest.fixture(autouse=True)
def given_up():
    """A rule that takes for ever fails its test and not the run."""

    def late(*_):
        pytest.fail(f"takes more than {GIVEN_UP_S} s of the processor")

    before = signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, GIVEN_UP_S)
    yield
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_takes_time_in_proportion_to_the_text(name):
    rule = RULES[name]
    rule("Warm up. " * 500)
    assert [run for run in RUNS + MORE_RUNS if grows_faster(rule, run)] == []


@pytest.mark.parametrize(
    ("claim", "evidence", "entailed"),
    [
        ("Write to ana@lab.org.", "Please write to ana@lab.org or call.", True),
        ("Write to ana@lab.com.", "Please write to ana@lab.org or call.", False),
        ("See https://lab.org/a.", "See https://lab.org/a, or https://lab.org/b.", True),
        ("See https://lab.org/c.", "See https://lab.org/a, or https://lab.org/b.", False),
        ("Write to bo@lab.org.", "Write to bo@lab.org,ana@lab.org.", True),
        ("See www.lab.org/x.", "See www.lab.org.", False),
    ],
)
def test_an_address_is_the_same_to_the_last_sign_or_another(claim, evidence, entailed):
    assert lexically_entailed(claim, evidence) is entailed
