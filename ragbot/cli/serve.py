"""`ragbot serve` and `ragbot keys`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import typer

from ragbot.cli.knowledge import time_of
from ragbot.cli.terminal import Home, Json, app, note, one_line, reporting, say, say_json
from ragbot.errors import ConfigError

if TYPE_CHECKING:
    from ragbot.access import Key
    from ragbot.server.keys import Keyring


keys_cli = app("Keys to `ragbot serve`: who holds one sees and does what it allows, and nothing else.")
KeyId = Annotated[str, typer.Argument(metavar="ID", help="The id of a key, as `ragbot keys list` shows it.")]
Many = list[str] | None


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    cli.command()(serve)
    cli.command()(mcp)
    cli.add_typer(keys_cli, name="keys")


def serve(
    home: Home = None,
    host: Annotated[str | None, typer.Option("--host", help="Where to listen (else of ragbot.toml, else 127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="Else of ragbot.toml, else 8400; 0: any.")] = None,
    no_keys: Annotated[bool, typer.Option("--no-keys", help="Ask for no key: whoever is at this machine may do all.")] = False,
    as_json: Json = False,
) -> None:
    """Serve the memory over HTTP: the OpenAI protocol, the memory's own routes, and MCP, until Ctrl-C."""
    with reporting(as_json):
        _need_extra()
        from ragbot.memory import Memory
        from ragbot.server import config as configs
        from ragbot.server.keys import Keyring

        with Memory.open(home) as memory:
            config = configs.load(memory.home)
            config = replace(config, host=host or config.host, port=config.port if port is None else port)
            if not no_keys and not config.trusted_proxies and not Keyring(memory.store, config.groups).all():
                raise ConfigError(
                    "there is no key yet; `ragbot keys add NAME` makes one, or give --no-keys to serve this machine alone"
                )

            from ragbot.server import loading
            from ragbot.server.listening import listen

            listening = listen(config)
            loading.give_memory_back()
            models = loading.begin(memory)
            from ragbot.server.run import serve  # meanwhile: it takes most of a second

            def ready(address: str) -> None:
                say_json({"address": address}, indent=None) if as_json else note(f"Listening on {address} (Ctrl-C ends it).")

            serve(memory, config, listening, keys=not no_keys, loading=models, ready=ready)


def mcp(home: Home = None) -> None:
    """Serve the memory over MCP to the program that starts this. RAGBOT_KEY says who asks; else it is the owner."""
    with reporting(False):
        _need_extra("mcp", "mcp")
        from ragbot.memory import Memory
        from ragbot.server import config as configs
        from ragbot.server.mcp import run_stdio

        with Memory.open(home, create=False) as memory:
            run_stdio(memory, configs.load(memory.home))


@keys_cli.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Whose key it is; also the scope in which it talks, unless --scope names one.")],
    scope: Annotated[Many, typer.Option("--scope", help="A scope that it sees; “everyone” if it may write for all.")] = None,
    group: Annotated[Many, typer.Option("--group", help="A group of “server.groups” in ragbot.toml.")] = None,
    role: Annotated[Many, typer.Option("--role", help="read, tell, write or admin; read and tell, if none is given.")] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="TIME", help="Until when it opens anything (2027-01-01, “in a year”).")
    ] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Make a key. It is shown once; only a hash of it is kept."""
    with reporting(as_json), _opened(home) as keyring:
        until = time_of(expires, "--expires")
        key, secret = keyring.add(name, scopes=scope or (), groups=group or (), roles=role or ("read", "tell"), expires_at=until)
        _say_secret(key, secret, as_json)


@keys_cli.command("list")
def list_keys(home: Home = None, as_json: Json = False) -> None:
    """List the keys, without what opens them."""
    with reporting(as_json), _opened(home) as keyring:
        found = keyring.all()
        if as_json:
            say_json([asdict(key) for key in found])
            return
        for key in found:
            used = f"last used {key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never used"
            ends = f", expires {key.expires_at:%Y-%m-%d %H:%M}" if key.expires_at else ""
            state = f", revoked {key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else ends
            may = f"{', '.join(key.roles) or 'nothing'} in {', '.join((*key.scopes, *(f'group {name}' for name in key.groups)))}"
            say(f"{key.id}  {one_line(key.name)}: {one_line(may)} ({used}{state})")
        if not found:
            note("there are no keys; `ragbot keys add NAME` makes one")


@keys_cli.command("revoke")
def revoke(key: KeyId, home: Home = None, as_json: Json = False) -> None:
    """Let a key open nothing any more, from now on."""
    with reporting(as_json), _opened(home) as keyring:
        done = keyring.revoke(key)
        say_json(asdict(done)) if as_json else note(f"{done.id} ({done.name}) opens nothing any more.")


@keys_cli.command("rotate")
def rotate(key: KeyId, home: Home = None, as_json: Json = False) -> None:
    """Give a key another secret; the one before opens nothing any more."""
    with reporting(as_json), _opened(home) as keyring:
        _say_secret(*keyring.rotate(key), as_json)


def _say_secret(key: Key, secret: str, as_json: bool) -> None:
    if as_json:
        say_json({**asdict(key), "key": secret})
        return
    say(secret)
    note(f"This is the key of {key.name} ({key.id}). It is shown this once.")


@contextmanager
def _opened(home: str | None) -> Iterator[Keyring]:
    """The keys of a home."""
    _need_extra()
    from ragbot.memory import Memory
    from ragbot.server import config as configs
    from ragbot.server.keys import Keyring

    with Memory.open(home) as memory:
        yield Keyring(memory.store, configs.load(memory.home).groups)


def _need_extra(extra: str = "serve", *more: str) -> None:
    """Raise ConfigError where what the server needs is not installed."""
    from importlib.util import find_spec

    needed = ("fastapi", "uvicorn", "argon2", "limits", "prometheus_client", *more)
    if missing := [name for name in needed if find_spec(name) is None]:
        raise ConfigError(f"this needs {', '.join(missing)}; install it with: pip install 'ragbot[{extra}]'")
