"""`config:///`: a client that sees what guests are made of (secrets, storage, networks, ...) and needs no hypervisor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tierhost.host import catalog
from tierhost.host.config import Config
from tierhost.ipc.client import HOST_CHANGES, Client
from tierhost.ipc.errors import Code, DeadlineExceeded, DriverError, PeerAbsent

if TYPE_CHECKING:
    from collections.abc import Generator

    from tierhost.ipc.messages import Event, Value

TIER: Final = "libvirt"
LOOK_S: Final = 1.0
"""So long the host may take to say which tier a driver is of; then its manifest's word counts."""


class ConfigClient(Client):
    """A client of one host that waits for no hypervisor and asks none: whatever becomes of that tier does not matter here.

    Orders to the host are refused: whoever only looks at definitions ends nobody.
    """

    def call(self, method: str, *args: Value, deadline_s: float | None = None, changes: bool = True, **kwargs: Value) -> Any:
        """See Client. Raises DriverError (OPERATION_UNSUPPORTED) for a driver of another tier."""
        self._refuse_others(method.partition(".")[0])
        return super().call(method, *args, deadline_s=deadline_s, changes=changes, **kwargs)

    def host(self, method: str, *args: Value, deadline_s: float | None = None, **kwargs: Value) -> Any:
        """Ask the host. What it says of other tiers is left out."""
        if method in HOST_CHANGES:
            hint = "leave out `-c config:///`"
            raise DriverError(f"config:/// gives no orders ({method})", code=Code.OPERATION_DENIED, subject="host", hint=hint)
        if method == "story":
            self._refuse_others(str(args[0]) if args else "")
        answer = super().host(method, *args, deadline_s=deadline_s, **kwargs)
        return _config_part(answer) if method == "status" else answer

    def events(self, since: int = 0, *, follow: bool = False, timeout_s: float | None = None) -> Generator[Event, None, None]:
        """See Client. What drivers of other tiers do is left out."""
        tiers = self._tiers()
        for event in super().events(since, follow=follow, timeout_s=timeout_s):
            if all(tiers.get(name, TIER) == TIER for name in (event.source, event.subject)):
                yield event

    def _refuse_others(self, driver: str) -> None:
        tier = self._tiers().get(driver, TIER)
        if tier != TIER:
            reason = f"config:/// has no drivers of tier '{tier}'"
            raise DriverError(
                reason, code=Code.OPERATION_UNSUPPORTED, subject=f"driver {driver}", hint="leave out `-c config:///` to ask it"
            )

    def _tiers(self) -> dict[str, str]:
        """The tier of each driver: by the host's word, or, where there is none, by the manifests that we know."""
        try:
            rows = super().host("status", deadline_s=LOOK_S)["drivers"]
        except (PeerAbsent, DeadlineExceeded):
            return {name: manifest.tier for name, manifest in catalog.read(Config()).drivers.items()}
        return {row["name"]: row["tier"] for row in rows}


def _config_part(status: dict[str, Any]) -> dict[str, Any]:
    """Leave out of a status what config:/// does not see; the host is as ready as our tier is."""
    tiers = [tier for tier in status["tiers"] if tier["name"] == TIER]
    host = dict(status["host"])
    if host["state"] != "stopping" and tiers:
        host["state"] = {"ready": "ready", "held": "held"}.get(tiers[0]["state"], "starting")
    drivers = [row for row in status["drivers"] if row["tier"] == TIER]
    return {**status, "host": host, "tiers": tiers, "drivers": drivers}
