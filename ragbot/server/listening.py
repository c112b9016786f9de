"""The socket of a server: taken before anything is loaded, so that a wrong address is told at once."""

from __future__ import annotations

import socket

from ragbot.errors import ConfigError
from ragbot.server.config import ServerConfig

BACKLOG = 2048


def listen(config: ServerConfig) -> socket.socket:
    """A socket that listens. Raises ConfigError."""
    try:
        family, kind, number, _, address = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, number)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as cause:
        mend = (
            "choose another --port, or stop who has it"
            if isinstance(cause, OSError) and cause.errno == 98
            else "mend --host or --port"
        )
        raise ConfigError(f"{config.host}:{config.port}: cannot be listened on ({cause.strerror or cause}); {mend}") from cause
    return listening
