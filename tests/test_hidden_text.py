"""What nobody sees of a page is not read, and what anybody can see is."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import samples

from ingest.parsers import read
from ragbot.types import Document

SHEET = """<style>.gone{display:none} #clear{opacity:0} div .far.away{visibility:hidden} [lang=e]{color:#fff}
@media print{.paper{display:none}} @media (max-width:600px){.paper{display:none}} 
@media screen and (min-width:300px){.wide{opacity:0}}
@media (prefers-color-scheme: dark){.paper{color:#fff}} .no-js .script{display:none} @keyframes show{to{opacity:1}}
.over{display:none} div .over{display:block} .last{display:none} .last{display:block} .strong{display:none}
.strong{display:block!important} .dark{background:#222} .md\\:none{display:none} :root{--none:none}</style>
<style media=print>p{display:none}</style><noscript><style>p{display:none}</style></noscript>"""


def get(folder: Path, name: str, data: bytes | str) -> Document:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return read(path, name)


def page(attributes: str, head: str = SHEET) -> str:
    seen = "<p>There are four lamps.</p>"
    return f"<html class=no-js><head>{head}</head><body><main>{seen}<div><p {attributes}>ninety</p></div></main></body></html>"


@pytest.mark.parametrize(
    "attributes",
    [
        *("hidden", "hidden=until-found", "class=gone", "id=clear", "class='away far'", "lang=e", "class=wide", "class=md:none"),
        "bgcolor=white style='color:#fff'",
        *(
            f"style='{style}'"
            for style in (
                *("font-size:0", "font-size: 1px", "font:0/0 a", "opacity:0", "opacity: 0%", "filter:opacity(0)"),
                *("visibility:hidden", "visibility:collapse", "display:/**/none", "DISPLAY:NONE!important"),
                *("d\\69splay:n\\6fne", "--x:none;display:var(--x)", "display:var(--none)", "content-visibility:hidden"),
                *("position:absolute;left:-9999px", "position:absolute;top:-9999px", "position:fixed;right:-9999px"),
                *("text-indent:-9999px", "margin-left:-9999px", "transform:translateX(-9999px)", "transform:scale(0)"),
                *("position:absolute;clip:rect(0 0 0 0)", "position:absolute;clip:rect(0,0,0,0)", "clip-path:inset(50%)"),
                *("clip-path:circle(0)", "clip-path:polygon(0 0, 0 0, 0 0)", "height:0;overflow:hidden"),
                *("width:0;overflow:hidden", "max-height:0px;overflow-y:hidden", "inset:-9999px auto auto;position:absolute"),
                *("color:white", "color:#FFF", "color:rgb(255,255,255)", "color:rgb(255 255 255 / 1)", "color:hsl(0,0%,100%)"),
                *("color:rgba(0,0,0,0)", "color:transparent", "color:#fefefe", "background:#000;color:black"),
                *("background-color:navy;color:#000080", "color:rgba(255,255,255,.9)", "-webkit-text-fill-color:#fff"),
            )
        ),
    ],
)
def test_what_a_page_hides_is_not_read_and_its_amount_is_noted(tmp_path: Path, attributes: str) -> None:
    found = get(tmp_path, "a.html", page(attributes))
    assert (found.text, found.metadata.get("hidden_characters")) == ("There are four lamps.", "6")


@pytest.mark.parametrize(
    "attributes",
    [
        *("class=paper", "class=script", "class=over", "class=last", "class=strong", "hidden style='display:block'"),
        "class=dark style='color:#fff'",
        *(
            f"style='{style}'"
            for style in (
                *("color:#fff;background:#000", "color:#fff;background:url(x.png)", "color:#fff;text-shadow:1px 1px #000"),
                *("font-size:8px", "font-size:6pt;color:#999", "color:#333", "color:#ddd", "opacity:.6", "left:-9999px"),
                *("clip:rect(0,0,0,0)", "padding-bottom:56%;height:0;overflow:hidden", "animation:show 1s;opacity:0"),
                *("left:50%;position:absolute;transform:translate(-50%,-50%)", "height:0", "color:var(--unknown)"),
                *("background:linear-gradient(red,blue);-webkit-background-clip:text;color:transparent", "text-indent:-2em"),
                *("display:none;display:block", "color:nonsense", "color:#fff;background:var(--unknown)", "width:calc(0px)"),
            )
        ),
    ],
)
def test_what_can_be_seen_is_read(tmp_path: Path, attributes: str) -> None:
    found = get(tmp_path, "a.html", page(attributes))
    assert found.text.split() == ["There", "are", "four", "lamps.", "ninety"]
    assert "hidden_characters" not in found.metadata


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<details><summary>When?</summary>On Monday.</details>", "When?\n\nOn Monday."),
        ("<a role=tab aria-controls=t>When?</a><div id=t role=tabpanel hidden>On Monday.</div>", "When?\n\nOn Monday."),
        ("<p>yes<p id=t hidden>no</p><i aria-controls=t></i>", "yes"),
        ("<div style='visibility:hidden'>no <b style='visibility:visible'>yes</b></div>", "yes"),
        ("<div style='font-size:0'>no<b style='font-size:16px'>yes</b></div>", "yes"),
        ("<div style='color:#fff'>no<a href=x>yes</a> <mark>and</mark></div>", "yes and"),
        ("<div style='background:#111;color:#eee'><p>yes<p style='color:#111'>no</div>", "yes"),
        ("<div><img src=a><p style='position:absolute;color:#fff'>On the picture</p></div>", "On the picture"),
        (
            "<table bgcolor=black><tr><td><font color=white>yes</font><td><font color='000000'>no</font><td>x</table>",
            "yes",
        ),
        ("<font color=white>no</font><p>yes", "yes"),
        ("<dialog>no</dialog><dialog open>yes</dialog>", "yes"),
        ("<p>yes<template>no</template><!-- no --><noscript>no</noscript>", "yes"),
    ],
)
def test_text_in_text_is_judged_by_its_own_look(tmp_path: Path, body: str, text: str) -> None:
    assert get(tmp_path, "a.html", f"<html><body><main>{body}</main></body></html>").text == text


@pytest.mark.parametrize(
    "rules",
    [
        ".nest{ & p{display:none} }",
        ".nest{ color:red; p{display:none} }",
        "b,.nest{ i,> p{display:none} }",
        "p{ .nest &{display:none} }",
        ".nest{ @media screen{ p{ &.gone{display:none} } } }",
        "p{ @supports (display:grid){display:none} }",
    ],
)
def test_nested_rules_of_a_style_sheet_hide_too(tmp_path: Path, rules: str) -> None:
    shown = f".nest{{ &:not(div) p{{display:none}} b{{display:none}} @media print{{ p{{display:none}} }} }} {rules}"
    body = "<main>There are four lamps.<div class=nest><p class=gone>ninety</p></div></main>"
    assert get(tmp_path, "a.html", f"<html><head><style>{shown}</style></head><body>{body}").text == "There are four lamps."
    assert "ninety" in get(tmp_path, "a.html", f"<html><head><style>{shown[: -len(rules)]}</style></head><body>{body}").text


def test_a_page_that_is_hidden_until_its_script_has_run_is_read(tmp_path: Path) -> None:
    assert get(tmp_path, "a.html", "<html style='opacity:0'><body style='visibility:hidden'><p>Words").text == "Words"


def test_colours_are_not_compared_with_those_of_a_style_sheet_elsewhere(tmp_path: Path) -> None:
    linked = "<link rel=stylesheet href=a.css>"
    assert "ninety" in get(tmp_path, "a.html", page("style='color:#fff'", linked)).text
    assert "ninety" not in get(tmp_path, "b.html", page("style='color:#fff;background:#fff'", linked)).text
    for head in ("<meta name=color-scheme content='light dark'>", "<style>@import url(a.css);</style>"):
        assert "ninety" in get(tmp_path, "c.html", page("style='color:#fff'", head)).text


def test_the_main_part_of_a_page_is_found_by_what_can_be_seen(tmp_path: Path) -> None:
    words = "kiln is fired on a day of its own and cools for two nights."
    seen = "".join(f"<p>The a{number} {words}</p>" for number in range(6))
    unseen = "".join(f"<p>The b{number} {words}</p>" for number in range(60))
    text = get(tmp_path, "a.html", f"<html><body><div>{seen}</div><div style='opacity:0'>{unseen}</div></body></html>").text
    assert "The a5" in text and "The b" not in text


def test_hidden_text_of_a_book_is_not_read_and_its_style_sheets_are(tmp_path: Path) -> None:
    chapter = "<html><body><h1>Two</h1><p>The end.</p><p style='display:none'>ninety</p></body></html>"
    found = get(tmp_path, "a.epub", samples.book({"OPS/two.xhtml": chapter}))
    assert "ninety" not in found.text and found.metadata["hidden_characters"] == "6"
    style = {"OPS/css/all.css": "p+p{display:none}"}
    linked = chapter.replace(" style='display:none'", "").replace("<body>", "<link rel=stylesheet href=css/all.css><body>")
    assert get(tmp_path, "b.epub", samples.book({"OPS/two.xhtml": linked, **style})).text.endswith("The end.")
    assert get(tmp_path, "c.epub", samples.book({"OPS/two.xhtml": linked})).text.endswith("ninety")


@pytest.mark.parametrize(
    "rules",
    [
        "".join(f".a span{{color:#{number:06x}}}" for number in range(20_000)),
        ".a{color:red}" * 20_000,
        pytest.param("".join(f"p:nth-child({n + 3}n+1){{display:none}}" for n in range(20_000)), marks=pytest.mark.nightly),
        "@media screen{" * 20_000 + "p{color:red}",
        "p{color:" + "(" * 50_000,
        ".a{" * 20_000 + "color:red",
        ",".join(f".a{n}" for n in range(200)) + "{" + "&,&{color:red}" * 20_000 + "}",
        ":root{" + "".join(f"--a{n}:var(--a{n + 1}) var(--a{n + 1});" for n in range(900)) + "}p{color:var(--a0)}",
    ],
    ids=["descendants", "same", "counted", "conditions", "brackets", "nested", "nested wide", "variables"],
)
def test_style_sheets_without_end_take_no_long_time(tmp_path: Path, rules: str) -> None:
    begun = time.monotonic()
    body = "<p class='a b'><span>words</span></p>" * 5_000
    get(tmp_path, "a.html", f"<html><style>{rules}</style><body>{body}</body></html>")
    assert time.monotonic() - begun < 40


# Markdown


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("One <!-- no\nno --> two\nthree", "One \n two\nthree"),
        ("One <!-- yes\n\n<b>yes</b>", None),
        ("`<!-- yes -->` and ``a ` <!-- yes -->``\n\n    <!-- yes -->\n", None),
        ("```html\n<p hidden>yes</p> ~~yes~~ <!-- yes -->\n```\n", None),
        ("---\ntitle: a <!-- yes -->\n---\nOne", None),
        ('[//]: # (no)\n\n[//]: # "no"\n[a]: <> (no)\n\nOne', "\n\n\n\n\nOne"),
        ('See [the plan].\n\n[The  Plan]: http://x.org "Yes"\n[10:30]: Meeting\n\n[^1]: A note (yes)\n', None),
        ('<div style="display:none">\n\nno **no**\n\n- no\n\n</div>\n\nfour', "\n\n\n\n\n\n\n\nfour"),
        ("One <span hidden>no</span> two <font color=white>no</font>", "One  two "),
        ("<style>.x{display:none}</style>\n<p class=x>no</p>\n<p>yes</p>", "\n\n<p>yes</p>"),
        ("<details><summary>When?</summary>\n\nyes\n\n</details>\n", None),
        ("It costs ~~12~~ <s>13</s> <del>14</del>20 euros, ~ 5 ~~ 6", "It costs   20 euros, ~ 5 ~~ 6"),
        ("~~~\n~~yes~~\n~~~\n\na \\~~b~~", None),
        ("Vec<S> is List<object>, <name> and <b>bold</b> <img src=a style='width:9px'>", None),
        ("One <img src=a alt=no hidden>", "One "),
        ("[go](javascript:evil(1)) ![p](data:image/png;base64,AAAA) [x](&#106;avascript:evil()) yes", "[go]() ![p]() [x]() yes"),
        ("<javascript:evil()>\n\n[a]: vbscript:evil\n\nyes", "<>\n\n[a]: \n\nyes"),
        ("<script>\nevil()\n</script>\n<svg onload=evil()>evil</svg><iframe src=evil></iframe>yes", "\n\n\nyes"),
        ("<img src=x onerror=evil()><a href='javascript:evil()'>yes</a><form action=evil>yes</form>", "yesyes"),
        ("[call](tel:+4930123) [mail](mailto:a@b.c)", None),
    ],
)
def test_markdown_without_what_its_reader_is_not_shown_keeps_its_lines(tmp_path: Path, text: str, seen: str | None) -> None:
    found = get(tmp_path, "a.md", f"{text}\n\nend")
    assert (found.text, found.lines) == (f"{text if seen is None else seen}\n\nend", True)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("The vat holds 10<sup>4</sup> litres, **10**<sup>5</sup>, H<sub>2</sub>O", "The vat holds 10⁴ litres, **10**⁵, H₂O"),
        ("In 1963<sup><a href='#n2'>2</a></sup> it burnt.", "In 1963[^2] it burnt."),
        ("5<sup>1</sup>/<sub>2</sub> hours, x<sup hidden>2</sup>, `10<sup>4</sup>`", "5 1/2 hours, x, `10<sup>4</sup>`"),
        ("the 1<sup>\nst</sup> of May, a<sup>", "the 1\nst of May, a<sup>"),
        (
            "<table><tr><th>Vat</th><th>Litres</th></tr><tr><td>Red</td><td>70</td></tr><tr><td>Old</td><td>35</td></tr></table>",
            "Vat | Litres. Vat: Red; Litres: 70. Vat: Old; Litres: 35",
        ),
        (
            "<table>\n<tr>\n<th>Vat</th>\n<th>Use</th>\n</tr>\n<tr><td rowspan=2>Red<td>wine\n<tr><td>must</td></tr>\n</table>",
            "\nVat | Use\n\n\n\nVat: Red; Use: wine\nVat: Red; Use: must\n",
        ),
        (
            "See<table>\n<caption>Vats</caption>\n<tr><td>Red<td>10<sup>4</sup><td hidden>no</tr>\n<tr><td>Old</tr></table>",
            "See Vats\n\nRed | 10⁴\nOld",
        ),
        ("<table><tr><th>Vat</th><td>Red</td></tr>\n<tr><th>Use</th><td>wine</td></tr></table>", "Vat | Red\nUse | wine"),
        ("<table><tr><td>\n\n    a\n\n</td><td>b</td></tr></table>", "<table><tr><td>\n\n    a\n\n</td> | b</td></tr></table>"),
        (
            "<table><tr><td><table></table>a</td> <td>b</td></tr></table>",
            "<table><tr><td><table></table>a</td>  | b</td></tr></table>",
        ),
        ("<table hidden><tr><td>no</td><td>no</td></tr></table>", ""),
        ("```html\n<table><tr><td>a</td><td>b</td></tr></table>\n```", None),
    ],
)
def test_markdown_with_raised_digits_and_tables_as_html_is_written_in_characters(
    tmp_path: Path, text: str, seen: str | None
) -> None:
    found = get(tmp_path, "a.md", f"{text}\n\nend")
    assert (found.text, found.lines) == (f"{text if seen is None else seen}\n\nend", True)


def test_hidden_markdown_is_counted(tmp_path: Path) -> None:
    found = get(tmp_path, "a.md", "<div style='display:none'>\n\nni ne\n\n</div>\n\n<s>struck</s> four <!-- comment -->")
    assert found.metadata["hidden_characters"] == "4"


@pytest.mark.parametrize(
    "text",
    ["<!-- " * 200_000, "`" * 3 + "a`" * 200_000, "~~a " * 200_000, "<a '" * 200_000, "<div hidden>x" * 20_000, "[a](" * 200_000]
    + ["".join(f"[a{n}]: # (x)\n" for n in range(50_000)), "<s>" * 20_000 + "x" + "</s>" * 20_000, "<a b='" * 100_000]
    + ["<table>" * 20_000 + "</table>" * 20_000, "<table><tr><td>a<td>b</table>" * 10_000, "1<sup>2</sup>" * 50_000]
    + ["<sup>" * 20_000 + "1" + "</sup>" * 20_000, f"<table><tr>{'<td><div>a' * 20_000}</table>"],
)
def test_markdown_without_end_is_read_in_time(tmp_path: Path, text: str) -> None:
    begun = time.monotonic()
    get(tmp_path, "a.md", f"words\n\n{text}\n\nend")
    assert time.monotonic() - begun < 40
