"""A driver that asks another one, once in a while or all the time, and takes down how it fared."""

from __future__ import annotations

import threading
import time

from tierhost.workers.runtime.contract import InhibitCallback, InitResult, StateDriver, TierhostError, change, read

PAUSE_S = 0.002


class AskerDriver(StateDriver):
    """Asks for secrets; keeps nothing."""

    def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
        """Be there."""
        self._asked = 0
        self._failed: list[str] = []
        self._stop = threading.Event()
        self._stop.set()
        self._thread: threading.Thread | None = None
        return InitResult.COMPLETE

    @read()
    def times(self, uuid: str, count: int) -> list[float]:
        """Look a secret's value up `count` times; return how many seconds each time took."""
        took = []
        for _ in range(count):
            start_s = time.perf_counter()
            self.context.services.secret.get_value(uuid=uuid)
            took.append(time.perf_counter() - start_s)
        return took

    @change()
    def begin(self, uuid: str) -> None:
        """Go on asking until `end`."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._go_on, args=(uuid,), name="asker", daemon=True)
        self._thread.start()

    def _go_on(self, uuid: str) -> None:
        while not self._stop.wait(PAUSE_S):
            try:
                self.context.services.secret.get_value(uuid=uuid)
            except TierhostError as error:
                self._failed.append(str(error))
            self._asked += 1
        self.context.services.leave_thread()

    @change()
    def end(self) -> dict[str, int | list[str]]:
        """Stop asking; say how often it was asked and what failed."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(10)
        return {"asked": self._asked, "failed": list(self._failed)}
