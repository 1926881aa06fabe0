"""The nodedev-udev driver: reads the machine once, then follows what the kernel and udev say."""

from __future__ import annotations

import threading
import time
import weakref
from typing import TYPE_CHECKING, Final

from tierhost.workers.nodedev_udev import backend, describing, state
from tierhost.workers.nodedev_udev.backend import Ear, Folder, Overflow
from tierhost.workers.nodedev_udev.following import Following
from tierhost.workers.nodedev_udev.uevents import GONE
from tierhost.workers.runtime.contract import Code, DriverError, InhibitCallback, InitResult
from tierhost.workers.runtime.guard import guarded
from tierhost.workers.runtime.node_device_calls import NodeDeviceCalls
from tierhost.workers.runtime.node_devices import Device, Shelf, device_xml

if TYPE_CHECKING:
    from tierhost.workers.nodedev_udev.uevents import Uevent

EVENTS: Final = "device events"
UDEV: Final = "udev"


class NodedevUdevDriver(NodeDeviceCalls):
    """Shows the devices of this machine, as /sys has them, and tells when they come and go."""

    _ear: Ear | None = None

    def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
        """Listen first, then read everything there is: what comes in between is heard, not missed."""
        try:
            ear = Ear()
        except OSError as error:
            return self.skip(f"the kernel does not tell of devices here ({error.strerror}): is this a sandbox?")
        self.shelf = Shelf(backend.devices())
        if len(self.shelf.by_name) <= 1:
            ear.close()
            return self.skip("/sys shows no devices: mount sysfs there")
        self._following, self._changing = Following(), threading.RLock()
        self._ear = ear
        # The thread must not keep a driver alive that nobody wants any more.
        weakref.finalize(self, ear.end.put)
        args = (weakref.ref(self), ear, self._following)
        threading.Thread(target=_follow, args=args, name="device events", daemon=True).start()
        return InitResult.COMPLETE

    def state_reload(self) -> None:
        """Read everything again."""
        with self._changing:
            self.put_on_shelf(Shelf(backend.devices()))
        self.context.mend(EVENTS)

    def state_cleanup(self) -> None:
        """Stop listening."""
        if self._ear is not None:
            self._ear.end.put()
            self._ear = None

    def objects(self) -> dict[str, dict[str, int]]:
        """Count what can be touched; loops and taps come and go with every guest."""
        counts: dict[str, int] = {}
        for device in self.shelf.by_name.values():
            if state.is_physical(device):
                counts[device.capability] = counts.get(device.capability, 0) + 1
        return {"devices": counts}

    def describe(self, device: Device) -> str:
        """Return a device's XML from what /sys has of it now."""
        if device.capability == "system":
            return device_xml(device, "", (), describing.system(backend.dmi))
        facts = backend.facts_of(device.place)
        if facts is None:
            raise DriverError("it has just gone", code=Code.NO_NODE_DEVICE, subject=f"node device {device.name}")
        folder = Folder(facts)
        body = describing.BODIES[device.capability](folder)
        return device_xml(device, self.shelf.parent_of(device), describing.head(folder), body)

    # In the thread that listens.

    def act_on(self, heard: list[tuple[int, Uevent]] | None) -> None:
        """Act on what was said; None: some of it is lost, so everything is read again and the differences are told."""
        if heard is None:
            self.context.emit("node-device-events-lost", EVENTS, {})
            self.state_reload()
            return
        now_s, udev_runs = time.monotonic(), backend.udev_runs()
        words = [word for group, event in heard for word in self._following.take(group, event, now_s, udev_runs=udev_runs)]
        late = self._following.due(now_s)
        for word in (*words, *late):
            with self._changing:
                self._act(word)
        if late:
            self.context.degrade(UDEV, "udevd does not answer: devices are shown without what it knows of them")
        elif words and not self._following.udev_is_late:
            self.context.mend(UDEV)

    def _act(self, event: Uevent) -> None:
        # What sits on a device that was moved has moved with it, and is told of by itself.
        moved = event.before
        kept = [device for device in self.shelf.by_place.values() if moved not in {device.place, *device.above} or not moved]
        shelf = Shelf(kept)
        facts = None if event.action in GONE else backend.facts_of(event.path)
        device = state.device_of(facts) if facts else None
        if device is None:
            self.put_on_shelf(shelf.without(event.path))
            return
        known = device.name in self.shelf.by_name
        self.put_on_shelf(shelf.with_device(device))
        if known and event.action == "change":
            self.tell("node-device-updated", [device.name])


def _follow(of: weakref.ref[NodedevUdevDriver], ear: Ear, following: Following) -> None:
    """Listen for as long as there is somebody to tell. What goes wrong with one word is shown, and the next is heard."""
    try:
        while True:
            try:
                heard = ear.hear(following.wait_s(time.monotonic()))
                if heard is None:
                    return
            except Overflow:
                heard = None
            driver = of()
            if driver is None:
                return
            outcome = guarded("following device events", driver.act_on, heard)
            if outcome.error is not None:
                driver.context.degrade(EVENTS, str(outcome.error))
            del driver
    finally:
        ear.close()
