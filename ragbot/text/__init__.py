"""Pure functions over text: passages, sentences, tokens, questions."""

import re

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def storable(text: str) -> str:
    """The text with each half of a broken character replaced by U+FFFD: no file and no database takes those."""
    return _LONE_SURROGATE.sub("\ufffd", text)
