"""Decode bytes to text: detect the encoding and remove control characters.

Characters are kept as they are (no Unicode normalisation). This module knows no file format.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Sequence

from ragbot.text.characters import ESCAPES, TURNED

_MARKS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# The encodings still found in files; without this list the detector sometimes picks a rare code page.
_CODE_PAGES = (
    *("gb18030", "big5hkscs", "cp932", "euc_jis_2004", "cp949"),
    *("cp1252", "cp1251", "cp1250", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp874"),
    *("koi8_r", "koi8_u", "cp866", "cp850", "cp852", "mac_roman"),
)
_ISO = ("iso8859_2", "iso8859_5")
# Web pages declare the smaller character set and use the larger one (WHATWG Encoding Standard).
LARGER = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
}
_WIDE = ("utf-16", "utf-32")
_LATIN = ("cp1252", "cp1250", "cp1254", "cp1257", "cp850", "cp852", "mac_roman")
_OTHER_ALPHABET = re.compile("[\u0370-\u06ff\u0e00-\u0e7f]")  # Greek, Cyrillic, Hebrew, Arabic, Thai
_TWO_ALPHABETS = re.compile("(?<=[A-Za-z])[\u0370-\u06ff\u0e00-\u0e7f]|[\u0370-\u06ff\u0e00-\u0e7f](?=[A-Za-z])")

_LINE_ENDS = re.compile("\r\n?")
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f]+")
_ODD_CONTROLS = re.compile("[\x00-\x08\x0b\x0e-\x19\x1c-\x1f]")  # form feed, escape and end-of-file do occur in text
_HIGH_CONTROLS = re.compile(b"[\x80-\x9f]")
_SAMPLE_BYTES = 1 << 16


def clean(text: str) -> str:
    """Make every line end a newline, and remove what cannot be seen, without joining two words.

    That is the control characters, terminals' sequences of them, lone surrogates, tags, and the reversal of letters.
    """
    text = _LINE_ENDS.sub("\n", text)
    if "\x1b" in text or "\x9b" in text:
        text = ESCAPES.sub("", text)
    text = TURNED.sub(r"\1", _CONTROLS.sub(_replacement, text))
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # surrogates: the round trip joins pairs and drops the rest
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
    return text


def _replacement(controls: re.Match[str]) -> str:
    """A space for a form feed or similar between two words, else "". Never a newline: citations count lines."""
    start, end = controls.span()
    before, after = controls.string[start - 1 : start], controls.string[end : end + 1]
    return " " if before.strip() and after.strip() and any(map(str.isspace, controls[0])) else ""


def peek(head: bytes) -> str | None:
    """The first bytes of a file as text, good enough to detect its format; None if they are not text."""
    text = _by_mark(head)
    if text is not None:
        return text if _assigned(text) > 0.95 else None
    text = _decoded_start(head, "utf-8")
    if text is not None and _odd_control_share(text) < 0.05:
        return text
    codec = _wide(head)
    if codec:
        return _decoded_start(head, codec)
    text = head.decode("latin-1")
    return text if _odd_control_share(text) < 0.002 else None


def decode(data: bytes, declared: str = "") -> str:
    """Decode a file by its byte order mark, else as declared, else as UTF-8, else by the most likely encoding."""
    text = _by_mark(data)
    for meant in (*_declared_codecs(declared, data), "utf-8"):
        text = _strictly(data, meant) if text is None else text
    if text is None or "\0" in text:
        codec = _wide(data)
        text = data.decode(codec, "replace") if codec else text
    if text is None:
        text = _nearly_utf8(data)
    return clean(_guessed(data) if text is None else text)


def _by_mark(data: bytes) -> str | None:
    codec = _marked(data)
    if not codec and b"\x1b$" in data:  # the escape sequences of Japanese mail in ASCII bytes
        return _strictly(data, "iso2022_jp")
    return data.decode(codec, "replace") if codec else None


def _marked(data: bytes) -> str | None:
    return next((codec for mark, codec in _MARKS if data.startswith(mark)), None)


def _declared_codecs(declared: str, data: bytes) -> Sequence[str]:
    """The codecs that a declared encoding name may mean, the likeliest first."""
    try:
        name = codecs.lookup(declared.strip()).name
    except (LookupError, ValueError):
        return ()
    if name == "ascii":  # a default of many programs, often wrong; true ASCII is valid UTF-8
        return "utf-8", LARGER[name]
    if name.startswith(_WIDE) and 0 not in data:  # without zero bytes it is not a wide encoding (WHATWG HTML, 13.2.3.2)
        return ()
    return (LARGER.get(name, name),)


def _strictly(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except (UnicodeError, LookupError):  # LookupError: "hex" and its like are codecs, but not of text
        return None


def _decoded_start(head: bytes, codec: str) -> str | None:
    """Decode like `_strictly`, but allow an incomplete last character."""
    try:
        return codecs.getincrementaldecoder(codec)().decode(head)
    except UnicodeError:
        return None


def _odd_control_share(text: str) -> float:
    return len(_ODD_CONTROLS.findall(text)) / max(len(text), 1)


def _assigned(text: str) -> float:
    """The share (0 to 1) of characters that Unicode assigns and that are not controls."""
    good = sum(char in "\t\n\r\f" or unicodedata.category(char) not in {"Cc", "Cn", "Co"} for char in text)
    return good / max(len(text), 1)


def _wide(data: bytes) -> str | None:
    """The codec of UTF-32 or UTF-16 without a byte order mark, else None.

    The high bytes of one script take few values, so the half that varies less holds them.
    """
    head = data[:_SAMPLE_BYTES]
    if len(data) % 2 or 0 not in head:
        return None
    likely = "utf-16-le" if _variety(head[1::2]) < _variety(head[::2]) else "utf-16-be"
    for codec in [*["utf-32-le", "utf-32-be"] * (len(data) % 4 == 0), likely]:
        text = _decoded_start(head, codec)
        if text and _assigned(text) > 0.99:
            return codec
    return None


def _variety(half: bytes) -> tuple[int, int]:
    return len(set(half)), -half.count(0)


def _nearly_utf8(data: bytes) -> str | None:
    """Decode UTF-8 with a few damaged bytes; None if many fail, as they do in any other encoding."""
    text = data.decode("utf-8", "replace")
    foreign = sum(char > "\x7f" for char in text)
    return text if text.count("\ufffd") < 0.05 * foreign else None


def _guessed(data: bytes) -> str:
    return data.decode(_likely_codec(_non_ascii_lines(data)), "replace")


def _non_ascii_lines(data: bytes) -> bytes:
    """A sample of the lines that are not pure ASCII, wherever they stand: only these show the encoding."""
    sample = bytearray()
    for line in data.splitlines(keepends=True):
        if not line.isascii():
            sample += line
        if len(sample) > _SAMPLE_BYTES:
            break
    return bytes(sample)


def _likely_codec(sample: bytes) -> str:
    # Bytes 80 to 9F are control characters in ISO 8859, which no text holds, and letters in the code pages.
    found = _detected(sample, _CODE_PAGES if _HIGH_CONTROLS.search(sample) else (*_CODE_PAGES, *_ISO))
    text = sample.decode(found, "replace")
    other = len(_OTHER_ALPHABET.findall(text))
    # The detector errs on short texts; but no word is half Latin and half Cyrillic, as "clй" for "clé" would be.
    return _detected(sample, _LATIN) if other and 3 * len(_TWO_ALPHABETS.findall(text)) >= other else found


def _detected(sample: bytes, among: Sequence[str]) -> str:
    import chardet

    return chardet.detect(sample, include_encodings=among, compat_names=False)["encoding"] or "cp1252"
