"""Misbehaviour that shows late: memory or descriptors that are taken and never given back, children that nobody ends."""

from __future__ import annotations

import os
import subprocess
import threading
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.misbehaving.ways import Way

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tierhost.drills.misbehaving.ways import Tell
    from tierhost.workers.runtime.contract import InitResult, StateDriver

PIECE_BYTES: Final = 1 << 20
PAUSE_S: Final = 0.005
CHILD: Final = "while :; do sleep 600; done"


def _beside(base: type[StateDriver], leak: Callable[[threading.Event], None]) -> dict[str, Any]:
    """Leak in a thread beside the driver's own work."""

    def state_initialize(self: Any, *, privileged: bool, inhibit: Any) -> InitResult:
        done = base.state_initialize(self, privileged=privileged, inhibit=inhibit)
        threading.Thread(target=leak, args=(threading.Event(),), daemon=True).start()
        return done

    return {"state_initialize": state_initialize}


def _memory(base: type[StateDriver], options: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    pieces = int(options.get("mib", 256))

    def leak(rest: threading.Event) -> None:
        tell(f"leaks {pieces} MiB of memory")
        kept = []
        for _ in range(pieces):
            kept.append(b"\x01" * PIECE_BYTES)
            rest.wait(PAUSE_S)
        rest.wait()

    return _beside(base, leak)


def _descriptors(base: type[StateDriver], _options: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    def leak(rest: threading.Event) -> None:
        tell("leaks every descriptor it can have")
        while True:
            try:
                os.open(os.devnull, os.O_RDONLY)
            except OSError:
                rest.wait(PAUSE_S)

    return _beside(base, leak)


def _child(base: type[StateDriver], _options: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    def state_initialize(self: Any, *, privileged: bool, inhibit: Any) -> InitResult:
        done = base.state_initialize(self, privileged=privileged, inhibit=inhibit)
        # Its folder stands in its command line: so it is known whose it is.
        child = subprocess.Popen(["sh", "-c", CHILD, "child", str(self.context.run_dir)], stdin=subprocess.DEVNULL)
        tell(f"has a child, pid {child.pid}, and will not end it")
        return done

    return {"state_initialize": state_initialize}


WAYS: Final = (
    Way("leaks-memory", "it takes more and more memory", _memory, options={"mib": 256}),
    Way("leaks-descriptors", "it opens all the descriptors it may have", _descriptors),
    Way("has-a-child", "it starts a process and never ends it", _child),
)
