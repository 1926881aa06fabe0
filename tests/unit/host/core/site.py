"""A supervisor with its judge beside it, and the words that fake workers say to it. No clock: every test says when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tierhost.host.core import commands, events
from tierhost.host.core.invariants import Invariants
from tierhost.host.core.spec import DriverSpec, Policy
from tierhost.host.core.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tierhost.host.core.commands import Command
    from tierhost.host.core.events import Event

STORAGE: Final = DriverSpec("storage", "libvirt")
SECRET: Final = DriverSpec("secret", "libvirt")
OPTIONAL: Final = DriverSpec("nodedev", "libvirt", required=False)
QEMU: Final = DriverSpec("qemu", "hypervisor")
TIERS: Final = ("libvirt", "hypervisor")
GOODBYES: Final = ("state_shutdown_prepare", "state_shutdown_wait", "state_cleanup")


class Site:
    """Tells the supervisor what happens, and keeps a clock that moves only when a test says so."""

    def __init__(
        self,
        *specs: DriverSpec,
        policy: Policy | None = None,
        flat: bool = False,
        already_started: Collection[str] = (),
    ) -> None:
        """Make a host of these drivers; nothing has started yet."""
        self.specs: Sequence[DriverSpec] = specs or (STORAGE, QEMU)
        self.policy = policy or Policy()
        self.core = Supervisor(self.specs, self.policy, TIERS, flat=flat, already_started=already_started)
        self.judge = Invariants(self.specs, self.policy, TIERS, flat=flat, already_started=already_started)
        self.now_s = 100.0
        self.given: list[Command] = []

    def tell(self, event: Event, after_s: float = 0.0) -> list[Command]:
        """Tell one fact, some time later. Returns the orders without what is only shown; the judge must agree with them."""
        self.now_s += after_s
        self.given = self.core.handle(event, self.now_s)
        self.judge.after(event, self.now_s, self.given)
        assert self.judge.breaches == []
        return [command for command in self.given if not isinstance(command, commands.PublishPhase | commands.PublishTier)]

    def wait(self, seconds_s: float) -> list[Command]:
        """Let time pass, turn by turn as the shell does, and return all that was ordered meanwhile."""
        end_s, ordered = self.now_s + seconds_s, list[commands.Command]()
        while self.now_s < end_s:
            ordered += self.tell(events.TimePassed(), min(self.policy.patience_stopped_s / 2, end_s - self.now_s))
        return ordered

    def life(self, driver: str) -> int:
        """The number of the driver's current life."""
        return self.core.driver(driver).incarnation

    def phase(self, driver: str) -> str:
        """Where the driver is."""
        return self.core.driver(driver).phase

    def start(self) -> list[Command]:
        """Begin, without anything left from a former host."""
        return self.tell(events.HostStarted())

    def greets(self, driver: str, finished: str = "") -> list[Command]:
        """Let its worker say hello."""
        return self.tell(events.WorkerGreeted(driver, self.life(driver), finished))

    def answers(self, driver: str, verb: str, outcome: str = "complete", reason: str = "") -> list[Command]:
        """Let its worker answer a verb, named without "state_"."""
        return self.tell(events.VerbReported(driver, self.life(driver), f"state_{verb}", outcome, reason))

    def exits(self, driver: str, how: str = "signal 9") -> list[Command]:
        """Let the kernel end its process."""
        return self.tell(events.WorkerExited(driver, self.life(driver), how))

    def is_buried(self, driver: str) -> list[Command]:
        """Let nothing be left of its life."""
        return self.tell(events.WorkerBuried(driver, self.life(driver)))

    def dies(self, driver: str) -> list[Command]:
        """Let it die, and be buried; return what was ordered upon the burial."""
        self.exits(driver)
        return self.is_buried(driver)

    def beats(self, driver: str, age_s: float, *, stopped: bool = False) -> list[Command]:
        """Let the shell read its beat."""
        return self.tell(events.BeatRead(driver, self.life(driver), age_s, stopped))

    def initializes(self, *drivers: str) -> None:
        """Bring lives under way to the end of their first verb."""
        for driver in drivers:
            self.greets(driver)
            self.answers(driver, "initialize")

    def is_ready(self, *drivers: str) -> None:
        """Bring lives under way to READY."""
        self.initializes(*drivers)
        for driver in drivers:
            if self.phase(driver) == "AUTOSTARTING":
                self.answers(driver, "auto_start")

    def all_ready(self) -> None:
        """Begin, and let everybody come up."""
        self.start()
        for tier in TIERS:
            self.is_ready(*(spec.name for spec in self.specs if spec.tier == tier))
        assert {view.phase for view in self.core.drivers()} == {"READY"}


def kinds(ordered: Sequence[Command]) -> list[str]:
    """Name the orders, without their arguments."""
    return [type(command).__name__ for command in ordered]
