"""Calls from the command line to another machine: over a connection that the remote driver here has open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from tierhost.ipc.errors import Code, DriverError

if TYPE_CHECKING:
    from tierhost.ipc.client import Client
    from tierhost.ipc.messages import Value


class RemoteClient:
    """A client of another host through one of this machine, which has the keys."""

    def __init__(self, client: Client, uri: str) -> None:
        """Find the connection with this URI. Raises DriverError if none is open."""
        self._client = client
        rows = client.call("remote.connect_list", changes=False)
        found = [row["name"] for row in rows if row["uri"] == uri and row["open"]]
        if not found:
            hint = "`tierhost call remote.connect_define NAME URI KEY PEER-KEY`, then `tierhost call remote.connect_open NAME`"
            raise DriverError(f"no open connection goes to {uri}", code=Code.NO_CONNECT, subject="remote", hint=hint)
        # Of several that go there, one that is up: another may have been let go of over there.
        alive = (name for name in found if client.call("remote.connect_is_alive", name, changes=False))
        self._name = next(alive, found[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def call(self, method: str, *args: Value, deadline_s: float | None = None, **kwargs: Value) -> Any:
        """Call "driver.method" over there."""
        return self._client.call("remote.connect_call", self._name, method, *args, deadline_s=deadline_s, changes=True, **kwargs)
