"""`python -m tests.benchmarks [NAME ...] [--quick]`: measure, print a table, write build/bench.json."""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
import traceback
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import zmq

from tests.benchmarks import (
    cold_start,
    cold_start_all,
    death_noticed,
    figures,
    hang_isolation,
    host_restart,
    idle_memory,
    kill_to_serving,
    ready_200,
    secret_lookup,
)
from tests.benchmarks.figures import Entry, Skipped
from tests.benchmarks.processes import sheltered
from tests.benchmarks.setting import private
from tierhost.ipc.errors import TierhostError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.setting import Setting

OUTPUT = Path("build/bench.json")
FAILURES = (
    AssertionError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    subprocess.SubprocessError,
    TierhostError,
    zmq.ZMQError,
)
"""What a peer, a site or a machine that has had enough may raise; anything else is a mistake of ours and ends the run."""

BENCHMARKS: dict[str, Callable[[Setting], list[Entry | Skipped]]] = {
    "kill_to_serving": kill_to_serving.run,
    "death_noticed": death_noticed.run,
    "cold_start": cold_start.run,
    "cold_start_all": cold_start_all.run,
    "secret_lookup": secret_lookup.run,
    "idle_memory": idle_memory.run,
    "ready_200": ready_200.run,
    "hang_isolation": hang_isolation.run,
    "host_restart": host_restart.run,
}


def main() -> int:
    """Run what was asked for; 0 when every benchmark came to an end, whatever the bars say."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measures us beside our peers, in one run.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="a few samples each: does it run at all?")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where the figures go (default: %(default)s)")
    parser.add_argument("--detail", action="store_true", help="print every distribution, too")
    words = parser.parse_args()
    unknown = set(words.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    return sheltered(lambda shelter: measure(words, shelter))


def measure(words: argparse.Namespace, shelter: int) -> int:
    """Run the benchmarks one after the other; one that fails costs its own figures only."""
    results: list[Entry | Skipped] = []
    failed = 0
    load = Path("/proc/loadavg").read_text().strip()
    print(f"{platform.machine()}, Python {platform.python_version()}, pyzmq {version('pyzmq')}; load {load}")
    for name in words.names or BENCHMARKS:
        start_s = time.monotonic()
        try:
            with private(shelter, quick=words.quick) as setting:
                results += BENCHMARKS[name](setting)
        except FAILURES:  # the others are still worth having
            failed += 1
            traceback.print_exc()
            results.append(Skipped(name, "failed, see above"))
        print(f"{name}: {time.monotonic() - start_s:.1f} s", file=sys.stderr, flush=True)
    figures.write(results, words.output)
    print(figures.table(results))
    if words.detail:
        print(json.dumps([result.record() for result in results], indent=1))
    sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
