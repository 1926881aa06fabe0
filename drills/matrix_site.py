"""The warm host on which the cells of the matrix follow each other, and what the onlookers of each driver ask of it."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from tierhost.drills.exercises import found
from tierhost.drills.kill_points.exercised import question
from tierhost.drills.kill_points.operation import DRIVERS, Scene
from tierhost.drills.kill_points.site import START_LIMIT_S, Site
from tierhost.drills.onlookers import Question
from tierhost.ipc.client import Client

if TYPE_CHECKING:
    from tierhost.drills.kill_points.operation import Operation
    from tierhost.drills.launcher.arming import Order

CALL_LIMIT_S: Final = 15.0
"""What each call of a cell may take. The slowest answer that is right takes a second or two; what takes this long hangs."""

UUID: Final = "5f3ab8a4-6c1b-4f0e-9c57-0b6c8b2f9dff"


class PlainSite(Site):
    """A site whose host is started as a person starts it: nothing of ours is in it."""

    __slots__ = ()

    def launch(self, host: Order | None = None) -> str:
        """Start the host; return its word once it is ready, or nothing if it ended before."""
        ready, said = os.pipe()
        argv = [*self.prefix, sys.executable, "-m", "tierhost.host", "--root", str(self.folder), "up", "--ready-fd", str(said)]
        with (self.folder / "host.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*argv, "--config", str(self.folder / "drill.toml")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[said],
                start_new_session=True,
            )
        os.close(said)
        with os.fdopen(ready, "rb") as pipe:
            heard, _, _ = select.select([pipe], [], [], START_LIMIT_S)
            return os.read(pipe.fileno(), 4096).decode() if heard else ""

    @property
    def client(self) -> Client:
        """The one client; made when it is first asked for."""
        if self._client is None:
            self._client = Client(self.root, deadline_s=CALL_LIMIT_S)
        return self._client

    def questions(self) -> dict[str, Question]:
        """Define what the onlookers ask for, one object for each driver; return their questions. None is answered in the loop."""
        asked = {}
        for name, row in self.lives().items():
            if name in found() and row["phase"] == "READY":
                here = Scene(self, "onlooker", UUID)
                here.folder.mkdir(parents=True, exist_ok=True)
                asked[name] = Question(*question(found()[name], here))
        return asked


def drivers_of(operation: Operation) -> tuple[str, ...]:
    """Whom the site of an operation has: those that it needs, and as onlookers all that are always there."""
    return tuple(dict.fromkeys((*DRIVERS, *operation.drivers)))


def scene(site: Site, tag: str) -> Scene:
    """Objects of one cell."""
    made = Scene(site, tag)
    made.folder.mkdir(parents=True)
    return made
