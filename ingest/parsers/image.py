"""Images: the text in a PNG, JPEG, TIFF, BMP, WebP or GIF file, by optical character recognition (OCR)."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from ingest.parsers import ocr
from ingest.parsers.characters import clean
from ingest.parsers.damage import broken
from ingest.parsers.formats import Extract, Source
from ragbot.errors import BrokenError, EmptyError

_MAX_PIXELS = 100_000_000
_MAX_SIDE_PIXELS = 3_000
"""Larger images are scaled down: OCR reads scans as well at 200 dpi, and faster."""
_MAX_FRAMES = 1_000
_GAP = "\n\n"


def extract(source: Source) -> Extract:
    """The text of the image, by page for a TIFF with several pages."""
    texts: list[str] = []
    try:
        with Image.open(io.BytesIO(source.data)) as image:
            frames = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
            _refuse_bomb(source.name, image, frames)
            for frame in ImageSequence.Iterator(image):
                source.alive()
                texts.append(clean(ocr.read(_picture(frame))))
                if len(texts) == frames:
                    break
    except BrokenError:
        raise
    except Image.DecompressionBombError as cause:
        raise BrokenError(f"{source.name}: too large a picture ({cause}); make it smaller, or split it") from cause
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as cause:
        raise broken(source.name, cause) from cause
    if not any(texts):
        raise EmptyError(f"{source.name}: no text can be recognized in the image; give a sharper one, or the text")
    offsets = tuple(sum(len(text) + len(_GAP) for text in texts[:number]) for number in range(len(texts)))
    return Extract(_GAP.join(texts), pages=offsets if frames > 1 else ())


def _refuse_bomb(name: str, image: Image.Image, frames: int) -> None:
    if image.width * image.height > _MAX_PIXELS or frames > _MAX_FRAMES:
        size = f"{image.width} × {image.height} pixels" + (f", {frames} pages" if frames > 1 else "")
        raise BrokenError(f"{name}: too large a picture ({size}); make it smaller, or split it")


def _picture(frame: Image.Image) -> ocr.Picture:
    upright = ImageOps.exif_transpose(frame)
    if upright.mode.startswith(("I", "F")):
        upright = _in_bytes(upright)
    upright.thumbnail((_MAX_SIDE_PIXELS, _MAX_SIDE_PIXELS))
    if upright.mode in {"RGBA", "LA", "P"}:  # put transparent images on a white background
        layer = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return np.ascontiguousarray(np.asarray(upright.convert("RGB"))[:, :, ::-1])


def _in_bytes(image: Image.Image) -> Image.Image:
    """Scale an image of 16-bit or float values to 8 bits, minimum to 0 and maximum to 255: a plain conversion clips at 255."""
    values = np.array(image, np.float32)
    np.nan_to_num(values, copy=False, posinf=0, neginf=0)
    values -= values.min()
    values *= 255 / (values.max() or 1)
    return Image.fromarray(values.astype(np.uint8))
