"""A command of `ingest` in a process of its own: how it is started, watched and stopped, and what is read of its answer."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from filelock import lock_descriptor

from ingest.jobs import times

PROGRAM: tuple[str, ...] = (sys.executable, "-P", "-m", "ingest.cli")
"""How to run this program. -P: not what lies in the working folder under the name of some other module."""
GRACE_S = 20.0
"""Who was asked to stop has so long; then it is killed, by which nothing is lost either."""
WAIT_S = 1.0
"""A lock may be held for a moment by who only looks whether it is free."""
STOP, INTERRUPT, RELOAD, UNHEARD = "stop", "interrupt", "reload", "unheard"
"""Messages: end in good order; the same, by hand; read the settings again; no reader is left."""
READ_BYTES = 4_000_000
"""No more is read of an answer, which names every document: its counts come first."""
NAMED = 5
SHOWN = 300
"""So many failures are kept of a run, and so many characters of each."""

Inbox = queue.SimpleQueue[object]
"""What a waiting process hears of: a signal, or the end of a child. A handler of signals may put into it at any moment."""


@contextmanager
def listening(messages: Mapping[int, str]) -> Iterator[Inbox]:
    """Hear of signals as these messages, instead of being interrupted at any place."""
    inbox: Inbox = queue.SimpleQueue()
    # A handler also for those that are ignored, as in the background of a shell: what a child inherits must not be that.
    before = {number: signal.signal(number, lambda number, _frame: inbox.put(messages[number])) for number in messages}
    try:
        yield inbox
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def lock(home: Path, job: str, wait_s: float = WAIT_S) -> Iterator[int | None]:
    """Hold the lock of a job. Gives its file descriptor; None if another process holds it.

    The lock is the open file's: a child that inherits the descriptor holds it too, for as long as it lives, whatever
    becomes of this process. So it is never unlocked, only closed.
    """
    home.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(home / f"job-{job}.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        until = time.monotonic() + wait_s
        while not (held := lock_descriptor(descriptor, blocking=False)) and time.monotonic() < until:
            time.sleep(0.05)
        yield descriptor if held else None
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command ended. `again`: it is worth to try it again soon."""

    status: Literal["done", "failed", "stopped"]
    reason: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    again: bool = False
    wrong_use: bool = False


