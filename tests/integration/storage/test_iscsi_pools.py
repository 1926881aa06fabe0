"""Pools of a real iSCSI target with CHAP: their life, their units, and what goes wrong with them."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.storage.ceph_pools import envoys
from tests.integration.storage.lives import QEMU, asked_by, within
from tests.iscsi_target import CHAP, INITIATOR, OPEN, PORT, UNIT_BYTES, USER
from tests.waiting import until
from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.storage.lives import Life, Site
    from tests.iscsi_target import Target

USAGE = "the target's"
AT_ONCE_S = 1.0
PARTS = "<host name='h'/><device path='iqn.a:b'/><initiator><iqn name='iqn.a:c'/></initiator>"
TRIES = 5
"""The machine may be busy; once it must show how quick it is."""


@pytest.fixture
def san(site: Site, iscsi: Target) -> Iterator[Site]:
    """A site with the target's password; no process that speaks for a pool is left afterwards."""
    site.secrets.update({USAGE: iscsi.password, "wrong": b"wrongwrongwrong", "none": b"\0"})
    site.options["remote_limit_s"] = 1.0
    yield site
    assert envoys() == []


def pool(iscsi: Target, name: str = "san", *, target: str = CHAP, user: str = USER, usage: str = USAGE) -> str:
    secret = f'<secret usage="{usage}"/>'
    auth = f"<auth type='chap' username='{user}'>{secret}</auth>" if user else ""
    who = f"<initiator><iqn name='{INITIATOR}'/></initiator>"
    source = f"<source><host name='{iscsi.address}'/><device path='{target}'/>{who}{auth}</source>"
    return f"<pool type='iscsi-direct'><name>{name}</name>{source}</pool>"


def start(life: Life, iscsi: Target) -> None:
    life.driver.storage_pool_define_xml(pool(iscsi))
    life.driver.storage_pool_create("san")


def running(life: Life) -> bool:
    return bool(life.driver.storage_pool_get_info("san")["state"] == "running")


def test_a_pool_shows_the_disks_of_its_target_and_a_controller_is_none(san: Site, iscsi: Target) -> None:
    with san.life() as life:
        driver = life.driver
        start(life, iscsi)
        assert [found["name"] for found in driver.storage_vol_list("san")] == ["unit:0:0:1", "unit:0:0:2"]
        assert driver.storage_pool_refresh("san") == {"volumes": 2, "skipped": ["unit:0:0:0"]}
        info = driver.storage_pool_get_info("san")
        assert (info["state"], info["capacity"], info["available"]) == ("running", 2 * UNIT_BYTES, 0)
        shown = driver.storage_vol_get_info("san", "unit:0:0:1")
        assert (shown["type"], shown["format"], shown["capacity"]) == ("network", "raw", UNIT_BYTES)
        path = f"ip-{iscsi.address}:{PORT}-iscsi-{CHAP}-lun-2"
        assert driver.storage_vol_lookup_by_path(path)["name"] == "unit:0:0:2"
        with pytest.raises(DriverError, match="units are made at the target"):
            driver.storage_vol_create_xml("san", "<volume><name>unit:0:0:3</name><capacity>1</capacity></volume>")
        for nothing in ("unit:0:0:0", "unit:0:0:9", "unit:0:0:99999", "disk"):
            with pytest.raises(DriverError, match="no storage volume"):
                driver.storage_vol_get_info("san", nothing)
        driver.storage_pool_destroy("san")
        assert envoys() == []
        assert life.degraded == {}


def test_what_is_written_is_read_and_wiped_and_its_neighbours_stay(san: Site, iscsi: Target) -> None:
    with san.life() as life:
        driver, image = life.driver, iscsi.image(CHAP, 1)
        start(life, iscsi)
        image.write_bytes(b"." * UNIT_BYTES)
        assert driver.storage_vol_upload("san", "unit:0:0:1", b"words" * 200_000, 1001) == 1_000_000
        assert driver.storage_vol_download("san", "unit:0:0:1", 998, 8) == b"...words"
        assert driver.storage_vol_download("san", "unit:0:0:1", 1_001_001 - 4, 8) == b"ords...."
        assert image.read_bytes()[1001:1_001_001] == b"words" * 200_000
        assert driver.storage_vol_download("san", "unit:0:0:1", UNIT_BYTES - 3, 10) == b"..."
        with pytest.raises(DriverError, match="beyond its end"):
            driver.storage_vol_upload("san", "unit:0:0:1", b"x", UNIT_BYTES)
        driver.storage_vol_wipe("san", "unit:0:0:1")
        assert image.read_bytes() == bytes(UNIT_BYTES)


