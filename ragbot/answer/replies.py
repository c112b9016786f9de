"""From a message to what is said: evidence, an answer that stands in it, or that there is none.

Works for one person in one session; stores nothing. `ragbot.chat` keeps what was said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ragbot.answer import cloze, prompt, quote
from ragbot.answer.persona import Persona, Words
from ragbot.answer.quote import Evidence
from ragbot.memory import Memory
from ragbot.models.answerability import AnswerabilityModel
from ragbot.models.generator import Generator
from ragbot.text import messages
from ragbot.text.sentences import sentences
from ragbot.text.tokens import content, has_cjk
from ragbot.types import Citation, Hit, Message

History = Sequence[tuple[str, str]]

FACTS = 3
"""How many sentences the bundled generator is shown; more confuse it."""
PLACES = 2
"""How many places are named where nothing answers."""
NEARBY = 0.25
"""The least part of the question's words that a place holds which is named."""
OTHERWISE, OTHERWISE_CJK = "Another source says: {other}", "另一处资料说：{other}"
_VERDICT = re.compile(r"^(?:yes|no)\s*[,.!:;–-]\s+(?=[^\W\d_])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AnswerSentence:
    """A sentence of a reply, and what it stands on."""

    text: str
    citation: Citation | None
    confidence: float = 0.0
    """How likely it is that the evidence answers the question."""
    aside: bool = False
    """It claims nothing: a question back, or who takes over."""


class Answering:
    """Replies to one message of a person who may see `scopes`."""

    def __init__(
        self,
        memory: Memory,
        scopes: Sequence[str],
        persona: Persona,
        generator: Callable[[], Generator],
        reader: Callable[[], AnswerabilityModel | None],
    ) -> None:
        self._memory, self._scopes, self._persona = memory, tuple(scopes), persona
        self._generator, self._reader = generator, reader

    def reply(self, message: str, history: History, own: str) -> Iterator[AnswerSentence]:
        """What is said to a message, sentence by sentence. `own` is the address of what the message itself told."""
        words = self._words(message)
        if words.handover and messages.wants_person(message):
            yield AnswerSentence(words.handover, None, aside=True)
        elif messages.is_greeting(message) or not (messages.is_question(message) or messages.statements(message)):
            yield AnswerSentence(words.parting, None) if words.parting and messages.is_parting(message) else self._greeting(words)
        elif messages.is_question(message):
            yield from self._from_evidence(message, history, own, words)
        else:
            yield self._noted(message, own, words)

    def judged(self, message: str, history: History) -> AnswerSentence | None:
        """What is said to a message that fills the gap of the last answer, rightly or not; None if it is no such reply."""
        if not (self._persona.check and history and history[-1][0] == "assistant" and messages.may_reply(message)):
            return None
        for words in (self._persona.en, self._persona.zh):
            if gap := cloze.open_gap(history[-1][1], words):
                asked = gap.replace(cloze.GAP, " ")
                hits = self._recall(asked)
                for one in quote.select_sentences(asked, hits, self._encode, self._set_aside(hits)):
                    sentence = quote.render_quote(one)
                    if missing := cloze.left_out(gap, sentence):
                        verdict = words.right if cloze.fills(message, missing) else words.wrong
                        return AnswerSentence(verdict.format(sentence=sentence), one.citation, quote.answerability(asked, one))
        return None

    def _reads(self, message: str) -> AnswerabilityModel | None:
        return None if has_cjk(message) else self._reader()

    def _words(self, message: str) -> Words:
        return self._persona.zh if has_cjk(message) else self._persona.en

    def _greeting(self, words: Words) -> AnswerSentence:
        last = self._last_told() if self._persona.recalls else None
        if last is None:
            return AnswerSentence(words.greeting, None)
        (told,) = quote.select_sentences(last.chunk.text, [last], self._encode)[:1] or (None,)
        if told is None:
            return AnswerSentence(words.greeting, None)
        return AnswerSentence(f"{words.greeting} {quote.render_quote(told)} {words.again}".strip(), told.citation)

    def _last_told(self) -> Hit | None:
        told = [stored for stored in self._memory.documents(self._scopes[-1:]) if stored.kind == "turn"]
        if not told:
            return None
        newest = max(told, key=lambda stored: stored.id)
        found = self._memory.recall(newest.uri, 1, scopes=self._scopes[-1:], uris=[newest.uri], part="dense")
        return found[0] if found else None

    def _noted(self, message: str, own: str, words: Words) -> AnswerSentence:
        if self._persona.remember == "nothing":
            return AnswerSentence(words.noted, None)
        found = quote.select_sentences(message, self._recall(message), self._encode)
        mine = [e for e in found if e.hit.chunk.uri == own]
        return AnswerSentence(words.noted, mine[0].citation if mine else None)

    def _from_evidence(self, message: str, history: History, own: str, words: Words) -> Iterator[AnswerSentence]:
        wanted, found, sure = self._evidence(message, history, own)
        if not found or sure < self._persona.refuse_below:
            unclear = not history and messages.is_context_dependent(messages.questions(message))
            yield AnswerSentence(words.unclear if unclear else self._refusal(message, found, words), None, sure)
            return
        near = quote.near_best(found)
        carriers = set[Citation]()
        for written in self._written(prompt.build(wanted, self._facts(near), self._generator().count, words.tone)):
            sentence = without_verdict(written)
            carrier = quote.support(sentence, near, self._encode, self._reads(message))
            if carrier is None or carrier.citation in carriers:  # unfounded, or the same once more
                break
            if not carriers and not set(content(near[0].answer)) <= set(content(sentence)):  # without the very answer
                break
            carriers.add(carrier.citation)
            yield AnswerSentence(sentence, carrier.citation, sure)
        if not carriers:  # the generator found no words that stand: the evidence speaks for itself
            carriers.add(near[0].citation)
            yield AnswerSentence(quote.render_quote(near[0]), near[0].citation, sure)
        if more := quote.answer_span_sentence(found, carriers):
            carriers.add(more.citation)
            yield AnswerSentence(quote.render_quote(more), more.citation, sure)
        reader = self._reads(message)
        if reader and (other := quote.find_conflict(wanted, found, carriers, reader, self._persona.refuse_below)):
            frame = OTHERWISE_CJK if has_cjk(message) else OTHERWISE
            yield AnswerSentence(frame.format(other=quote.render_quote(other)), other.citation, sure)
        if self._persona.check and (gap := _gap(found, carriers)):
            yield AnswerSentence(words.checking.format(gap=gap), None, aside=True)

    def _evidence(self, message: str, history: History, own: str) -> tuple[str, list[Evidence], float]:
        """The question as it is best understood, the evidence for it, and how likely that answers it.

        It is tried with what it leans on, then with all that the message says, then by itself.
        """
        asking = messages.questions(message)
        completed = messages.contextualize(asking, history)
        tries = [(completed, asking, tuple(history)), (message, message, ()), (asking, asking, ())]
        best: tuple[str, list[Evidence], float] = (asking, [], 0.0)
        for wanted, query, said in dict.fromkeys(tries):
            hits = self._recall(query, said)
            hits = [hit for hit in hits if hit.chunk.uri != own or _answers_itself(asking, hit)]
            found = quote.select_sentences(wanted, hits, self._encode, self._set_aside(hits), asking, self._reads(message))
            sure = quote.best_answerability(wanted, found)
            if not (wanted == asking or (found and quote.shares_query_term(asking, found[0]))):
                sure = min(sure, self._persona.refuse_below / 2)  # it answers what was asked before
            if sure >= self._persona.refuse_below:
                return wanted, found, sure
            best = max(best, (wanted, found, sure), key=lambda one: one[2])
        return best

    def _refusal(self, message: str, found: Sequence[Evidence], words: Words) -> str:
        """That it does not know, what it has nearby, and how it could come to know."""
        near = [e for e in found if e.hit.chunk.kind == "file" and e.coverage >= NEARBY]
        places = list(dict.fromkeys(quote.describe_place(e) for e in near))[:PLACES]
        joined = "、".join(places) if has_cjk(message) else " and ".join(places)
        parts = (words.unknown, words.nearby.format(places=joined) if places else "", words.missing, words.handover)
        return ("" if has_cjk(message) else " ").join(part for part in parts if part)

    def _recall(self, question: str, history: History = ()) -> list[Hit]:
        return self._memory.recall(question, self._memory.settings.passages, scopes=self._scopes, history=history)

    def _set_aside(self, hits: Sequence[Hit]) -> list[tuple[int, int, int]]:
        """Spans that a correction disputes, where that correction itself speaks to the question."""
        here = {hit.chunk.uri for hit in hits if hit.chunk.kind == "correction"}
        with self._memory.store.reading() as snapshot:
            disputed = snapshot.disputed([hit.chunk.id for hit in hits], self._scopes)
        return [(chunk_id, start, end) for chunk_id, start, end, uri in disputed if uri in here]

    def _facts(self, near: Sequence[Evidence]) -> list[str]:
        return [quote.render_quote(e) for e in near[:FACTS]]

    def _written(self, messages: Sequence[Message]) -> Iterator[str]:
        """What the generator writes, sentence by sentence, each as soon as it is complete."""
        text, given = "", 0
        for piece in self._generator().stream(messages, self._memory.settings.max_tokens):
            text += piece
            complete = sentences(text)[:-1]
            for span in complete[given:]:
                yield text[span.start : span.end]
            given = max(given, len(complete))
        for span in sentences(text)[given:]:
            yield text[span.start : span.end]

    def _encode(self, texts: Sequence[str]) -> quote.Vectors:
        return self._memory.embedder().encode(texts)


def without_verdict(sentence: str) -> str:
    """A sentence without the "Yes" or "No" that it begins with: no words of the evidence can show whether that is right."""
    rest = _VERDICT.sub("", sentence)
    return rest[:1].upper() + rest[1:] if rest != sentence else sentence


def _answers_itself(asking: str, own: Hit) -> bool:
    """Whether what a message tells holds every word that it asks about; mostly it is only the occasion."""
    return set(content(asking)) <= set(content(own.chunk.text))


def _gap(found: Sequence[Evidence], carriers: set[Citation]) -> str:
    """A sentence beside the answer with something left out; of the answer itself if it stands alone. "" if none can be."""
    ids = {citation.chunk_id for citation in carriers}
    beside = [e for e in found if e.hit.chunk.id in ids]
    return cloze.with_gap(quote.render_quote(one) for one in sorted(beside, key=lambda e: e.citation in carriers))
