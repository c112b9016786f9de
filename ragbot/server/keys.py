"""Who asks: keys, of which only hashes are kept, and the headers of proxies that are trusted."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import ipaddress
import re
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from ragbot.access import AccessRole, Key, Principal
from ragbot.errors import BusyError, HomeError, InputError, NotFoundError
from ragbot.server.config import Group, ServerConfig
from ragbot.store import Store
from ragbot.text import storable
from ragbot.types import EVERYONE, LOCAL

PREFIX = "rb"
ROLES: tuple[AccessRole, ...] = ("read", "tell", "write", "admin")
USER = "user:"
"""What the scope of a person begins with who comes through a proxy: no name of a person is the scope of a group."""
NOTED = timedelta(minutes=1)
"""How exactly it is kept when a key was last used."""
_TOKEN = re.compile(rf"{PREFIX}-([0-9a-f]{{12}})-([A-Za-z0-9_-]{{43}})")
# The least that OWASP's password storage cheat sheet names. A secret is 256 random bits, which nobody finds by trying.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


@dataclass(frozen=True, slots=True)
class Identity:
    """A principal, and the key that it came with, if it was one."""

    principal: Principal
    key_id: str | None = None


OWNER = Identity(Principal(LOCAL, (LOCAL, EVERYONE), frozenset(ROLES)))
"""Who asks where no keys are wanted: the one person at this machine."""


class Keyring:
    """The keys of a home. Safe to use from several threads."""

    def __init__(self, store: Store, groups: Mapping[str, Group]) -> None:
        self._store, self._groups = store, groups
        self._proof_key = secrets.token_bytes(32)
        self._proofs: dict[str, tuple[str, bytes]] = {}
        """By id: the hash that a secret was found to belong to, and a digest of that secret, which is quick to compare."""
        self._one_hash_at_a_time = threading.Lock()
        self._decoy = _HASHER.hash(secrets.token_urlsafe(32))

    def add(
        self,
        name: str,
        *,
        scopes: Sequence[str] = (),
        groups: Sequence[str] = (),
        roles: Sequence[str] = ("read", "tell"),
        expires_at: datetime | None = None,
    ) -> tuple[Key, str]:
        """Make a key. What opens it is shown once, and kept nowhere. Its own scope is the first that is not everyone's, else
        the one of its name. Raises InputError."""
        name, scopes = storable(name.strip()), [storable(one.strip()) for one in scopes]
        if not name or not all(scopes):
            raise InputError("a key needs a name and scopes that are not empty")
        if wrong := [role for role in roles if role not in ROLES]:
            raise InputError(f"there is no role {wrong[0]!r}; there are {', '.join(ROLES)}")
        if wrong := [group for group in groups if group not in self._groups]:
            raise InputError(f"there is no group {wrong[0]!r} in [server.groups]; add it to ragbot.toml first")
        if expires_at is not None and expires_at <= datetime.now(UTC):
            raise InputError("the key would have expired already; give a later time")
        own = next((one for one in scopes if one != EVERYONE), name)
        if own == EVERYONE:
            raise InputError(f"{EVERYONE!r} is no person's scope; give the key another name, or a --scope of its own")
        kept = tuple(dict.fromkeys((own, *scopes)))
        key = Key(
            secrets.token_hex(6),
            name,
            kept,
            tuple(groups),
            tuple(role for role in ROLES if role in roles),
            datetime.now(UTC),
            expires_at,
        )
        secret = secrets.token_urlsafe(32)
        with self._store.keys(write=True) as keys:
            keys.add(key, _HASHER.hash(secret))
        return key, f"{PREFIX}-{key.id}-{secret}"

    def all(self) -> list[Key]:
        """Every key, the oldest first."""
        with self._store.keys() as keys:
            return keys.all()

    def revoke(self, key_id: str) -> Key:
        """Let a key open nothing any more. Raises NotFoundError."""
        with self._store.keys(write=True) as keys:
            key = _found(keys.of(key_id), key_id)
            key = replace(key, revoked_at=key.revoked_at or datetime.now(UTC))
            keys.replace(key)
        return key

    def rotate(self, key_id: str) -> tuple[Key, str]:
        """Give a key another secret; the one before opens nothing any more. Raises NotFoundError, InputError if it is revoked."""
        secret = secrets.token_urlsafe(32)
        with self._store.keys(write=True) as keys:
            key = _found(keys.of(key_id), key_id)
            if key.revoked_at:
                raise InputError(f"{key_id}: is revoked; `ragbot keys add` makes a new one")
            keys.replace(key, _HASHER.hash(secret))
        return key, f"{PREFIX}-{key.id}-{secret}"

    def identity(self, token: str) -> Identity | None:
        """Who comes with a token; None if it opens nothing. It takes as long whether or not there is a key of its id."""
        found = _TOKEN.fullmatch(token)
        key_id, secret = (found[1], found[2]) if found else ("", token)
        with self._store.keys() as keys:
            kept = keys.of(key_id)
        key, hashed = kept or (None, self._decoy)
        if not self._proves(key_id, hashed, secret) or key is None or not _is_live(key):
            return None
        self._note_use(key)
        return Identity(self._principal(key), key.id)

    def at_once(self, token: str) -> Identity | None:
        """Who comes with a token that was proved not long ago; None where finding out takes a hash, or a write."""
        found = _TOKEN.fullmatch(token)
        known = self._proofs.get(found[1]) if found else None
        if found is None or known is None:
            return None
        with self._store.keys() as keys:
            kept = keys.of(found[1])
        if kept is None or kept[1] != known[0] or not _is_live(kept[0]) or _is_stale(kept[0]):
            return None
        proof = hmac.digest(self._proof_key, found[2].encode(), hashlib.sha256)
        return Identity(self._principal(kept[0]), found[1]) if hmac.compare_digest(known[1], proof) else None

    def identity_of(self, key_id: str) -> Identity | None:
        """Who has a key; None if it opens nothing any more."""
        with self._store.keys() as keys:
            kept = keys.of(key_id)
        return Identity(self._principal(kept[0]), key_id) if kept and _is_live(kept[0]) else None

    def stamp_of(self, key_id: str) -> str:
        """What changes when a key gets another secret; "" for a key that opens nothing. It tells nothing of the secret."""
        with self._store.keys() as keys:
            kept = keys.of(key_id)
        return hashlib.sha256(kept[1].encode()).hexdigest()[:16] if kept and _is_live(kept[0]) else ""

    def _proves(self, key_id: str, hashed: str, secret: str) -> bool:
        """Whether a secret belongs to a hash. What was found once is known again without the cost of a hash."""
        proof = hmac.digest(self._proof_key, secret.encode("utf-8", "surrogatepass"), hashlib.sha256)
        known = self._proofs.get(key_id)
        if known and known[0] == hashed and hmac.compare_digest(known[1], proof):
            return True
        with self._one_hash_at_a_time:  # each takes memory and a core: many wrong keys at once must not take all
            try:
                _HASHER.verify(hashed, secret.encode("utf-8", "surrogatepass"))
            except VerificationError:
                return False
        self._proofs[key_id] = (hashed, proof)
        return True

    def _principal(self, key: Key) -> Principal:
        groups = [self._groups[name] for name in key.groups if name in self._groups]
        return principal(key.name, key.scopes, key.roles, groups)

    def _note_use(self, key: Key) -> None:
        now = datetime.now(UTC)
        if _is_stale(key):
            # A home that is busy, or may not be written, opens all the same.
            with contextlib.suppress(BusyError, HomeError), self._store.keys(write=True) as keys:
                kept = keys.of(key.id)
                if kept:
                    keys.replace(replace(kept[0], last_used_at=now.replace(second=0, microsecond=0)))


def principal(name: str, scopes: Sequence[str], roles: Sequence[AccessRole], groups: Sequence[Group]) -> Principal:
    """A principal with what its groups add."""
    seen = dict.fromkeys((*scopes, *(scope for group in groups for scope in group.scopes)))
    return Principal(name, tuple(seen), frozenset((*roles, *(role for group in groups for role in group.roles))))


def proxied(config: ServerConfig, peer: str, headers: Mapping[str, str]) -> Identity | None:
    """Who a trusted proxy says asks; None if it names nobody, or the address is not one that is trusted."""
    user = storable(headers.get(config.user_header.lower(), "").strip())
    if not user or not is_trusted(config, peer):
        return None
    named = [name.strip() for name in headers.get(config.groups_header.lower(), "").split(",")]
    groups = [config.groups[name] for name in named if name in config.groups]
    return Identity(principal(user, (f"{USER}{user}",), config.proxy_roles, groups))


def is_trusted(config: ServerConfig, peer: str) -> bool:
    """Whether an address is one of the trusted proxies."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(network, strict=False) for network in config.trusted_proxies)


def _is_stale(key: Key) -> bool:
    return key.last_used_at is None or datetime.now(UTC) - key.last_used_at >= NOTED


def _is_live(key: Key) -> bool:
    return key.revoked_at is None and (key.expires_at is None or datetime.now(UTC) < key.expires_at)


def _found(kept: tuple[Key, str] | None, key_id: str) -> Key:
    if kept is None:
        raise NotFoundError(f"{key_id}: there is no such key; `ragbot keys list` shows their ids")
    return kept[0]
