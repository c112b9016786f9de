"""Pure functions over text: chunking, sentence splitting, tokenizing, analysis of messages."""

import re

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def storable(text: str) -> str:
    """Replace each lone surrogate by U+FFFD: UTF-8, and so every file and database, cannot hold one."""
    return _LONE_SURROGATE.sub("\ufffd", text)
