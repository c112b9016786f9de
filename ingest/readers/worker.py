"""Reads files in a process of its own, which may run out of memory, hang or crash: `python -m ingest.readers.worker`.

Takes a request a line from standard input and answers with lines on standard output, all in JSON (never
pickle: what a hostile file has taken over must not run in the process that asked). "alive" answers come
while it works; the last one holds the document, or why there is none.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from ingest import readers
from ragbot.errors import BrokenError, EmptyError, LockedError, ReadError, UnsupportedError
from ragbot.types import Document

MOST_BYTES = 3 << 30
"""How much memory of its own the process may have. Text extraction takes a tenth of it, recognition of pictures a third."""
MOST_SECONDS = 3_600
"""How much processor time a file may take: the last resort where nobody is left to kill the process."""

ERRORS: Mapping[str, type[ReadError]] = {
    error.__name__: error for error in (ReadError, UnsupportedError, EmptyError, BrokenError, LockedError)
}


def main() -> None:
    """Answer requests until standard input ends."""
    answers = _own_output()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever asked, who then ends this
    _limit_memory()
    for line in sys.stdin.buffer:
        _limit_time()
        _answer(answers, _read(json.loads(line), answers))


def document_of(answer: Mapping[str, Any]) -> Document:
    """The document of a last answer. Raises the ReadError that it holds instead."""
    if "error" in answer:
        raise ERRORS[answer["error"]](answer["message"])
    said = dict(answer["document"])
    return Document(**{**said, "pages": tuple(said["pages"])})


def _read(request: Mapping[str, Any], answers: IO[bytes]) -> dict[str, Any]:
    def alive() -> None:
        _answer(answers, {"alive": True})

    path, uri = Path(request["path"]), request["uri"]
    try:
        document = readers.read(
            path, uri, scope=request["scope"], password=request["password"], suffix=request["suffix"], alive=alive
        )
    except ReadError as cause:
        return {"error": type(cause).__name__, "message": str(cause)}
    except MemoryError:
        return {"error": "BrokenError", "message": too_large(uri)}
    except Exception as damage:  # a parser that trips over a file is no reason to lose the run
        return {
            "error": "BrokenError",
            "message": f"{uri}: cannot be made out ({type(damage).__name__}: {damage}); export it anew",
        }
    return {"document": {**asdict(document), "metadata": dict(document.metadata)}}


def too_large(uri: str) -> str:
    """Why a file is refused that needs more memory than there is."""
    return f"{uri}: needs more than {MOST_BYTES >> 30} GB of memory to read; split it"


def _answer(answers: IO[bytes], answer: Mapping[str, Any]) -> None:
    answers.write(json.dumps(answer).encode() + b"\n")
    answers.flush()


def _own_output() -> IO[bytes]:
    """Standard output for the answers alone: what a library prints must not be taken for one, nor be seen."""
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return answers


def _limit_memory() -> None:
    if sys.platform == "linux":  # elsewhere the limit does not count what is mapped
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, MOST_BYTES))


def _limit_time() -> None:
    if sys.platform != "win32":
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + MOST_SECONDS, hard))


if __name__ == "__main__":
    main()
