"""Hand-written histories: a site of three drivers, two pools and a guest, and what may happen to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from tierhost.drills.history import ANSWERED, Call, History, Journaled, Look, Strike
from tierhost.drills.plan import Drill, Fault, Point, Radius

BEGAN_S: Final = 1000.0
UUID: Final = "5f1c0f9e-6f4e-4a63-9a1c-2f6d1d2f0a01"
TIERS: Final = {"secret": "libvirt", "storage": "libvirt", "qemu": "hypervisor"}
STATUS: Final[dict[str, Any]] = {
    "tiers": [{"name": "libvirt"}, {"name": "hypervisor"}],
    "drivers": [{"name": name, "tier": tier, "required": True} for name, tier in TIERS.items()],
}
DRILL: Final = Drill(
    name="kill-storage",
    title="The storage worker is killed",
    proves="nobody else notices, and every pool is active again",
    faults=(Fault("kill", "storage", Point("time", after_s=1.0)),),
    radius=Radius(drivers=("storage",), for_s=5.0),
)


def pool_xml(name: str) -> str:
    """A pool's definition, without a uuid of its own."""
    return f"<pool type='dir'><name>{name}</name><target><path>/srv/{name}</path></target></pool>"


def call(method: str, *args: Any, at_s: float = 2.0, took_s: float | None = 0.01, **fields: Any) -> Call:
    """One call, answered unless it is said otherwise; `at_s` counts from the run's beginning. It is numbered by its instant."""
    begin_s = BEGAN_S + at_s
    made = Call(int(at_s * 1000), method, args, begin_s, 30.0, None if took_s is None else begin_s + took_s, ANSWERED)
    return replace(made, **fields)


def strike(kind: str = "kill", target: str = "storage", *, at_s: float | None = 1.0, number: int = 1) -> Strike:
    """A fault that fired, with its proof; None: that did not."""
    if at_s is None:
        return Strike(number, kind, target, "t+1s")
    return Strike(number, kind, target, "t+1s", BEGAN_S + at_s, "pid 17 is gone", BEGAN_S + at_s + 0.1)


def look(label: str, *, at_s: float, **objects: Any) -> Look:
    """A look that shows these objects; `world` and `status` are passed on."""
    world, status = objects.pop("world", {}), objects.pop("status", STATUS)
    return Look(BEGAN_S + at_s, label, objects, world, status)


def pool(*, active: bool = True, autostart: bool = False, persistent: bool = True) -> dict[str, Any]:
    """What the storage driver says of a pool."""
    return {"state": "active" if active else "inactive", "autostart": autostart, "persistent": persistent}


def guest(*, state: str = "running", pid: int = 70, autostart: bool = False, uuid: str = UUID) -> dict[str, Any]:
    """What the qemu driver says of a guest."""
    return {"state": state, "pid": pid, "autostart": autostart, "persistent": True, "uuid": uuid}


def history(**fields: Any) -> History:
    """A run of ten seconds."""
    return History(DRILL.name, "host", 7, BEGAN_S, BEGAN_S + 10.0, **fields)


class Journal:
    """Writes lines as the host does; instants count from the run's beginning."""

    def __init__(self) -> None:
        self.lines: list[Journaled] = []
        self.at_s = 0.0

    def say(self, what: str, **fields: Any) -> None:
        """One line."""
        self.lines.append(Journaled(BEGAN_S + self.at_s, what, fields))

    def host(self, **found: int) -> None:
        """A host starts; `found`: lives that a former one left behind."""
        for driver, incarnation in found.items():
            self.say("IncarnationSeen", driver=driver, incarnation=incarnation)
        self.say("HostStarted")

    def start(self, driver: str, incarnation: int = 1) -> None:
        """A worker is started, greets, and is told to initialize."""
        self.say("PublishPhase", driver=driver, incarnation=incarnation, phase="INITIALIZING", reason="")
        self.say("StartWorker", driver=driver, incarnation=incarnation)
        self.say("WorkerStarted", driver=driver, incarnation=incarnation, pid=40)
        self.say("WorkerGreeted", driver=driver, incarnation=incarnation, phase="")
        self.say("RunVerb", driver=driver, incarnation=incarnation, verb="state_initialize", limit_s=30)

    def initialized(self, driver: str, incarnation: int = 1) -> None:
        """It has."""
        self.answer(driver, "state_initialize", incarnation)
        self.say("PublishPhase", driver=driver, incarnation=incarnation, phase="INITIALIZED", reason="")
        self.say("AnnounceUp", driver=driver, incarnation=incarnation)

    def answer(self, driver: str, verb: str, incarnation: int = 1) -> None:
        """A verb is done."""
        self.say("VerbReported", driver=driver, incarnation=incarnation, verb=verb, outcome="complete", reason="")

    def order_auto_start(self, driver: str, incarnation: int = 1) -> None:
        """It is told to auto-start."""
        self.say("PublishPhase", driver=driver, incarnation=incarnation, phase="AUTOSTARTING", reason="")
        self.say("RunVerb", driver=driver, incarnation=incarnation, verb="state_auto_start", limit_s=60)

    def ready(self, driver: str, incarnation: int = 1) -> None:
        """It is."""
        self.say("PublishPhase", driver=driver, incarnation=incarnation, phase="READY", reason="")

    def auto_started(self, driver: str, incarnation: int = 1) -> None:
        """It has, and is ready."""
        self.answer(driver, "state_auto_start", incarnation)
        self.ready(driver, incarnation)

    def up(self, *drivers: str) -> None:
        """A tier starts as it should."""
        for driver in drivers:
            self.start(driver)
        for driver in drivers:
            self.initialized(driver)
        for driver in drivers:
            self.order_auto_start(driver)
        for driver in drivers:
            self.auto_started(driver)

    def dies(self, driver: str, incarnation: int = 1, *, buried: bool = True) -> None:
        """A worker ends, and is buried."""
        self.say("WorkerExited", driver=driver, incarnation=incarnation, how="killed by SIGKILL")
        self.say("AnnounceDown", driver=driver, incarnation=incarnation)
        self.say("PublishPhase", driver=driver, incarnation=incarnation, phase="EVICTING", reason="killed by SIGKILL")
        self.say("BuryWorker", driver=driver, incarnation=incarnation)
        if buried:
            self.say("WorkerBuried", driver=driver, incarnation=incarnation)

    def comes_back(self, driver: str, incarnation: int) -> None:
        """The next life, which does not auto-start again."""
        self.start(driver, incarnation)
        self.initialized(driver, incarnation)
        self.ready(driver, incarnation)

    def of_run(self, **fields: Any) -> History:
        """A run with this journal, and a look that says who is in which tier."""
        looks = fields.pop("looks", (look("before", at_s=0.5),))
        return history(journal=tuple(self.lines), looks=looks, **fields)
