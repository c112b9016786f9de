"""Take out of a text what a page or a chat template would load, run or obey. The words that a person reads stay."""

from __future__ import annotations

import html
import re

import nh3

_ELEMENTS = (
    "a abbr address applet area article aside audio b base bdi bdo blockquote body br button canvas caption center cite code col"
    " colgroup data datalist dd del details dfn dialog dir div dl dt em embed fieldset figcaption figure font footer form frame"
    " frameset h1 h2 h3 h4 h5 h6 head header hr html i iframe img input ins kbd label legend li link main map mark marquee math"
    " menu meta meter nav noscript object ol optgroup option output p param picture pre progress q rp rt ruby s samp script"
    " search section select slot small source span strike strong style sub summary sup svg table tbody td template textarea"
    " tfoot th thead time title tr track tt u ul var video wbr"
)
_LONG = "|".join(name for name in _ELEMENTS.split() if len(name) > 1)
_SHORT = "".join(name for name in _ELEMENTS.split() if len(name) == 1)
_BEGINS = rf"/?(?:{_LONG})(?:[\s/>]|$)|/?[{_SHORT}](?:\s+[\w-]+\s*=|\s*/?>)|!--|!doctype|\?"
_TAG, _OTHER = re.compile(f"<(?={_BEGINS})", re.IGNORECASE), re.compile(f"<(?!{_BEGINS})", re.IGNORECASE)
"""Where an HTML element begins; other text in angle brackets (List<String>, <name>, p<q and b>s) is none."""
_SILENT = {"script", "style", "iframe", "object", "svg", "template", "math", "noscript", "applet", "frameset"}
"""Elements whose content is no text."""
_NAMED_ONLY = re.compile(r"`+(?:\s*</?\w+>|\s*<!--\s*-->|[^`<]+)*\s*`+")
"""Code that names an element and gives it neither attributes nor content."""
_CODE = re.compile(r"(`+[^`\n]+`+)")
_LINK = re.compile(r"(!?)\[([^\[\]]*)\](?:\(\s*((?:[^()\s]|\([^()\s]*\))*)[^()]*\)|\[[^\[\]]*\])")
"""A link or an image of Markdown, inline or by reference."""
_SAFE_TARGET = re.compile(r"(?:https?:|mailto:|tel:|#|/|\.|[^:]*$)", re.IGNORECASE)
_SCRIPT = re.compile(
    r"<?(?:\bj[\t\n]*a[\t\n]*v[\t\n]*a|\bvb)[\t\n]*s[\t\n]*c[\t\n]*r[\t\n]*i[\t\n]*p[\t\n]*t[\t\n]*:\S*", re.IGNORECASE
)
_DATA = re.compile(r"<?\bdata:(?:text|image|application)/\S*", re.IGNORECASE)
_TEMPLATE_MARKER = re.compile(r"<(?=\s*/?\s*\|)|(?<=\|)>|\[(?=/?INST\])|<(?=<\s*/?SYS)")
"""The first or last character of a chat template's markers."""
_UNTIL = 10
"""Taking one out may join the halves of another: so often it is looked again."""


def strip_active(text: str) -> str:
    """Take out HTML elements, images, links that run something, and markers of chat templates."""
    if "<" not in text and "](" not in text and "][" not in text and ":" not in text and "[" not in text:
        return text
    for _ in range(_UNTIL):
        before = text
        text = _LINK.sub(_link, _without_elements(text))
        text = _DATA.sub("", _SCRIPT.sub("", text))
        if text == before:
            break
    return _TEMPLATE_MARKER.sub(" ", text)


def _link(found: re.Match[str]) -> str:
    image, words, target = found[1], found[2], found[3]
    if image or target is None:
        return words if image else found[0]
    plain = re.sub(r"[\x00-\x20]", "", html.unescape(target))
    return found[0] if _SAFE_TARGET.match(plain) else words


def _without_elements(text: str) -> str:
    if not _TAG.search(text):
        return text
    pieces = _CODE.split(text)
    return "".join(piece if _NAMED_ONLY.fullmatch(piece) else _cleaned(piece) for piece in pieces)


def _cleaned(text: str) -> str:
    if not _TAG.search(text):
        return text
    escaped = _OTHER.sub("&lt;", text.replace("&", "&amp;"))
    return html.unescape(nh3.clean(escaped, tags=set(), attributes={}, clean_content_tags=_SILENT))
