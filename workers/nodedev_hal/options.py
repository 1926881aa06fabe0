"""The driver's own configuration: `[drivers.nodedev-hal.options]`, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Options:
    """What can be set."""

    bus_address: str = ""
    """The bus on which HAL is looked for ("unix:path=..."); empty: the system bus, wherever $DBUS_SYSTEM_BUS_ADDRESS says."""

    owner: bool | None = None
    """Whether HAL's word on devices is the one that is told in events. Not set: only where nodedev-udev cannot run."""


def read_options(raw: Mapping[str, Any]) -> Options:
    """Check the options. Raises DriverError naming the key."""
    for key, value in raw.items():
        if key == "bus_address" and isinstance(value, str):
            continue
        if key == "owner" and isinstance(value, bool):
            continue
        reason = f"expected bus_address (text) or owner (true or false), got {value!r:.60}"
        raise DriverError(reason, code=Code.CONF_SYNTAX, subject=f"drivers.nodedev-hal.options.{key}")
    return Options(**raw)
