"""A program in a driver's place that misbehaves: deployed with a restart of the host, as a bad release is, and rolled back."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.faults import BadPlan, NotFired, PromiseBroken
from tierhost.drills.faults.bodies import Body, Leashed, body_of, number, text
from tierhost.drills.faults.undoing import PLACE
from tierhost.drills.misbehaving import WAYS, folders
from tierhost.drills.misbehaving.in_verbs import COUNTED
from tierhost.drills.misbehaving.ways import LOADED
from tierhost.host.core.spec import VERB_LIMITS_S
from tierhost.host.shell import procfs
from tierhost.host.shell.lives import Lives
from tierhost.ipc.client import Client
from tierhost.ipc.endpoints import somebody_listens
from tierhost.ipc.errors import TierhostError
from tierhost.ipc.paths import Root

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HOST_MODULE: Final = "tierhost.host"
LAUNCHER: Final = "tierhost.drills.misbehaving.launching"
SHOWN_WITHIN_S: Final = 30.0
GONE_WITHIN_S: Final = 5.0
LOOK_AGAIN_S: Final = 0.01
READY: Final = "READY"
EVERYTHING: Final = "everything"
OWN_OPTIONS: Final = frozenset({"program", "limit_s", "until", "serves", "driver"})
"""What is for us; the rest is for the program."""

VERBS: Final = frozenset(verb.removeprefix("state_") for verb in VERB_LIMITS_S)


class Program(Leashed):
    """`program`: the way to misbehave (drills/misbehaving); `limit_s`: how long a verb of it may take; the rest: its options.

    `until`: the phase, as QUARANTINED, to which the host must bring the driver for it. `serves`: another driver, which must
    get READY all the same, while the program is there.

    The host and the driver's worker are killed, and a host starts whose driver is the program; other workers live on. If the
    target is "everything", and `driver` says whose place it takes, all are killed, and every tier comes up anew.
    """

    kind = "program"

    def __init__(self, target: Any, whom: str, options: Mapping[str, Any]) -> None:
        super().__init__(target, whom, options)
        self.way = text(self.kind, options, "program", "")
        self.more = {name: value for name, value in options.items() if name not in OWN_OPTIONS}
        self.until = text(self.kind, options, "until", "")
        self.serves = text(self.kind, options, "serves", "")
        self.victim = "" if whom == EVERYTHING else whom
        if whom == EVERYTHING:
            self.whom = text(self.kind, options, "driver", "")
            if not self.whom:
                raise BadPlan("the option 'driver' must say whose place the program takes", subject=f"program {self.way}")
        folders.check(self.way, self.more)
        limit_s = number(self.kind, options, "limit_s", 0, 0, 3600)
        verb = str(self.more.get("verb", "state_initialize")).removeprefix("state_")
        if verb not in VERBS:
            raise BadPlan(
                f"there is no verb {verb!r}", subject=f"program {self.way}", hint=f"there is {', '.join(sorted(VERBS))}"
            )
        self.limits_s = {verb: limit_s} if limit_s else {}

    def prepare(self) -> dict[str, Any]:
        """Find the host, and how it was started."""
        host = body_of(self.target, "host")
        argv = [os.fsdecode(word) for word in Path(f"/proc/{host.pid}/cmdline").read_bytes().split(b"\0")[:-1]]
        return {
            "folder": str(self.target.folder),
            "driver": self.whom,
            "programs": str(self.target.folder / PLACE / "programs"),
            "argv": plain_words(argv),
        }

    def act(self, arguments: Mapping[str, Any]) -> str:
        """Deploy it, and wait until it has told that it is there (`at_once`: until it has misbehaved)."""
        folder = folders.replace(Path(arguments["programs"]), self.whom, self.way, self.more, self.limits_s)
        end_host(Path(arguments["folder"]), self.victim)
        start_host(Path(arguments["folder"]), [sys.executable, "-m", LAUNCHER, arguments["programs"], *arguments["argv"]])
        lines = _wait(lambda: self._lines(folder), f"the program {self.way} has done nothing yet", self.whom)
        for driver, phase in ((self.whom, self.until), (self.serves, READY if self.serves else "")):
            if phase:
                self._wait_until(driver, phase)
        pid, what = lines[-1]
        return f"pid {pid}, in the place of {self.whom}: {what}{', until it was ' if self.until else ''}{self.until}"

    def _wait_until(self, driver: str, phase: str) -> None:
        try:
            _wait(lambda: _phase(self.target.folder, driver) == phase, f"it is not {phase}", driver)
        except NotFired as error:
            raise PromiseBroken(error.text, subject=driver) from None

    def _lines(self, folder: Path) -> list[tuple[int, str]]:
        told = folders.told(folder)
        if WAYS[self.way].at_once:
            return [line for line in told if line[1] != LOADED]
        return told if _phase(self.target.folder, self.whom) == READY else []

    @staticmethod
    def undo(**arguments: Any) -> None:
        """Roll back: a host as it was, with the driver as it was."""
        folder = Path(arguments["folder"])
        if not Path(arguments["programs"]).exists():
            return
        end_host(folder, arguments["driver"])
        (Root.under(folder).driver_run(arguments["driver"]) / COUNTED).unlink(missing_ok=True)
        start_host(folder, [sys.executable, "-m", HOST_MODULE, *arguments["argv"]])
        with suppress(NotFired):
            why = "the host has not come back"
            _wait(lambda: _phase(folder, arguments["driver"]) in {READY, "SKIPPED"}, why, arguments["driver"])


def plain_words(argv: list[str]) -> list[str]:
    """What a host was told when it was started, but for the descriptor that is open no more. Raises NotFired."""
    starts = [n for n, word in enumerate(argv) if word in {HOST_MODULE, LAUNCHER} or word.rpartition("/")[2] == "tierhost"]
    if not starts:
        raise NotFired(f"it was not started as we know it: {' '.join(argv)}", subject="host")
    words = argv[starts[0] + 1 :]
    if argv[starts[0]] == LAUNCHER:
        words = words[1:]
    if "--ready-fd" in words:
        at = words.index("--ready-fd")
        del words[at : at + 2]
    return words


def end_host(folder: Path, driver: str) -> None:
    """Kill the host of a folder, and then the life that it left of one driver, or (no name) of each."""
    root = Root.under(folder)
    with suppress(OSError, ValueError):
        pid = int(root.lock.read_text(encoding="ascii"))
        if str(folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
            _end(pid)
    found, _ = Lives(root.lives).read()
    for life in found:
        if driver in {life.driver, ""}:
            Body(life.pid, life.start_time).end(GONE_WITHIN_S)


def _end(pid: int) -> None:
    start = procfs.start_time(pid)
    if start is not None:
        Body(pid, start).end(GONE_WITHIN_S)


def start_host(folder: Path, argv: list[str]) -> None:
    """Start a host in a session of its own, and return once it answers. Raises NotFired."""
    log = Root.under(folder).run / "host.log"
    with log.open("ab") as output:
        # Forked once more, so that it is nobody's child: whoever heals may end before it.
        command = ["setsid", "--fork", *argv]
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=SHOWN_WITHIN_S, check=True)
    _wait(lambda: somebody_listens(Root.under(folder).host_socket), f"no host comes up (see {log})", "host")


def _phase(folder: Path, driver: str) -> str:
    try:
        with Client(Root.under(folder), deadline_s=GONE_WITHIN_S) as client:
            rows = client.host("status")["drivers"]
    except TierhostError:
        return ""
    return next((str(row["phase"]) for row in rows if row["name"] == driver), "")


def _wait(condition: Callable[[], Any], why_not: str, subject: str) -> Any:
    end_s = time.monotonic() + SHOWN_WITHIN_S
    while not (found := condition()):
        if time.monotonic() > end_s:
            raise NotFired(f"{why_not}, {SHOWN_WITHIN_S:g} s later", subject=subject)
        select.select([], [], [], LOOK_AGAIN_S)
    return found


KINDS: Final[dict[str, type[Leashed]]] = {Program.kind: Program}
