"""Runs the server until it is told to stop."""

from __future__ import annotations

import json
import logging
import resource
import socket
import sys
from collections.abc import Callable
from concurrent.futures import Future

import uvicorn

from ragbot.errors import ConfigError
from ragbot.memory import Memory
from ragbot.server.app import create_app
from ragbot.server.config import ServerConfig, is_loopback
from ragbot.server.gate import Gate
from ragbot.server.protocol import protocol

GRACE_S = 30
"""How long running answers may take to end when the server stops."""
SPARE_FILES = 256
"""Files that the server needs beside its connections."""


def serve(
    memory: Memory,
    config: ServerConfig,
    listening: socket.socket,
    *,
    keys: bool,
    loading: Future[bool],
    ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve a memory until SIGINT or SIGTERM; what runs then is finished. `ready` is called with the address.

    It says that it is not ready until `loading` is done.

    Raises ConfigError where others could reach a server without keys.
    """
    if not keys and not is_loopback(config.host):
        raise ConfigError(
            f"{config.host}: others reach this address, so keys are needed; leave --no-keys out, or listen on 127.0.0.1"
        )
    _log_to_stderr()
    _allow_files(config.connections)
    gate = create_app(memory, config, keys=keys)
    gate.app.state.loading = loading
    server = server_of(gate, config)
    host, port = listening.getsockname()[:2]
    ready(f"http://{f'[{host}]' if ':' in host else host}:{port}")
    with listening:
        server.run(sockets=[listening])


def server_of(gate: Gate, config: ServerConfig) -> uvicorn.Server:
    """The HTTP server in front of an application."""
    return uvicorn.Server(
        uvicorn.Config(
            gate,
            http=protocol(config.connections),
            ws="none",
            loop="asyncio",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # the gate reads them, of proxies that are trusted
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
            timeout_keep_alive=15,
        )
    )


def _allow_files(connections: int) -> None:
    """Let the process have a file for each connection, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE_FILES
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _log_to_stderr() -> None:
    """One JSON object a line for each request, and what went wrong in the same stream."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    access = logging.getLogger("ragbot.access")
    access.handlers, access.propagate = [handler], False
    access.setLevel(logging.INFO)
    others = logging.StreamHandler(sys.stderr)
    others.setFormatter(_Lines())
    for name in ("ragbot", "uvicorn.error"):
        logging.getLogger(name).addHandler(others)
        logging.getLogger(name).setLevel(logging.WARNING)


class _Lines(logging.Formatter):
    """One JSON object a line. Of an exception its class alone: what it says may hold somebody's words."""

    def format(self, record: logging.LogRecord) -> str:
        """A record as a line."""
        failed = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        said = {"level": record.levelname, "logger": record.name, "message": record.getMessage().strip()}
        return json.dumps(said | ({"exception": failed} if failed else {}), ensure_ascii=False)
