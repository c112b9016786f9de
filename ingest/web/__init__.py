"""Fetches what lies at an address of the web, with care for its servers and for the network that we are in.

Only http and https; only what robots.txt allows; only public addresses, unless private ones are allowed; within a limit of
time and a limit of size. Knows nothing of documents, readers or memories.
"""

from ingest.web.addresses import address
from ingest.web.fetching import Fetched, Web

__all__ = ["Fetched", "Web", "address"]
