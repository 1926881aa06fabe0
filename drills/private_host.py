"""A host of one test: in a folder of its own, with drivers made on the spot, asked, broken, drilled, and gone afterwards."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Self

import pytest

from tierhost.drills import stored
from tierhost.drills.checkers import judge_all
from tierhost.drills.faults.signals import Signal
from tierhost.drills.private import private_folder
from tierhost.drills.run import Run
from tierhost.drills.stored import Stored
from tierhost.drills.targets.ours import OurHost, reads
from tierhost.drills.telling import lines_of
from tierhost.drills.verdicts import Finding, Verdict, worst
from tierhost.drills.wording import drill_of
from tierhost.host import launch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from tierhost.drills.plan import Drill
    from tierhost.ipc.client import Client
    from tierhost.ipc.paths import Root


OF_EVERY_DRILL: Final = frozenset({"fired", "radius", "steady"})


class PrivateHost:
    """What the fixture `tierhost` gives. `target` is the same host as drills see it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.target = OurHost(folder)
        self.started = False

    @property
    def root(self) -> Root:
        """Where its files and sockets are."""
        return self.target.root

    @property
    def client(self) -> Client:
        """The client of the calling thread; starts the host if nobody has."""
        if not self.started:
            self.start()
        return self.target.client()

    def start(self, drivers: Iterable[type] = (), options: Iterable[str] = ()) -> Self:
        """Start it, or start it again after it was killed; return when its tiers are as far as they get.

        `drivers` are StateDriver classes, defined wherever you like; `options` are of `tierhost up`. Raises CannotLaunch.
        """
        launch.hand_over(self.root, drivers)
        if not self.started:
            self.target = OurHost(self.folder, options=options)
        self.started = True
        self.target.start()
        return self

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call "driver.method" and return its answer. Raises TierhostError and its kinds."""
        kwargs.setdefault("changes", not reads(method))
        return self.client.call(method, *args, **kwargs)

    def status(self) -> dict[str, Any]:
        """What `tierhost status --format json` shows."""
        status: dict[str, Any] = self.client.host("status")
        return status

    def pids(self, role: str) -> list[int]:
        """Return the processes of a role: a driver, "host", "zygote", "spares", "guest NAME", "guests", "everything"."""
        return self.target.pids(role)

    def kill(self, role: str) -> str:
        """SIGKILL everybody of a role, and return the proof that they ended. Raises NotFired if there was nobody."""
        return Signal(self.target, role, {}).strike()

    def wait_settled(self, deadline_s: float = 20.0) -> None:
        """Return when every driver is at rest in a life that runs. Raises DeadlineExceeded."""
        self.client.wait_until(lambda: not self.target.unsettled(), "every driver is at rest", deadline_s=deadline_s)

    def close(self) -> None:
        """End everything of it. May be called again."""
        self.target.close()


def verdict_of(findings: Iterable[Finding]) -> Verdict:
    """Take the words on a drill of a test together.

    Judges of pools, guests and the like have nothing to say where a test has none, and that is no fault of the test. What
    every drill has (its faults, its calls, its hypothesis) must have been seen; and a judge that crashed is one who did not see.
    """
    return worst(
        each for each in findings if each.checker in OF_EVERY_DRILL or each.verdict is not Verdict.UNKNOWN or each.evidence
    )


@contextmanager
def private_host(place: Path) -> Iterator[PrivateHost]:
    """Give a host whose files are found at `place`, now by a link and afterwards for good: sockets need a shorter path.

    Whatever happens, also to this process, nothing of it goes on.
    """
    with private_folder() as short:
        folder = short / "host"
        folder.mkdir(mode=0o700)
        place.symlink_to(folder)
        host = PrivateHost(folder)
        try:
            yield host
        finally:
            host.close()
            place.unlink()
            shutil.move(folder, place)


class Drilling:
    """What the fixture `drill` gives: call it."""

    def __init__(
        self,
        host: PrivateHost,
        seed: int,
        words: Mapping[str, Any],
        record: Callable[[str, object], None],
        folder: Path,
        again: str,
    ) -> None:
        self.seed = seed
        self._host = host
        self._words = words
        self._record = record
        self._folder = folder
        self._again = again
        self._count = 0

    def __call__(self, plan: Drill | None = None, /, *, expect: Verdict = Verdict.HELD, **words: Any) -> Stored:
        """Run a drill and fail the test unless the verdict is the expected one. Returns the run, judged.

        Without a `plan`: `faults`, `load`, `asks`, `steady`, `radius` (in the terms of drill files), on top of the marker's.
        """
        drill = plan or drill_of({**self._words, **words})
        if not self._host.started:
            self._host.start()
        self._count += 1
        history = Run(drill, self._host.target, self.seed, lambda _line: None).go()
        done = Stored(drill, history, tuple(judge_all(history, drill)))
        verdict = verdict_of(done.findings)
        self._write_down(done, verdict)
        if verdict is not expect:
            lines = [*lines_of(done), *(f"  note: {note}" for note in history.notes), f"again: {self._again}"]
            pytest.fail("\n".join(lines), pytrace=False)
        return done

    def _write_down(self, done: Stored, verdict: Verdict) -> None:
        number = "" if self._count == 1 else f"_{self._count}"
        self._record(f"drill_seed{number}", self.seed)
        self._record(f"drill_schedule{number}", json.dumps(stored.plan_of(done.drill)["faults"]))
        self._record(f"drill_verdict{number}", verdict.name)
        stored.write(self._folder / f"drill{number}.json", done)
