"""Reads files in a process of its own, which may run out of memory, hang or crash: `python -m ingest.parsers.worker`.

Takes a request a line from standard input and answers with lines on standard output, all in JSON (never
pickle: what a hostile file has taken over must not run in the process that asked). Lines that are ALIVE
come while it works; the last one holds the document, or why there is none.
"""

from __future__ import annotations

import json
import operator
import os
import select
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from ingest import parsers
from ingest.parsers.damage import MAX_TEXT_CHARACTERS
from ragbot.errors import BrokenError, EmptyError, LockedError, ReadError, UnsupportedError
from ragbot.types import Document

MOST_BYTES = 3 << 30
"""How much memory of its own the process may have. Text extraction takes a tenth of it, recognition of pictures a third."""
TOO_LARGE = f"needs more than {MOST_BYTES >> 30} GB of memory to read; split it"
"""Why a file is refused that needs more memory than there is."""
MOST_SECONDS = 3_600
"""How much processor time a file may take."""
MOST_SILENCE = 150
"""Seconds without a word after which the process ends itself: longer than its parent waits, unless that is gone."""
LONGEST_ANSWER = 4 * MAX_TEXT_CHARACTERS + (16 << 20)
"""Bytes that no answer exceeds: UTF-8 takes four for a letter at most, and what else is said is short."""
ALIVE = b'"alive"'
_LONGEST_MESSAGE = 10_000

ERRORS: Mapping[str, type[ReadError]] = {
    error.__name__: error for error in (ReadError, UnsupportedError, EmptyError, BrokenError, LockedError)
}


def main() -> None:
    """Answer requests until standard input ends."""
    answers = _own_output()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent process, which then ends this one
    threading.Thread(target=_end_with_asker, daemon=True).start()
    limit_memory()
    for line in sys.stdin.buffer:
        limit_time(MOST_SECONDS)
        _limit_silence(MOST_SILENCE)
        answer = _read(json.loads(line), answers)
        _say(answers, json.dumps(answer, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        _limit_silence(0)


def document_of(answer: Mapping[str, Any]) -> Document:
    """The document of a last answer. Raises the ReadError that it holds instead.

    What has been taken over may answer anything: what is no such answer raises ValueError, TypeError,
    LookupError or AttributeError, and whatever comes back is sound.
    """
    if "error" in answer:
        raise ERRORS[answer["error"]](str.strip(answer["message"])[:_LONGEST_MESSAGE])
    said, metadata = answer["document"], dict(answer["document"]["metadata"])
    text, title, pages = said["text"], said["title"], tuple(map(operator.index, said["pages"]))
    "".join([text, title, *metadata, *metadata.values()]).encode()  # texts all, without half a character
    if [0, *pages, len(text)] != sorted([0, *pages, len(text)]):
        raise ValueError("pages that are not in the text")
    return Document(said["uri"], text, title, scope=said["scope"], metadata=metadata, pages=pages, lines=bool(said["lines"]))


def _read(request: Mapping[str, Any], answers: IO[bytes]) -> dict[str, Any]:
    def alive() -> None:
        _limit_silence(MOST_SILENCE)
        _say(answers, ALIVE)

    path, uri = Path(request["path"]), request["uri"]
    try:
        document = parsers.read(
            path, uri, scope=request["scope"], password=request["password"], suffix=request["suffix"], alive=alive
        )
    except ReadError as cause:
        return {"error": type(cause).__name__, "message": str(cause)}
    except MemoryError:
        return {"error": "BrokenError", "message": f"{uri}: {TOO_LARGE}"}
    except Exception as damage:  # a parser that trips over a file is no reason to lose the run
        return {
            "error": "BrokenError",
            "message": f"{uri}: cannot be made out ({type(damage).__name__}: {damage}); export it again",
        }
    return {"document": {**asdict(document), "metadata": dict(document.metadata)}}


def _say(answers: IO[bytes], line: bytes) -> None:
    answers.write(line + b"\n")
    answers.flush()


def _own_output() -> IO[bytes]:
    """Standard output for the answers alone: what a library prints must not be taken for one, nor be seen.

    Only what compiled code says as it dies goes to standard error, where the parent process looks for the cause. It never
    waits for somebody to read it.
    """
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.set_blocking(2, False)
    sys.stderr = open(os.devnull, "w")
    return answers


def _end_with_asker() -> None:
    """Ends the process, in the middle of a file too, once the other end of standard input is gone with the parent process."""
    end = select.poll()
    end.register(0, 0)
    end.poll()
    os._exit(1)


def limit_memory() -> None:
    """Leave this process MOST_BYTES of memory of its own."""
    if sys.platform == "linux":  # elsewhere the limit does not count what is mapped
        import resource

        most = _allowed(resource.RLIMIT_DATA, MOST_BYTES)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def limit_time(seconds: int) -> None:
    """Leave this process so much more processor time: the last resort where nobody is left to kill it."""
    if sys.platform != "win32":
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        most = _allowed(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + seconds)
        resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _allowed(kind: int, wanted: int) -> int:
    """A limit, which may not be above the one that the process was started with."""
    import resource

    _, hard = resource.getrlimit(kind)
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


def _limit_silence(seconds: int) -> None:
    """Of the system, for parsers that hold the interpreter's lock, so that the thread above never runs. 0: no limit."""
    signal.alarm(seconds)


if __name__ == "__main__":
    main()
