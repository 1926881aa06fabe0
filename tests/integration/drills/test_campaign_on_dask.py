"""A campaign on a real Dask cluster of two workers, one of which is killed: nothing is lost, nothing runs twice unnoticed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from tests.integration.drills.campaigns import CampaignOfSleeps, environment
from tests.waiting import until
from tierhost.drills.campaign.trial import HELD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("distributed") is None, reason="the package distributed is not installed"),
]

TRIALS = 7
START_S = 60.0


class Cluster:
    """A scheduler and its workers on loopback, each a process of its own."""

    def __init__(self, folder: Path, opened: ExitStack, allowed_failures: str) -> None:
        self._folder = folder
        self._opened = opened
        self._settings = environment(DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES=allowed_failures)
        self._file = folder / "scheduler.json"
        self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(self._file))
        until(lambda: self._file.exists() and self._file.stat().st_size, "the scheduler says where it is", START_S)
        self.workers: list[subprocess.Popen[bytes]] = []

    def start_workers(self, *names: str) -> None:
        for name in names:
            where = ["--scheduler-file", str(self._file), "--local-directory", str(self._folder / name)]
            self.workers.append(self._start("worker", *where, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--name", name))
        log = self._folder / "worker.log"
        until(lambda: log.read_text().count("Registered to") >= len(names), "the workers are registered", START_S)

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        log = self._opened.enter_context((self._folder / f"{arguments[0]}.log").open("ab"))
        process = subprocess.Popen([sys.executable, "-m", "dask", *arguments], env=self._settings, stdout=log, stderr=log)
        self._opened.callback(process.wait, 20)
        self._opened.callback(process.kill)
        return process

    @property
    def address(self) -> str:
        address: str = json.loads(self._file.read_text())["address"]
        return address.replace("tcp://", "dask://")


@contextmanager
def cluster(folder: Path, allowed_failures: str = "0") -> Iterator[Cluster]:
    with ExitStack() as opened:
        yield Cluster(folder, opened, allowed_failures)


def test_a_worker_that_is_killed_costs_one_more_attempt_and_nothing_else(tmp_path: Path) -> None:
    campaign = CampaignOfSleeps(tmp_path, TRIALS, sleep_s=0.5)
    with cluster(tmp_path) as dask:
        dask.start_workers("one", "two")
        with campaign.start("--engine", dask.address) as running:
            until(lambda: len(campaign.begun()) >= 3, "a few trials have begun", START_S)
            dask.workers[0].kill()
            output, complaint = running.communicate(timeout=90)
        until(lambda: not campaign.alive(), "no process of a trial is left")
    assert output, complaint
    summary = json.loads(output)["summary"]
    assert (summary["verdict"], summary["held"], summary["missing"], summary["twice"]) == (HELD, TRIALS, 0, 0)
    assert summary["cut_short"] >= 1, "the killed worker was running a trial"
    assert summary["attempts"] == TRIALS + summary["cut_short"]
    began = Counter(name for name, _, _ in campaign.begun())
    assert set(began) == {f"nap-{seed}" for seed in range(TRIALS)}
    assert sum(began.values()) <= summary["attempts"], "nothing ran that was not written down"


def test_a_scheduler_that_would_run_trials_again_without_a_word_is_refused(tmp_path: Path) -> None:
    campaign = CampaignOfSleeps(tmp_path, 1, sleep_s=0)
    with cluster(tmp_path, allowed_failures="3") as dask, campaign.start("--engine", dask.address) as refused:
        _, complaint = refused.communicate(timeout=60)
    assert "would run a trial again 3 times" in complaint
    assert campaign.begun() == []
