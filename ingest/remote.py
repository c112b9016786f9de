"""Pages and feeds as items to ingest: asked for only if they have changed, and noted with what they said of themselves."""

from __future__ import annotations

import hashlib
import html
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, ClassVar

from ingest import parsers
from ingest.sources import Seen, Unread
from ingest.state import FeedState, Known, WebState, feed_state, stored
from ragbot.errors import InputError, ReadError
from ragbot.memory import Memory

if TYPE_CHECKING:
    from ingest.feeds import Entry
    from ingest.web import Fetched, Web

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
    name: ClassVar[str] = ""

    def look(self, known: Known, stopped: Callable[[], bool] = lambda: False) -> Seen:
        """Fetches it, if it has changed since what is `known` of it. `Remote.stop` ends it."""
        got = self.fetched or self.remote.fetch(self.url, known.web)
        if got.status == "gone":
            return Seen(None, gone="its server says that it is gone")
        if got.status == "unchanged" or got.path is None:
            return Seen(None)
        with got.path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        state = WebState(digest, got.etag, got.last_modified, got.url)
        if known.web and known.web.sha256 == digest:
            got.path.unlink(missing_ok=True)
            return Seen(None, state)
        return Seen(got.path, state, got.suffix, passing=True)


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """An entry that its feed gives in full."""

    named: ClassVar[bool] = False
    name: ClassVar[str] = ""
    uri: str
    folder: Path
    entry: Entry

    def look(self, known: Known, stopped: Callable[[], bool] = lambda: False) -> Seen:
        """Compares what the feed says of it."""
        title, author = html.escape(self.entry.title), html.escape(self.entry.author)
        head = f"<title>{title}</title>" + (f'<meta name="author" content="{author}">' if author else "")
        page = f"<html><head>{head}</head><body><main>{self.entry.html}</main></body></html>"
        digest = hashlib.sha256(page.encode()).hexdigest()
        if known.web and known.web.sha256 == digest:
            return Seen(None)
        path = self.folder / f"{digest}.html"
        path.write_text(page, encoding="utf-8")
        return Seen(path, WebState(digest), ".html", passing=True)


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
        self._feeds: dict[str, FeedState] = {}
        self._stack = ExitStack()
        self._lock = threading.Lock()
        self._stopped = False

    def __enter__(self) -> Remote:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._stack.close()

    def stop(self) -> None:
        """Has every fetch fail from now on, the one under way and those that wait for it: threads that fetch end soon."""
        self._stopped = True
        if web := self.__dict__.get("web"):  # else the thread that opens it sees that we have stopped
            web.stop()

    @cached_property
    def web(self) -> Web:
        """Loaded with the first address."""
        from ingest.web import Web

        return self._stack.enter_context(Web(private=self._private))

    @cached_property
    def folder(self) -> Path:
        """Where what feeds give lies until it is read."""
        return Path(self._stack.enter_context(TemporaryDirectory(prefix="ragbot-")))

    def fetch(self, url: str, known: WebState | FeedState | None) -> Fetched:
        """What lies at an address, if it is not what is `known` of it; one after the other, whichever threads ask."""
        with self._lock:
            web = self.web
            if self._stopped:
                raise ReadError(f"{_shown(url)}: fetching was stopped")
            try:
                if known is None:
                    return web.fetch(url)
                return web.fetch(url, etag=known.etag, last_modified=known.last_modified, at=known.url)
            except InputError as cause:  # a malformed link of a feed, which is no mistake of ours
                raise ReadError(str(cause)) from cause

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
        self._memory.set_source_states(stored(self._scope, uri, state) for uri, state in self._feeds.items())

    def _listed(self, url: str) -> list[Page | FeedEntry]:
        from ingest import feeds
        from ingest.web import address

        uri = address(url)
        source = self._memory.source_states(FeedState.kind, scope=self._scope, uris=[uri]).get(uri)
        known = feed_state(source) if source else None
        if not known and self._memory.document(uri, scope=self._scope):
            return [Page(uri, url, True, self)]
        got = self.fetch(url, known if known and known.parser == parsers.PARSER_VERSION else None)
        if known and got.status == "unchanged":  # but its pages may have changed; those that were retired or forgotten stay so
            return [Page(page, page, False, self) for page in known.pages if self._memory.document(page, scope=self._scope)]
        if got.path is None or not feeds.is_feed(got.path, got.suffix):
            return [Page(uri, url, True, self, got)]
        found = [self._entry(entry, got.url) for entry in feeds.read(got.path.read_bytes(), got.url)]
        got.path.unlink(missing_ok=True)
        pages = tuple(item.uri for item in found if isinstance(item, Page))
        self._feeds[uri] = FeedState(got.etag, got.last_modified, got.url, parsers.PARSER_VERSION, pages)
        return found

    def _entry(self, entry: Entry, feed: str) -> Page | FeedEntry:
        """What an entry of the feed at `feed` stands for. A feed speaks for its own site alone, and knows no passwords."""
        link, _, part = entry.url.partition("#")
        uri = _shown(link)
        own = uri.split("/")[:3] == feed.split("/")[:3]  # scheme, host and port
        if own and (part or len(entry.html) >= FULL):
            return FeedEntry(f"{uri}#{part}" if part else uri, self.folder, entry)
        return Page(uri, uri, False, self)


def _shown(url: str) -> str:
    from ingest.web import address

    try:
        return address(url)
    except (ReadError, InputError):
        return url.rpartition("@")[2]
