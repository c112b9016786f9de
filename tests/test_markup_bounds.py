"""Pages and XML that go on without end, in depth, in width or in one element, are read in time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ingest.parsers import read

MANY = 20_000


def text_in_time(folder: Path, name: str, data: str) -> str:
    path = folder / name
    path.write_text(data, encoding="utf-8")
    begun = time.monotonic()
    text = read(path, name).text
    assert time.monotonic() - begun < 40
    return text


SLOW = [pytest.param(opening, marks=pytest.mark.nightly) for opening in ("<div class=menu>", "<ul><li>", "<header><h1>")]


@pytest.mark.parametrize("opening", ["<table><tr><td>", "<aside>", "<a href=tel:123>", *SLOW])
def test_elements_nested_without_end_are_read_in_time(tmp_path: Path, opening: str) -> None:
    many = MANY if opening == "<a href=tel:123>" else MANY // 2
    text = text_in_time(tmp_path, "a.html", f"<html><body><main>{f'{opening}word ' * many}")
    assert text.count("word") == many


def test_deep_text_keeps_its_paragraphs(tmp_path: Path) -> None:
    deep = "<font>" * 1_000 + "<div>One <b>lab</b>.</div>Two labs.<p>Three.</p><script>no</script>"
    assert text_in_time(tmp_path, "a.html", f"<html><body>{deep}") == "One lab.\n\nTwo labs.\n\nThree."


@pytest.mark.parametrize(
    "row",
    ["<p>word</p><nav>no</nav>", "<p>word</p><header><h1>y</h1></header>", "<p>word</p><p hidden>no</p>", "<p>word<s>no</s></p>"],
)
def test_long_rows_of_what_is_not_read_are_passed_over_in_time(tmp_path: Path, row: str) -> None:
    assert text_in_time(tmp_path, "a.html", f"<html><body>{row * MANY}").count("word") == MANY


def test_cells_within_cells_without_end_are_read_once(tmp_path: Path) -> None:
    text = text_in_time(tmp_path, "a.html", f"<html><body><main><table><tr>{'<td><div>word ' * MANY}</table>")
    assert text.count("word") == MANY


def test_breaks_in_code_are_read_in_time(tmp_path: Path) -> None:
    assert text_in_time(tmp_path, "a.html", f"<html><body><pre>{'x<br>' * MANY}").count("x\n") == MANY


def test_attributes_without_end_are_read_in_time(tmp_path: Path) -> None:
    attributes = " ".join(f'k{number}="v"' for number in range(200_000))
    assert text_in_time(tmp_path, "a.html", f"<html><body><p {attributes}>word</p>") == "word"
    text = text_in_time(tmp_path, "a.xml", f"<r><a {attributes}>word</a><b>four</b></r>")
    assert "k199: v" in text and "k200: v" not in text and text.endswith("b: four")
    assert "and 199,800 more attributes" in text


def test_attributes_without_end_of_many_elements_are_all_read(tmp_path: Path) -> None:
    elements = "".join(f'<e k="{number}" b="x"/>' for number in range(MANY))
    assert "k: 19999" in text_in_time(tmp_path, "a.xml", f"<r>{elements}</r>")
