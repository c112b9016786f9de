"""XLSX: rewrite the texts and formulas of which calamine would read something else than a person sees.

In a text of several runs, struck-out runs go and raised digits no longer join those before them. A formula that was
saved without a value becomes its own text, such as "=A1*2".
"""

from __future__ import annotations

import re

from lxml import etree  # type: ignore[import-untyped]
from lxml.etree import _Element as Element  # type: ignore[import-untyped]

from ingest.parsers import markup, scripts
from ingest.parsers.scripts import Script
from ragbot.errors import BrokenError

_RUNS = re.compile(rb"<(?:\w+:)?(?:strike|vertAlign)\b")
_LOST = re.compile(rb"</(?:\w+:)?f>\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</|</)|<(?:\w+:)?f\b[^<>]*/>\s*(?:<(?:\w+:)?v\s*/>|</)")
_SCRIPTS: dict[str, Script] = {"superscript": "raised", "subscript": "lowered"}
_OFF = frozenset({"0", "false"})
_MAX_FORMULA_CHARACTERS = 200
_NO_FORMULA = "= (not calculated)"


def repaired(data: bytes, name: str) -> bytes:
    """A part of a workbook, rewritten where that is needed; a damaged one as it is."""
    runs, lost = _RUNS.search(data), _LOST.search(data)
    if not runs and not lost:
        return data
    try:
        root = markup.parse(data, name)
    except BrokenError:
        return data
    for text in root.iter("{*}si", "{*}is") if runs else ():
        _join_runs(text)
    for cell in root.iter("{*}c") if lost else ():
        _keep_formula(cell)
    return bytes(etree.tostring(root, encoding="utf-8"))


def _join_runs(text: Element) -> None:
    """Write the runs of a text so that the texts joined are what a person sees."""
    runs = [(run, run.find("{*}t")) for run in text.iterfind("{*}r")]
    whole = ""
    for run, part in runs:
        if part is None:
            continue
        strike, align = run.find("{*}rPr/{*}strike"), run.find("{*}rPr/{*}vertAlign")
        script = "" if align is None else _SCRIPTS.get(align.get("val") or "", "")
        if strike is not None and strike.get("val") not in _OFF:
            part.text = ""
        elif script:
            before = whole[-100:]
            part.text = scripts.joined([("", before), (script, part.text or "")])[len(before) :]
        whole = whole[-100:] + (part.text or "")


def _keep_formula(cell: Element) -> None:
    formula, value = cell.find("{*}f"), cell.find("{*}v")
    saved = cell.get("t") == "str" and value is not None  # the value may be a text of no characters
    if formula is None or saved or value is not None and (value.text or "").strip():
        return
    if value is None:
        value = etree.SubElement(cell, formula.tag[:-1] + "v")
    cell.set("t", "str")
    value.text = f"={formula.text[:_MAX_FORMULA_CHARACTERS]}" if (formula.text or "").strip() else _NO_FORMULA
