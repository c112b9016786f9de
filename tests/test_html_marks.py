"""What the marks within a page mean: raised digits, struck words, numbered items, links to people, and what could run."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.parsers import read


def text_of(folder: Path, body: str, head: str = "") -> str:
    path = folder / "a.html"
    path.write_text(f"<html><head>{head}</head><body><main>{body}</main></body></html>", encoding="utf-8")
    return read(path, "a.html").text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("10<sup>4</sup> m<sup>2</sup>", "10⁴ m²"),
        ("the 1<sup>st</sup> of May", "the 1st of May"),
        ("In 1963<sup><a href=#n2>2</a></sup> it burnt.", "In 1963[^2] it burnt."),
        ("H<sub>2</sub>O and x<sub>max</sub>", "H₂O and xmax"),
        (
            "5<sup>1</sup>/<sub>2</sub> hours, 1<sup>3</sup>&frasl;<sub>4</sub> and <sup>2</sup>/<sub>3</sub>",
            "5 1/2 hours, 1 3⁄4 and 2/3",
        ),
        ("1<sup>1</sup>/2 cups, E=mc<sup>2</sup>, 3 m<sup>2</sup>/s", "1 1/2 cups, E=mc², 3 m²/s"),
        ("so<sup> </sup>it is<sub></sub>", "so it is"),
        ("<math><msup><mn>10</mn><mn>4</mn></msup></math>", "10⁴"),
        ("<math><msubsup><mi>x</mi><mn>1</mn><mn>2</mn></msubsup> <mfrac><mn>1</mn><mn>2</mn></mfrac></math>", "x₁² 1/2"),
        ("<table><caption>Per m<sup>2</sup></caption><tr><td>10<sup>6</sup><td>b</table>", "Per m²\n\n10⁶ | b"),
    ],
)
def test_raised_and_lowered_digits_do_not_join_those_before_them(tmp_path: Path, body: str, text: str) -> None:
    assert text_of(tmp_path, body) == text


@pytest.mark.parametrize(
    "markup",
    [
        "<!doctype html><title>Quarry</title><main><p>The quarry opens at 5:50.</p></main>",
        "<title>Quarry</title><style>p{color:red}</style>\n<article>The quarry opens at 5:50.</article>",
        "<head><title>Quarry</title><meta charset=utf-8><my-card>The quarry opens at 5:50.</my-card></head><body></body>",
        "<title>Quarry</title><section>The quarry</section> <section hidden>no</section> opens at 5:50.",
    ],
)
def test_a_page_without_tags_of_head_and_body_is_read_whole(tmp_path: Path, markup: str) -> None:
    path = tmp_path / "a.html"
    path.write_text(markup, encoding="utf-8")
    found = read(path, "a.html")
    assert (found.title, " ".join(found.text.split())) == ("Quarry", "The quarry opens at 5:50.")


@pytest.mark.parametrize(
    "struck",
    [
        *("<s>12</s>", "<strike>12</strike>", "<del>12</del>", "<del><b>12</b></del>", "<i class=old>12</i>"),
        *(
            "<span style='text-decoration: line-through red'>12</span>",
            "<span style='text-decoration-line:line-through'>12</span>",
        ),
    ],
)
def test_what_is_struck_out_is_not_read(tmp_path: Path, struck: str) -> None:
    sheet = "<style>.old{text-decoration:line-through}</style>"
    assert text_of(tmp_path, f"It costs {struck} <ins>20</ins> euros.", sheet) == "It costs 20 euros."


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<ol><li>Hosts<li>Rooms<li>Guests</ol>", "- 1. Hosts\n- 2. Rooms\n- 3. Guests"),
        ("<ol start=3><li>Guests<li value=7>Pets<li>Fees</ol>", "- 3. Guests\n- 7. Pets\n- 8. Fees"),
        ("<ol type=a start=26><li>x<li>y</ol>", "- z. x\n- aa. y"),
        ("<ol type=I start=9><li>x<li>y</ol>", "- IX. x\n- X. y"),
        ("<ol reversed><li>x<li>y</ol>", "- 2. x\n- 1. y"),
        ("<ol start=-1><li>x<li type=A>y<li type=A>z</ol>", "- -1. x\n- 0. y\n- A. z"),
        ("<ol><li><p>x</p><p>more</p><ol type=i><li>in</ol><li>y</ol>", "- 1. x\n\nmore\n\n  - i. in\n- 2. y"),
        ("<ol class=plain><li>x</ol><ol style='list-style:lower-roman'><li>y</ol>", "- x\n- i. y"),
        ("<ul><li value=4>x</ul><li>y", "- x\n- y"),
        ("<ol start=none><li value=99999999999999>x</ol>", "- 999999999. x"),
    ],
)
def test_items_keep_their_numbers(tmp_path: Path, body: str, text: str) -> None:
    assert text_of(tmp_path, body, "<style>.plain{list-style-type:none}</style>") == text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<a href='tel:+49-30-123'>Call us</a>.", "Call us (+49-30-123)."),
        ("<a href='TEL:+4930123'>(030) 123</a>", "(030) 123 (+4930123)"),
        ("<a href='tel:030123'>030 123</a>", "030 123"),
        ("<a href='mailto:Ana%40x.org?subject=Hi'>Ana</a>", "Ana (Ana@x.org)"),
        ("<a href='mailto:ana@x.org'>Ana@x.org</a>", "Ana@x.org"),
        ("<p><a href='mailto:ana@x.org'><img src=a></a></p>", "ana@x.org"),
        ("<a href='tel:<b>ninety</b>'>Call</a> <a href='mailto:no address'>us</a>", "Call us"),
    ],
)
def test_numbers_and_addresses_behind_links_are_written_out(tmp_path: Path, body: str, text: str) -> None:
    assert text_of(tmp_path, body) == text


def test_nothing_that_could_run_is_read(tmp_path: Path) -> None:
    body = """<p onclick="evil()">Words <a href="javascript:evil()">and</a> <a href="data:text/html,evil">links</a></p>
    <script>evil()</script><svg onload="evil()"><text>evil</text></svg><iframe src="javascript:evil()">evil</iframe>
    <img src=x onerror="evil()"><object data="evil">evil</object><form action="javascript:evil()"><input value=evil></form>"""
    assert text_of(tmp_path, body) == "Words and links"
