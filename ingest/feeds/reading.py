"""Reads a feed in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

from ingest.feeds.feed import Entry
from ingest.parsers import worker
from ragbot.errors import BrokenError

MOST_SECONDS = 120
"""How long reading a feed may take: a few 100 kB can be made so that feedparser's expressions take hours over them."""
_PARSER = "ingest.feeds.parsing"


def read(data: bytes, base: str) -> tuple[Entry, ...]:
    """What `entries` gives, from a process of its own, which ends if it takes too long or needs too much memory.

    Raises a ReadError that says why not.
    """
    command = [sys.executable, "-P", "-m", _PARSER]  # -P: not what lies in the working folder under the name of some module
    try:
        done = subprocess.run(
            command,
            input=json.dumps(base).encode() + b"\n" + data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=MOST_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise BrokenError(f"{base}: the feed takes too long to read (given up after {MOST_SECONDS} s); tell its owner") from None
    if done.returncode:
        raise BrokenError(f"{base}: the feed's reader crashed (exit {done.returncode}); tell its owner")
    answer = json.loads(done.stdout)
    if "error" in answer:
        raise worker.ERRORS[answer["error"]](answer["message"])
    return tuple(Entry(**entry) for entry in answer["entries"])
