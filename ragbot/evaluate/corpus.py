"""Load the corpus of an evaluation set into a memory of its own, and sample its questions."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TypeVar

from ragbot.errors import InputError
from ragbot.evaluate.retrieval.sets import Entry, moment
from ragbot.memory import Memory
from ragbot.types import EVERYONE, Document

Question = TypeVar("Question")
Progress = Callable[[str, int, int], None]
"""Called with (activity, number done, total)."""

MARK = "evaluation"
"""The key under which the home of an evaluation keeps the name of its set."""
SCOPE = "evaluation of "
"""Prefix of the scope in which a question without a scope of its own is asked."""
SEED = 20
"""Seed of the sample of questions."""


def fill(memory: Memory, name: str, corpus: Sequence[Entry], progress: Progress) -> int:
    """Make the memory hold the corpus of the set `name` and nothing else. Unchanged entries are not embedded again.

    Returns the number of entries that were refused. Raises InputError if the memory holds other documents.
    """
    held = memory.kv(MARK)
    if held not in (None, name):
        raise InputError(f"{memory.home}: holds the evaluation of {held}; name another folder for {name}")
    own = {entry.conv or entry.asked for entry in corpus}
    for stored in memory.documents():
        # Statements in the questions of an evaluation are remembered, and removed here; those of a person stay.
        asked = held and stored.kind == "turn" and (stored.scope in own or stored.scope.startswith(SCOPE))
        if MARK not in stored.metadata and not asked:
            raise InputError(
                f"{memory.home}: holds {stored.uri}, which no evaluation has added; name another folder for the evaluation"
            )
    memory.set_kv(MARK, name)
    taken = set[tuple[str, str]]()
    results = memory.remember_each(document(entry, name) for entry in corpus)
    for done, (given, result) in enumerate(results, 1):
        progress("Remembering", done, len(corpus))
        if not isinstance(result, InputError):
            taken.add((given.scope, given.uri))
    gone = defaultdict[str, list[str]](list)
    for stored in memory.documents():
        if (stored.scope, stored.uri) not in taken:
            gone[stored.scope].append(stored.uri)
    for scope, uris in gone.items():
        memory.retire_each(uris, scope=scope)
    memory.compact()
    return len(corpus) - len(taken)


def scope(question: str) -> str:
    """The scope in which the question with this id is asked if it has none of its own."""
    return f"{SCOPE}{question}"


def document(entry: Entry, name: str) -> Document:
    """The document for an entry of the set `name`: a turn if it belongs to a conversation."""
    title = entry.title
    if not entry.conv:
        text, scope = entry.text if entry.text.strip() else title, entry.asked or EVERYONE
        return Document(uri=entry.id, text=text, title=title, scope=scope, metadata={MARK: name})
    if entry.speaker and not entry.text.startswith(entry.speaker):
        title = " ".join(filter(None, (entry.speaker, title)))  # so that a turn is found by its speaker
    metadata = {MARK: name, "speaker": entry.speaker, "session": entry.session}
    return Document(
        uri=entry.id,
        text=entry.text,
        title=title,
        kind="turn",
        scope=entry.conv,
        valid_from=moment(entry.date),
        metadata={key: value for key, value in metadata.items() if value},
    )


def drawn(questions: Sequence[Question], limit: int | None) -> list[Question]:
    """A sample of at most `limit` questions, drawn with `SEED`; a larger limit gives a superset."""
    chosen = list(questions)
    if limit is not None and limit < len(chosen):
        random.Random(SEED).shuffle(chosen)
    return chosen[:limit]
