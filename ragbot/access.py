"""Who asks through a door, and what that allows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ragbot.types import EVERYONE

AccessRole = Literal["read", "tell", "write", "admin"]
"""What a key allows: to ask and look; to tell, correct and rate; to add and forget documents; to see and run the whole home."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks through a door, and what that allows.

    The first of `scopes` is its own: there it talks. It reads the others too, and what everyone may see. It writes for everyone
    only if EVERYONE is among them.
    """

    name: str
    scopes: tuple[str, ...]
    roles: frozenset[AccessRole]

    @property
    def reads(self) -> tuple[str, ...]:
        """Every scope that it may see."""
        return tuple(dict.fromkeys((EVERYONE, *self.scopes)))


@dataclass(frozen=True, slots=True)
class Key:
    """A key to a home, without its secret, of which only a hash is kept."""

    id: str
    name: str
    scopes: tuple[str, ...]
    groups: tuple[str, ...]
    """Names of `[server.groups]` in the settings, whose scopes and roles it has too."""
    roles: tuple[AccessRole, ...]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    """To the minute."""
