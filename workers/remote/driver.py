"""The remote driver: libvirt's verbs, and the door for those who come from other machines."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.remote import state
from tierhost.workers.remote.connections import Connections
from tierhost.workers.remote.keyring import DOOR
from tierhost.workers.remote.opening import CONNECTIONS, OPEN
from tierhost.workers.runtime.abroad import way_home
from tierhost.workers.runtime.contract import InhibitCallback, InitResult, read
from tierhost.workers.runtime.listening import Listening
from tierhost.workers.runtime.store import StoreFailed

if TYPE_CHECKING:
    from tierhost.workers.runtime.contract import Context

DOOR_AGAIN_S: Final = 5.0


class RemoteDriver(Connections):
    """Opens connections to other hosts and keeps them; what is called over one is done there. Lets listed keys in."""

    def __init__(self, context: Context) -> None:
        """Keep the context; nothing is opened yet."""
        super().__init__(context)
        self._door: Listening | None = None
        self._door_trouble = ""
        self._door_lock = threading.Lock()
        self._ended = False

    # Verbs.

    def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
        """Open again what was open, without waiting for the other sides; listen, if the configuration says so."""
        self._ended = False
        self.read_guests()
        self.restore()
        self._open_door()
        return InitResult.COMPLETE

    def state_auto_start(self) -> None:
        """Open the connections that are marked for it. Where nobody answers it is degraded, and tried again and again."""
        self.open_marked()

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
        self.let_go()

    def objects(self) -> dict[str, dict[str, int]]:
        """Count the connections, and the keys that may come in."""
        open_now = len(self._links)
        defined = self.context.persistent.all(CONNECTIONS).keys() - self._links.keys()
        return {"connections": {"open": open_now, "closed": len(defined)}, "keys": {"allowed": len(self._entries())}}

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
