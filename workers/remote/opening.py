"""Connections to other hosts: defined, opened, closed, asked; what is open is recorded, and opened again by the next life."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.remote import state
from tierhost.workers.remote.backend import CONNECTED, GREET_S, LOST, Link, closed
from tierhost.workers.remote.keyring import Keyring
from tierhost.workers.runtime import calling
from tierhost.workers.runtime.abroad import Lines, TcpWay, way_to_root
from tierhost.workers.runtime.contract import Code, DriverError, change

if TYPE_CHECKING:
    from tierhost.workers.remote.state import Definition
    from tierhost.workers.runtime.abroad import Way
    from tierhost.workers.runtime.contract import Context

CONNECTIONS: Final = "connections"
"""Persistent: definitions by name."""

OPEN: Final = "open"
"""Run: what is open, each as it was opened."""

LOCK: Final = "remote connections"
LEAVE_S: Final = 4.0


class Opening(Keyring):
    """Which connections are open, and the way to each other side."""

    def __init__(self, context: Context) -> None:
        """Keep the context; nothing is opened yet."""
        super().__init__(context)
        self._links: dict[str, Link] = {}
        self._made_lines: Lines | None = None
        self._lines_lock = threading.Lock()

    def restore(self) -> None:
        """Open again what was open, without waiting for the other sides."""
        for name, row in self.context.run.all(OPEN).items():
            definition = state.Definition.from_row(row)
            if definition is None:
                self.context.degrade(f"connection {name}", "its record is not one that this version understands")
            else:
                self._keep_open(definition)

    def open_marked(self) -> None:
        """Open what is marked for autostart and not open."""
        for row in self.context.persistent.all(CONNECTIONS).values():
            definition = state.Definition.from_row(row)
            if definition is not None and definition.autostart and definition.name not in self._links:
                self.context.run.put(OPEN, definition.name, definition.row())
                self._keep_open(definition)

    def let_go(self) -> None:
        """Let go of every other side. What is recorded as open is opened by the next life."""
        links, self._links = list(self._links.values()), {}
        for link in links:
            link.close()
        over = [link.is_over(LEAVE_S) for link in links]
        with self._lines_lock:
            lines, self._made_lines = self._made_lines, None
        # Calls that are still under way use it; the process ends soon.
        if lines is not None and all(over):
            lines.close()

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
            with ExitStack() as undo:
                undo.callback(link.close)
                link.reach(min(calling.deadline_s(), time.monotonic() + 2 * GREET_S))
                with self.context.run.transaction() as t:
                    t.put(OPEN, named, definition.row())
                    t.reply(definition.row())
                undo.pop_all()
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

    def _keep_open(self, definition: Definition) -> None:
        link = self._link(definition)
        self._links = {**self._links, definition.name: link}
        link.start(reached=False)

    def _link(self, definition: Definition) -> Link:
        return Link(definition, lambda: self._way(definition), self._heard)

    def _way(self, definition: Definition) -> Way:
        place = definition.place
        if place.root:
            return way_to_root(place.root)
        return TcpWay(self._lines(), place.address, self.secret_of(definition.key), definition.peer_keys)

    def _lines(self) -> Lines:
        with self._lines_lock:
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

    def _defined(self, name: object) -> Definition:
        row = self.context.persistent.get(CONNECTIONS, state.checked_name(name, "connection"))
        found = state.Definition.from_row(row) if row is not None else None
        if found is None:
            raise state.no_connection(name)
        return found
