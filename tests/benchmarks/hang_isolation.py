"""The storage worker is stopped (SIGSTOP): who else feels it, how soon it is noticed, how soon it serves again."""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from tests.benchmarks import definitions
from tests.benchmarks.figures import MS, Bar, Entry, Skipped, compare
from tests.benchmarks.processes import held, until
from tests.benchmarks.site import Site
from tierhost.ipc.errors import TierhostError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.benchmarks.setting import Setting
    from tierhost.ipc.client import Client

WANTED = definitions.Set(secrets=1, pools=1, guests=2)
FREE_OF_STORAGE = (
    ("secret.secret_list",),
    ("secret.secret_get_value", definitions.secret_uuid(0)),
    ("qemu.domain_list",),
    ("qemu.domain_get_state", "guest-0"),
)
IN_NEED_OF_STORAGE = ("storage.storage_pool_list",)
PAUSE_S = 0.002
DEADLINE_S = 0.2
"""For calls that need storage: shorter than it takes to notice a hang, so that they must fail."""

OVERRUN_MS = 50
NOTICED_S_MAX = 1.0


@dataclass(slots=True)
class Stream:
    """One client that calls and calls; keeps (begin, seconds, error or nothing) of each call."""

    site: Site
    calls: Sequence[tuple[str, ...]]
    deadline_s: float
    samples: list[tuple[float, float, str]] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._go_on, name="stream")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        assert self._thread is not None
        self._thread.join()

    def _go_on(self) -> None:
        with self.site.client() as client:
            number = 0
            while not self._stop.wait(PAUSE_S):
                self.samples.append(_time(client, self.calls[number % len(self.calls)], self.deadline_s))
                number += 1

    def between(self, start_s: float, end_s: float) -> list[tuple[float, float, str]]:
        """The calls that began in this time."""
        return [sample for sample in self.samples if start_s <= sample[0] < end_s]


def _time(client: Client, call: tuple[str, ...], deadline_s: float) -> tuple[float, float, str]:
    start_s = time.monotonic()
    error = ""
    try:
        client.call(*call, changes=False, deadline_s=deadline_s)
    except TierhostError as failure:
        error = type(failure).__name__
    return start_s, time.monotonic() - start_s, error


@dataclass(slots=True)
class Hang:
    """One stop of the storage worker: when it began, was noticed, and was over (CLOCK_MONOTONIC)."""

    began_s: float
    noticed_s: float
    over_s: float


def run(setting: Setting) -> list[Entry | Skipped]:
    """Two streams of calls, one in need of storage; storage hangs again and again."""
    site = Site(setting.folder / "ours")
    site.start()
    site.wait_ready()
    with site.client() as client:
        site.fill(client, WANTED)
        with Stream(site, FREE_OF_STORAGE, 10.0) as free, Stream(site, [IN_NEED_OF_STORAGE], DEADLINE_S) as needy:
            hangs = []
            for _ in range(setting.times(8, 2)):
                until(lambda: site.all_spares_parked(client), "the spares are parked")
                _quiet_second()
                hangs.append(_hang(site, client))
    return _entries(free, needy, hangs)


def _quiet_second() -> None:
    end_s = time.monotonic() + 1.0
    until(lambda: time.monotonic() > end_s, "a quiet second, to compare with")


def _hang(site: Site, client: Client) -> Hang:
    before = site.life(client, "storage")
    events = client.events(client.host("directory")["number"], follow=True, timeout_s=20)
    with held(before["pid"]) as body:
        began_s = time.monotonic()
        body.send(signal.SIGSTOP)
        noticed_s = next(event.at_s for event in events if event.source == "storage" and event.details.get("phase") == "EVICTING")
        client.call("storage.storage_pool_list", changes=False, deadline_s=20)
        over_s = time.monotonic()
    assert site.life(client, "storage")["incarnation"] > before["incarnation"]
    return Hang(began_s, noticed_s, over_s)


def _entries(free: Stream, needy: Stream, hangs: list[Hang]) -> list[Entry | Skipped]:
    quiet = [sample for hang in hangs for sample in free.between(hang.began_s - 1.0, hang.began_s)]
    hanging = [sample for hang in hangs for sample in free.between(hang.began_s, hang.over_s)]
    failed = [error for _, _, error in hanging if error]
    before = "the same calls in the second before"
    as_before = compare(
        "hang_isolation",
        {"ours": [took_s for _, took_s, _ in hanging], before: [took_s for _, took_s, _ in quiet]},
        before,
        Bar(ratio_max=2),
        unit="ms",
        scale=MS,
        percent=99,
        failed=failed,
    )
    in_need = [sample for hang in hangs for sample in needy.between(hang.began_s, hang.over_s)]
    late = [took_s - DEADLINE_S for _, took_s, error in in_need if error]
    noticed = [hang.noticed_s - hang.began_s for hang in hangs]
    over = [hang.over_s - hang.began_s for hang in hangs]
    bar_s = [NOTICED_S_MAX] * len(hangs)
    errors = sorted({error for _, _, error in in_need if error})
    return [
        as_before,
        Entry(
            "hang_isolation_failed", len(failed), 0, "calls", len(hanging), "none may", Bar(ours_max=0), {"errors": failed[:5]}
        ),
        compare(
            "hang_isolation_error",
            {"ours": [DEADLINE_S + one for one in late], "deadline": [DEADLINE_S] * len(late)},
            "deadline",
            Bar(ratio_max=1 + OVERRUN_MS / MS / DEADLINE_S),
            unit="ms",
            scale=MS,
            percent=100,
            errors=errors,
        ),
        compare(
            "hang_isolation_noticed", {"ours": noticed, "bar": bar_s}, "bar", Bar(ratio_max=1), unit="s", scale=1, percent=100
        ),
        compare("hang_isolation_serving", {"ours": over, "bar": bar_s}, "bar", Bar(), unit="s", scale=1, percent=100),
    ]
