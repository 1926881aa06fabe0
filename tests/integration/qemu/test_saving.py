"""Memory on disk: a guest runs or is saved, never both, never neither."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.integration.qemu.mounts import small_file_system
from tests.waiting import until
from tierhost.workers.runtime.contract import DriverError

if TYPE_CHECKING:
    from tests.integration.qemu.lives import Life, Site


def running(site: Site, life: Life) -> str:
    uuid = str(life.driver.domain_define_xml(site.guest())["uuid"])
    life.driver.domain_create("web")
    site.wait_up("web")
    return uuid


def test_a_saved_guest_goes_on_where_it_was(site: Site, life: Life) -> None:
    running(site, life)
    life.driver.domain_managed_save("web")
    assert life.driver.domain_get_state("web") == {"state": "shutoff", "reason": "saved"}
    assert life.driver.domain_has_managed_save_image("web")
    assert site.processes() == {}
    said = site.console("web")
    life.driver.domain_create("web")
    assert life.driver.domain_get_state("web") == {"state": "running", "reason": "restored"}
    assert not life.driver.domain_has_managed_save_image("web")
    (site.folder / "web.serial").write_text("")
    until(lambda: "." in site.console("web"), "it does its work")
    assert "GUEST-UP" not in site.console("web"), said


def test_a_guest_saved_to_a_file_is_restored_from_it(site: Site, life: Life) -> None:
    running(site, life)
    file = site.folder / "memory"
    life.driver.domain_save("web", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    assert life.driver.domain_restore(str(file), 4) == "web"
    assert life.driver.domain_get_state("web")["state"] == "paused"
    life.driver.domain_resume("web")
    assert life.state("web") == "running"


def test_a_save_that_fails_leaves_the_guest_running(site: Site, life: Life) -> None:
    running(site, life)
    with small_file_system(site.folder / "small", "64k") as folder:
        with pytest.raises(DriverError, match="is the disk full"):
            life.driver.domain_save("web", str(folder / "memory"))
        assert list(folder.iterdir()) == []
    assert life.state("web") == "running"
    assert life.context.run.intents() == {}
    with pytest.raises(DriverError, match="cannot be written"):
        life.driver.domain_save("web", "/nowhere/at/all")
    assert life.state("web") == "running"


def test_a_damaged_file_is_refused_and_named(site: Site, life: Life) -> None:
    running(site, life)
    file = site.folder / "memory"
    life.driver.domain_save("web", str(file))
    content = bytearray(file.read_bytes())
    content[60] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(DriverError, match="not a saved guest") as refused:
        life.driver.domain_restore(str(file))
    assert refused.value.subject == str(file)
    file.write_bytes(bytes(content[:30]))
    with pytest.raises(DriverError, match="not a saved guest"):
        life.driver.domain_restore(str(file))
    assert site.processes() == {}


def test_memory_cut_short_does_not_run_and_the_image_stays(site: Site, life: Life) -> None:
    uuid = running(site, life)
    life.driver.domain_managed_save("web")
    image = site.state_dir / "save" / f"{uuid}.save"
    os.truncate(image, image.stat().st_size // 2)
    with pytest.raises(DriverError):
        life.driver.domain_create("web")
    assert site.processes() == {}
    assert life.driver.domain_has_managed_save_image("web")
    life.driver.domain_create("web", 16)
    assert life.state("web") == "running"


def test_the_end_of_the_machine_saves_every_guest_and_the_next_boot_brings_them_back(site: Site, life: Life) -> None:
    running(site, life)
    life.driver.domain_set_autostart("web", True)
    life.driver.domain_define_xml(site.guest("other"))
    life.driver.domain_create("other")
    life.driver.domain_suspend("other")
    life.driver.state_stop()
    assert site.processes() == {}
    site.boot_id = "boot-2"
    again = site.live()
    again.driver.state_auto_start()
    assert again.driver.domain_get_state("web") == {"state": "running", "reason": "restored"}
    assert again.state("other") == "shutoff"
    again.driver.domain_create("other")
    assert again.state("other") == "paused"


def test_a_definition_with_saved_memory_is_not_forgotten_by_accident(site: Site, life: Life) -> None:
    running(site, life)
    life.driver.domain_managed_save("web")
    with pytest.raises(DriverError, match="managed save image"):
        life.driver.domain_undefine("web")
    life.driver.domain_undefine("web", 1)
    assert list((site.state_dir / "save").iterdir()) == []
