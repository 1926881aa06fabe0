"""Our keys and the list of those who may come in: kept in the driver's state, shown by their public halves only."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.remote import state
from tierhost.workers.runtime.abroad import new_pair, public_of
from tierhost.workers.runtime.contract import Code, DriverError, StateDriver, change, read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.workers.remote.state import Allowed
    from tierhost.workers.runtime.contract import Context

KEYS: Final = "keys"
ALLOWED: Final = "allowed"
DOOR: Final = "door"
"""The name of the key that our own door has."""

REFUSED_KEPT: Final = 64
"""Strangers at the door, each told of once."""

LOCK: Final = "remote keys"


class Keyring(StateDriver):
    """Keys by name, and the guest list."""

    def __init__(self, context: Context) -> None:
        """Keep the context; the list is read by `state_initialize`."""
        super().__init__(context)
        self._guests = state.GuestList()
        self._refused: deque[tuple[str, str]] = deque(maxlen=REFUSED_KEPT)
        self._refused_lock = threading.Lock()

    # Our keys.

    @change()
    def remote_key_generate(self, name: str) -> dict[str, Any]:
        """Make a key, and return its public half: the other side's allow list wants it."""
        named = state.checked_name(name, "key")
        with self.context.jobs.changing(LOCK):
            keys = self.context.persistent.all(KEYS)
            if named in keys:
                hint = f"`tierhost remote-key rotate {named}` makes its successor"
                raise DriverError("there is one of this name", subject=f"key {named}", hint=hint)
            if len(keys) >= state.KEYS_MAX:
                raise DriverError(f"there are {len(keys)} keys, the limit", code=Code.OVERFLOW, subject=f"key {named}")
            return self._keep(named, {"secret": new_pair()[1], "next": ""})

    @change()
    def remote_key_rotate(self, name: str) -> dict[str, Any]:
        """Make a key's successor (or show the one there is). It is used after `remote_key_commit`: tell the other sides first."""
        with self.context.jobs.changing(LOCK):
            row = self._key(name)
            return self._keep(name, {**row, "next": row["next"] or new_pair()[1]})

    @change()
    def remote_key_commit(self, name: str) -> dict[str, Any]:
        """Put a key's successor into its place. The old one is forgotten."""
        with self.context.jobs.changing(LOCK):
            row = self._key(name)
            if not row["next"]:
                hint = f"`tierhost remote-key rotate {name}` makes one"
                raise DriverError("it has no successor", code=Code.OPERATION_INVALID, subject=f"key {name}", hint=hint)
            shown = self._keep(name, {"secret": row["next"], "next": ""})
        if name == DOOR:
            self.open_door_again()
        return shown

    @change()
    def remote_key_delete(self, name: str) -> None:
        """Forget a key that no connection uses."""
        with self.context.jobs.changing(LOCK):
            self._key(name)
            users = self.users_of(name)
            if users:
                raise DriverError(f"{', '.join(users[:5])} uses it", code=Code.OPERATION_INVALID, subject=f"key {name}")
            with self.context.persistent.transaction() as t:
                t.delete(KEYS, name)
                t.reply(None)

    @read()
    def remote_key_list(self) -> list[dict[str, Any]]:
        """List the keys by their public halves; `next` is that of a successor that is not used yet."""
        return [_shown(name, row) for name, row in sorted(self.context.persistent.all(KEYS).items())]

    @read()
    def remote_key_has_successor(self, name: str) -> bool:
        """Say whether a key has a successor that is not used yet."""
        return bool(self._key(name)["next"])

    def secret_of(self, name: str) -> str:
        """Return the secret half of a key, for a connection. Raises DriverError."""
        secret: str = self._key(name)["secret"]
        return secret

    def door_secret(self) -> str:
        """Return the secret half of the door's key; it is made if there is none."""
        with self.context.jobs.changing(LOCK):
            row = self.context.persistent.get(KEYS, DOOR)
            if row is None:
                row = {"secret": new_pair()[1], "next": ""}
                self.context.persistent.put(KEYS, DOOR, row)
            secret: str = row["secret"]
            return secret

    def _key(self, name: object) -> Mapping[str, Any]:
        row = self.context.persistent.get(KEYS, state.checked_name(name, "key"))
        if row is None:
            hint = f"`tierhost remote-key generate {name}` makes it"
            raise DriverError("there is no such key", code=Code.INVALID_ARG, subject=f"key {name}", hint=hint)
        return row

    def _keep(self, name: str, row: dict[str, Any]) -> dict[str, Any]:
        shown = _shown(name, row)
        with self.context.persistent.transaction() as t:
            t.put(KEYS, name, row)
            t.reply(shown)
        self.context.emit("remote-key-changed", name, {"public": shown["public"], "next": shown["next"]})
        return shown

    # Who may come in.

    @change()
    def remote_allow(self, name: str, public: str, methods: list[str]) -> dict[str, Any]:
        """Let a key in, for these methods only: ["storage.*", "secret.secret_list"]. An entry of this name is replaced."""
        entry = state.allowed(name, public, methods)
        with self.context.jobs.changing(LOCK):
            entries = self.context.persistent.all(ALLOWED)
            if entry.name not in entries and len(entries) >= state.ALLOWED_MAX:
                raise DriverError(f"there are {len(entries)} entries, the limit", code=Code.OVERFLOW, subject=f"key {name}")
            with self.context.persistent.transaction() as t:
                t.put(ALLOWED, entry.name, entry.row())
                t.reply(entry.row())
            self.read_guests()
        self.context.emit("remote-allowed", entry.name, {"public": entry.public, "methods": list(entry.methods)})
        return entry.row()

    @change()
    def remote_disallow(self, name: str) -> None:
        """Take an entry off the list. What its key asks from now on is refused, also over connections that it has already."""
        named = state.checked_name(name, "key")
        with self.context.jobs.changing(LOCK):
            if self.context.persistent.get(ALLOWED, named) is None:
                raise DriverError("there is no such entry", code=Code.INVALID_ARG, subject=f"key {named}")
            with self.context.persistent.transaction() as t:
                t.delete(ALLOWED, named)
                t.reply(None)
            self.read_guests()
        self.context.emit("remote-disallowed", named, {})

    @read()
    def remote_allow_list(self) -> list[dict[str, Any]]:
        """List who may come in, and what each may call."""
        return [entry.row() for entry in self._entries()]

    @read()
    def remote_allow_lookup_by_name(self, name: str) -> dict[str, Any]:
        """Show one entry of the list."""
        named = state.checked_name(name, "key")
        found = next((entry for entry in self._entries() if entry.name == named), None)
        if found is None:
            raise DriverError("there is no such entry", code=Code.INVALID_ARG, subject=f"key {named}")
        return found.row()

    def read_guests(self) -> None:
        """Take the list as it is recorded."""
        self._guests = state.GuestList(self._entries())

    def _entries(self) -> list[Allowed]:
        read_entries = [state.Allowed.from_row(row) for _, row in sorted(self.context.persistent.all(ALLOWED).items())]
        return [entry for entry in read_entries if entry is not None]

    # Asked by the door, in its thread.

    def may_enter(self, key: str, address: str) -> bool:
        """Whether this public key is on the list; a stranger is told of, once."""
        if self._guests.knows(key):
            return True
        with self._refused_lock:
            fresh = (key, address) not in self._refused
            if fresh:
                self._refused.append((key, address))
        if fresh:
            self.context.emit("remote-refused", address, {"public": key})
        return False

    def refuses(self, key: str, method: str) -> str:
        """Why this key may not call this; empty: it may."""
        return self._guests.refuses(key, method)

    # What the rest of the driver knows.

    def users_of(self, name: str) -> list[str]:
        """List who uses a key."""
        raise NotImplementedError

    def open_door_again(self) -> None:
        """Listen with the door's key as it is now."""
        raise NotImplementedError


def _shown(name: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "public": public_of(row["secret"]), "next": public_of(row["next"]) if row["next"] else ""}
