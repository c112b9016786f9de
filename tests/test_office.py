"""Office files beyond their plain text: raised, struck-out and hidden text, automatic numbers, formats of cells."""

from __future__ import annotations

import pytest

from ingest.parsers.scripts import raised, subscript, superscript


@pytest.mark.parametrize(
    ("before", "text", "whole"),
    [
        ("10", "4", "10⁴"),
        ("2", "10", "2¹⁰"),
        ("1.5 × 10", "−3", "1.5 × 10⁻³"),
        ("12 m", "2", "12 m²"),
        ("300 km", "2 ", "300 km² "),
        ("e", "x", "e^x"),
        ("2", "a+b", "2^(a+b)"),
        ("(a + b)", "2", "(a + b)²"),
        ("Ca", "2+", "Ca²⁺"),
        ("in 1963", "2", "in 1963[^2]"),
        ("1,200", "a", "1,200[^a]"),
        ("12.50", "1", "12.50[^1]"),
        ("guests", "1, 2", "guests[^1, 2]"),
        ("the end.", "7", "the end.[^7]"),
        ("the 1", "st", "the 1st"),
        ("le 3", "e", "le 3e"),
        ("Rust", "[1]", "Rust[1]"),
        ("Acme", "®", "Acme®"),
        ("", "14", "¹⁴"),
        ("12", "see below", "12 see below"),
    ],
)
def test_raised_digits_do_not_join_those_before_them(before: str, text: str, whole: str) -> None:
    assert before + raised(text, before) == whole


def test_indexes_and_exponents_are_written_in_unicode_where_it_has_the_characters() -> None:
    assert (superscript("4"), superscript("x"), superscript("a/b")) == ("⁴", "^x", "^(a/b)")
    assert (subscript("2"), subscript("max")) == ("₂", "max")
