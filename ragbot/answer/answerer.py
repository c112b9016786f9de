"""From a message to what is said: evidence, claims that stand in it, or that there is none.

Works for one message of one person; stores nothing. `ragbot.chat` keeps what was said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ragbot.answer import cloze, prompt
from ragbot.answer.answer_span import with_answer_span
from ragbot.answer.calibration import answerability, best_answerability
from ragbot.answer.conflict import find_conflict, find_opposite
from ragbot.answer.context import Context
from ragbot.answer.intent import Ask, History, Language
from ragbot.answer.persona import Persona, Words
from ragbot.answer.quote import (
    Evidence,
    answer_span_sentence,
    describe_place,
    near_best,
    render_quote,
    select_sentences,
    shares_query_term,
)
from ragbot.answer.repetition import others_first
from ragbot.answer.verify import supporting_evidence, without_verdict
from ragbot.models.answerability import AnswerabilityModel
from ragbot.models.generator import Generator
from ragbot.text.sentences import sentences
from ragbot.text.tokens import content
from ragbot.types import Citation, Claim, Hit, Message, Note, Refusal

Sentence = Claim | Note | Refusal
"""What is said to a message comes as these events."""

MAX_FACTS = 3
"""How many sentences the bundled generator is shown; more confuse it."""
MAX_TOLD = 8
"""How many things that a person told are said again to who asks for them, the newest first."""
MAX_TITLES = 8
"""How many documents are named to who asks which there are."""
EMPTY = {"en": "no documents yet", "zh": "的资料里还没有文件"}
MAX_PLACES = 2
"""How many places are named where nothing answers."""
NEARBY = 0.25
"""The least part of the question's words that a place holds which is named."""
NEARBY_ACROSS = 0.41
"""The least cosine, on the reference scale, of one in another language. It was set at .5 on 30 Chinese questions over the demo's
English handbook and 17 English ones over Chinese lines, and moved with the anchors (`ragbot.search.calibration.ACROSS`)."""
CONFLICT = {"en": "Another source says: {other}", "zh": "另一处资料说：{other}"}


@dataclass(frozen=True, slots=True)
class Gap:
    """A sentence with a gap that the bot asked for, and the words of the language in which it judges the reply."""

    sentence: str
    words: Words


def open_gap(ask: Ask, persona: Persona) -> Gap | None:
    """The gap that a message may fill; None if the last answer asked for none, or the message is no reply."""
    if not (persona.check and ask.history and ask.history[-1][0] == "assistant" and ask.may_reply):
        return None
    for words in (persona.en, persona.zh):
        if gap := cloze.open_gap(ask.history[-1][1], words):
            return Gap(gap, words)
    return None


