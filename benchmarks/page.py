"""What the page costs: bytes, requests, time to paint, to use, and to turn a page of much.

    python -m benchmarks.page [--runs N] [--documents N] [--turns N] [--json] [--out FILE]

A real headless Chromium on loopback, signed in, a new window and an empty cache each time; the server runs over a home with no
model loaded, as the first view asks none. `paint` is the browser's first contentful paint, `usable` when the box takes a letter;
`list` and `conversation` are the times from a click on "more" to the new rows in the document.
"""

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from ragbot import Document, Memory
from ragbot.server.app import create_app
from ragbot.server.config import ServerConfig
from ragbot.server.listening import listen
from ragbot.server.run import server_of
from ragbot.types import Turn

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from browsing import browser  # noqa: E402


def filled(home, documents, turns):
    """A home with many documents, and a conversation of many turns."""
    memory = Memory.open(home)
    made = [Document(f"shelf/{number:04}.md", f"Shelf {number} holds box {number}.") for number in range(documents)]
    memory.remember(made)
    for number in range(turns):
        with memory.store.writing() as transaction:
            said = {"question": f"Question {number}?", "answer": f"Answer {number}.", "claims": (), "grounded": False}
            transaction.add_turn(Turn(f"t{number}", "long", "local", at=datetime.now(UTC), **said))
    return memory


def first_view(running, url):
    """Bytes, requests and times of the first view in a new window."""
    window = running.new_context()
    page = window.new_page()
    requests, sizes = [], {}
    session = window.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.requestWillBeSent", lambda event: requests.append(event["request"]["url"]))
    session.on("Network.loadingFinished", lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}))
    begun = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.locator("#message").press_sequentially("a")
    usable = time.perf_counter() - begun
    page.wait_for_load_state("networkidle")
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    sent = [one for one in requests if not one.startswith("data:")]
    window.close()
    others = sum(not one.startswith(url) for one in sent)
    return {"bytes": sum(sizes.values()), "requests": len(sent), "others": others, "paint_ms": paint, "usable_ms": usable * 1000}


def more_ms(running, url, rows, count):
    """How long each click on "more" takes, in milliseconds."""
    page = running.new_page()
    page.goto(url)
    took = []
    for _ in range(count):
        before = page.locator(rows).count()
        begun = time.perf_counter()
        page.locator(".older a").first.click()
        page.locator(rows).nth(before).wait_for(state="attached")
        took.append((time.perf_counter() - begun) * 1000)
    page.close()
    return took


def measured(args):
    with tempfile.TemporaryDirectory() as folder:
        memory = filled(Path(folder) / "home", args.documents, args.turns)
        config = ServerConfig(port=0)
        listening = listen(config)
        server = server_of(create_app(memory, config, keys=False), config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        while not server.started:
            time.sleep(0.01)
        try:
            with browser() as running:
                first_view(running, url)  # the first of all starts the browser's processes
                views = [first_view(running, url) for _ in range(args.runs)]
                listed = more_ms(running, f"{url}/sources", "#documents tbody tr", min(9, args.documents // 100 - 1))
                talked = more_ms(running, f"{url}/c/long", "#log .turn", min(20, args.turns // 20 - 1))
        finally:
            server.should_exit = True
            thread.join()
            listening.close()
            memory.close()
    found = {name: round(statistics.median(one[name] for one in views), 1) for name in views[0]}
    slowest = {f"{name}_most": round(max(one[name] for one in views), 1) for name in ("paint_ms", "usable_ms")}
    pages = {"list_ms": round(statistics.median(listed), 1), "list_ms_most": round(max(listed), 1)}
    pages |= {"conversation_ms": round(statistics.median(talked), 1), "conversation_ms_most": round(max(talked), 1)}
    return {"runs": args.runs, "documents": args.documents, "turns": args.turns, **found, **slowest, **pages}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args(arguments)
    found = measured(args)
    if args.out:
        args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found) if args.json else "\n".join(f"{name:24}{value}" for name, value in found.items()))


if __name__ == "__main__":
    main()
