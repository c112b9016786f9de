"""From a message to what is said: evidence, claims that stand in it, or that there is none.

Works for one message of one person; stores nothing. `ragbot.chat` keeps what was said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ragbot.answer import cloze
from ragbot.answer.calibration import answerability
from ragbot.answer.conflict import find_other, leading_first, otherwise
from ragbot.answer.context import Context
from ragbot.answer.facts import Effect
from ragbot.answer.found import Found, find, find_each
from ragbot.answer.intent import Ask, Language
from ragbot.answer.persona import Persona, Words
from ragbot.answer.quote import Evidence, describe_place, every_sentence, render_quote, select_sentences
from ragbot.answer.repetition import others_first
from ragbot.answer.revise import revised, stands, wish
from ragbot.answer.times import asks_before, moment_asked, without_time
from ragbot.answer.writer import Writer
from ragbot.models.answerability import AnswerabilityModel
from ragbot.models.generator import Generator
from ragbot.safety.gate import harmless
from ragbot.settings import Settings
from ragbot.temporal.dates import day_in_words
from ragbot.text import messages
from ragbot.text.layout import BULLET
from ragbot.text.tokens import content
from ragbot.types import Citation, Claim, Hit, Note, Refusal, Turn

Sentence = Claim | Note | Refusal
"""What is said to a message comes as these events."""

MAX_TOLD = 8
"""How many things that a person told are said again to who asks for them, the newest first."""
MAX_LOOKED_AT = 500
"""So many of the newest things that a person told are looked through for what is asked for."""
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
DARING = 4
"""A generator that composes is asked where the chance of an answer is so many times less: it says itself that there is none."""


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
    """Answers one message: from the evidence, from the last answer, or with a line of the persona."""

    def __init__(
        self,
        context: Context,
        persona: Persona,
        generator: Callable[[], Generator],
        model: Callable[[], AnswerabilityModel | None],
        settings: Settings,
    ) -> None:
        self._context, self._persona, self._model, self._settings = context, persona, model, settings
        self._generator = generator
        self._writer = Writer(context, generator, model, settings)

    def events(self, ask: Ask, did: Effect, last: Turn | None = None) -> Iterator[Sentence]:
        """What is said to a message, as soon as each part is sure. `did` is what it did to the memory, `last` the turn before."""
        words = self._words(ask)
        if words.handover and ask.wants_person:
            yield Note(words.handover)
        elif ask.kind in ("question", "recall"):
            yield from self._replaced(did, ask)
            yield from self._from_evidence(ask, did.own.uri if did.own else "", words)
        elif did.unheard and ask.kind in ("statement", "takes back", "forget"):
            yield Note(words.aside or words.greeting)
        elif ask.kind == "statement" or (ask.kind == "takes back" and did.own and not did.replaced):
            yield Claim(words.noted, "supported", 0.0, (did.own,)) if did.own else Note(words.noted)
            yield from self._replaced(did, ask)
        elif ask.kind == "takes back" and did.replaced:
            yield Note(words.withdrawn.format(facts=_quoted(did.replaced, ask.language)))
        elif did.forgotten:
            yield Note(words.forgotten.format(facts=_quoted(did.forgotten, ask.language)))
        elif ask.kind == "revise":
            yield from self._revised(ask, last, words)
        elif ask.kind == "greeting" or (ask.kind == "parting" and not words.parting):
            yield self._greeting(words)
        else:
            yield Note(self._line(ask, words) or words.greeting)

    def _replaced(self, did: Effect, ask: Ask) -> Iterator[Sentence]:
        """That what was told sets earlier words aside."""
        if did.replaced and (line := self._words(ask).replaced):
            yield Note(line.format(facts=_quoted(did.replaced, ask.language)))

    def _line(self, ask: Ask, words: Words) -> str:
        """What the persona says to what neither tells nor asks anything of the documents."""
        if ask.kind in ("holdings", "news"):
            titles = self._context.titles()
            news = ask.kind == "news" and bool(titles)
            return (words.news if news else words.holdings).format(titles=_named(titles, ask.language, with_days=news))
        said = {
            "parting": words.parting,
            "about": words.about,
            "chatter": words.chatter,
            "forget": words.forget,
            "aside": words.aside,
        }
        return said.get(ask.kind, "")

    def _revised(self, ask: Ask, last: Turn | None, words: Words) -> Iterator[Sentence]:
        """The last answer as it is wished, or that it cannot be had so."""
        if last is None or not last.claims:
            yield Note(words.unclear)
            return
        wished = wish(ask.text)
        claims = revised(wished, last, self._context, self._model())
        yield from claims
        if not claims:
            yield Note((words.no_more if wished == "more" else words.verbatim) or words.greeting)

    def _first_of_each(self, hits: Sequence[Hit]) -> Iterator[Evidence]:
        """The first evidence of each hit."""
        for sentences in every_sentence(hits):
            yield from sentences[:1]

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
        """What the evidence says, composed or quoted; else what was told, where that is asked for, or that it does not know."""
        least, model = self._persona.refuse_below, self._model()
        if ask.kind == "recall" and (told := list(self._told(ask))):
            yield from told
            return
        if self._context.as_of is None and (then := self._then(ask, own, words)):
            yield from then
            return
        found = find(ask, own, self._context, model, least)
        given, refused = set[Citation](), False
        if found.evidence and found.sure >= least / DARING and self._writer.composes:
            composed = self._writer.composed(found, words.tone)
            for claim in composed.claims():
                given |= set(claim.citations)
                yield claim
            if composed.holds:
                return
            refused = composed.refused
        each = [] if refused else find_each(found, self._context, model, least)
        yield from self._quoted(each, given, words)
        if given:
            return
        unclear = not ask.history and ask.context_dependent and not ask.statements
        yield Refusal(words.unclear, found.sure) if unclear else _refusal(found, words)

    def _told(self, ask: Ask) -> Iterator[Sentence]:
        """What was told, the newest first: of whom or what the message names, else all; nothing where it names something else."""
        subject = messages.recall_subject(ask.question)
        told = self._context.told(MAX_LOOKED_AT)
        if subject:
            told = [hit for hit in told if subject & set(content(f"{hit.chunk.heading} {hit.chunk.text}"))]
        found = list(self._first_of_each(told[:MAX_TOLD]))
        many = len(found) > 1
        for one in found:
            text = render_quote(one)
            yield Claim(BULLET + text if many else text, "supported", 1.0, (one.citation,))
        if len(told) > MAX_TOLD:
            yield Note(self._words(ask).more.format(count=len(told) - MAX_TOLD))

    def _then(self, ask: Ask, own: str, words: Words) -> list[Sentence]:
        """What the evidence of the past time says that the question is about, if that is no longer so; else nothing.

        A time that the question names is mostly what the documents tell about, and then the same holds now as then.
        """
        least, model = self._persona.refuse_below, self._model()
        asked = moment_asked(ask.text, datetime.now(UTC))
        if asked:
            moment, ask = asked[0], without_time(ask, asked[1])
        elif asks_before(ask.text) and (now := find(ask, own, self._context, model, least)).evidence:
            moment = now.evidence[0].hit.chunk.valid_from - timedelta(microseconds=1)
        else:
            return []
        context = self._context.at(moment)
        then = Answerer(context, self._persona, self._generator, self._model, self._settings)
        found = find(ask, own, context, model, least)
        if not found.evidence or found.sure < least or stands(found.evidence[0].citation, self._context):
            return []
        said = list(then._quoted(find_each(found, context, model, least), set(), words))
        self._context.hits = context.hits
        return [Note(words.as_of.format(day=day_in_words(moment, chinese=ask.language == "zh"))), *said] if said else []

    def _quoted(self, each: Sequence[Found], given: set[Citation], words: Words) -> Iterator[Sentence]:
        """What answers each question, without what was said, and what another source says otherwise; adds to what was given."""
        for found in each:
            evidence, loud = others_first(found.wanted, leading_first(found.evidence, self._settings.authority))
            for claim in self._writer.quoted(replace(found, evidence=evidence), words.tone):
                if not set(claim.citations) <= given:
                    given |= set(claim.citations)
                    yield claim
            other = loud or find_other(evidence, given)
            if other and other.citation not in given:
                given.add(other.citation)
                yield Claim(otherwise(found.ask.language, other, evidence[0]), "supported", found.sure, (other.citation,))
        if self._persona.check and each and (gap := _gap(each[0].evidence, given)):
            yield Note(words.checking.format(gap=gap))


def _quoted(facts: Sequence[str], language: Language) -> str:
    """What people told, between quotation marks, harmless."""
    some = [" ".join(harmless(fact).split()) for fact in facts[:MAX_TOLD]]
    more = len(facts) - len(some)
    if language == "zh":
        return "，".join(f"“{one}”" for one in some) + (f" 等 {len(facts)} 条" if more else "")
    return ", ".join(f"“{one}”" for one in some) + (f" and {more} more" if more else "")


def _named(titles: Mapping[str, datetime], language: Language, *, with_days: bool) -> str:
    """Titles, the first ones of many; on wish with the day since when they are there."""
    chinese = language == "zh"
    form = ("《{}》" if chinese else "“{}”") + (("（{}）" if chinese else " ({})") if with_days else "")
    shown = [form.format(title, day_in_words(since, chinese=chinese)) for title, since in titles.items()][:MAX_TITLES]
    named = "、".join(shown) if language == "zh" else ", ".join(shown)
    more = len(titles) - len(shown)
    if more and not with_days:
        named += f"等 {len(titles)} 份文件" if language == "zh" else f" and {more} more"
    return named or EMPTY[language]


def _refusal(found: Found, words: Words) -> Refusal:
    """That it does not know, what it has nearby, and how it could come to know."""
    chinese = found.ask.language == "zh"
    near = {_place(one): one for one in reversed(found.evidence) if one.hit.chunk.kind == "file" and _is_nearby(one)}
    places = list(reversed(near))[:MAX_PLACES]
    joined = "、".join(places) if chinese else " and ".join(places)
    parts = (words.unknown, words.nearby.format(places=joined) if places else "", words.missing, words.handover)
    text = ("" if chinese else " ").join(part for part in parts if part)
    return Refusal(text, found.sure, tuple(near[place].citation for place in places))


def _is_nearby(one: Evidence) -> bool:
    return one.cosine >= NEARBY_ACROSS if one.across else one.coverage >= NEARBY


def _place(one: Evidence) -> str:
    """Where it stands; with its words where it is in another language, so that the person may judge."""
    return f"{describe_place(one)}: “{render_quote(one)}”" if one.across else describe_place(one)


def _gap(found: Sequence[Evidence], given: set[Citation]) -> str:
    """A sentence beside the answer with something left out; of the answer itself if it stands alone. "" if none can be."""
    ids = {citation.chunk_id for citation in given}
    beside = [one for one in found if one.hit.chunk.id in ids]
    return cloze.with_gap(render_quote(one) for one in sorted(beside, key=lambda one: one.citation in given))
