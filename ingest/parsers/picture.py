"""A page of a PDF, or a picture, as a picture for a browser, with quoted words lit. It runs as a program of its own.

    python -m ingest.parsers.picture CONTENT_TYPE PAGE QUOTE < file > page.webp

It draws the page, or the next one, on which the words of the quote stand, and exits with 3 where they are on neither.
"""

from __future__ import annotations

import io
import resource
import subprocess
import sys
import unicodedata
from collections.abc import Sequence

MAX_BYTES_OF_MEMORY = 3 * 1024**3
TIMEOUT_S = 20.0
WIDTH_PIXELS = 1_100
MAX_PIXELS = 40_000_000
LIGHT = (255, 233, 120)
MIN_SURE = 24
"""So many letters of a quote's begin or end are enough to find it where something in between was read otherwise."""
NOT_THERE = 3

Box = tuple[float, float, float, float]
"""left, bottom, right, top, as PDF counts."""


def draw(data: bytes, content_type: str, page: int, quote: str) -> bytes | None:
    """A page (counted from 1) as a WebP picture, in a process that may die of it; None where nothing can be drawn."""
    command = [sys.executable, "-m", "ingest.parsers.picture", content_type, str(page), quote]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return None
    return done.stdout if done.returncode == 0 and done.stdout else None


def _letters(text: str) -> tuple[str, list[int]]:
    """The letters and digits of a text as they are compared, and where each stands."""
    letters, places = [], []
    for at, character in enumerate(text):
        for one in unicodedata.normalize("NFKC", character).casefold():
            if one.isalnum():
                letters.append(one)
                places.append(at)
    return "".join(letters), places


def found(quote: str, text: str) -> tuple[int, int] | None:
    """Where a quote stands in a page's text, whatever breaks its lines: first and last character."""
    wanted, (there, places) = _letters(quote)[0], _letters(text)
    if not wanted:
        return None
    begin = there.find(wanted)
    end = begin + len(wanted) - 1
    if begin < 0 and len(wanted) >= 2 * MIN_SURE:
        begin = there.find(wanted[:MIN_SURE])
        last = there.find(wanted[-MIN_SURE:], max(0, begin))
        end = last + MIN_SURE - 1
        if begin < 0 or last < 0 or not 0.5 < (end - begin + 1) / len(wanted) < 2:
            return None
    return (places[begin], places[end]) if begin >= 0 else None


def lit_page(data: bytes, page: int, quote: str) -> bytes:
    """A page of a PDF, or the next one, with a quote lit. Raises LookupError where it is on neither."""
    import pypdfium2

    with pypdfium2.PdfDocument(data) as document:
        for number in range(max(0, page - 1), min(len(document), page + 1)):
            drawn = document[number]
            words = drawn.get_textpage()
            span = found(quote, words.get_text_range())
            if span is None:
                continue
            boxes = [words.get_rect(at) for at in range(words.count_rects(span[0], span[1] - span[0] + 1))]
            return _picture(drawn, boxes)
    raise LookupError


def _picture(page: object, boxes: Sequence[Box]) -> bytes:
    from PIL import Image, ImageChops, ImageDraw

    width, height = page.get_size()  # type: ignore[attr-defined]
    scale = min(WIDTH_PIXELS / width, (MAX_PIXELS / (width * height)) ** 0.5)
    bitmap = page.render(scale=scale)  # type: ignore[attr-defined]
    places, image = bitmap.get_posconv(page), bitmap.to_pil().convert("RGB")
    light = Image.new("RGB", image.size, "white")
    pen = ImageDraw.Draw(light)
    for left, bottom, right, top in boxes:  # a page may lie on its side
        (first_x, first_y), (last_x, last_y) = places.to_bitmap(left, bottom), places.to_bitmap(right, top)
        across, down = sorted((first_x, last_x)), sorted((first_y, last_y))
        pen.rectangle((across[0] - 2, down[0] - 2, across[1] + 2, down[1] + 2), fill=LIGHT)
    return _webp(ImageChops.multiply(image, light))


def shown_picture(data: bytes) -> bytes:
    """A picture as it is, no larger than is looked at, and without what a camera writes into it."""
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    with Image.open(io.BytesIO(data)) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    upright.thumbnail((WIDTH_PIXELS, 4 * WIDTH_PIXELS))
    return _webp(upright)


def _webp(image: object) -> bytes:
    made = io.BytesIO()
    image.save(made, "WEBP", quality=80, method=3)  # type: ignore[attr-defined]
    return made.getvalue()


def main(arguments: Sequence[str]) -> int:
    """Draw what comes on standard input."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES_OF_MEMORY, MAX_BYTES_OF_MEMORY))
    content_type, page, quote = arguments
    data = sys.stdin.buffer.read()
    try:
        made = lit_page(data, int(page), quote) if content_type == "application/pdf" else shown_picture(data)
    except LookupError:
        return NOT_THERE
    sys.stdout.buffer.write(made)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
