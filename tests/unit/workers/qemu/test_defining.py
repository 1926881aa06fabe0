"""Defining, redefining and forgetting guests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.workers.qemu.samples import DISK, UUID, domain
from tierhost.workers.runtime.contract import Code, DriverError, InitResult, Skip

if TYPE_CHECKING:
    from tests.integration.qemu.lives import Life, Site

OTHER = UUID.replace("0d", "1d")
SECOND = "<disk type='file'><source file='/b'/><target dev='vdb'/></disk>"


def refusal(life: Life, method: str, *args: object) -> DriverError:
    with pytest.raises(DriverError) as refused:
        getattr(life.driver, method)(*args)
    return refused.value


def test_a_definition_is_answered_with_what_nobody_acts_on(life: Life) -> None:
    answer = life.driver.domain_define_xml(domain(more="<cputune/>"))
    assert answer == {"name": "web", "uuid": UUID, "unread": ["/domain/cputune (line 1)"]}
    assert life.told("lifecycle", uuid=UUID, event="defined", detail="added")


def test_a_definition_is_there_in_the_next_life_and_after_a_reboot(site: Site, life: Life) -> None:
    life.driver.domain_define_xml(domain(DISK))
    life.driver.domain_set_autostart("web", True)
    site.boot_id = "boot-2"
    life = site.live()
    row = life.driver.domain_lookup_by_name("web")
    assert (row["uuid"], row["state"], row["autostart"], row["persistent"], row["pid"]) == (UUID, "shutoff", True, True, 0)
    assert 'dev="vda"' in life.driver.domain_get_xml_desc("web")


def test_a_guest_is_found_by_name_and_by_uuid_in_any_spelling(life: Life) -> None:
    life.driver.domain_define_xml(domain())
    assert life.driver.domain_lookup_by_uuid(UUID.upper())["name"] == "web"
    error = refusal(life, "domain_lookup_by_name", "nobody")
    assert (error.code, error.hint) == (Code.NO_DOMAIN, "`tierhost call qemu.domain_list` lists them")
    assert refusal(life, "domain_lookup_by_id", 1).code is Code.NO_DOMAIN


def test_a_name_and_a_uuid_belong_to_one_guest(life: Life) -> None:
    life.driver.domain_define_xml(domain())
    same_name = refusal(life, "domain_define_xml", domain().replace(UUID, OTHER))
    assert (same_name.code, f"already exists with uuid {UUID}" in str(same_name)) == (Code.DOM_EXIST, True)
    same_uuid = refusal(life, "domain_define_xml", domain().replace(">web<", ">db<"))
    assert (same_uuid.code, "'web' is already defined" in str(same_uuid)) == (Code.DOM_EXIST, True)
    assert [row["name"] for row in life.driver.domain_list()] == ["web"]


def test_a_redefinition_replaces_the_definition_and_keeps_the_flag(life: Life) -> None:
    life.driver.domain_define_xml(domain())
    life.driver.domain_set_autostart("web", True)
    life.driver.domain_define_xml(domain(DISK))
    assert life.driver.domain_get_autostart("web")
    assert 'dev="vda"' in life.driver.domain_get_xml_desc("web", 2)


def test_what_is_undefined_is_gone_for_good(site: Site, life: Life) -> None:
    life.driver.domain_define_xml(domain())
    life.driver.domain_undefine("web")
    assert life.driver.domain_list() == []
    assert site.live().driver.domain_list() == []
    assert refusal(site.lives[-1], "domain_undefine", "web").code is Code.NO_DOMAIN


def test_a_bad_definition_changes_nothing(life: Life) -> None:
    life.driver.domain_define_xml(domain())
    for text in ("<domain/>", domain("<hostdev/>"), None, b"<domain/>"):
        assert refusal(life, "domain_define_xml", text).code in {Code.XML_ERROR, Code.CONFIG_UNSUPPORTED, Code.INVALID_ARG}
    assert "hostdev" not in life.driver.domain_get_xml_desc("web")


@pytest.mark.parametrize(
    ("method", "args"),
    [
        ("domain_define_xml", (domain(), 2)),
        ("domain_undefine", ("web", 4)),
        ("domain_create", ("web", 2)),
        ("domain_destroy", ("web", 8)),
        ("domain_list", (4,)),
        ("domain_get_xml_desc", ("web", 8)),
        ("domain_attach_device_flags", ("web", SECOND, 4)),
        ("domain_managed_save_remove", ("web", 1)),
    ],
)
def test_flags_that_mean_nothing_here_are_refused(life: Life, method: str, args: tuple[object, ...]) -> None:
    life.driver.domain_define_xml(domain())
    assert refusal(life, method, *args).code is Code.INVALID_ARG


@pytest.mark.parametrize(
    ("method", "args"),
    [
        ("domain_destroy", ("web",)),
        ("domain_shutdown", ("web",)),
        ("domain_reboot", ("web",)),
        ("domain_reset", ("web",)),
        ("domain_suspend", ("web",)),
        ("domain_resume", ("web",)),
        ("domain_managed_save", ("web",)),
        ("domain_attach_device", ("web", SECOND)),
        ("domain_get_block_info", ("web", "vda")),
    ],
)
def test_what_needs_a_running_guest_says_so(life: Life, method: str, args: tuple[object, ...]) -> None:
    life.driver.domain_define_xml(domain())
    error = refusal(life, method, *args)
    assert (error.code, error.subject) == (Code.OPERATION_INVALID, "guest web")


def test_the_definition_of_a_guest_that_is_off_takes_and_gives_disks(life: Life) -> None:
    life.driver.domain_define_xml(domain(DISK))
    life.driver.domain_attach_device_flags("web", SECOND)
    assert 'dev="vdb"' in life.driver.domain_get_xml_desc("web")
    assert refusal(life, "domain_attach_device_flags", "web", SECOND).code is Code.OPERATION_INVALID
    life.driver.domain_detach_device_flags("web", SECOND)
    assert 'dev="vdb"' not in life.driver.domain_get_xml_desc("web")
    assert refusal(life, "domain_detach_device_flags", "web", SECOND).code is Code.DEVICE_MISSING


def test_a_password_is_in_no_file_and_shown_only_when_asked_for(site: Site, life: Life) -> None:
    life.driver.domain_define_xml(domain("<graphics type='vnc' passwd='sesame99'/>"))
    life = site.live()
    assert "sesame99" not in life.driver.domain_get_xml_desc("web")
    assert "sesame99" in life.driver.domain_get_xml_desc("web", 1)
    found = [path for path in site.folder.rglob("*") if path.is_file() and b"sesame99" in path.read_bytes()]
    assert found == []


def test_a_definition_whose_password_is_lost_costs_only_its_guest(site: Site, life: Life) -> None:
    life.driver.domain_define_xml(domain("<graphics type='vnc' passwd='sesame99'/>"))
    life.driver.domain_define_xml(domain().replace(UUID, OTHER).replace(">web<", ">db<"))
    for name in ("vnc.key", "vnc.key.copy"):
        (site.state_dir / name).unlink()
    life = site.live()
    assert [row["name"] for row in life.driver.domain_list()] == ["db"]
    assert "VNC password cannot be read" in life.degraded["guest web"]
    life.driver.domain_define_xml(domain())
    assert life.degraded == {}


def test_without_qemu_there_is_nothing_to_drive(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tierhost.workers.qemu.driver.is_installed", lambda: False)
    life = site.begin()
    with pytest.raises(Skip, match="install the package qemu-system-x86"):
        life.driver.state_initialize(privileged=True, inhibit=lambda **_: None)


def test_initialize_asks_nobody_and_counts_the_guests(site: Site, life: Life) -> None:
    life.driver.domain_define_xml(domain())
    life.end()
    life = site.begin()
    life.services.storage.down = True
    assert life.driver.state_initialize(privileged=True, inhibit=lambda **_: None) is InitResult.COMPLETE
    assert life.driver.objects() == {"guests": {"running": 0, "paused": 0, "shutoff": 1}}
