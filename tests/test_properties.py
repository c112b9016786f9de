"""What holds for any claim, any order of candidates and any text: properties, searched for counterexamples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragbot.answer.lexical import lexically_entailed
from ragbot.search.calibration import Calibration
from ragbot.search.fold import folded
from ragbot.search.fuse import Measured, RankWeights, fuse
from ragbot.text import chunks
from ragbot.text.chunks import passages
from ragbot.text.sentences import sentences

# Claims

SUBJECTS = ("Ana", "Ben Ferris", "Each member", "The lab", "A guest", "The harbour office")
VERBS = ("opens", "pays", "closes early", "borrows", "cleans")
OBJECTS = ("the kiln", "a drill", "9 euros", "20 euros", "the hall in Norport", "tools at 9:30", "two keys")
PLACES = ("on Monday", "before noon", "in May", "at the harbour", "for 3 days")
CONDITIONS = ("if it rains", "unless a trainer agrees", "except in winter", "until the bell rings", "only with a badge")
STATEMENTS = st.builds("{} {} {} {}".format, *map(st.sampled_from, (SUBJECTS, VERBS, OBJECTS, PLACES)))
BESIDE = st.integers(min_value=0, max_value=4)
"""Before which word something is put in."""


def put_in(text, at, words):
    before = text.split()
    return " ".join([*before[:at], words, *before[at:]])


@given(st.text(max_size=200))
def test_any_text_entails_itself(text):
    assert lexically_entailed(text, text)


@given(STATEMENTS, STATEMENTS, st.text(max_size=40))
def test_a_statement_is_entailed_by_itself_under_any_heading_and_not_by_one_without_its_words(one, other, context):
    assert lexically_entailed(one, one, context)
    if set(one.lower().split()) - set(other.lower().split()) - {"the", "a", "for", "in", "on", "at"}:
        assert not lexically_entailed(one, other)


@given(STATEMENTS, BESIDE, st.integers(min_value=100, max_value=10**9))
def test_a_number_that_the_evidence_lacks_breaks_a_claim(text, at, number):
    assert not lexically_entailed(put_in(text, at, str(number)), text)


@given(STATEMENTS, BESIDE, st.sampled_from(("Zanzibar", "Doctor Quill", "Eastvale", "NATO")))
def test_a_name_that_the_evidence_lacks_breaks_a_claim(text, at, name):
    assert not lexically_entailed(put_in(text, at, name), text)


@given(STATEMENTS, BESIDE, st.sampled_from(("not", "never", "no", "without", "cannot", "nobody")))
def test_a_negation_on_one_side_alone_breaks_a_claim(text, at, negation):
    negated = put_in(text, at, negation)
    assert not lexically_entailed(negated, text)
    assert not lexically_entailed(text, negated)


@given(STATEMENTS, st.sampled_from(CONDITIONS), st.booleans())
def test_a_claim_without_the_condition_of_its_evidence_is_broken(text, condition, first):
    bound = f"{condition.capitalize()}, {text}." if first else f"{text} {condition}."
    assert lexically_entailed(bound, bound)
    assert not lexically_entailed(f"{text}.", bound)
    assert not lexically_entailed(bound, f"{text}.")


# Fusion


@st.composite
def rankings(draw):
    """Ids with cosines, BM25 and neighbours. Few values, so that many scores are equal."""
    ids = np.array(sorted(draw(st.sets(st.integers(1, 60), min_size=2, max_size=12))), np.int64)
    quarters = st.lists(st.integers(0, 4), min_size=len(ids), max_size=len(ids))
    cosines, bm25 = (np.array(draw(quarters), np.float32) / 4 * by for by in (1, 8))
    beside = draw(st.lists(st.sampled_from([-1, *ids.tolist()]), min_size=4 * len(ids), max_size=4 * len(ids)))
    return ids, np.array(beside, np.int64).reshape(-1, 4), Measured(ids, cosines, cosines, bm25)


def scored(ids, beside, measured):
    ranking = fuse([], [], ids, beside, measured, RankWeights(), 0.5)
    return list(zip(ranking.ids.tolist(), ranking.scores.tolist(), strict=True))


@given(rankings(), st.randoms(use_true_random=False))
def test_candidates_have_one_order_however_they_come_and_the_newer_of_equals_is_first(ranking, random):
    ids, beside, measured = ranking
    found = scored(ids, beside, measured)
    shuffled = list(range(len(ids)))
    random.shuffle(shuffled)
    assert scored(ids[shuffled], beside[shuffled], measured) == found
    assert sorted(id for id, _ in found) == ids.tolist()
    assert found == sorted(found, key=lambda one: (-one[1], -one[0]))


@given(rankings())
def test_a_worse_candidate_moves_none_of_the_others(ranking):
    ids, beside, measured = ranking
    found = scored(ids, beside, measured)
    worse = Measured(
        np.append(measured.ids, 99),
        np.append(measured.cosines, measured.cosines.min() - np.float32(0.25)),
        np.append(measured.aligned, measured.aligned.min() - np.float32(0.25)),
        np.append(measured.bm25, np.float32(0)),
    )
    others = scored(np.append(ids, 99), np.vstack([beside, np.full((1, 4), -1)]), worse)
    assert [one for one in others if one[0] != 99] == found


# Calibration

ANCHORS = st.tuples(st.floats(-0.2, 0.9), st.floats(0.05, 0.9)).map(lambda pair: (pair[0], min(1.0, pair[0] + pair[1])))


@given(ANCHORS, ANCHORS, st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=20), st.booleans())
def test_alignment_keeps_the_order_and_moves_the_anchors_onto_those_of_the_reference(own, other, values, cjk):
    names = ("unrelated_cjk", "related_cjk") if cjk else ("unrelated", "related")
    numbers = dict(zip(names, own, strict=True)) | {f"reference_{n}": v for n, v in zip(names, other, strict=True)}
    calibration = Calibration.of(numbers)
    cosines = np.array(sorted(values), np.float32)
    assert (np.diff(calibration.aligned(cosines, cjk)) >= 0).all()
    assert calibration.aligned(np.array(own, np.float32), cjk).tolist() == pytest.approx(other, abs=1e-4)
    assert calibration.aligned(cosines, not cjk) is cosines, "the numbers of the other script were never asked"


@given(st.dictionaries(st.sampled_from(sorted(Calibration().as_mapping())), st.floats(-10, 10), max_size=6))
def test_a_calibration_is_what_was_stored_of_it(numbers):
    found = Calibration.of(numbers | {"a number of a later version": 1.0})
    assert Calibration.of(found.as_mapping()) == found
    assert {name: getattr(found, name) for name in numbers} == numbers


# Sentences and passages

TEXT = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("ab. \n#|-。字!?;:1\t"), max_size=300)
LONG = st.lists(
    st.sampled_from(
        ["Word ", "end. ", "\n", "\n\n", "a | b\n", "字字字", "。", "def f(x):\n", "    y = 1\n", "# H\n", "x" * 200]
    ),
    max_size=120,
).map("".join)


@given(TEXT, TEXT)
def test_each_paragraph_is_split_by_itself(one, other):
    apart = [one[a:b] for a, b in sentences(one)] + [other[a:b] for a, b in sentences(other)]
    whole = f"{one}\n\n{other}"
    assert [whole[a:b] for a, b in sentences(whole)] == apart


@given(TEXT)
def test_no_sentence_has_white_space_around_it_or_nothing_to_say(text):
    for start, end in sentences(text):
        assert text[start:end] == text[start:end].strip(" \t\r\n\f\v\u3000")
        assert any(char.isalnum() for char in text[start:end])


@given(TEXT | LONG, st.booleans(), st.booleans())
def test_every_way_of_cutting_keeps_every_word_once(text, code, rows):
    found = passages(text, code=code, rows=rows)
    assert all(a.end <= b.start for a, b in zip(found, found[1:], strict=False))
    assert "".join("".join(text[p.start : p.end].split()) for p in found) == "".join(text.split())
    for p in found:
        may_be_whole = not code and (rows or "|" in text or "字" in text)
        longest = chunks.MAX_WHOLE_CHARACTERS if may_be_whole else chunks.MAX_PASSAGE_CHARACTERS
        assert chunks._weighted_length(text, p.start, p.end) <= longest


# Copies

ITEMS = st.lists(
    st.lists(
        st.sampled_from(
            [
                "The lab opens at nine.",
                "the *lab* opens at nine!",
                "Bring your own badge each day.",
                "Bring a badge",
                "No dogs.",
                "- No dogs",
            ]
        ),
        min_size=1,
        max_size=3,
    ).map("\n\n".join)
    | st.text("ab. \n*A", max_size=12),
    max_size=12,
)


@given(ITEMS, st.integers(1, 12))
def test_what_is_folded_keeps_its_order_and_folds_no_further(texts, most):
    found = folded(((at, "", text) for at, text in enumerate(texts)), most)
    kept = [at for at, _ in found]
    named = sorted(kept + [at for _, also in found for at in also])
    assert kept == sorted(kept)[:most]
    assert all(list(also) == sorted(also) and (not also or also[0] > at) for at, also in found)
    assert len(named) == len(set(named))
    if len(kept) < most:
        assert named == list(range(len(texts)))
    assert folded(((at, "", texts[at]) for at in kept), most) == [(at, []) for at in kept]