class Answerer:
    """Answers one message by quoting, or by a generator that restates single sentences of the evidence."""

    def __init__(
        self,
        context: Context,
        persona: Persona,
        generator: Callable[[], Generator],
        model: Callable[[], AnswerabilityModel | None],
        max_tokens: int,
    ) -> None:
        self._context, self._persona, self._max_tokens = context, persona, max_tokens
        self._generator, self._model = generator, model

    def events(self, ask: Ask, own: Citation | None) -> Iterator[Sentence]:
        """What is said to a message, as soon as each part is sure. `own` cites what the message itself told."""
        words = self._words(ask)
        if words.handover and ask.wants_person:
            yield Note(words.handover)
        elif ask.kind == "parting" and words.parting:
            yield Note(words.parting)
        elif ask.kind in ("greeting", "parting"):
            yield self._greeting(words)
        elif ask.kind == "holdings":
            yield Note(words.holdings.format(titles=self._titles(ask.language)))
        elif ask.kind in ("about", "chatter", "forget", "person"):
            said = {"about": words.about, "chatter": words.chatter, "forget": words.forget}
            yield Note(said.get(ask.kind) or words.greeting)
        elif ask.kind in ("question", "recall"):
            yield from self._from_evidence(ask, own.uri if own else "", words)
        else:
            yield Claim(words.noted, "supported", 0.0, (own,)) if own else Note(words.noted)

    def _first_of_each(self, hits: Sequence[Hit]) -> Iterator[Evidence]:
        """The first evidence of each hit."""
        for hit in hits:
            yield from select_sentences(hit.chunk.text, [hit], self._context.vectors)[:1]

    def _titles(self, language: Language) -> str:
        """The titles of what it has, the newest first."""
        titles = self._context.titles()
        shown = titles[:MAX_TITLES]
        named = "、".join(f"《{one}》" for one in shown) if language == "zh" else ", ".join(f"“{one}”" for one in shown)
        if more := len(titles) - len(shown):
            named += f"等 {len(titles)} 份文件" if language == "zh" else f" and {more} more"
        return named or EMPTY[language]

    def judged(self, gap: Gap, reply: str) -> Claim | None:
        """Whether a reply fills the gap, with the whole sentence; None if the evidence for that is gone."""
        asked = gap.sentence.replace(cloze.GAP, " ")
        for one in select_sentences(asked, self._context.retrieve(asked), self._context.vectors):
            sentence = render_quote(one)
            if missing := cloze.left_out(gap.sentence, sentence):
                verdict = gap.words.right if cloze.fills(reply, missing) else gap.words.wrong
                sure = answerability(asked, one, self._context.vectors.calibration)
                return Claim(verdict.format(sentence=sentence), "supported", sure, (one.citation,))
        return None

    def _words(self, ask: Ask) -> Words:
        return self._persona.zh if ask.language == "zh" else self._persona.en

    def _greeting(self, words: Words) -> Sentence:
        last = next(iter(self._context.told(1)), None) if self._persona.recalls else None
        found = list(self._first_of_each([last])) if last else []
        if not found:
            return Note(words.greeting)
        text = f"{words.greeting} {render_quote(found[0])} {words.again}".strip()
        return Claim(text, "supported", 0.0, (found[0].citation,))

    def _from_evidence(self, ask: Ask, own: str, words: Words) -> Iterator[Sentence]:
        model = self._model()
        wanted, found, sure = self._evidence(ask, own, model)
        if not found or sure < self._persona.refuse_below:
            if ask.kind == "recall" and (told := self._context.told(MAX_TOLD)):
                yield from (Claim(render_quote(one), "supported", 0.0, (one.citation,)) for one in self._first_of_each(told))
                return
            unclear = not ask.history and ask.context_dependent and not ask.statements
            yield Refusal(words.unclear, sure) if unclear else _refusal(ask, found, words, sure)
            return
        found, loud = others_first(wanted, found)
        given = set[Citation]()
        for claim in self._claims(wanted, found, sure, words):
            given |= set(claim.citations)
            yield claim
        if more := answer_span_sentence(found, given):
            given.add(more.citation)
            yield Claim(render_quote(more), "supported", sure, (more.citation,))
        other = loud or (self._conflict(wanted, found, given, model) if model else None) or find_opposite(found, given)
        if other and other.citation not in given:
            yield Claim(CONFLICT[ask.language].format(other=render_quote(other)), "supported", sure, (other.citation,))
        if self._persona.check and (gap := _gap(found, given)):
            yield Note(words.checking.format(gap=gap))

    def _conflict(
        self, wanted: str, found: Sequence[Evidence], given: set[Citation], model: AnswerabilityModel
    ) -> Evidence | None:
        numbers = self._context.vectors.calibration
        return find_conflict(wanted, found, given, model, numbers, self._persona.refuse_below)

    def _claims(self, wanted: str, found: Sequence[Evidence], sure: float, words: Words) -> Iterator[Claim]:
        """Sentences of the generator as far as they stand in the evidence; else the evidence itself."""
        near, given = near_best(found), set[Citation]()
        facts = [render_quote(one) for one in near[:MAX_FACTS]]
        for written in self._written(prompt.build(wanted, facts, self._generator().count, words.tone)):
            sentence = without_verdict(written)
            carrier = supporting_evidence(sentence, near, self._context.vectors)
            if carrier is None or carrier.citation in given:  # unfounded, or the same once more
                break
            if not given and not set(content(near[0].answer)) <= set(content(sentence)):  # without the very answer
                break
            given.add(carrier.citation)
            yield Claim(sentence, "supported", sure, (carrier.citation,))
        if not given:  # the generator found no words that stand: the evidence speaks for itself
            yield Claim(render_quote(near[0]), "supported", sure, (near[0].citation,))

    def _evidence(self, ask: Ask, own: str, model: AnswerabilityModel | None) -> tuple[str, list[Evidence], float]:
        """The question as it is best understood, the evidence for it, and how likely that answers it.

        It is tried with what it leans on, as the model sees it and as rules do, then with all that the message says, then by
        itself; slips in spelling are mended.
        """
        said_so = (ask.question, ask.standalone, ask.text)
        meant = {text: self._context.as_meant(text) for text in dict.fromkeys(said_so)}
        numbers = self._context.vectors.calibration
        asking, standalone, whole = (meant[text] for text in said_so)
        completed = model.completed(asking, [said for _, said in ask.history]) if model else asking
        tries: list[tuple[str, str, History]] = [
            (standalone, asking, ask.history),
            (completed, completed, ()),
            (whole, whole, ()),
            (asking, asking, ()),
        ]
        if ask.context_dependent and completed != asking:
            tries[:2] = tries[1::-1]
        best: tuple[str, list[Evidence], float] = (asking, [], 0.0)
        for wanted, query, said in dict.fromkeys(tries):
            hits = self._context.retrieve(query, said)
            hits = [hit for hit in hits if hit.chunk.uri != own or _answers_itself(asking, hit)]
            found = with_answer_span(wanted, select_sentences(wanted, hits, self._context.vectors, asking), model, numbers)
            sure = best_answerability(wanted, found, numbers)
            if not (wanted == asking or (found and shares_query_term(asking, found[0]))):
                sure = min(sure, self._persona.refuse_below / 2)  # it answers what was asked before
            if sure >= self._persona.refuse_below:
                return wanted, found, sure
            best = max(best, (wanted, found, sure), key=lambda one: (one[2], bool(one[1])))
        return best

    def _written(self, messages: Sequence[Message]) -> Iterator[str]:
        """What the generator writes, sentence by sentence, each as soon as it is complete."""
        text, given = "", 0
        for piece in self._generator().stream(messages, self._max_tokens):
            text += piece
            complete = sentences(text)[:-1]
            for span in complete[given:]:
                yield text[span.start : span.end]
            given = max(given, len(complete))
        for span in sentences(text)[given:]:
            yield text[span.start : span.end]


