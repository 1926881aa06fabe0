"""What an idle spare does: it goes once through the beginning of a life, so that no page of that is touched first later."""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from tierhost.ipc.codec import decode, encode
from tierhost.ipc.directory import Directory
from tierhost.ipc.messages import Request
from tierhost.ipc.paths import Root
from tierhost.ipc.wires import Closed, Wire
from tierhost.workers.runtime.contract import InhibitCallback, InitResult, StateDriver, read
from tierhost.workers.runtime.guard import Outcome
from tierhost.workers.runtime.intake import read_requests
from tierhost.workers.runtime.life import Life

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LIVES: Final = 2
"""The first one leaves rows behind; the second one finds them, as a worker's next life does."""

PATIENCE_S: Final = 1.0
BOOT: Final = "rehearsal"

SPEC: Final[dict[str, Any]] = {
    "name": BOOT,
    "needs": [],
    "config": {},
    "boot_id": BOOT,
    "privileged": False,
    "owner_uid": os.geteuid(),
}


class Stand(StateDriver):
    """A driver for the rehearsal alone."""

    def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
        """Leave a row in each store, and look at what is there."""
        for store in (self.context.persistent, self.context.run):
            with store.transaction() as t:
                t.put("lines", BOOT, {"text": BOOT})
            store.all("lines")
        return InitResult.COMPLETE

    @read(inline=True)
    def line(self) -> str:
        """Say something."""
        return BOOT


def rehearse(stage: Path) -> None:
    """Live two short lives in the folder `stage`, which is gone afterwards. Called by an idle spare, once.

    No driver takes part: what its code does to the world is for its own life only.
    """
    root = Root(state=stage, run=stage)
    try:
        root.worker_socket(BOOT, LIVES).parent.mkdir(mode=0o700, parents=True)
        for number in range(1, LIVES + 1):
            _live(root, number)
    except (OSError, Closed) as error:
        # A full disk, no descriptors left: a life has to live with that, a spare need not.
        sys.stderr.write(f"no rehearsal: {error}\n")
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _live(root: Root, number: int) -> None:
    life = Life(SPEC, number, root, Directory(), _not_now)
    try:
        life.build(Outcome(Stand))
        life.perform("state_initialize", PATIENCE_S)
        with Wire(life.door.path) as wire:
            deadline_s = time.monotonic() + PATIENCE_S
            wire.send(encode(Request(b"1", number, "line", [], {}, PATIENCE_S, "", 0, 1)), deadline_s)
            # Once to let the caller in, once to hear it.
            for _ in range(2):
                read_requests(life)
            answer = wire.receive(deadline_s)
        if answer is not None:
            decode(answer)
    finally:
        life.close()


def _not_now(seconds: float, function: Callable[[], None]) -> None:
    """Nothing is put off in a rehearsal."""
