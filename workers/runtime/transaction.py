"""A bundle of changes to a store on its way to becoming durable: rows, intents, the answer of the call in progress."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgpack

from tierhost.ipc.errors import Code, DriverError
from tierhost.workers.runtime import calling

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierhost.workers.runtime.calllog import Record
    from tierhost.workers.runtime.rows import Key

INTENTS: Final = "intents"
CALLS: Final = "calls"
LOST: Final = "lost"
RESERVED: Final = frozenset({"", INTENTS, CALLS, LOST})
"""Tables that drivers do not write to themselves."""

ROW_BYTES_MAX: Final = 8 << 20
KEY_CHARS_MAX: Final = 4096


class StoreFailed(DriverError):
    """Raised when nothing could be made durable: disk full, read-only, or both files failing. Nothing has changed."""

    code = Code.SYSTEM_ERROR


class Transaction:
    """Changes that become durable together, or not at all. Made by `Store.transaction`."""

    def __init__(self, look: Callable[[str, str], dict[str, Any] | None]) -> None:
        """Use `Store.transaction`. `look` reads a row as it is before this transaction."""
        self._look = look
        self.call = (calling.CALL_ID.get() or b"").hex()
        self.changed: dict[Key, bytes | None] = {}
        self.records: dict[str, Record | None] = {}

    def put(self, table: str, key: str, row: dict[str, Any]) -> None:
        """Write a row."""
        if table in RESERVED:
            raise ValueError(f"the table {table!r} is the store's own")
        self._put(table, key, row)

    def delete(self, table: str, key: str) -> None:
        """Remove a row, if it is there."""
        if table in RESERVED:
            raise ValueError(f"the table {table!r} is the store's own")
        self.changed[table, key] = None

    def reply(self, value: Any) -> None:
        """Record the answer of the call in progress with this very change: a caller that asks again gets it."""
        if self.call:
            msgpack.packb(value)  # what cannot be recorded is found out here, not in the middle of a commit
            self.records[self.call] = (True, value)

    def intend(self, key: str, facts: dict[str, Any]) -> None:
        """Say what is about to be done, together with other changes."""
        self._put(INTENTS, key, {"facts": facts, "call": self.call})

    def settle(self, key: str, *, reply: Any = None) -> None:
        """The intent is done. If its call died with an earlier life, it is answered with `reply` from now on.

        In the call itself a `reply` of None leaves the answer to `reply()` or to what the method returns.
        """
        call = self._drop_intent(key)
        if call and self.records.get(call) is None and (reply is not None or call != self.call):
            msgpack.packb(reply)
            self.records[call] = (True, reply)

    def abandon(self, key: str) -> None:
        """The intent was undone: its call counts as never made, and may be made again."""
        call = self._drop_intent(key)
        if call and self.records.get(call) is None:
            self.records[call] = None

    def _drop_intent(self, key: str) -> str:
        intent = self._look(INTENTS, key)
        self.changed[INTENTS, key] = None
        return str(intent["call"]) if intent else ""

    def _put(self, table: str, key: str, row: dict[str, Any]) -> None:
        body: bytes = msgpack.packb(row)
        if len(body) > ROW_BYTES_MAX or len(table) + len(key) > KEY_CHARS_MAX:
            reason = f"the row would have {len(body)} bytes under a name of {len(key)} characters, the limits are"
            raise StoreFailed(f"{reason} {ROW_BYTES_MAX} and {KEY_CHARS_MAX}", code=Code.OVERFLOW, subject=f"{table} {key[:60]}")
        self.changed[table, key] = body
