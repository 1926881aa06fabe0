"""What callers say of connections and over them: definitions, the list, and calls that take their id and deadline along."""

from __future__ import annotations

from typing import Any

from tierhost.workers.remote import state
from tierhost.workers.remote.backend import CONNECTING, LOST
from tierhost.workers.remote.opening import CONNECTIONS, LOCK, OPEN, Opening
from tierhost.workers.runtime import calling
from tierhost.workers.runtime.contract import Code, DriverError, change, read


class Connections(Opening):
    """Definitions, and calls."""

    # Definitions.

    @change()
    def connect_define(self, name: str, uri: str, key: str = "", peer_keys: Any = ()) -> dict[str, Any]:
        """Define a connection, or define it anew: where to, with which of our keys, and the key(s) the other side may have.

        One that is open stays as it was opened, until it is opened again.
        """
        wanted = state.connection(name, uri, key, peer_keys)
        with self.context.jobs.changing(LOCK):
            rows = self.context.persistent.all(CONNECTIONS)
            if wanted.name not in rows and len(rows) >= state.CONNECTIONS_MAX:
                raise DriverError(f"there are {len(rows)} connections, the limit", code=Code.OVERFLOW, subject=wanted.subject)
            row = {**wanted.row(), "autostart": rows.get(wanted.name, {}).get("autostart", False)}
            with self.context.persistent.transaction() as t:
                t.put(CONNECTIONS, wanted.name, row)
                t.reply(row)
        self.context.emit("connection-defined", wanted.name, {"uri": wanted.uri})
        return row

    @change()
    def connect_undefine(self, name: str) -> None:
        """Forget a definition. A connection that is open stays open."""
        with self.context.jobs.changing(LOCK):
            self._defined(name)
            with self.context.persistent.transaction() as t:
                t.delete(CONNECTIONS, name)
                t.reply(None)
        self.context.emit("connection-undefined", name, {})

    @change()
    def connect_set_autostart(self, name: str, autostart: bool) -> None:
        """Have a connection opened at the first start after each boot, or no longer."""
        with self.context.jobs.changing(LOCK):
            row = {**self._defined(name).row(), "autostart": bool(autostart)}
            with self.context.persistent.transaction() as t:
                t.put(CONNECTIONS, name, row)
                t.reply(None)

    # Asking.

    @read()
    def connect_list(self) -> list[dict[str, Any]]:
        """List the connections: defined ones and open ones."""
        rows = self.context.persistent.all(CONNECTIONS)
        opened = self.context.run.all(OPEN)
        return [
            {**(opened.get(name) or rows[name]), "persistent": name in rows, "open": name in self._links}
            for name in sorted(rows.keys() | opened.keys())
        ]

    @read()
    def connect_lookup_by_name(self, name: str) -> dict[str, Any]:
        """Show one connection."""
        found = next((row for row in self.connect_list() if row["name"] == name), None)
        if found is None:
            raise state.no_connection(name)
        return found

    @read()
    def connect_get_uri(self, name: str) -> str:
        """Return where a connection goes."""
        uri: str = self.connect_lookup_by_name(name)["uri"]
        return uri

    @read()
    def connect_is_alive(self, name: str) -> bool:
        """Say whether the other side of an open connection answered when it was last greeted (every second)."""
        link = self._opened(name)
        return link.state not in {CONNECTING, LOST}

    @change()
    def connect_call(self, connection: str, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call "driver.method" on the other side, within this call's own deadline and with its own id.

        So a change that is asked for again, after whoever died, is done once; or the error says that nobody knows.
        """
        wanted = state.checked_method(method)
        link = self._opened(connection)
        if wanted.partition(".")[0] == "host":
            raise DriverError("a host takes orders on its own machine only", code=Code.OPERATION_DENIED, subject=link.subject)
        call_id = calling.CALL_ID.get()
        assert call_id is not None
        return link.call(wanted, args, kwargs, call_id=call_id, end_s=calling.deadline_s(), changes=True)