def test_a_unit_is_copied_into_a_directory(san: Site, iscsi: Target) -> None:
    with san.life() as life:
        start(life, iscsi)
        iscsi.image(CHAP, 2).write_bytes(b"words".ljust(UNIT_BYTES, b"\0"))
        (san.folder / "pool").mkdir()
        target = f"<target><path>{san.folder}/pool</path></target>"
        life.driver.storage_pool_create_xml(f"<pool type='dir'><name>files</name>{target}</pool>")
        wanted = "<volume><name>copy</name><capacity>0</capacity><allocation>0</allocation></volume>"
        life.driver.storage_vol_create_xml_from("files", wanted, "san", "unit:0:0:2")
        assert (san.folder / "pool/copy").read_bytes() == iscsi.image(CHAP, 2).read_bytes()


def test_a_guest_s_driver_is_told_how_to_reach_a_unit_and_the_unit_is_then_held(san: Site, iscsi: Target) -> None:
    with san.life() as life:
        start(life, iscsi)
        with asked_by(QEMU):
            resolved = life.driver.resolve_volume("san", "unit:0:0:1", "guest 1")
        assert resolved["connection"] == {
            "type": "network",
            "protocol": "iscsi",
            "name": f"{CHAP}/1",
            "hosts": [{"name": iscsi.address, "port": PORT}],
            "auth": {"type": "chap", "username": USER, "secret_uuid": "", "secret_usage": USAGE},
            "initiator": INITIATOR,
        }
        with pytest.raises(DriverError, match="in use by guest 1"):
            life.driver.storage_vol_wipe("san", "unit:0:0:1")


def test_the_password_is_nowhere_to_be_read(san: Site, iscsi: Target) -> None:
    with san.life() as life:
        start(life, iscsi)
        (pid,) = envoys()
        for place in ("cmdline", "environ"):
            assert iscsi.password not in Path(f"/proc/{pid}/{place}").read_bytes()
        written = b"".join(path.read_bytes() for path in san.folder.rglob("*") if path.is_file())
        assert iscsi.password not in written
        assert "libiscsi" not in Path("/proc/self/maps").read_text()  # the worker itself never loads the library


def test_an_active_pool_is_active_again_after_a_crash_whatever_its_autostart_flag(san: Site, iscsi: Target) -> None:
    with san.life() as life:
        start(life, iscsi)
    with san.life(incarnation=2) as life:
        assert life.active() == ["san"]
        life.run_later()  # no password is asked for before others are told of this life
        assert life.degraded == {}
        assert len(life.driver.storage_vol_list("san")) == 2
    san.boot_id = "boot-2"
    with san.life(incarnation=3) as life:
        assert life.active() == []


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"usage": "wrong"}, Code.AUTH_FAILED, "refuses user 'chapuser' with the CHAP password"),
        ({"usage": "none"}, Code.AUTH_FAILED, "is no CHAP password"),
        ({"usage": "nowhere"}, Code.NO_SECRET, "no such secret"),
        ({"user": "nobody"}, Code.AUTH_FAILED, "refuses user 'nobody'"),
        ({"user": ""}, Code.AUTH_FAILED, "wants a CHAP login, and the pool has no <auth>"),
        ({"target": "iqn.2026-01.test:elsewhere"}, Code.OPERATION_FAILED, "has no target iqn.2026-01.test:elsewhere"),
    ],
)
def test_who_is_not_let_in_is_told_why_at_once(san: Site, iscsi: Target, change: dict[str, str], code: Code, words: str) -> None:
    with san.life() as life:
        took_s = []
        for _ in range(TRIES):
            began_s = time.monotonic()
            with pytest.raises(DriverError, match=words) as caught:
                life.driver.storage_pool_create_xml(pool(iscsi, **change))
            took_s.append(time.monotonic() - began_s)
            assert caught.value.code is code
            if took_s[-1] < AT_ONCE_S:
                break
        assert min(took_s) < AT_ONCE_S
        assert life.active() == []


