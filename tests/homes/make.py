"""Writes a tiny home: `python make.py OUT fake|bundled TESTS`, where TESTS is the folder of that version's tests, for its fakes.

It ran on version 0.1.0 (data version 0005), whose names it uses, and made the homes of that version which lie in this folder.
A later version that changes what is written gets a program like it and homes of its own beside these.
"""

import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(sys.argv[3])))

import ragbot.spaces  # noqa: E402
from fakes import FakeEmbedder, FakeGenerator  # noqa: E402

from ragbot import Chat, Document, Memory  # noqa: E402
from ragbot.index import graph, sealing  # noqa: E402

home, kind = Path(sys.argv[1]), sys.argv[2]
if kind == "fake":
    ragbot.spaces.open_embedder = FakeEmbedder
    sealing.SEAL_AT, graph.FROM = 8, 32
HALL = "# Halle Nord\n\nThe swimming hall opens at 7:00 on weekdays.\n\nThe sauna costs 9 euros.\n\n" + "\n\n".join(
    f"Locker {n} is in row {n // 10 + 1}." for n in range(1, 40)
)
FEED, UNREAD = "feed:everyone:https://pool.example/feed", "unread:everyone:broken.pdf"
BROKEN = (
    '{"error": "BrokenError", "message": "broken.pdf: is damaged", "reader": "1", "at": "2026-11-01T00:00:00+00:00", '
    '"noted": {"file_sha256": "%s", "file_state": "4:5:6", "file_device": "7"}}' % ("1" * 64)
)

with Memory.open(home) as memory:
    noted = {"file_sha256": "0" * 64, "file_state": "1:2:3", "file_device": "7", "reader": "1", "content_type": "text/markdown"}
    january = datetime(2026, 1, 5, tzinfo=UTC)
    memory.remember(Document("hall.md", HALL, title="Halle Nord", metadata=noted, valid_from=january))
    memory.remember(Document("hall.md", HALL.replace("7:00", "6:30"), title="Halle Nord", metadata=noted))
    memory.remember(Document("闭馆.md", "游泳馆周日闭馆。桑拿房二十岁以下免费。", metadata={**noted, "etag": "W/1"}))
    memory.remember(Document("gone.md", "The diving tower was open in spring."))
    memory.retire("gone.md")
    memory.remember(Document("secret.md", "The old door code was 5521."))
    memory.set_marks({FEED: '{"etag": "1", "pages": []}'})
    memory.set_marks({UNREAD: BROKEN})
    chat = Chat(memory, "ana", "ana", FakeGenerator() if kind == "fake" else None)
    answered = chat.ask("When does the swimming hall open on weekdays?")
    chat.ask("My locker is number 17.")
    chat.ask("What does the sauna cost?")
    chat.rate(answered.id, up=True, author="ana")
    chat.correct(answered.id, "The swimming hall opens at 8:00 on weekdays since November.")
    chat.ask("What was the old door code?")
    memory.forget("secret.md")
    memory.settle() if kind == "fake" else memory.refresh()
    memory.remember(Document("late.md", "Towels can be borrowed at the desk."))
    with memory.store.runs(write=True) as runs:
        run = runs.add("nightly", 1)
        runs.replace(replace(run, status="done", finished_at=datetime(2026, 11, 2, tzinfo=UTC), detail={"added": 3}))
