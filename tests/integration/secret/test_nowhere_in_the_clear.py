"""A value is nowhere but where it was asked for: no file, no command line, no environment, no core, no other process."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.ending import end_host
from tests.integration.secret.conftest import UUID, VALUE, Asker, Liar, Nosy, Secrets, refused
from tierhost.drills import leaks
from tierhost.ipc.errors import AccessDenied, Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Iterable

DISGUISES = (
    VALUE,
    VALUE.hex().encode(),
    base64.b64encode(VALUE).rstrip(b"="),
    repr(VALUE).encode(),
    VALUE.decode().encode("utf-16-le"),
)

NOBODY = 65534


def in_the_clear(paths: Iterable[Path]) -> list[Path]:
    """List the files that hold the value, as it is or thinly disguised."""
    found = []
    for path in paths:
        try:
            content = path.read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found += [path for disguise in DISGUISES if disguise in content][:1]
    return found


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def told_by_the_kernel(folder: Path) -> list[Path]:
    """What anybody can read of the processes of a site."""
    return [Path(f"/proc/{pid}/{name}") for pid in leaks.processes(folder) for name in ("cmdline", "environ", "comm")]


def test_a_value_is_in_no_file_and_no_process_table_after_all_that_can_be_done_with_it(site: Secrets) -> None:
    running = site.start(Asker)
    site.define()
    site.define(ephemeral=True)
    with site.client() as client:
        assert client.call("asker.fetch", UUID, changes=False) == len(VALUE)
        with pytest.raises(DriverError):
            client.call("secret.secret_define_xml", f"<secret><uuid>{VALUE.decode()}</uuid></secret>")
    os.kill(site.driver("secret")["pid"], signal.SIGKILL)
    with site.client() as client:
        assert client.call("asker.fetch", UUID, changes=False) == len(VALUE)
        client.host("status")
    assert len(leaks.processes(site.folder)) > 1
    assert in_the_clear(told_by_the_kernel(site.folder)) == []
    assert in_the_clear(files(site.folder)) == []
    running.kill()
    site.start()
    assert in_the_clear(files(site.folder)) == []


@pytest.mark.parametrize("disguise", DISGUISES)
def test_the_search_finds_a_value_that_somebody_wrote_down(tmp_path: Path, disguise: bytes) -> None:
    planted = tmp_path / "deep" / "journal"
    planted.parent.mkdir()
    planted.write_bytes(b'{"value": "' + disguise + b'"}')
    assert in_the_clear(files(tmp_path)) == [planted]


def test_the_user_of_an_unprivileged_host_cannot_look_into_the_worker_and_it_leaves_no_core(site: Secrets) -> None:
    _start_unprivileged(site)
    try:
        worker, other = site.driver("secret")["pid"], site.driver("storage")["pid"]
        limits = Path(f"/proc/{worker}/limits").read_text().splitlines()
        core = next(line for line in limits if line.startswith("Max core file size"))
        assert core.split()[4:6] == ["0", "0"]
        assert Path(f"/proc/{other}/environ").stat().st_uid == site.folder.stat().st_uid, "an ordinary process is its user's"
        assert Path(f"/proc/{worker}/environ").stat().st_uid == 0, "one that keeps to itself is root's"
    finally:
        end_host(site.root)


def _start_unprivileged(site: Secrets) -> None:
    """Start a host as an ordinary user, who may read the program wherever it is: what root may look into says nothing."""
    argv = [sys.executable, "-m", "tierhost.host", "--root", str(site.folder), "up", "--detach"]
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("setpriv is not installed (Debian: util-linux)")
        os.chown(site.folder, NOBODY, NOBODY)
        user = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        argv = ["setpriv", *user, "--inh-caps=+dac_override", "--ambient-caps=+dac_override", *argv]
    started = subprocess.run(argv, capture_output=True, timeout=60, check=False)
    assert started.returncode == 0, started.stderr


def test_a_private_value_leaves_to_workers_that_need_it_and_to_nobody_else(site: Secrets) -> None:
    site.start(Asker, Nosy, Liar)
    site.define(private=True)
    with site.client() as client:
        assert client.call("asker.fetch", UUID, changes=False) == len(VALUE)
        with refused(DriverError, Code.INVALID_SECRET, "secret is private"):
            client.call("secret.secret_get_value", UUID)
        with refused(AccessDenied, Code.ACCESS_DENIED, "is a service for workers"):
            client.call("secret.get_value", UUID)
        with refused(AccessDenied, Code.ACCESS_DENIED, "the manifest of 'nosy' does not need secret.get_value"):
            client.call("nosy.fetch", UUID)
        entry = next(row for row in client.host("directory")["lives"] if row["driver"] == "secret")
        with refused(AccessDenied, Code.ACCESS_DENIED, "the manifest of 'liar' does not need|pid .* is none"):
            client.call("liar.lie", UUID, entry)


def test_a_value_that_is_not_private_leaves_to_clients_and_still_not_to_workers_without_need(site: Secrets) -> None:
    site.start(Nosy)
    site.define(private=False)
    assert site.value() == VALUE
    with site.client() as client, refused(AccessDenied, Code.ACCESS_DENIED, "does not need"):
        client.call("nosy.fetch", UUID)
