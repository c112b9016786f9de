"""Pages and feeds as items to ingest: asked for only if they have changed, and noted with what they said of themselves."""

from __future__ import annotations

import hashlib
import html
import json
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ingest.sources import Seen, Unread
from ragbot.errors import InputError, ReadError
from ragbot.memory import Memory

if TYPE_CHECKING:
    from ingest.feeds import Entry
    from ingest.web import Fetched, Web

WEB_DIGEST, ETAG, LAST_MODIFIED = "web_sha256", "etag", "last_modified"
FULL = 500
"""Characters from which on what a feed gives of an entry is taken for the whole of it."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the web, with what was fetched of it already, if anything. `url` may hold a password, `uri` never does."""

    uri: str
    url: str
    named: bool
    remote: Remote
    fetched: Fetched | None = None

    def look(self, known: Mapping[str, str]) -> Seen:
        """Fetches it, if it has changed since what is `known` of it."""
        got = self.fetched or self.remote.fetch(self.url, etag=known.get(ETAG, ""), last_modified=known.get(LAST_MODIFIED, ""))
        if got.status == "gone":
            return Seen(None, gone="its server says that it is gone")
        if got.status == "unchanged" or got.path is None:
            return Seen(None)
        digest = hashlib.sha256(got.path.read_bytes()).hexdigest()
        noted = {WEB_DIGEST: digest, ETAG: got.etag, LAST_MODIFIED: got.last_modified}
        if known.get(WEB_DIGEST) == digest:
            got.path.unlink(missing_ok=True)
            return Seen(None, noted)
        return Seen(got.path, noted, got.suffix, passing=True)


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """An entry that its feed gives in full."""

    uri: str
    named: bool
    folder: Path
    entry: Entry

    def look(self, known: Mapping[str, str]) -> Seen:
        """Compares what the feed says of it."""
        page = f"<html><head><title>{html.escape(self.entry.title)}</title></head><body>{self.entry.html}</body></html>"
        digest = hashlib.sha256(page.encode()).hexdigest()
        if known.get(WEB_DIGEST) == digest:
            return Seen(None)
        path = self.folder / f"{digest}.html"
        path.write_text(page, encoding="utf-8")
        return Seen(path, {WEB_DIGEST: digest}, ".html", passing=True)


def is_url(source: str | Path) -> bool:
    """Whether a source is an address of the web and no path."""
    return isinstance(source, str) and source.lower().startswith(("http://", "https://"))


def parted(given: Sequence[str | Path]) -> tuple[list[Path], list[str]]:
    """Paths and URLs apart."""
    return [Path(one) for one in given if not is_url(one)], [str(one) for one in given if is_url(one)]


class Remote:
    """What fetches for one run. Use it in a `with` statement, which throws away what was fetched."""

    def __init__(self, memory: Memory, scope: str, *, private: bool) -> None:
        self._memory, self._scope, self._private = memory, scope, private
        self._marks: dict[str, str] = {}
        self._stack = ExitStack()
        self._lock = threading.Lock()

    def __enter__(self) -> Remote:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @cached_property
    def web(self) -> Web:
        """Loaded with the first address."""
        from ingest.web import Web

        return self._stack.enter_context(Web(private=self._private))

    @cached_property
    def folder(self) -> Path:
        """Where what feeds give lies until it is read."""
        return Path(self._stack.enter_context(TemporaryDirectory(prefix="ragbot-")))

    def fetch(self, url: str, *, etag: str = "", last_modified: str = "") -> Fetched:
        """What lies at an address; one after the other, whichever threads ask."""
        with self._lock:
            return self.web.fetch(url, etag=etag, last_modified=last_modified)

    def find(self, urls: Sequence[str]) -> tuple[list[Page | FeedEntry], list[Unread]]:
        """The pages at `urls`, and the entries of those that are feeds."""
        items: dict[str, Page | FeedEntry] = {}
        unread: list[Unread] = []
        for url in urls:
            try:
                found = self._listed(url)
            except (ReadError, InputError) as cause:
                unread.append(Unread(_shown(url), cause if isinstance(cause, ReadError) else ReadError(str(cause))))
                continue
            items.update((item.uri, item) for item in found)
        return list(items.values()), unread

    def finish(self) -> None:
        """Note how far the feeds were read, so that they are read again only if they have changed."""
        self._memory.set_marks(self._marks)

    def _listed(self, url: str) -> list[Page | FeedEntry]:
        from ingest import feeds
        from ingest.web import address

        uri = address(url)
        key = f"feed:{self._scope}:{uri}"
        known: dict[str, str] = json.loads(self._memory.marks(key).get(key, "{}"))
        if not known and self._memory.document(uri, scope=self._scope):
            return [Page(uri, url, True, self)]
        got = self.fetch(url, **known)
        if known and got.status == "unchanged":
            return []
        if got.path is None or not feeds.is_feed(got.path, got.suffix):
            return [Page(uri, url, True, self, got)]
        self._marks[key] = json.dumps({"etag": got.etag, "last_modified": got.last_modified})
        feed = feeds.entries(got.path.read_bytes(), got.url)
        got.path.unlink(missing_ok=True)
        return [self._entry(entry) for entry in feed.entries]

    def _entry(self, entry: Entry) -> Page | FeedEntry:
        uri = _shown(entry.url)
        if len(entry.html) >= FULL or "#" in entry.url:
            return FeedEntry(entry.url if "#" in entry.url else uri, False, self.folder, entry)
        return Page(uri, entry.url, False, self)


def _shown(url: str) -> str:
    from ingest.web import address

    try:
        return address(url)
    except (ReadError, InputError):
        return url.rpartition("@")[2]
