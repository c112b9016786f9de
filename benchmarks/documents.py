"""How fast PDF files are read, and with how much memory: in the processes that `ingest` reads with.

python benchmarks/documents.py FILE.pdf…     # prints one JSON object
"""

import json
import sys
import threading
import time
from pathlib import Path

from corpus import machine

from ingest.parse_pool import Reading, Request

TIMES = 5


def held(reading):
    """kB of its own that the largest of the reading processes holds."""
    sizes = [0]
    for process in reading._all:
        try:
            status = Path(f"/proc/{process._process.pid}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        sizes += [int(line.split()[1]) for line in status.splitlines() if line.startswith(("VmHWM",))]
    return max(sizes)


def main():
    files = [Path(name) for name in sys.argv[1:]]
    seconds, most, over, pages = [], [0], threading.Event(), 0
    with Reading() as reading:

        def watch():
            while not over.wait(0.05):
                most.append(held(reading))

        threading.Thread(target=watch).start()
        for _ in range(TIMES + 1):  # the first starts the processes
            began = time.monotonic()
            read = [document for _, document in reading.each(files, lambda file: Request(file, file.name, "everyone"))]
            seconds.append(time.monotonic() - began)
            pages = sum(len(document.pages) for document in read)
        over.set()
    taken = sorted(seconds[1:])[TIMES // 2]
    say = {"pages": pages, "seconds": round(taken, 2), "pages_per_s": round(pages / taken, 1), "most_mb": max(most) // 1024}
    print(
        json.dumps({"command": "benchmarks/documents.py " + " ".join(file.name for file in files), "machine": machine(), **say})
    )


if __name__ == "__main__":
    main()
