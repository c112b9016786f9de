"""The network as fetching sees it: within a limit of time, and only to addresses that may be reached.

Proxies named in the environment are not used: they look names up themselves, so what was checked here would not be what
they reach.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import httpcore2

from ragbot.errors import LockedError, ReadError

_UNICAST = ipaddress.ip_network("2000::/3")
"""All of IPv6 that is given out for the internet."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Failure(Exception):
    """Why a fetch came to nothing, and the mend, before it is known which address to name."""

    def __init__(self, cause: str, mend: str, kind: type[ReadError] = ReadError) -> None:
        super().__init__(cause, mend, kind)
        self.cause, self.mend, self.kind = cause, mend, kind


@dataclass(slots=True)
class Clock:
    """When a fetch must be over."""

    seconds: float
    ends_at: float = 0.0
    stopped: threading.Event = field(default_factory=threading.Event)
    line: socket.socket | None = None
    """The connection that is used now, or was last."""

    def start(self) -> None:
        self.ends_at = time.monotonic() + self.seconds

    def left(self) -> float:
        """Seconds. Raises what a server raises that does not answer, if there are none."""
        left = self.ends_at - time.monotonic()
        if left <= 0 or self.stopped.is_set():
            raise httpcore2.ReadTimeout
        return left

    def stop(self) -> None:
        """End the time of this fetch and of all to come, from any thread, and the read or write under way."""
        self.stopped.set()
        if self.line:
            with contextlib.suppress(OSError):  # it was closed
                self.line.shutdown(socket.SHUT_RDWR)


class Network(httpcore2.NetworkBackend):
    """Connects to the very addresses that it has checked, so that no second look-up can lead elsewhere (DNS rebinding)."""

    def __init__(self, clock: Clock, private: bool) -> None:
        self._clock, self._private = clock, private
        self._sockets = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        addresses = self._allowed(host, port)
        for left, at in zip(range(len(addresses), 0, -1), addresses, strict=True):
            try:
                stream = self._sockets.connect_tcp(at, port, self._clock.left() / left, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if left == 1:
                    raise
            else:
                return _Timed(stream, self._clock, stream.get_extra_info("socket").dup())
        raise httpcore2.ConnectError

    def _allowed(self, host: str, port: int) -> list[str]:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as cause:
            said = cause.strerror if isinstance(cause, OSError) else "not a host name"
            raise Failure(f"its host is not found ({said})", "check the spelling and the network") from cause
        addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
        private = [] if self._private else [at for at in addresses if not is_public(at)]
        if private:
            where = f"its host lies in a private network ({private[0]})"
            raise Failure(where, "allow that with --allow-private if you trust it", LockedError)
        return addresses


class _Timed(httpcore2.NetworkStream):
    """A connection that ends with the fetch: a server that sends a byte now and then would else hold it for ever.

    `line` is a second handle of its socket, by which another thread can end it, before and after TLS.
    """

    def __init__(self, inner: httpcore2.NetworkStream, clock: Clock, line: socket.socket) -> None:
        self._inner, self._clock, self._line = inner, clock, line

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        got = self._inner.read(max_bytes, self._left())
        self._clock.left()  # what `stop` cut off looks as if the server had come to its end
        return got

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._left())

    def close(self) -> None:
        self._inner.close()
        self._line.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        with contextlib.ExitStack() as unless_done:
            unless_done.callback(self.close)
            secure = self._inner.start_tls(ssl_context, server_hostname, self._left())
            unless_done.pop_all()
        return _Timed(secure, self._clock, self._line)

    def _left(self) -> float:
        self._clock.line = self._line  # before the time is asked for: a thread that stops the clock in between finds it
        return self._clock.left()

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)


def is_public(text: str) -> bool:
    """Whether an address belongs to the internet and not to a network of somebody's own."""
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is None:
            return address in _UNICAST and address.is_global
        address = inner
    return address.is_global and not address.is_multicast
