"""Addresses of passages: ids that tell nothing of what others have, and links that open in a browser without a key."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from urllib.parse import quote, urlencode

from ragbot.memory import Memory
from ragbot.types import Citation

SECRET = "server:secret"
"""The key under which a home keeps what its ids and links are made with."""
HALF = 8
IN_ADDRESSES = "%/:?=&@+,;~!$*-._"
"""What stands for itself in the address of a page; all else could end a link of Markdown."""
OPENS_S = 7 * 24 * 3600
"""How long a link to a source opens."""
PATH = "/v1/memory/passages/"


def secret_of(memory: Memory) -> bytes:
    """What the ids, links and cookies of a home are made with, made with the first of them."""
    found = memory.kv(SECRET)
    if found is None:
        memory.set_kv(SECRET, secrets.token_hex(32))
        found = memory.kv(SECRET) or ""
    return bytes.fromhex(found)


class Links:
    """Makes and reads ids of passages, and links to them. Those of one home stay the same."""

    def __init__(self, memory: Memory, public_url: str = "") -> None:
        self._key = secret_of(memory)
        self._public_url = public_url.rstrip("/")

    def id_of(self, chunk_id: int) -> str:
        """A passage's id for a door. The numbers of the store count everybody's passages; these tell nothing (after SIV)."""
        plain = chunk_id.to_bytes(HALF, "big")
        tag = self._digest(b"tag" + plain)
        return (tag + _xor(plain, self._digest(b"pad" + tag))).hex()

    def chunk_id(self, passage_id: str) -> int | None:
        """The store's number of a passage; None for what is no id of this home."""
        try:
            raw = bytes.fromhex(passage_id)
        except ValueError:
            return None
        tag = raw[:HALF]
        plain = _xor(raw[HALF:], self._digest(b"pad" + tag)) if len(raw) == 2 * HALF else b""
        return int.from_bytes(plain, "big") if plain and hmac.compare_digest(self._digest(b"tag" + plain), tag) else None

    def url(self, citation: Citation, base: str, key_id: str | None) -> str:
        """Where the words of a citation can be looked at: a page of the web by itself, all else here.

        With a key the link opens without it, in any browser, for a week, and no longer than the key does.
        """
        if citation.uri.startswith(("https://", "http://")):
            page = quote(citation.uri.partition("#")[0], safe=IN_ADDRESSES)
            return f"{page}#:~:text={quote(' '.join(citation.quote.split())[:200], safe='')}"
        passage_id = self.id_of(citation.chunk_id)
        marked = (citation.start, citation.end)
        shown: dict[str, str | int] = {"from": citation.start, "to": citation.end}
        if key_id is not None:
            until = int(time.time()) + OPENS_S
            shown |= {"key": key_id, "until": until, "signature": self._signature(passage_id, key_id, until, marked)}
        return f"{self._public_url or base.rstrip('/')}{PATH}{passage_id}?{urlencode(shown)}"

    def opens(self, passage_id: str, key_id: str, until: int, marked: tuple[int, int], signature: str) -> bool:
        """Whether a link was made here for a key and for these words, and opens still."""
        made = self._signature(passage_id, key_id, until, marked)
        return time.time() < until and hmac.compare_digest(made.encode(), signature.encode("utf-8", "surrogatepass"))

    def _signature(self, passage_id: str, key_id: str, until: int, marked: tuple[int, int]) -> str:
        signed = f"{passage_id} {key_id} {until} {marked[0]} {marked[1]}"
        return hmac.digest(self._key, signed.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()

    def _digest(self, text: bytes) -> bytes:
        return hashlib.blake2b(text, key=self._key, digest_size=HALF).digest()


def _xor(first: bytes, second: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(first, second, strict=False))
