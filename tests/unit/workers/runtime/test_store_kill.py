"""kill -9 at any instant: what was acknowledged is there, what was not is whole or absent."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tierhost.workers.runtime.store import Recorded, Store

COMMITTER = Path(__file__).with_name("committer.py")
KILLS = 25


def commit_and_kill(folder: Path, acknowledgements: int, lines: int) -> int:
    """Run the committer until it has acknowledged some commits, kill it then and there; return the last it acknowledged."""
    program = subprocess.Popen([sys.executable, COMMITTER, folder], stdout=subprocess.PIPE, bufsize=0)
    assert program.stdout is not None
    try:
        heard = b""
        while heard.count(b"\n") < acknowledgements:
            heard += program.stdout.read(lines)
        program.send_signal(signal.SIGKILL)
        heard += program.stdout.read()
    finally:
        program.kill()
        program.stdout.close()
        program.wait(20)
    return int(heard.split()[-1])


def check(folder: Path, acknowledged: int) -> None:
    with contextlib.closing(Store.open(folder, "persistent", boot_id=None)) as store:
        left, right = store.get("pair", "left"), store.get("pair", "right")
        assert left is not None
        assert right is not None
        assert left["n"] == right["n"], "a commit is whole"
        assert acknowledged <= left["n"] <= acknowledged + 1, "and none that was acknowledged is lost"
        assert store.recorded(b"%016d" % acknowledged) == Recorded(replied=True, value=acknowledged)
        for number in range(max(1, acknowledged - 60), acknowledged + 1):
            assert store.get("history", str(number % 64)) in ({"n": number}, {"n": left["n"]})
        assert store.damage() == []
        assert store.repaired == []


@pytest.mark.slow
def test_no_acknowledged_commit_is_lost_and_none_is_torn(tmp_path: Path) -> None:
    chance = random.Random(20)
    for _ in range(KILLS):
        acknowledged = commit_and_kill(tmp_path / "secret", chance.randrange(1, 60), chance.choice((1, 4, 64)))
        for side in "ab":  # each of the files alone would do, but for the commit that was under way
            alone = tmp_path / "alone" / "secret"
            shutil.rmtree(alone, ignore_errors=True)
            alone.mkdir(parents=True)
            for path in (tmp_path / "secret").glob(f"persistent.{side}.*"):
                shutil.copy(path, alone)
            with contextlib.closing(Store.open(alone, "persistent", boot_id=None)) as store:
                row = store.get("pair", "left")
                assert row is not None
                assert row["n"] >= acknowledged
        check(tmp_path / "secret", acknowledged)


STEPS = ("replace", "link", "unlink", "fsync")
"""Calls between which a kill leaves something different behind."""


@pytest.fixture
def deaths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Keep a copy of the store's folder as it is before each step on the disk: what a kill there would leave."""
    found: list[Path] = []

    def watched(name: str) -> None:
        real = getattr(os, name)

        def step(*args: object, **kwargs: object) -> object:
            copy = tmp_path / "deaths" / str(next(numbers)) / "secret"
            if (tmp_path / "secret").exists() and not watching:
                watching.append(True)
                shutil.copytree(tmp_path / "secret", copy)
                found.append(copy)
                watching.clear()
            return real(*args, **kwargs)

        monkeypatch.setattr(os, name, step)

    watching: list[bool] = []
    numbers = itertools.count()
    for name in STEPS:
        watched(name)
    return found


def test_a_store_may_die_at_any_step_of_its_making(tmp_path: Path, deaths: list[Path]) -> None:
    with contextlib.closing(Store.open(tmp_path / "secret", "persistent", boot_id=None)) as store:
        store.put("things", "one", {"n": 1})
        made = len(deaths)
    assert made > 8
    for folder in deaths[:made]:
        with contextlib.closing(Store.open(folder, "persistent", boot_id=None)) as store:
            assert store.all("things") in ({}, {"one": {"n": 1}})
            assert store.damage() == []
            store.put("things", "two", {"n": 2})
        with contextlib.closing(Store.open(folder, "persistent", boot_id=None)) as store:
            assert store.get("things", "two") == {"n": 2}
            assert store.troubles() == {}
        assert not list(folder.glob("*.new*")), "nothing is left over"


@pytest.mark.parametrize("side", ["a", "b"])
def test_a_store_may_die_at_any_step_of_its_mending(tmp_path: Path, deaths: list[Path], side: str) -> None:
    with contextlib.closing(Store.open(tmp_path / "secret", "persistent", boot_id=None)) as store:
        store.put("things", "one", {"n": 1})
    (tmp_path / f"secret/persistent.{side}.db").write_bytes(b"broken")
    (tmp_path / f"secret/persistent.{side}.db-wal").write_bytes(b"broken")
    deaths.clear()
    Store.open(tmp_path / "secret", "persistent", boot_id=None).close()
    mended = list(deaths)
    assert len(mended) > 4
    for folder in mended:
        with contextlib.closing(Store.open(folder, "persistent", boot_id=None)) as store:
            assert store.all("things") == {"one": {"n": 1}}
            assert store.damage() == []
        with contextlib.closing(Store.open(folder, "persistent", boot_id=None)) as store:
            assert store.repaired == []
        assert not list(folder.glob("*.new*"))
