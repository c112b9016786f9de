"""HTTP for strangers: uvicorn's protocol with a limit on connections, and on how slow and how long a request's head may be."""

from __future__ import annotations

import asyncio
import json

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ragbot.server import failures

HEAD_S = 10.0
"""How long the head of a request may take, the first one from the beginning of its connection."""
HEAD_BYTES = 64 * 1024
DRAIN_S, DRAIN_BYTES = 10.0, 256 << 20
"""How long, and how much of, a body is still taken after its request was refused: a client that is busy sending hears why."""


class LimitedProtocol(HttpToolsProtocol):
    """One connection."""

    most_connections = 1000
    _deadline: asyncio.TimerHandle | None = None
    _head_bytes = _drained_bytes = 0
    _in_head = _in_message = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            self._refuse(503, "Service Unavailable", "too many connections are open; try again in a moment")
            return
        self._await_head()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
                self._refuse(431, "Request Header Fields Too Large", "the headers are too long")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_message, self._drained_bytes = True, 0
        if not self._in_head:
            self._await_head()

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if self.cycle.response_complete:
            self._drained_bytes += len(body)
            if self._drained_bytes > DRAIN_BYTES:
                self.transport.abort()

    def on_message_complete(self) -> None:
        self._in_message = False
        self._stop_waiting()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_message and not self.transport.is_closing():
            self._stop_waiting()
            self._deadline = self.loop.call_later(DRAIN_S, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._stop_waiting()
        self._in_head, self._head_bytes = True, 0
        self._deadline = self.loop.call_later(HEAD_S, self._too_slow)

    def _stop_waiting(self) -> None:
        self._in_head = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self._refuse(408, "Request Timeout", f"the head of the request took longer than {HEAD_S:.0f} s")

    def _refuse(self, status: int, reason: str, message: str) -> None:
        """Answer without the application, and close."""
        self._stop_waiting()
        kind = failures.STATUS_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
        body = json.dumps(failures.body(message, kind)).encode()
        head = f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
        self.transport.close()


def protocol(connections: int) -> type[LimitedProtocol]:
    """A protocol that takes so many connections, and closes all others with an error of the API."""
    return type("Protocol", (LimitedProtocol,), {"most_connections": connections})
