"""What the store promises of documents, corrections and pages."""

from ragbot.types import Citation, Document


def quoted(chunk, words):
    start = chunk.text.index(words)
    return Citation(chunk.id, chunk.uri, start, start + len(words), words)


def test_a_correction_sets_aside_every_occurrence_of_a_sentence_in_its_chunk(memory):
    text = "Visitors: the lab opens at 9:00. Staff: the lab opens at 9:00."
    memory.remember(Document("lab.md", text))
    with memory.store.reading() as snapshot:
        (chunk,) = snapshot.chunks_of("everyone", "lab.md")
    quote = "the lab opens at 9:00."
    correction = Document("correction:1", "The lab opens at 8:00.", kind="correction")
    memory.remember(correction, disputes=[quoted(chunk, quote)])
    with memory.store.reading() as snapshot:
        spans = snapshot.disputed([chunk.id], ["everyone"])
    assert [text[start:end] for _, start, end, _ in sorted(spans)] == [quote, quote]
    assert len({start for _, start, _, _ in spans}) == 2


def test_citations_that_begin_at_the_same_place_are_one_dispute(memory):
    memory.remember(Document("lab.md", "The lab opens at 9:00. It is warm."))
    with memory.store.reading() as snapshot:
        (chunk,) = snapshot.chunks_of("everyone", "lab.md")
    cited = [quoted(chunk, "The lab opens at 9:00."), quoted(chunk, "The lab opens at 9:00. It is warm.")]
    memory.remember(Document("correction:1", "The lab opens at 8:00.", kind="correction"), disputes=cited)
    with memory.store.reading() as snapshot:
        assert [(start, end) for _, start, end, _ in snapshot.disputed([chunk.id], ["everyone"])] == [(0, len(chunk.text))]
