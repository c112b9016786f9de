"""The one gate for what strangers write, on its way to a person and to a generator: titles, headings, names of files, quotes.

Orders to a model are masked, and markup that would load or run something is taken out.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from ragbot.safety.injection import is_instruction
from ragbot.safety.markup import strip_active
from ragbot.text.characters import without_unseen

MASK = "[…]"
_CLAUSE = re.compile(r"(?<=[.!?;:。！？；：|\n])\s*(?=\S)|\s[–—-]+\s|—+|(?=[(（])")
"""Where a title or a heading goes on with something else."""
_HANDLER = re.compile(r"\bon[a-z]{3,20}\s*=\s*[\"']", re.IGNORECASE)
_SLUG = re.compile(r"[-_+%~]+")


def harmless(text: str) -> str:
    """A text as it may be said or shown to a generator. An order is masked from where it begins."""
    text = strip_active(without_unseen(text).text)
    if not is_instruction(text):
        return text
    kept = 0
    for cut in [*(found.start() for found in _CLAUSE.finditer(text)), len(text)]:
        if is_instruction(text[:cut]):
            break
        kept = cut
    return f"{text[:kept].rstrip(' –—-|(（')} {MASK}".strip()


def harmless_name(name: str) -> str:
    """A path or an address as it may be said: parts of it that read as an order are masked."""
    name = " ".join(strip_active(without_unseen(name).text).split())
    plain = unquote(name)
    if strip_active(plain) != plain or _HANDLER.search(plain):
        return MASK
    if not is_instruction(_SLUG.sub(" ", name.replace("/", " "))):
        return name
    parts = [MASK if is_instruction(_SLUG.sub(" ", part)) else part for part in name.split("/")]
    return "/".join(parts) if MASK in parts else MASK