def test_a_target_without_chap_lets_a_pool_without_auth_in(san: Site, iscsi: Target) -> None:
    with san.life() as life:
        life.driver.storage_pool_create_xml(pool(iscsi, target=OPEN, user=""))
        assert len(life.driver.storage_vol_list("san")) == 1


def test_a_password_that_was_wrong_may_be_right_the_next_time(san: Site, iscsi: Target) -> None:
    san.secrets[USAGE] = b"wrongwrongwrong"
    with san.life() as life:
        life.driver.storage_pool_define_xml(pool(iscsi))
        with pytest.raises(DriverError, match="refuses"):
            life.driver.storage_pool_create("san")
        san.secrets[USAGE] = iscsi.password
        life.driver.storage_pool_create("san")


def test_a_target_that_was_killed_is_reported_at_once_and_is_back_when_it_is(san: Site, iscsi: Target) -> None:
    with san.life() as life:
        start(life, iscsi)
        iscsi.end()
        with pytest.raises(DriverError, match="does not answer: nobody listens there") as caught, within(2.0):
            life.driver.storage_vol_upload("san", "unit:0:0:1", b"words")
        assert caught.value.code is Code.OPERATION_TIMEOUT
        life.run_later()
        assert "nobody listens" in life.degraded["pool san"]
        assert life.driver.storage_pool_get_info("san")["state"] == "degraded"
        iscsi.start()
        until(lambda: running(life), "the pool is back")
        assert life.driver.storage_vol_upload("san", "unit:0:0:1", b"words") == 5
        life.run_later()
        assert life.degraded == {}


def test_a_target_that_hangs_is_reported_in_time_and_costs_nobody_else_anything(san: Site, iscsi: Target) -> None:
    with san.life() as life:
        driver = life.driver
        start(life, iscsi)
        (san.folder / "pool").mkdir()
        target = f"<target><path>{san.folder}/pool</path></target>"
        driver.storage_pool_create_xml(f"<pool type='dir'><name>files</name>{target}</pool>")
        with iscsi.stopped():
            said: list[str] = []
            asker = threading.Thread(target=lambda: said.append(refused(life)))
            asker.start()
            assert driver.storage_vol_list("files") == []
            asker.join(6.0)
            assert "does not answer" in said[0]
            with within(0.9), pytest.raises(DriverError, match="does not answer"):
                driver.storage_vol_list("san")  # once it is known, nobody waits for it again
        until(lambda: running(life), "the pool is back")


def refused(life: Life) -> str:
    try:
        life.driver.storage_vol_list("san")
    except DriverError as error:
        return error.text
    return ""


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        ("", "<source> is missing"),
        ("<source><device path='iqn.a:b'/><initiator><iqn name='iqn.a:c'/></initiator></source>", "there are 0 <host>"),
        ("<source><host name='h'/><initiator><iqn name='iqn.a:c'/></initiator></source>", "<device> is missing"),
        ("<source><host name='h'/><device path='iqn.a:b'/></source>", "<initiator> is missing"),
        (
            "<source><host name='h'/><device path='/dev/sda'/><initiator><iqn name='iqn.a:c'/></initiator></source>",
            "no iSCSI name",
        ),
        (
            "<source><host name='h'/><device path='iqn.a/b'/><initiator><iqn name='iqn.a:c'/></initiator></source>",
            "no iSCSI name",
        ),
        (f"<source>{PARTS}<auth type='ceph' username='u'><secret usage='s'/></auth></source>", "expected one of chap"),
    ],
)
def test_a_definition_that_makes_no_sense_is_refused(site: Site, inside: str, words: str) -> None:
    with site.life() as life, pytest.raises(DriverError, match=words):
        life.driver.storage_pool_define_xml(f"<pool type='iscsi-direct'><name>p</name>{inside}</pool>")
