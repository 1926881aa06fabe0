"""What a person sees of a run: a live line on a terminal, plain lines in a pipe, then the judges' words."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tierhost.drills.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tierhost.drills.stored import Stored


@contextmanager
def telling(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Yield a function that tells one line, with the time since the beginning; beside a spinner on a terminal, with rich."""
    began_s = time.monotonic()

    def stamped(text: str) -> str:
        return f"{time.monotonic() - began_s:7.2f} s  {text}"

    if quiet:
        yield lambda _text: None
        return
    if not sys.stdout.isatty():
        yield lambda text: print(stamped(text), flush=True)
        return
    try:
        from rich.console import Console  # noqa: PLC0415  # 60 ms, for terminals only
    except ImportError:
        yield lambda text: print(stamped(text), flush=True)
        return
    console = Console(highlight=False)
    with console.status("starting") as spinner:

        def tell(text: str) -> None:
            console.print(stamped(text), markup=False)
            spinner.update(text.replace("[", "\\["))

        yield tell


def lines_of(stored: Stored) -> Iterator[str]:
    """Yield the verdict, and below it each judge's word with what it rests on (all of it, unless it held)."""
    history = stored.history
    struck = [strike for strike in history.strikes if strike.fired_s is not None]
    yield f"{stored.verdict.name}  {stored.drill.name}: {stored.drill.title}"
    yield (
        f"  {len(struck)} of {len(stored.drill.faults)} faults fired, {len(history.calls)} calls, "
        f"{history.ended_s - history.began_s:.2f} s, seed {history.seed}"
    )
    width = max((len(finding.checker) for finding in stored.findings), default=0)
    for finding in stored.findings:
        yield f"  {finding.verdict.name:8}{finding.checker:{width}}  {finding.text}"
        if finding.verdict is not Verdict.HELD:
            yield from (f"{'':{12 + width}}{line}" for text in finding.evidence for line in text.splitlines())


def show(stored: Stored) -> None:
    """Print it."""
    for line in lines_of(stored):
        print(line, flush=True)
