"""What every test may rely on, however the run was started."""

from __future__ import annotations

import gc
import signal


def pytest_configure() -> None:
    """Take Ctrl-C seriously, also for programs that tests start: shells let background jobs, and so CI, ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """What was collected stays until the end: no garbage collection needs to go through it again."""
    gc.collect()
    gc.freeze()
