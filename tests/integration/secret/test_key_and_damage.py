"""Wrong keys and damaged files: a value is the right one or an error that says why, never a wrong one."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import sqlite3
from typing import TYPE_CHECKING

import pytest

from tests.integration.host.conftest import until
from tests.integration.secret.conftest import UUID, VALUE, Secrets, refused
from tierhost.ipc.errors import Code, DriverError

if TYPE_CHECKING:
    from pathlib import Path

BLOCK = 64


def right(site: Secrets) -> bool:
    """Whether the value is given, and is the right one. A wrong one is the end of the test."""
    try:
        value = site.value()
    except DriverError:
        return False
    assert value == VALUE
    return True


@pytest.mark.parametrize("ephemeral", [False, True])
def test_a_value_survives_the_death_of_worker_and_host(site: Secrets, ephemeral: bool) -> None:
    site.begin()
    site.define(private=False, ephemeral=ephemeral)
    os.kill(site.driver("secret")["pid"], signal.SIGKILL)
    assert site.value() == VALUE
    site.end()
    site.begin()
    assert site.value() == VALUE
    held = [path for path in site.state.glob("persistent*") if UUID.encode() in path.read_bytes()]
    assert bool(held) is not ephemeral, "what is ephemeral is in the run state alone, which ends with the boot"


def test_the_key_comes_from_the_service_manager_and_is_not_written_down(
    site: Secrets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credential = tmp_path / "master-key"
    credential.write_text("a credential of any length")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    site.begin()
    site.define(private=False)
    assert site.value() == VALUE
    assert list(site.state.glob("master.key*")) == []
    site.end()

    credential.write_text("another credential")
    site.begin()
    with refused(DriverError, Code.INVALID_SECRET, "value does not open"):
        site.value()
    assert any(UUID in subject for subject in site.degraded())

    credential.write_text("a credential of any length")
    site.reload()
    until(lambda: right(site), "the right credential opens the value again")
    until(lambda: not site.degraded(), "nothing is degraded any more")


def test_a_key_of_another_machine_opens_nothing_and_loses_nothing(site: Secrets) -> None:
    site.begin()
    site.define(private=False)
    site.end()
    ours = {path.name: path.read_bytes() for path in site.state.glob("master.key*")}
    assert set(ours) == {"master.key", "master.key.copy"}
    for name in ours:
        # A whole key of the right form: that of a driver which begins elsewhere.
        site.state.joinpath(name).write_bytes(_another_key())
    site.begin()
    with refused(DriverError, Code.INVALID_SECRET, "value does not open"):
        site.value()
    for name, content in ours.items():
        site.state.joinpath(name).write_bytes(content)
    site.reload()
    until(lambda: right(site), "the right key opens the value again")


def _another_key() -> bytes:
    key = b"k" * 32
    return key + hashlib.blake2b(key, digest_size=8, person=b"tierhost-key").digest()


@pytest.mark.parametrize("mode", [0o644, 0o660])
def test_a_key_that_others_could_read_is_not_used_until_a_person_has_looked(site: Secrets, mode: int) -> None:
    site.begin()
    site.define(private=False)
    site.end()
    key = site.state / "master.key"
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(mode)
    site.begin()
    with refused(DriverError, Code.INTERNAL_ERROR, f"mode {mode:04o}, so others may know the key"):
        site.value()
    with site.client() as client:
        assert [row["uuid"] for row in client.call("secret.secret_list", changes=False)] == [UUID], "definitions are served"
    assert "master key" in site.degraded()
    key.chmod(0o600)
    site.reload()
    until(lambda: right(site), "the key is used again")


@pytest.mark.parametrize("harm", ["truncated", "emptied", "deleted", "flipped"])
def test_one_damaged_file_of_each_pair_costs_nothing_and_is_told(site: Secrets, harm: str) -> None:
    site.begin()
    site.define(private=False)
    site.end()
    for path in (site.state / "persistent.a.db", site.state / "master.key"):
        _harm(path, harm)
    site.begin()
    assert site.value() == VALUE
    with site.client() as client:
        told = [event["subject"] for event in client.host("events_since", 0) if event["kind"] == "state-file-mended"]
    assert any("persistent" in subject for subject in told)
    assert any("master.key" in subject for subject in told)


@pytest.mark.parametrize("harm", ["truncated", "emptied", "flipped"])
def test_both_files_damaged_never_give_a_wrong_value_and_are_shown(site: Secrets, harm: str) -> None:
    site.begin()
    site.define(private=False)
    site.end()
    for name in ("persistent.a.db", "persistent.b.db"):
        _harm(site.state / name, harm)
    site.begin()
    assert not right(site)
    assert site.degraded()
    site.define(private=False)
    assert site.value() == VALUE, "and it can be set again"


def test_no_single_flipped_byte_of_both_files_gives_a_wrong_value(site: Secrets) -> None:
    site.begin()
    site.define(private=False)
    site.end()
    paths = [site.state / name for name in ("persistent.a.db", "persistent.b.db")]
    for path in paths:
        _move_into_file(path)
        content = path.read_bytes()
        where = content.index(b"sealed") + BLOCK // 2
        path.write_bytes(content[:where] + bytes([content[where] ^ 1]) + content[where + 1 :])
    site.begin()
    with refused(DriverError, Code.INVALID_SECRET, "value is lost|does not open"):
        site.value()
    assert any(UUID in subject for subject in site.degraded())


def _move_into_file(path: Path) -> None:
    """Let SQLite move what it has beside the file into it, as it does by itself now and then."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _harm(path: Path, harm: str) -> None:
    for beside in path.parent.glob(f"{path.name}-*"):
        # What SQLite had not yet moved into the file would mend it.
        beside.unlink()
    content = path.read_bytes()
    if harm == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif harm == "emptied":
        path.write_bytes(b"")
    elif harm == "deleted":
        path.unlink()
    else:
        path.write_bytes(bytes(byte ^ 0xFF for byte in content))
