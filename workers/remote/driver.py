"""The remote driver: connections to other hosts and calls over them, and the door for those who come from there."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.remote import state
from tierhost.workers.remote.backend import CONNECTED, CONNECTING, GREET_S, LOST, Link, closed
from tierhost.workers.remote.keyring import DOOR, Keyring
from tierhost.workers.runtime import calling
from tierhost.workers.runtime.abroad import Lines, TcpWay, way_home, way_to_root
from tierhost.workers.runtime.contract import Code, DriverError, InhibitCallback, InitResult, change, read
from tierhost.workers.runtime.listening import Listening
from tierhost.workers.runtime.store import StoreFailed

if TYPE_CHECKING:
    from tierhost.workers.remote.state import Definition
    from tierhost.workers.runtime.abroad import Way
    from tierhost.workers.runtime.contract import Context

CONNECTIONS: Final = "connections"
"""Persistent: definitions by name."""

OPEN: Final = "open"
"""Run: what is open, each as it was opened."""

LOCK: Final = "remote connections"
DOOR_AGAIN_S: Final = 5.0


class RemoteDriver(Keyring):
    """Opens connections to other hosts and keeps them; what is called over one is done there. Lets listed keys in."""

    def __init__(self, context: Context) -> None:
        """Keep the context; nothing is opened yet."""
        super().__init__(context)
        self._links: dict[str, Link] = {}
        self._made_lines: Lines | None = None
        self._door: Listening | None = None
        self._door_trouble = ""
        self._door_lock = threading.Lock()
        self._ended = False

    # Verbs.

    def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
        """Open again what was open, without waiting for the other sides; listen, if the configuration says so."""
        self.read_guests()
        for name, row in self.context.run.all(OPEN).items():
            definition = state.Definition.from_row(row)
            if definition is None:
                self.context.degrade(f"connection {name}", "its record is not one that this version understands")
            else:
                self._keep_open(definition, reached=False)
        self._open_door()
        return InitResult.COMPLETE

    def state_auto_start(self) -> None:
        """Open the connections that are marked for it. Where nobody answers it is degraded, and tried again and again."""
        for row in self.context.persistent.all(CONNECTIONS).values():
            definition = state.Definition.from_row(row)
            if definition is not None and definition.autostart and definition.name not in self._links:
                self.context.run.put(OPEN, definition.name, definition.row())
                self._keep_open(definition, reached=False)

    def state_reload(self) -> None:
        """Read the allow list again, and listen if that could not be done before."""
        self.read_guests()
        if self._door is None:
            self._open_door()

    def state_cleanup(self) -> None:
        """Let go of every other side. What is recorded as open is opened by the next life."""
        with self._door_lock:
            self._ended = True
            door, self._door = self._door, None
        if door is not None:
            door.close()
        links, self._links = list(self._links.values()), {}
        for link in links:
            link.close()
        for link in links:
            link.join()
        with self._door_lock:
            lines, self._made_lines = self._made_lines, None
            self._ended = False
        if lines is not None:
            lines.close()

    def objects(self) -> dict[str, dict[str, int]]:
        """Count the connections, and the keys that may come in."""
        open_now = len(self._links)
        defined = self.context.persistent.all(CONNECTIONS).keys() - self._links.keys()
        return {"connections": {"open": open_now, "closed": len(defined)}, "keys": {"allowed": len(self._entries())}}

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

    def _defined(self, name: object) -> Definition:
        row = self.context.persistent.get(CONNECTIONS, state.checked_name(name, "connection"))
        found = state.Definition.from_row(row) if row is not None else None
        if found is None:
            raise state.no_connection(name)
        return found

    # Opening and closing.

    @change()
    def connect_open(self, name: str, uri: str = "", key: str = "", peer_keys: Any = ()) -> dict[str, Any]:
        """Open a connection that is defined; or, with a `uri`, one that is gone when it is closed. Raises what keeps it shut."""
        named = state.checked_name(name, "connection")
        with self.context.jobs.changing(f"connection {named}"):
            if named in self._links:
                raise DriverError("it is open already", code=Code.OPERATION_INVALID, subject=f"connection {named}")
            if len(self._links) >= 2 * state.CONNECTIONS_MAX:
                raise DriverError("too many connections are open", code=Code.OVERFLOW, subject=f"connection {named}")
            definition = state.connection(named, uri, key, peer_keys) if uri else self._defined(named)
            link = self._link(definition)
            try:
                link.reach(min(calling.deadline_s(), time.monotonic() + 2 * GREET_S))
                with self.context.run.transaction() as t:
                    t.put(OPEN, named, definition.row())
                    t.reply(definition.row())
            except BaseException:
                link.close()
                raise
            self._links = {**self._links, named: link}
            link.start(reached=True)
        self.context.emit("remote-connected", link.subject, {"uri": definition.uri})
        return definition.row()

    @change()
    def connect_close(self, name: str) -> None:
        """Close a connection. Calls under way end at their own deadline."""
        named = state.checked_name(name, "connection")
        with self.context.jobs.changing(f"connection {named}"):
            link = self._opened(named)
            with self.context.run.transaction() as t:
                t.delete(OPEN, named)
                t.reply(None)
            self._links = {other: each for other, each in self._links.items() if other != named}
            link.close()
            self.context.mend(link.subject)
        self.context.emit("connection-closed", link.subject, {})

    def _keep_open(self, definition: Definition, *, reached: bool) -> None:
        link = self._link(definition)
        self._links = {**self._links, definition.name: link}
        link.start(reached=reached)

    def _link(self, definition: Definition) -> Link:
        return Link(definition, lambda: self._way(definition), self._heard)

    def _way(self, definition: Definition) -> Way:
        place = definition.place
        if place.root:
            return way_to_root(place.root)
        return TcpWay(self._lines(), place.address, self.secret_of(definition.key), definition.peer_keys)

    def _lines(self) -> Lines:
        with self._door_lock:
            if self._made_lines is None:
                self._made_lines = Lines()
            return self._made_lines

    def _heard(self, link: Link, news: str) -> None:
        """The other side was reached, or lost: in the link's own thread."""
        if self._links.get(link.definition.name) is not link:
            return
        if news == CONNECTED:
            self.context.mend(link.subject)
            self.context.emit("remote-connected", link.subject, {"uri": link.definition.uri})
            return
        self.context.degrade(link.subject, f"lost: {link.reason}")
        if news == LOST:
            self.context.emit("remote-lost", link.subject, {"uri": link.definition.uri, "reason": link.reason})

    def _opened(self, name: object) -> Link:
        link = self._links.get(name) if isinstance(name, str) else None
        if link is None:
            self._defined(name)
            raise closed(f"connection {name}")
        return link

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

    # The door.

    @read()
    def remote_get_door(self) -> dict[str, Any]:
        """Show whether we listen for other machines, where, and with which key."""
        keys = {row["name"]: row["public"] for row in self.remote_key_list()}
        listen = state.listen_address(self.context.config)[0]
        address = self._door.address if self._door else ""
        return {"listen": listen, "address": address, "public": keys.get(DOOR, ""), "trouble": self._door_trouble}

    def _open_door(self) -> None:
        address, wrong = state.listen_address(self.context.config)
        with self._door_lock:
            if self._ended or self._door is not None or (not address and not wrong):
                return
        if wrong:
            self._shut(wrong)
            return
        try:
            door = Listening(address, self.door_secret(), self, lambda: way_home(self.context), self._complain)
        except (OSError, StoreFailed) as error:
            self._shut(f"cannot listen at {address}: {getattr(error, 'strerror', None) or error}")
            self.context.later(DOOR_AGAIN_S, self._open_door)
            return
        with self._door_lock:
            self._door, self._door_trouble = door, ""
        self.context.mend(DOOR)

    def _shut(self, trouble: str) -> None:
        self._door_trouble = trouble
        self.context.degrade(DOOR, trouble)

    def _complain(self, what: str) -> None:
        self.context.emit("stranger", DOOR, {"what": what})

    def open_door_again(self) -> None:
        """Listen with the door's key as it is now; who is connected connects again."""
        with self._door_lock:
            door, self._door = self._door, None
        if door is not None:
            door.close()
        self._open_door()

    def users_of(self, name: str) -> list[str]:
        """List who uses a key."""
        rows = [*self.context.persistent.all(CONNECTIONS).values(), *self.context.run.all(OPEN).values()]
        users = sorted({f"connection {row['name']}" for row in rows if row["key"] == name})
        return [*users, "the door"] if name == DOOR and self._door is not None else users
