"""Numbers that belong to an embedding space: what other embedders would break if they belonged to nobody."""

import json

import numpy as np
import pytest
from fakes import FakeEmbedder, FakeGenerator

import ragbot.runtime
from ragbot import Chat, Document, Memory
from ragbot.models import bundled
from ragbot.search.calibration import Calibration, calibration_of, reference
from ragbot.store import Transaction

DOG, TOWER = "What is my dog's name?", "How tall is the Eiffel tower?"


class Anisotropic(FakeEmbedder):
    """Every vector leans towards one direction: unrelated texts have a cosine of .75, as in many trained models."""

    calibration = None

    def __init__(self, model="anisotropic"):
        super().__init__(model)

    def _vector(self, text):
        vector = super()._vector(text) + np.float32(1.7 / np.sqrt(self.dim))
        return vector / np.linalg.norm(vector)


class Asymmetric(FakeEmbedder):
    """A question lies in another direction than a passage of the same words, but where it is embedded as a question."""

    calibration = None

    def __init__(self, model="asymmetric"):
        super().__init__(model, 256)
        rng = np.random.default_rng(1)
        self._turn = np.linalg.qr(rng.normal(size=(256, 256)))[0].astype(np.float32)

    def encode(self, texts, progress=None):
        return super().encode(texts, progress) @ self._turn

    def encode_query(self, text):
        return (super().encode_query(text) @ self._turn).astype(np.float32)


class Prefixed(Asymmetric):
    """Embeds a question that is taken for a passage far from its answer."""

    def encode(self, texts, progress=None):
        vectors = super().encode(texts, progress)
        for at, text in enumerate(texts):
            if text.endswith("?"):
                vectors[at] = -vectors[at]
        return vectors


@pytest.fixture(params=[Anisotropic, Asymmetric, Prefixed])
def other(request, monkeypatch, home):
    made = request.param()
    monkeypatch.setattr(ragbot.runtime, "open_embedder", lambda name: made)
    with Memory.open(home) as memory:
        yield memory


def chat_of(memory):
    return Chat(memory, "s", "ana", FakeGenerator())


def test_a_statement_of_another_matter_replaces_nothing(other):
    chat = chat_of(other)
    chat.ask("My dog's name is Rex.")
    chat.ask("I live in Linz now.")
    assert "Rex" in chat.ask(DOG).answer
    chat.ask("My dog's name is Bello now.")
    assert "Bello" in chat.ask(DOG).answer


def test_a_question_that_nothing_answers_is_refused(other):
    other.remember(Document("pool.md", "The pool opens at 7:00.\n\nThe pool is closed on Monday.\n\nSwimming caps cost 3 euros."))
    chat = chat_of(other)
    assert not chat.ask(TOWER).grounded
    turn = chat.ask("When does the pool open?")
    assert turn.grounded and "7:00" in turn.answer


def test_the_numbers_lie_with_the_space(other):
    other.remember(Document("a.md", "The pool opens at 7:00."))
    with other.store.reading() as snapshot:
        kept = Calibration.of(snapshot.active_space().calibration)
    assert kept == other.calibration() == calibration_of(other.embedder())
    assert kept != reference()


def test_a_space_of_before_is_calibrated_once(home, monkeypatch):
    made = Anisotropic()
    monkeypatch.setattr(ragbot.runtime, "open_embedder", lambda name: made)
    with Memory.open(home) as memory:
        memory.remember(Document("a.md", "The pool opens at 7:00."))
        with memory.store.writing() as transaction:
            transaction.set_calibration(transaction.active_space(), {})
    written = []
    set_calibration = Transaction.set_calibration
    monkeypatch.setattr(
        Transaction, "set_calibration", lambda self, *given: written.append(given) or set_calibration(self, *given)
    )
    for _ in range(2):
        with Memory.open(home) as memory:
            memory.recall("pool")
            assert memory.calibration() == calibration_of(made)
    assert len(written) == 1


def test_the_shipped_numbers_are_those_of_the_reference(embedders, memory):
    numbers = json.loads(bundled.calibration_file(bundled.MINILM).read_text(encoding="utf-8"))
    assert Calibration.of(numbers) == reference()
    assert all(numbers[name] == numbers[f"reference_{name}"] for name in ("unrelated", "related"))
    cosines = np.array([0.1, 0.9], np.float32)
    assert reference().aligned(cosines, cjk=False) is cosines


def test_cosines_of_another_space_are_moved_onto_the_reference():
    moved = Calibration(unrelated=0.7, related=0.9, reference_unrelated=0.1, reference_related=0.7)
    assert moved.aligned(np.array([0.7, 0.8, 0.9], np.float32), cjk=False) == pytest.approx([0.1, 0.4, 0.7])


def test_cosines_of_passages_in_the_other_language_have_anchors_half_of_the_way_to_their_own():
    cjk = {"unrelated_across_cjk": 0.5, "related_across_cjk": 0.9}
    numbers = Calibration(unrelated=0.7, related=0.9, unrelated_across=0.6, related_across=0.8, reference_related=0.7, **cjk)
    cosines, across = np.array([0.9, 0.8, 0.6], np.float32), np.array([False, True, True])
    assert numbers.aligned(cosines, False, across) == pytest.approx([0.7, 0.525, -0.175])  # from .65 to .85
    alike = Calibration(unrelated=0.7, related=0.9, reference_related=0.7)
    assert alike.aligned(cosines, False, across) == pytest.approx([0.7, 0.35, -0.35])


@pytest.mark.model
@pytest.mark.parametrize("model", bundled.EMBEDDERS)
def test_the_shipped_anchors_are_those_that_the_bundled_embedder_gives(model):
    from ragbot.models.embedder import BundledEmbedder
    from ragbot.search.calibration import anchors, measure

    embedder = BundledEmbedder(model)
    found = anchors(measure(embedder, "en"), measure(embedder, "zh"))
    assert {name: embedder.calibration[name] for name in found} == pytest.approx(found, abs=0.01)
