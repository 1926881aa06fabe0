"""Disks that come and go while a guest runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from tests.integration.qemu.lives import Life, Site


def disk(site: Site, target: str) -> str:
    return f"<disk type='file'><source file='{site.disk(target)}'/><target dev='{target}'/></disk>"


def test_a_disk_is_plugged_in_and_stays_across_a_restart(site: Site, life: Life) -> None:
    life.driver.domain_define_xml(site.guest())
    life.driver.domain_create("web")
    life.driver.domain_attach_device_flags("web", disk(site, "vdb"), 3)
    assert life.driver.domain_get_block_info("web", "vdb")["io_status"] == "ok"
    again = site.live()
    assert again.driver.domain_get_block_info("web", "vdb")["io_status"] == "ok"
    assert "vdb" in again.driver.domain_get_xml_desc("web")
    assert "vdb" in again.driver.domain_get_xml_desc("web", 2)


def test_a_disk_plugged_live_is_not_in_the_next_definition(site: Site, life: Life) -> None:
    life.driver.domain_define_xml(site.guest())
    life.driver.domain_create("web")
    life.driver.domain_attach_device("web", disk(site, "sda"))
    assert "sda" in life.driver.domain_get_xml_desc("web")
    assert "sda" not in life.driver.domain_get_xml_desc("web", 2)


def test_a_target_in_use_is_refused(site: Site, life: Life) -> None:
    life.driver.domain_define_xml(site.guest())
    life.driver.domain_create("web")
    life.driver.domain_attach_device("web", disk(site, "vdb"))
    with pytest.raises(DriverError, match="target vdb already exists") as refused:
        life.driver.domain_attach_device("web", disk(site, "vdb"))
    assert refused.value.code is Code.OPERATION_INVALID


def test_a_guest_lets_go_of_a_disk_in_its_own_time(site: Site, life: Life) -> None:
    life.driver.domain_define_xml(site.guest())
    life.driver.domain_create("web")
    site.wait_up("web")
    life.driver.domain_attach_device("web", disk(site, "vdb"))
    life.driver.domain_detach_device("web", disk(site, "vdb"))
    # This guest knows nothing of plugs: the disk is there until it is reset.
    assert "vdb" in life.driver.domain_get_xml_desc("web")
    life.driver.domain_reset("web")
    life.wait_told("device-removed", device="vdb")
    assert "vdb" not in life.driver.domain_get_xml_desc("web")
    life.driver.domain_attach_device("web", disk(site, "vdb"))


def test_a_disk_that_went_while_nobody_watched_is_noticed(site: Site, life: Life) -> None:
    life.driver.domain_define_xml(site.guest())
    life.driver.domain_create("web")
    site.wait_up("web")
    life.driver.domain_attach_device("web", disk(site, "vdb"))
    life.driver.domain_detach_device("web", disk(site, "vdb"))
    life.driver.domain_reset("web")
    again = site.live()
    again.wait_told("device-removed", device="vdb")
    assert "vdb" not in again.driver.domain_get_xml_desc("web")


def test_the_definition_of_a_guest_that_is_off_takes_disks_too(site: Site, life: Life) -> None:
    life.driver.domain_define_xml(site.guest())
    life.driver.domain_attach_device_flags("web", disk(site, "vdb"))
    assert "vdb" in site.live().driver.domain_get_xml_desc("web")
    site.lives[-1].driver.domain_detach_device_flags("web", disk(site, "vdb"))
    assert "vdb" not in site.lives[-1].driver.domain_get_xml_desc("web")
    with pytest.raises(DriverError, match="no disk with target vdb"):
        site.lives[-1].driver.domain_detach_device_flags("web", disk(site, "vdb"))


def test_what_cannot_be_plugged_changes_nothing(site: Site, life: Life) -> None:
    life.driver.domain_define_xml(site.guest())
    life.driver.domain_create("web")
    with pytest.raises(DriverError, match="cannot be plugged"):
        life.driver.domain_attach_device("web", disk(site, "hdb"))
    broken = "<disk type='file'><driver name='qemu' type='qcow2'/><source file='{}'/><target dev='vdb'/></disk>"
    with pytest.raises(DriverError, match="qcow2"):
        life.driver.domain_attach_device("web", broken.format(site.disk("raw")))
    assert life.context.run.intents() == {}
    life.driver.domain_attach_device("web", disk(site, "vdb"))
