"""How fast PDF files are read, and with how much memory: in the processes that `ingest` reads with.

python benchmarks/documents.py FILE.pdf… [--times 5]     # prints one JSON object
"""

import argparse
import json
import os
import threading
import time
from pathlib import Path

from corpus import machine

from ingest.parse_pool import ParsePool, Request


def largest_child_kb():
    """The most that any child of this process ever held, kB: the processes that read are its only ones."""
    sizes = [0]
    for file in Path("/proc").glob("[0-9]*/status"):
        try:
            status = dict(line.split(":", 1) for line in file.read_text().splitlines())
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(status["PPid"]) == os.getpid():
            sizes.append(int(status.get("VmHWM", "0").split()[0]))
    return max(sizes)


def request(file):
    return Request(file, file.name, "everyone")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--times", type=int, default=5, help="how often they are read; the median counts")
    options = parser.parse_args(argv)
    seconds, most, over, pages = [], [0], threading.Event(), 0
    with ParsePool() as pool:

        def watch():
            while not over.wait(0.05):
                most.append(largest_child_kb())

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        for _ in range(options.times + 1):  # the first starts the processes
            began = time.monotonic()
            read = [document for _, document in filter(None, pool.each(options.files, request))]
            seconds.append(time.monotonic() - began)
            pages = sum(len(document.pages) for document in read)
        most.append(largest_child_kb())
        over.set()
        watcher.join()
    taken = sorted(seconds[1:])[options.times // 2]
    found = {"pages": pages, "seconds": round(taken, 4), "pages_per_s": round(pages / taken, 1), "most_mb": max(most) // 1024}
    command = "benchmarks/documents.py " + " ".join(file.name for file in options.files)
    print(json.dumps({"command": command, "machine": machine(), **found}))


if __name__ == "__main__":
    main()
