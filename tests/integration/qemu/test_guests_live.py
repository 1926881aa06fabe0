"""Guests: defined, started, asked, paused, ended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.waiting import until
from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from tests.integration.qemu.lives import Life, Site


def test_a_guest_boots_and_holds_off_the_end_of_its_host(site: Site, life: Life) -> None:
    life.driver.domain_define_xml(site.guest())
    assert life.driver.domain_create("web") == "web"
    site.wait_up("web")
    assert life.state("web") == "running"
    assert life.inhibited[-1] == "1 guest is running"
    assert life.told("lifecycle", event="started", detail="booted")
    assert life.driver.objects() == {"guests": {"running": 1, "paused": 0, "shutoff": 0}}


def test_a_guest_that_is_destroyed_leaves_nothing_but_its_definition(site: Site, life: Life) -> None:
    uuid = life.driver.domain_define_xml(site.guest())["uuid"]
    life.driver.domain_create("web")
    life.driver.domain_destroy("web")
    assert life.driver.domain_get_state("web") == {"state": "shutoff", "reason": "destroyed"}
    assert site.processes() == {}
    assert life.inhibited[-1] == ""
    assert {path.suffix for path in site.run_dir.glob(f"{uuid}.*")} <= {".lock", ".log"}
    life.driver.domain_undefine("web")
    assert list(site.run_dir.glob(f"{uuid}.*")) == []
    assert life.driver.domain_list() == []


def test_a_transient_guest_is_gone_when_it_ends(site: Site, life: Life) -> None:
    life.driver.domain_create_xml(site.guest())
    assert life.driver.domain_list()[0]["persistent"] is False
    life.driver.domain_destroy("web")
    assert life.driver.domain_list() == []
    assert [path.name for path in site.run_dir.iterdir() if not path.name.startswith("run.")] == []


def test_the_power_button_ends_a_guest(site: Site, life: Life) -> None:
    life.driver.domain_define_xml(site.guest())
    life.driver.domain_create("web")
    site.wait_up("web")
    life.driver.domain_shutdown("web")
    life.wait_state("web", "shutoff", "shutdown")
    assert "POWERDOWN" in site.console("web")
    life.wait_told("lifecycle", event="stopped", detail="shutdown")


def test_a_reboot_keeps_the_process(site: Site, life: Life) -> None:
    life.driver.domain_define_xml(site.guest())
    life.driver.domain_create("web")
    site.wait_up("web")
    pid = life.pid("web")
    life.driver.domain_reboot("web")
    until(lambda: site.console("web").count("GUEST-UP") == 2, "the guest is up again")
    assert life.pid("web") == pid
    assert life.state("web") == "running"


def test_a_reset_boots_the_guest_anew(site: Site, life: Life) -> None:
    life.driver.domain_define_xml(site.guest())
    life.driver.domain_create("web")
    site.wait_up("web")
    life.driver.domain_reset("web")
    until(lambda: site.console("web").count("GUEST-UP") == 2, "the guest is up again")


def test_a_guest_may_be_started_paused_and_resumed(site: Site, life: Life) -> None:
    life.driver.domain_define_xml(site.guest())
    life.driver.domain_create("web", 1)
    assert life.state("web") == "paused"
    life.driver.domain_resume("web")
    site.wait_up("web")
    life.driver.domain_suspend("web")
    assert life.driver.domain_get_state("web") == {"state": "paused", "reason": "user"}


def test_a_guest_is_not_started_twice(site: Site, life: Life) -> None:
    life.driver.domain_define_xml(site.guest())
    life.driver.domain_create("web")
    with pytest.raises(DriverError, match="already running") as refused:
        life.driver.domain_create("web")
    assert refused.value.code is Code.OPERATION_INVALID
    with pytest.raises(DriverError, match="already"):
        life.driver.domain_create_xml(site.guest("other", uuid=life.driver.domain_list()[0]["uuid"]))
    assert len(site.processes()) == 1


def test_what_the_live_guest_is_differs_from_its_next_definition(site: Site, life: Life) -> None:
    xml = site.guest(uuid="1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b")
    life.driver.domain_define_xml(xml)
    life.driver.domain_create("web")
    life.driver.domain_define_xml(xml.replace(">16<", ">24<"))
    assert ">16<" in life.driver.domain_get_xml_desc("web")
    assert "id='1'" in life.driver.domain_get_xml_desc("web").replace('"', "'")
    assert ">24<" in life.driver.domain_get_xml_desc("web", 2)
    assert life.driver.domain_lookup_by_id(1)["name"] == "web"


def test_what_is_not_acted_on_is_kept_and_reported(site: Site, life: Life) -> None:
    answer = life.driver.domain_define_xml(site.guest(more="<memtune><hard_limit>9</hard_limit></memtune>"))
    assert "/domain/memtune (line 1)" in answer["unread"]
    assert "<hard_limit>9</hard_limit>" in life.driver.domain_get_xml_desc("web")


def test_a_guest_that_cannot_start_says_what_qemu_said_and_leaves_nothing(site: Site, life: Life) -> None:
    uuid = life.driver.domain_define_xml(site.guest(more="<cpu><model>no-such-cpu</model></cpu>"))["uuid"]
    with pytest.raises(DriverError, match="no-such-cpu"):
        life.driver.domain_create("web")
    assert site.processes() == {}
    assert life.context.run.intents() == {}
    assert life.state("web") == "shutoff"
    assert not (site.run_dir / f"{uuid}.qmp").exists()


def test_a_disk_that_is_not_there_is_named(site: Site, life: Life) -> None:
    life.driver.domain_define_xml(site.guest(disk="<disk type='file'><source file='/nowhere/x'/><target dev='hda'/></disk>"))
    with pytest.raises(DriverError, match="guest web disk hda: /nowhere/x does not exist"):
        life.driver.domain_create("web")


def test_the_size_of_a_disk_is_told_by_qemu(site: Site, life: Life) -> None:
    life.driver.domain_create_xml(site.guest())
    info = life.driver.domain_get_block_info("web", "hda")
    assert (info["capacity"], info["format"], info["io_status"]) == (1 << 20, "raw", "ok")
    with pytest.raises(DriverError, match="no disk with target vdz"):
        life.driver.domain_get_block_info("web", "vdz")


def test_a_vnc_password_is_in_no_argument_and_no_file(site: Site, life: Life) -> None:
    graphics = "<graphics type='vnc' passwd='T0ub4d0r'/>"
    life.driver.domain_define_xml(site.guest(devices=graphics))
    life.driver.domain_create("web")
    arguments = Path(f"/proc/{life.pid('web')}/cmdline").read_bytes()
    assert b"T0ub4d0r" not in arguments
    assert b"password-secret" in arguments
    written = b"".join(path.read_bytes() for path in site.folder.rglob("*") if path.is_file() and path.suffix != ".img")
    assert b"T0ub4d0r" not in written
    assert "T0ub4d0r" not in life.driver.domain_get_xml_desc("web")
    assert "T0ub4d0r" in life.driver.domain_get_xml_desc("web", 1)
