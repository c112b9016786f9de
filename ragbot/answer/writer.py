"""Evidence to claims: in the words of the sources, or as a generator words them, as far as that stands in the evidence."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from ragbot.answer import compose, prompt
from ragbot.answer.answer_span import with_said
from ragbot.answer.complete import REACH, REACH_OF_SUMMARY, WIDE, complete, spoken
from ragbot.answer.compose import Composed
from ragbot.answer.conflict import differ, otherwise
from ragbot.answer.context import Context
from ragbot.answer.found import Found
from ragbot.answer.quote import (
    Evidence,
    answer_span_sentence,
    describe_place,
    every_sentence,
    near_best,
    render_quote,
    select_sentences,
)
from ragbot.answer.verify import supporting_evidence, without_verdict
from ragbot.models.answerability import AnswerabilityModel
from ragbot.models.generator import Generator
from ragbot.settings import Settings
from ragbot.text import layout
from ragbot.text.tokens import content
from ragbot.types import Citation, Claim, Hit

MAX_FACTS = 3
"""How many sentences the bundled generator is shown; more confuse it."""


class Writer:
    """Writes the claims of one turn."""

    def __init__(
        self,
        context: Context,
        generator: Callable[[], Generator],
        model: Callable[[], AnswerabilityModel | None],
        settings: Settings,
    ) -> None:
        self._context, self._generator, self._model, self._settings = context, generator, model, settings

    @property
    def composes(self) -> bool:
        """Whether the generator words whole answers, and not single sentences."""
        if self._settings.answers == "auto":
            return self._generator().window >= compose.WINDOW
        return self._settings.answers == "compose"

    def quoted(self, found: Found, tone: str) -> Iterator[Claim]:
        """All sentences that a complete answer says; if that is one, as the generator words it, as far as that stands in it."""
        said = self._complete(found)
        if len(said) > 1:
            one_matter = len(found.ask.parts) == 1 and found.ask.form != "comparison"
            for at, (text, one) in enumerate(spoken(said)):
                before = next((before for before in said[:at] if differ(one, before)), None) if one_matter else None
                if before:
                    text = otherwise(found.ask.language, one, before)
                yield Claim(text, "supported", found.sure, (one.citation,))
            return
        others = [e for e in found.evidence if not said or e.citation != said[0].citation]
        near, given = near_best([*said, *others]), set[Citation]()
        for claim in self._worded(found, near, tone):
            given |= set(claim.citations)
            yield claim
        if not said and (more := answer_span_sentence(found.evidence, given)):
            yield Claim(render_quote(more), "supported", found.sure, (more.citation,))

    def composed(self, found: Found, tone: str) -> Composed:
        """What the generator makes of the whole passages."""
        hits = {e.hit.chunk.id: e.hit for e in found.evidence}
        files = [hit for hit in [*hits.values(), *self._beside(found, hits)] if hit.chunk.kind == "file"]
        told = [[e for e in found.evidence if e.hit is hit] for hit in hits.values() if hit.chunk.kind != "file"]
        sources = [some for some in (*told, *every_sentence(files)) if some]
        texts = [(_heading(some), layout.joined(" ".join((e.named_row or e.text).split()) for e in some)) for some in sources]
        generator = self._generator()
        messages = prompt.composing(found.wanted, texts, generator.count, tone, generator.window // 2)
        pieces = generator.stream(messages, max(self._settings.max_tokens, compose.MAX_TOKENS))
        return Composed(pieces, sources, self._context.vectors, found.sure)

    def _complete(self, found: Found) -> list[Evidence]:
        """The sentences that a complete answer says, also of passages beside those found; none where no model judges that."""
        model = self._model()
        read = {e.hit.chunk.id for e in found.evidence if e.said}
        if model is None or not read:
            return []
        beside = select_sentences(found.wanted, self._beside(found, read), self._context.vectors, beside=True)
        wide = found.ask.form in WIDE or len(found.ask.parts) > 1
        return complete([*found.evidence, *with_said(found.wanted, beside, model)], wide=wide)

    def _beside(self, found: Found, known: Collection[int]) -> list[Hit]:
        """Passages about the best one, and those that fit each of several questions, without those that are known."""
        ask, hits = found.ask, list[Hit]()
        if ask.form in WIDE:
            reach = REACH_OF_SUMMARY if ask.form == "summary" else REACH
            hits += self._context.beside(found.evidence[0].hit, reach)
        if len(ask.parts) > 1:
            hits += [hit for part in ask.parts for hit in self._context.also(part)]
        return list({hit.chunk.id: hit for hit in hits if hit.chunk.id not in known and hit.chunk.uri != found.own}.values())

    def _worded(self, found: Found, near: Sequence[Evidence], tone: str) -> Iterator[Claim]:
        """Sentences of the generator as far as they stand in the evidence; else the evidence itself."""
        given = set[Citation]()
        messages = prompt.build(found.wanted, [render_quote(one) for one in near[:MAX_FACTS]], self._generator().count, tone)
        for one in compose.written(self._generator().stream(messages, self._settings.max_tokens)):
            sentence = without_verdict(one.text)
            carrier = supporting_evidence(sentence, near, self._context.vectors)
            if carrier is None or carrier.citation in given:  # unfounded, or the same once more
                break
            if not given and not set(content(near[0].answer)) <= set(content(sentence)):  # without the very answer
                break
            given.add(carrier.citation)
            yield Claim(sentence, "supported", found.sure, (carrier.citation,))
        if not given:  # the generator found no words that stand: the evidence speaks for itself
            yield Claim(render_quote(near[0]), "supported", found.sure, (near[0].citation,))


def _heading(passage: Sequence[Evidence]) -> str:
    """Where a passage stands, and since when it holds."""
    one = passage[0]
    place = describe_place(one) if one.hit.chunk.kind == "file" else one.citation.where
    return f"{place} ({one.hit.chunk.valid_from:%Y-%m-%d})"
