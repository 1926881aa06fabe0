"""Work on many guests at once, a few side by side, on the worker's own pool."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tierhost.workers.runtime.contract import Context

LANES_MAX: Final = 4


def side_by_side(context: Context, uuids: Iterable[str], work: Callable[[str], None], patience_s: float) -> bool:
    """Call `work` for each guest, at most four at a time; return when all is done, or False after `patience_s`.

    What is not done by then goes on. An error in one does not keep the others.
    """
    waiting = deque(uuids)
    finished = threading.Semaphore(0)
    lanes = min(LANES_MAX, len(waiting))

    def lane() -> None:
        try:
            uuid = waiting.popleft()
        except IndexError:
            finished.release()
            return
        try:
            work(uuid)
        finally:
            context.later(0.0, lane)

    deadline_s = time.monotonic() + patience_s
    for _ in range(lanes):
        context.later(0.0, lane)
    return all(finished.acquire(timeout=max(0.0, deadline_s - time.monotonic())) for _ in range(lanes))
