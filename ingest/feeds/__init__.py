"""Feeds (RSS 0.9x, 1.0, 2.0 and Atom) to entries. Fetches nothing, and loads feedparser only in a process of its own."""

from ingest.feeds.feed import Entry, is_feed
from ingest.feeds.reading import read

__all__ = ["Entry", "is_feed", "read"]
