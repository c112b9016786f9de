"""The table `[server]` of `ragbot.toml`: where the server listens, whom it trusts, and its limits."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from ragbot import settings
from ragbot.access import AccessRole
from ragbot.errors import ConfigError
from ragbot.validation import Takes, keys_of, need_known, validated

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _network(value: object) -> object:
    ipaddress.ip_network(str(value), strict=False)  # its ValueError says that this is none
    return value


Text = Annotated[str, Takes("a text")]
Name = Annotated[str, Takes("a text that is not empty", min_length=1)]
Count = Annotated[int, Takes("a whole number from 1 up", ge=1)]
Names = Annotated[tuple[Name, ...], BeforeValidator(_tuple), Takes("a list of texts")]
Roles = Annotated[tuple[AccessRole, ...], BeforeValidator(_tuple), Takes("a list of read, tell, write and admin")]
Network = Annotated[str, BeforeValidator(_network), Takes("an address or a network")]
Networks = Annotated[tuple[Network, ...], BeforeValidator(_tuple), Takes("a list of addresses and networks such as '10.0.0.0/8'")]


@dataclass(frozen=True, slots=True)
class Group:
    """What its members may see and do, beside what their keys say."""

    scopes: Names = ()
    roles: Roles = ()


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """How the server of one home is set."""

    host: Name = "127.0.0.1"
    port: Annotated[int, Takes("a port from 0 to 65535", ge=0, le=65_535)] = 8400
    public_url: Text = ""
    """The address under which people reach it, for links to sources; "": the one that a request came to."""
    cors_origins: Names = ()
    """Origins of web pages that may call it; none unless they are named."""
    trusted_proxies: Networks = ()
    """Addresses whose headers say who asks. Nobody else's do."""
    user_header: Name = "x-forwarded-user"
    groups_header: Name = "x-forwarded-groups"
    proxy_roles: Roles = ("read", "tell")
    """What everybody may do who comes through a trusted proxy."""
    body_kb: Count = 1024
    """The longest request, but for uploads."""
    upload_mb: Count = 100
    """The largest file."""
    requests_per_minute: Count = 1200
    """Of one person."""
    uploads_per_hour: Count = 1000
    """Of one person."""
    answers_at_once: Count = 2
    """How many answers are written at the same time; the others wait for their turn."""
    waiting_per_person: Count = 16
    waiting: Count = 256
    """How many requests may wait for an answer, of all people together."""
    connections: Count = 1000
    groups: Mapping[str, Group] = field(default_factory=dict, hash=False)


def load(home: Path) -> ServerConfig:
    """The server's settings of a home. Raises ConfigError for an unknown key or an unusable value."""
    table = dict(settings.load(home).server)
    where = f"{home / settings.FILE}: [server]"
    need_known(table, where, keys_of(ServerConfig))
    groups = table.pop("groups", {})
    if not isinstance(groups, dict):
        raise ConfigError(f"{where}: groups takes a table for each group, headed [server.groups.NAME]")
    return validated(ServerConfig, {**table, "groups": {name: _group(where, name, of) for name, of in groups.items()}}, where)


def _group(where: str, name: str, table: Any) -> Group:  # noqa: ANN401 (whatever TOML holds)
    where = f"{where[:-1]}.groups.{name}]"
    if not isinstance(table, dict):
        raise ConfigError(f"{where}: takes a table with scopes and roles")
    need_known(table, where, keys_of(Group))
    return validated(Group, table, where)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address to listen on."""
    try:
        return host in LOOPBACK or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
