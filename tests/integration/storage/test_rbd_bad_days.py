"""What goes wrong with pools of a Ceph cluster: wrong keys, silence, deaths; each with its own words, and in time."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.integration.storage.ceph_pools import envoys, rbd_pool, start, volume
from tests.integration.storage.lives import within
from tests.waiting import until
from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from tests.ceph_cluster import Cluster
    from tests.integration.storage.lives import Life, Site

AT_ONCE_S = 1.0
LIMIT_S = 2.0
"""How long the cluster may be silent, where that is what a test is about."""

TRIES = 5
"""The machine may be busy; once it must show how quick it is."""


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"secret": '<secret usage="another\'s"/>'}, Code.AUTH_FAILED, "refuses user 'libvirt' with the key in its secret"),
        ({"secret": "<secret usage='no key'/>"}, Code.AUTH_FAILED, "is no CephX key"),
        ({"secret": "<secret usage='nowhere'/>"}, Code.NO_SECRET, "no such secret"),
        ({"user": "nobody"}, Code.AUTH_FAILED, "refuses user 'nobody'"),
        ({"user": "none", "secret": '<secret usage="another\'s"/>'}, Code.ACCESS_DENIED, "not into pool 'rbd'"),
        ({"user": ""}, Code.AUTH_FAILED, "wants CephX, and the pool has no <auth>"),
        ({"pool": "elsewhere"}, Code.OPERATION_FAILED, "it has no pool 'elsewhere'"),
    ],
)
def test_who_is_not_let_in_is_told_why_at_once(
    vault: Site, ceph: Cluster, change: dict[str, str], code: Code, words: str
) -> None:
    with vault.life() as life:
        took_s = []
        for _ in range(TRIES):
            began_s = time.monotonic()
            with pytest.raises(DriverError, match=words) as caught:
                life.driver.storage_pool_create_xml(rbd_pool(ceph, **change))
            took_s.append(time.monotonic() - began_s)
            assert caught.value.code is code
            if took_s[-1] < AT_ONCE_S:
                break
        assert min(took_s) < AT_ONCE_S
        assert life.active() == []


def test_a_key_that_was_wrong_may_be_right_the_next_time(vault: Site, ceph: Cluster) -> None:
    vault.secrets["client.libvirt secret"] = ceph.keys["client.none"]
    with vault.life() as life:
        life.driver.storage_pool_define_xml(rbd_pool(ceph))
        with pytest.raises(DriverError, match="refuses"):
            life.driver.storage_pool_create("vault")
        vault.secrets["client.libvirt secret"] = ceph.keys["client.libvirt"]
        life.driver.storage_pool_create("vault")


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        ("", "<source> is missing"),
        ("<source><host name='h'/></source>", "<name> is missing"),
        ("<source><name>rbd</name></source>", "there are 0 <host> elements"),
        ("<source><name>rbd</name><host name='a,b'/></source>", "no host name"),
        ("<source><name>rbd</name><host name='h' port='0'/></source>", "port is 0"),
        ("<source><name>a b</name><host name='h'/></source>", "no Ceph pool's"),
        ("<source><name>rbd</name><host name='h'/><auth type='chap' username='u'/></source>", "expected one of ceph"),
        (
            "<source><name>rbd</name><host name='h'/><auth type='ceph'><secret usage='s'/></auth></source>",
            "'username' is missing",
        ),
        ("<source><name>rbd</name><host name='h'/><auth type='ceph' username='u'><secret/></auth></source>", "either"),
        ("<source><name>rbd</name><host name='h'/><auth type='ceph' username='u'><secret uuid='x'/></auth></source>", "uuid"),
        ("<source><name>rbd</name><host name='h'/><initiator><iqn name='i'/></initiator></source>", "not be safe"),
    ],
)
def test_a_definition_that_makes_no_sense_is_refused(site: Site, inside: str, words: str) -> None:
    with site.life() as life, pytest.raises(DriverError, match=words):
        life.driver.storage_pool_define_xml(f"<pool type='rbd'><name>p</name>{inside}</pool>")


def test_a_second_pool_over_the_same_ceph_pool_is_refused(vault: Site, ceph: Cluster) -> None:
    with vault.life() as life:
        life.driver.storage_pool_define_xml(rbd_pool(ceph))
        with pytest.raises(DriverError, match="'vault' uses rbd"):
            life.driver.storage_pool_define_xml(rbd_pool(ceph, "other"))


def test_a_name_that_somebody_else_took_is_left_alone(vault: Site, ceph: Cluster) -> None:
    with vault.life() as life:
        start(life, ceph)
        life.driver.storage_vol_create_xml("vault", volume("disk"))
        life.driver.storage_vol_upload("vault", "disk", b"words")
        with pytest.raises(DriverError, match="exists already") as caught:
            life.driver.storage_vol_create_xml("vault", volume("disk"))
        assert caught.value.code is Code.STORAGE_VOL_EXIST
        assert life.driver.storage_vol_download("vault", "disk", 0, 5) == b"words"


def test_a_cluster_that_hangs_is_reported_in_time_costs_nobody_else_anything_and_is_back_when_it_is(
    vault: Site, ceph: Cluster
) -> None:
    vault.options["remote_limit_s"] = 2 * LIMIT_S
    with vault.life() as life:
        driver = life.driver
        start(life, ceph)
        (vault.folder / "pool").mkdir()
        target = f"<target><path>{vault.folder}/pool</path></target>"
        driver.storage_pool_create_xml(f"<pool type='dir'><name>files</name>{target}</pool>")
        with ceph.stopped("osd", "mon"):
            told: list[str] = []
            asker = threading.Thread(target=ignore, args=(lambda: driver.storage_vol_list("vault"), told))
            asker.start()
            driver.storage_vol_create_xml("files", volume("disk"))
            assert driver.storage_pool_get_info("files")["state"] == "running"
            # And it still waits; unless a look at the pool has found out just before it asked.
            assert asker.is_alive() or "does not answer" in told[0]
            asker.join(10.0)
            with within(0.9), pytest.raises(DriverError, match="does not answer"):
                driver.storage_vol_list("vault")  # once it is known, nobody waits for it again
            assert driver.storage_pool_get_info("vault")["state"] == "degraded"
            life.run_later()
            assert "does not answer" in life.degraded["pool vault"]
        until(lambda: running(life), "the pool is back")
        life.run_later()
        assert life.degraded == {}


def test_an_osd_that_was_killed_and_started_is_found_at_its_new_address(vault: Site, ceph: Cluster) -> None:
    vault.options["remote_limit_s"] = LIMIT_S
    with vault.life() as life:
        start(life, ceph)
        life.driver.storage_vol_create_xml("vault", volume("disk"))
        ceph.end("osd")
        with pytest.raises(DriverError, match="does not answer") as caught, within(5.0):
            life.driver.storage_vol_upload("vault", "disk", b"words")
        assert caught.value.code is Code.OPERATION_TIMEOUT
        ceph.start("osd")
        ceph.await_osd()
        until(lambda: running(life), "the pool is back")
        assert life.driver.storage_vol_upload("vault", "disk", b"words") == 5


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_the_process_that_speaks_for_a_pool_is_replaced(vault: Site, ceph: Cluster, number: signal.Signals) -> None:
    with vault.life() as life:
        start(life, ceph)
        (before,) = envoys()
        os.kill(before, number)
        if number is signal.SIGSTOP:
            with within(0.3), pytest.raises(DriverError, match="did not answer"):
                life.driver.storage_vol_list("vault")
        until(lambda: running(life), "the pool is back")
        (after,) = envoys()
        assert after != before


def running(life: Life) -> bool:
    return bool(life.driver.storage_pool_get_info("vault")["state"] == "running")


def ignore(act: object, told: list[str]) -> None:
    """For a call that may fail; keeps what it was told."""
    try:
        act()  # type: ignore[operator]
    except DriverError as error:
        told.append(str(error))
