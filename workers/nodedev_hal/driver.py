"""The nodedev-hal driver: reads HAL's devices once, follows its signals, and comes back when HAL does."""

from __future__ import annotations

import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tierhost.workers.nodedev_hal import state
from tierhost.workers.nodedev_hal.options import read_options
from tierhost.workers.runtime.contract import Code, DriverError, InhibitCallback, InitResult
from tierhost.workers.runtime.ending import End
from tierhost.workers.runtime.node_device_calls import NodeDeviceCalls
from tierhost.workers.runtime.node_devices import Device, Shelf

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.workers.nodedev_hal.state import Properties

SUBJECT: Final = "HAL"
MET: Final = "met"
"""Run: whether HAL has answered since the machine was booted, and on which bus."""

SYS_DEVICES: Final = "/sys/devices/system"
"""Where this is there, nodedev-udev can run."""


class NodedevHalDriver(NodeDeviceCalls):
    """Shows the devices that a HAL daemon knows. Where nodedev-udev can run it is a second opinion, and tells of nothing."""

    _end: End | None = None
    _known: Mapping[str, Properties]
    _has_read: bool = False
    trouble: str = ""
    """Why HAL does not answer; empty while it does."""

    def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
        """Look for HAL on its bus, and read what it knows. Skipped where there is none: everywhere, today."""
        try:
            from tierhost.workers.nodedev_hal import backend, following  # noqa: PLC0415  # jeepney, which may not be installed
        except ModuleNotFoundError as error:
            return self.skip(f"the library {error.name} is not installed: pip install 'tierhost[hal]'")
        options = read_options(self.context.config)
        self.owner = options.owner if options.owner is not None else not Path(SYS_DEVICES).is_dir()
        self._changing = threading.RLock()
        self.shelf, self._known = Shelf(), {}
        bus: backend.Bus | None = None
        try:
            bus, known = following.reach(options.bus_address)
        except backend.HalLost as error:
            # Who has met HAL since the machine was booted waits for it; to others it is nothing that is missing.
            if (self.context.run.get(MET, SUBJECT) or {}).get("bus") != options.bus_address:
                if error.code is Code.OPERATION_TIMEOUT:
                    raise
                return self.skip(f"no HAL answers: {error.text}; nodedev-udev shows this machine's devices")
            self.lost(error.text)
        else:
            self.take(known)
            self.context.run.put(MET, SUBJECT, {"bus": options.bus_address})
        self._end = end = End()
        # The thread must not keep a driver alive that nobody wants any more.
        weakref.finalize(self, end.put)
        args = (weakref.ref(self), bus, options.bus_address, end)
        threading.Thread(target=following.follow, args=args, name="HAL", daemon=True).start()
        return InitResult.COMPLETE

    def state_cleanup(self) -> None:
        """Hang up."""
        if self._end is not None:
            self._end.put()

    def objects(self) -> dict[str, dict[str, int]]:
        """Count the devices that HAL knows."""
        counts: dict[str, int] = {}
        for device in self.shelf.by_name.values():
            counts[device.capability] = counts.get(device.capability, 0) + 1
        return {"devices" if self.owner else "second opinion": counts}

    def describe(self, device: Device) -> str:
        """Return a device's XML from what HAL said of it last."""
        properties = self._known.get(device.place)
        if properties is None:
            raise DriverError("it has just gone", code=Code.NO_NODE_DEVICE, subject=f"node device {device.name}")
        return state.describe(device, self.shelf.parent_of(device), properties)

    def _current(self) -> Shelf:
        """Return the devices. While HAL is away nobody knows them: an error is better than what was true once."""
        if self.trouble:
            hint = "it is asked again every second; nodedev-udev shows devices without it"
            raise DriverError(f"HAL does not answer: {self.trouble}", code=Code.NO_CONNECT, subject=SUBJECT, hint=hint)
        return self.shelf

    # For the thread that listens.

    def take(self, known: Mapping[str, Properties]) -> None:
        """Show what HAL knows, all of it; tell what has come and gone since the last time."""
        with self._changing:
            self._known = dict(known)
            devices = (state.device_of(udi, self._known) for udi in self._known)
            shelf = Shelf(device for device in devices if device is not None)
            if self._has_read:
                self.put_on_shelf(shelf)
            self.shelf, self._has_read = shelf, True
            if self.trouble:
                self.trouble = ""
                self.context.mend(SUBJECT)

    def lost(self, why: str) -> None:
        """HAL is away: say so, to whoever asks too."""
        with self._changing:
            self.trouble = why
            self.context.degrade(SUBJECT, f"HAL does not answer: {why}")

    def refresh(self, udi: str, properties: Properties | None) -> None:
        """Take what HAL says of one device now; None: it is gone."""
        with self._changing:
            known = {other: facts for other, facts in self._known.items() if other != udi}
            if properties is not None:
                known[udi] = properties
            self._known = known
            device = state.device_of(udi, known) if properties is not None else None
            same = device is not None and self.shelf.by_place.get(udi) == device
            self.put_on_shelf(self.shelf.without(udi) if device is None else self.shelf.with_device(device))
            if same and device is not None:
                self.tell("node-device-updated", [device.name])