def _refusal(ask: Ask, found: Sequence[Evidence], words: Words, sure: float) -> Refusal:
    """That it does not know, what it has nearby, and how it could come to know."""
    near = {_place(one): one for one in reversed(found) if one.hit.chunk.kind == "file" and _is_nearby(one)}
    places = list(reversed(near))[:MAX_PLACES]
    joined = "、".join(places) if ask.language == "zh" else " and ".join(places)
    parts = (words.unknown, words.nearby.format(places=joined) if places else "", words.missing, words.handover)
    text = ("" if ask.language == "zh" else " ").join(part for part in parts if part)
    return Refusal(text, sure, tuple(near[place].citation for place in places))


def _is_nearby(one: Evidence) -> bool:
    return one.cosine >= NEARBY_ACROSS if one.across else one.coverage >= NEARBY


def _place(one: Evidence) -> str:
    """Where it stands; with its words where it is in another language, so that the person may judge."""
    return f"{describe_place(one)}: “{render_quote(one)}”" if one.across else describe_place(one)


def _answers_itself(asking: str, own: Hit) -> bool:
    """Whether what a message tells holds every word that it asks about; mostly it is only the occasion."""
    asked = set(content(asking))
    return bool(asked) and asked <= set(content(own.chunk.text))


def _gap(found: Sequence[Evidence], given: set[Citation]) -> str:
    """A sentence beside the answer with something left out; of the answer itself if it stands alone. "" if none can be."""
    ids = {citation.chunk_id for citation in given}
    beside = [one for one in found if one.hit.chunk.id in ids]
    return cloze.with_gap(render_quote(one) for one in sorted(beside, key=lambda one: one.citation in given))
