"""The example site through bad days: what was acknowledged is there again, and what is in use is not taken away."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.waiting import until
from tierhost.drills.demo import kill_and_wait
from tierhost.ipc.errors import CallError, Code, DriverError, TierhostError

if TYPE_CHECKING:
    from tests.integration.whole.conftest import Whole

pytestmark = pytest.mark.slow


def test_everything_but_the_guests_is_killed_at_once_and_nothing_is_lost(whole: Whole) -> None:
    for pid in whole.others():
        kill_and_wait(pid)
    whole.start()
    assert whole.active() == {"images", "vault"}
    assert whole.running() == whole.guests


def test_a_pool_that_a_running_guest_uses_is_not_stopped_after_any_crash(whole: Whole) -> None:
    with whole.client() as client:
        for driver in ("", "storage", "qemu"):
            if driver:
                before = whole.driver(driver)
                os.kill(before["pid"], signal.SIGKILL)
                whole.wait_life_after(driver, before["incarnation"])
            with pytest.raises(TierhostError, match="in use") as refused:
                client.call("storage.storage_pool_destroy", "vault")
            assert refused.value.code is Code.RESOURCE_BUSY
        client.call("qemu.domain_destroy", "ledger")
        client.call("storage.storage_pool_destroy", "vault")
    assert whole.active() == {"images"}


def test_a_pool_that_was_stopped_stays_stopped(whole: Whole) -> None:
    with whole.client() as client:
        client.call("qemu.domain_destroy", "ledger")
        client.call("storage.storage_pool_destroy", "vault")
    for pid in whole.others():
        kill_and_wait(pid)
    whole.start()
    assert whole.active() == {"images"}
    with whole.client() as client, pytest.raises(DriverError, match="not active"):
        client.call("qemu.domain_create", "ledger")


def test_a_stopped_storage_worker_holds_up_only_what_needs_it(whole: Whole) -> None:
    before = whole.driver("storage")
    with whole.client() as client:
        client.call("qemu.domain_destroy", "web")
        os.kill(before["pid"], signal.SIGSTOP)
        began_s = time.monotonic()
        assert client.call("qemu.domain_get_state", "ledger", changes=False)["state"] == "running"
        assert client.call("secret.secret_list", changes=False)
        assert time.monotonic() - began_s < 1.0
        with pytest.raises(CallError):
            client.call("storage.storage_pool_list", changes=False, deadline_s=0.2)
        whole.wait_life_after("storage", before["incarnation"])
        assert client.call("qemu.domain_create", "web") == "web"
    assert whole.active() == {"images", "vault"}


def test_the_end_of_the_host_is_held_off_by_guests_and_may_leave_them(whole: Whole) -> None:
    with whole.client() as client:
        with pytest.raises(TierhostError, match="2 guests are running"):
            client.host("shutdown")
        client.host("shutdown", force=True)
    until(lambda: not whole.root.host_socket.exists(), "the host is gone")
    assert all(os.path.exists(f"/proc/{pid}") for pid in whole.guests.values())  # noqa: PTH110  # a question to the kernel
    whole.start()
    assert whole.running() == whole.guests
    assert whole.active() == {"images", "vault"}


def test_the_end_of_the_machine_saves_guests_and_the_next_start_brings_them_back(whole: Whole) -> None:
    with whole.client() as client:
        client.host("shutdown", save=True, deadline_s=60.0)
    until(lambda: not whole.root.host_socket.exists(), "the host is gone")
    until(lambda: not [pid for pid in whole.guests.values() if os.path.exists(f"/proc/{pid}")], "guests are saved")  # noqa: PTH110
    whole.start()
    with whole.client() as client:
        assert client.call("qemu.domain_has_managed_save_image", "ledger", changes=False)
        client.call("qemu.domain_create", "ledger")
        assert client.call("qemu.domain_get_state", "ledger", changes=False) == {"state": "running", "reason": "restored"}


def test_a_guest_that_dies_under_a_dead_driver_is_seen_by_the_next_one(whole: Whole) -> None:
    before = whole.driver("qemu")
    os.kill(before["pid"], signal.SIGSTOP)
    os.kill(whole.guests["web"], signal.SIGKILL)
    whole.wait_life_after("qemu", before["incarnation"])
    until(lambda: whole.running() == {"ledger": whole.guests["ledger"]}, "web is shown as shut off")


def test_the_key_of_the_encrypted_disk_is_in_no_file_and_no_argument(whole: Whole) -> None:
    # The value is random; what shows is how the guest got it: wrapped, under a key that only a memory file holds.
    with open(f"/proc/{whole.guests['ledger']}/cmdline", "rb") as cmdline:  # noqa: PTH123  # a file of the kernel's
        arguments = cmdline.read()
    assert b'"keyid": "masterKey0"' in arguments
    with whole.client() as client, pytest.raises(TierhostError, match="private"):
        client.call("secret.secret_get_value", whole.site.secret_uuid, changes=False)
