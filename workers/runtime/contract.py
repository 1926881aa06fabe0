"""What a driver is: seven answers to the host, the methods it offers, and the context it is handed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, TypeVar

from tierhost.ipc.errors import (
    AccessDenied,
    Busy,
    CallError,
    Code,
    DeadlineExceeded,
    DriverError,
    OutcomeUnknown,
    PeerAbsent,
    PeerDied,
    TierhostError,
)
from tierhost.workers.runtime.calling import Caller

if TYPE_CHECKING:
    from pathlib import Path

    from tierhost.workers.runtime.jobs import Jobs
    from tierhost.workers.runtime.services import Services
    from tierhost.workers.runtime.store import Store

__all__ = [
    "AccessDenied",
    "Busy",
    "CallError",
    "Caller",
    "Code",
    "Context",
    "DeadlineExceeded",
    "DriverError",
    "Exposure",
    "InitResult",
    "OutcomeUnknown",
    "PeerAbsent",
    "PeerDied",
    "StateDriver",
    "TierhostError",
    "change",
    "read",
    "service",
]

Method = TypeVar("Method", bound=Callable[..., Any])


class InitResult(Enum):
    """libvirt's three answers to initialize (virDrvStateInitResult)."""

    COMPLETE = "complete"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Exposure:
    """How one method may be called from outside; the decorators below write it, the runtime reads it."""

    changes: bool
    service: bool
    lock: str = ""
    inline: bool = False


def read(*, inline: bool = False) -> Callable[[Method], Method]:
    """Offer a method that changes nothing: never queued behind a change, repeated freely after a crash.

    `inline` promises that it touches neither disk nor another process nor a lock: the runtime then answers from its
    main loop, without a hand-off to a thread.
    """
    return _expose(Exposure(changes=False, service=False, inline=inline))


def change(*, lock: str = "") -> Callable[[Method], Method]:
    """Offer a method that changes something. It runs at most once per call id, however often callee or caller die.

    `lock` names the argument that identifies the object: changes of one object queue, those of others do not wait.
    Without it the method takes `self.context.jobs.changing(name)` itself once it knows the object.
    """
    return _expose(Exposure(changes=True, service=False, lock=lock))


def service(*, changes: bool = False, lock: str = "", inline: bool = False) -> Callable[[Method], Method]:
    """Offer a method to workers whose manifest `needs` it ("secret.get_value"), and to nobody else."""
    return _expose(Exposure(changes=changes, service=True, lock=lock, inline=inline))


def _expose(exposure: Exposure) -> Callable[[Method], Method]:
    def mark(method: Method) -> Method:
        method.exposure = exposure  # type: ignore[attr-defined]  # read back by the runtime and by `tierhost check`
        return method

    return mark


class InhibitCallback(Protocol):
    """Hold off the host's shutdown, or stop doing so. Idempotent; only the latest word counts."""

    def __call__(self, *, held: bool, why: str = "") -> None: ...


@dataclass(frozen=True, slots=True)
class Context:
    """All that a driver is given. Made by the runtime before the driver is constructed; tests make their own.

    `persistent` survives a reboot (definitions, flags, values); `run` survives crashes and is emptied when the boot id
    changed (what is active, pids with start times). `emit`, `degrade` and `mend` may be called from any thread.
    `later(seconds, function)` runs `function` on the worker's pool, not before `seconds` have passed. `caller()` says
    who makes the call that this thread is serving (None outside a call).
    """

    name: str
    incarnation: int
    boot_id: str
    privileged: bool
    state_dir: Path
    run_dir: Path
    config: Mapping[str, Any]
    persistent: Store
    run: Store
    services: Services
    jobs: Jobs
    emit: Callable[[str, str, Mapping[str, Any]], None]
    degrade: Callable[[str, str], None]
    mend: Callable[[str], None]
    later: Callable[[float, Callable[[], None]], None]
    caller: Callable[[], Caller | None]
    first_start_of_boot: bool = field(default=True)


class StateDriver:
    """The object that answers libvirt's verbs for one driver. Subclass it; override what applies.

    The runtime calls, each with a deadline from the manifest and never two verbs at once: `state_initialize`, then
    `state_auto_start`, then any number of `state_reload`; at the end `state_stop` if guests are to be saved, then
    `state_shutdown_prepare`, `state_shutdown_wait` and `state_cleanup`. Public methods may be called from several threads
    at once from the moment initialize returned.
    """

    name: ClassVar[str] = ""
    tier: ClassVar[str] = "libvirt"
    provides: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[tuple[str, ...]] = ()
    required: ClassVar[bool] = True

    def __init__(self, context: Context) -> None:
        """Keep the context. Nothing is opened, read or started before `state_initialize`."""
        self.context = context

    def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
        """Load what is recorded, detect what is active, settle what was under way. Start nothing.

        SKIPPED means that there is nothing to drive on this machine; call `self.skip(reason)` for it.
        """
        raise NotImplementedError

    def state_auto_start(self) -> None:
        """Start what is marked for autostart. Called once per boot, so after a crash it is not called again."""

    def state_reload(self) -> None:
        """Read the definitions again; objects that are active stay as they are."""

    def state_stop(self) -> None:
        """Save what runs (guests: managed save), because the machine is about to go down."""

    def state_shutdown_prepare(self) -> None:
        """Accept no new long work."""

    def state_shutdown_wait(self) -> None:
        """Return when the long work that was accepted is finished."""

    def state_cleanup(self) -> None:
        """Give back what initialize took. May be called again if the first call was cut short."""

    def objects(self) -> dict[str, dict[str, int]]:
        """Count the objects by state, for `tierhost status`: {"pools": {"active": 2, "inactive": 1}}. Quick, no IO."""
        return {}

    @staticmethod
    def skip(reason: str) -> InitResult:
        """Leave initialize with SKIPPED and a sentence a person can act on."""
        raise Skip(reason)


class Skip(Exception):  # it is an answer, not an error
    """Carries the reason of a SKIPPED from the driver to the runtime."""


STATE_VERBS: Final = (
    "state_initialize",
    "state_auto_start",
    "state_reload",
    "state_stop",
    "state_shutdown_prepare",
    "state_shutdown_wait",
    "state_cleanup",
)
