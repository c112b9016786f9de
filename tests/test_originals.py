"""The files that documents were read from: kept, replaced with them, and erased with them to the last byte."""

from fpdf import FPDF

from ingest import pipeline
from ragbot import Document


def pdf(path, *pages):
    made = FPDF()
    made.set_font("helvetica", size=14)
    for text in pages:
        made.add_page()
        made.multi_cell(0, 10, text)
    made.output(str(path))
    return path.read_bytes()


def original(memory, uri):
    with memory.store.reading() as snapshot:
        return snapshot.original("everyone", uri)


def test_a_file_is_kept_replaced_and_erased_with_its_document(memory, tmp_path):
    first = pdf(tmp_path / "kiln.pdf", "The kiln is fired on Fridays.")
    (uri,) = [one.uri for one in pipeline.add(memory, [tmp_path / "kiln.pdf"])]
    kept = original(memory, uri)
    assert (kept.content_type, kept.data) == ("application/pdf", first)
    second = pdf(tmp_path / "kiln.pdf", "The kiln is fired on Mondays.")
    pipeline.add(memory, [tmp_path / "kiln.pdf"])
    assert original(memory, uri).data == second
    memory.retire(uri)
    assert original(memory, uri) is None
    assert memory.forget(uri).cleared
    homes = [file.read_bytes() for file in memory.home.rglob("*") if file.is_file()]
    for data in (first, second):
        middle = data[len(data) // 2 :][:40]
        assert not any(middle in home for home in homes)


def test_a_file_whose_text_is_shown_is_not_kept(memory, tmp_path, monkeypatch):
    (tmp_path / "hours.md").write_text("The lab opens at 9:30.")
    pdf(tmp_path / "big.pdf", "The kiln is fired on Fridays.")
    monkeypatch.setattr("ingest.originals.MAX_BYTES", 100)
    uris = [one.uri for one in pipeline.add(memory, [tmp_path / "hours.md", tmp_path / "big.pdf"])]
    memory.remember(Document("told.md", "The press is blue."))
    assert [original(memory, uri) for uri in (*uris, "told.md")] == [None, None, None]
