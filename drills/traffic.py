"""A stream of client calls while something is being broken: what failed, for how long, and at which driver."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from tierhost.ipc.client import Client
from tierhost.ipc.errors import TierhostError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.ipc.paths import Root

PAUSE_S = 0.01
CALL_DEADLINE_S = 10.0
SAMPLES_MAX = 200_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One call: when it was made, how long it took, and what went wrong (empty: nothing)."""

    driver: str
    at_s: float
    took_s: float
    error: str


@dataclass(slots=True)
class Traffic:
    """One client thread per driver, calling one harmless method ("DRIVER.METHOD") again and again until told to stop."""

    root: Root
    methods: Mapping[str, str]
    samples: list[Sample] = field(default_factory=list)
    _news: threading.Condition = field(default_factory=threading.Condition)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        for driver, method in self.methods.items():
            # Daemons: whoever is interrupted between two starts must be able to end.
            thread = threading.Thread(target=self._call, args=(driver, method), name=f"traffic-{driver}", daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(CALL_DEADLINE_S * 2)

    def _call(self, driver: str, method: str) -> None:
        with Client(self.root, deadline_s=CALL_DEADLINE_S) as client:
            while not self._stop.wait(PAUSE_S) and len(self.samples) < SAMPLES_MAX:
                start_s = time.monotonic()
                error = ""
                try:
                    client.call(method, changes=False)
                except TierhostError as failure:
                    error = f"{type(failure).__name__}: {failure}"
                with self._news:
                    self.samples.append(Sample(driver, start_s, time.monotonic() - start_s, error))
                    self._news.notify_all()

    def wait_answers(self, count: int, driver: str, limit_s: float) -> bool:
        """Wait until so many more calls are over, one of them (if named) to this driver. Returns whether they are."""
        since_s = time.monotonic()

        def enough() -> bool:
            fresh = [sample.driver for sample in self.samples if sample.at_s >= since_s]
            return len(fresh) >= count and (not driver or driver in fresh)

        with self._news:
            return self._news.wait_for(enough, limit_s)

    def failures(self, since_s: float, *, other_than: str = "") -> list[Sample]:
        """Return the calls to other drivers that were made since, and failed."""
        return [
            sample for sample in list(self.samples) if sample.at_s >= since_s and sample.error and sample.driver != other_than
        ]

    def count(self, since_s: float) -> int:
        """How many calls were made since."""
        return sum(1 for sample in list(self.samples) if sample.at_s >= since_s)
