"""The thread that listens to HAL: acts on its signals, notices that it is gone or hangs, and finds it again."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, Final

from tierhost.workers.nodedev_hal.backend import OWNER_CHANGED, Bus, HalLost, Signal
from tierhost.workers.runtime.contract import DriverError
from tierhost.workers.runtime.guard import guarded

if TYPE_CHECKING:
    import weakref

    from tierhost.workers.nodedev_hal.driver import NodedevHalDriver
    from tierhost.workers.nodedev_hal.state import Properties
    from tierhost.workers.runtime.ending import End

PING_PERIOD_S: Final = 5.0
"""How long HAL may be silent before it is asked whether it is there."""

RETRY_S: Final = 1.0
ABOUT_FIRST: Final = frozenset({"DeviceAdded", "DeviceRemoved", "NewCapability"})


def follow(of: weakref.ref[NodedevHalDriver], bus: Bus | None, address: str, end: End) -> None:
    """Listen until the end, or until nobody wants to know any more."""
    try:
        while True:
            try:
                if bus is None:
                    bus, known = reach(address)
                    driver = of()
                    if driver is None:
                        return
                    driver.take(known)
                    del driver
                going_on = _listen(of, bus, end)
            except DriverError as error:
                going_on = _told(of, error)
                if bus is not None:
                    bus.close()
                    bus = None
                going_on = going_on and not _is_end(end, RETRY_S)
            if not going_on:
                return
    finally:
        if bus is not None:
            bus.close()


def reach(address: str) -> tuple[Bus, dict[str, Properties]]:
    """Find HAL on a bus, have its signals sent to us, and ask for all it knows. Raises HalLost."""
    bus = Bus(address)
    try:
        bus.need_hal()
        bus.subscribe()
        return bus, bus.devices()
    except HalLost:
        bus.close()
        raise
    except DriverError as error:
        bus.close()
        raise HalLost(error.text, subject="HAL") from None


def _listen(of: weakref.ref[NodedevHalDriver], bus: Bus, end: End) -> bool:
    asked_s = time.monotonic()
    while True:
        heard = bus.listen(max(0.0, asked_s + PING_PERIOD_S - time.monotonic()), end.fd)
        if heard is None:
            return False
        if time.monotonic() - asked_s >= PING_PERIOD_S:
            bus.ping()
            asked_s = time.monotonic()
        for signal in heard:
            if not _act(of, bus, signal):
                return False


def _act(of: weakref.ref[NodedevHalDriver], bus: Bus, signal: Signal) -> bool:
    if signal.member == OWNER_CHANGED:
        raise HalLost("it has left the bus" if not signal.body[-1] else "another one has taken its name", subject="HAL")
    udi = _about(signal)
    if not udi:
        return True
    properties = None if signal.member == "DeviceRemoved" else bus.properties(udi)
    driver = of()
    if driver is None:
        return False
    outcome = guarded("following HAL", driver.refresh, udi, properties)
    if outcome.error is not None:
        driver.context.degrade(f"node device {udi}", str(outcome.error))
    return True


def _about(signal: Signal) -> str:
    """Return the udi of the device that a signal is about; empty if it is about none."""
    if signal.member in ABOUT_FIRST and signal.body and isinstance(signal.body[0], str):
        return signal.body[0]
    return signal.path if signal.member == "PropertyModified" else ""


def _told(of: weakref.ref[NodedevHalDriver], error: DriverError) -> bool:
    driver = of()
    if driver is None:
        return False
    driver.lost(error.text)
    return True


def _is_end(end: End, limit_s: float) -> bool:
    poll = select.poll()
    poll.register(end.fd, select.POLLIN)
    return bool(poll.poll(round(limit_s * 1000)))