def run(arguments: Sequence[str], environment: Mapping[str, str], held: Sequence[int], timeout_s: float, inbox: Inbox) -> Answer:
    """Run a command to its end, for at most `timeout_s`, or until STOP is in the inbox. It holds the locks `held` too."""
    # Files, no pipes: they never fill up, and do not break under a child that outlives this process.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as remarks:
        process = subprocess.Popen(
            [*PROGRAM, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=remarks,
            env={**os.environ, **environment},
            pass_fds=held,
            start_new_session=True,  # a Ctrl-C is for us; and it can be killed with all that it started
        )
        why = _watch(process, timeout_s, inbox)
        answer = _read(process.returncode, output, remarks)
    if why is STOP and answer.status != "done":
        return Answer("stopped", "was asked to stop", answer.detail)
    if why and answer.status != "done":
        return Answer("failed", f"took longer than {times.in_words(timeout_s)}, and was stopped", answer.detail, again=True)
    return answer


def _watch(process: subprocess.Popen[bytes], timeout_s: float, inbox: Inbox) -> str:
    """Wait for the end of a process, and bring it about where it is due. Why it was: STOP, "timeout" or ""."""
    ended = object()

    def wait() -> None:
        process.wait()
        inbox.put(ended)

    threading.Thread(target=wait, daemon=True).start()
    why, until = "", time.monotonic() + timeout_s
    while True:
        try:
            said = inbox.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            said = "timeout"
        if said is ended:
            return why
        if why:  # asked before, to no avail or not fast enough
            why = STOP if said == STOP else why  # what took too long may be tried again; what was stopped may not
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            until = time.monotonic() + GRACE_S
        elif said in (STOP, "timeout"):
            why, until = str(said), time.monotonic() + GRACE_S
            process.send_signal(signal.SIGINT)


def _read(code: int, output: IO[bytes], remarks: IO[bytes]) -> Answer:
    document = _document(output)
    detail = _summary(document)
    reason = str(document.get("error") or "") or _first_failure(document)
    if code == 0:
        return Answer("done", "", detail)
    if code == 130:
        return Answer("stopped", "was stopped by somebody else", detail)
    if code < 0:
        return Answer("failed", f"was killed by {_signal(-code)}", detail, again=True)
    reason = (reason or _last_line(remarks) or f"ended with {code}, and did not say why")[:SHOWN]
    if code == 2:
        return Answer("failed", reason, detail, wrong_use=True)
    return Answer("failed", reason, detail, again=_as_a_whole(document))


def _document(output: IO[bytes]) -> dict[str, Any]:
    """The JSON document that a command printed; only its counts where it is very long, {} if there is none."""
    output.seek(0)
    read = output.read(READ_BYTES + 1)
    text = read.decode("utf-8", "replace")
    with contextlib.suppress(ValueError):
        if len(read) <= READ_BYTES:
            found = json.loads(text)
            return found if isinstance(found, dict) else {}
        counts, _ = json.JSONDecoder().raw_decode(text, text.index("{", text.index('"counts"')))
        return {"counts": counts}
    return {}


def _summary(document: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a document: numbers, how long lists are, short texts, and the first failures."""
    counts: dict[str, int] = {}
    kept: dict[str, Any] = {"counts": counts}
    for key, value in document.items():
        if isinstance(value, list):
            if "counts" not in document:
                counts[key] = len(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            counts[key] = int(value)
        elif key == "counts" and isinstance(value, dict):
            counts |= {name: int(number) for name, number in value.items() if isinstance(number, int)}
        elif isinstance(value, str) and key != "error":
            kept[key] = value[:SHOWN]
    if failures := _failures(document):
        kept["failures"] = [reason[:SHOWN] for reason in failures[:NAMED]]
    return kept


def _failures(document: Mapping[str, Any]) -> list[str]:
    """The reasons of what failed: of documents, and of an index that disagrees with the truth."""
    documents, problems = document.get("documents"), document.get("problems")
    listed = documents if isinstance(documents, list) else []
    failed = [one for one in listed if isinstance(one, dict) and one.get("status") == "failed"]
    reasons = [str(one.get("reason") or one.get("uri")) for one in failed]
    return reasons + ([str(one) for one in problems] if isinstance(problems, list) else [])


def _first_failure(document: Mapping[str, Any]) -> str:
    failures = _failures(document)
    more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
    if failures:
        return f"{failures[0][: SHOWN - len(more)]}{more}"
    counts = document.get("counts")
    failed = counts.get("failed") if isinstance(counts, dict) else 0
    return f"{failed} documents failed" if failed else ""


def _as_a_whole(document: Mapping[str, Any]) -> bool:
    """Whether nothing at all went well. A broken file among good ones fails the next minute too: it waits for its next time."""
    counts = document.get("counts")
    if isinstance(counts, dict):
        return not any(number for name, number in counts.items() if name not in ("failed", "skipped"))
    return "problems" not in document


def _signal(number: int) -> str:
    known = number in {one.value for one in signal.Signals}
    name = signal.Signals(number).name if known else f"signal {number}"
    return f"{name} (perhaps for lack of memory)" if number == signal.SIGKILL else name


def _last_line(remarks: IO[bytes]) -> str:
    remarks.seek(0, os.SEEK_END)
    remarks.seek(max(0, remarks.tell() - 4096))
    lines = [line.strip(" │") for line in remarks.read().decode("utf-8", "replace").splitlines() if line.strip(" │╭╰─╮╯")]
    return lines[-1].removeprefix("error: ") if lines else ""
