"""Guests on encrypted disks: the key comes from another driver, and is nowhere to be read."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.qemu.lives import BOOT_SECTOR, DISK_BYTES
from tests.waiting import until
from tierhost.workers.runtime.contract import DriverError

if TYPE_CHECKING:
    from tests.integration.qemu.lives import Life, Site

PASSPHRASE = b"correct horse battery"
QEMU_IMG_LIMIT_S = 60.0
QEMU_IMG_TRIES_MAX = 20


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encrypted image of a guest, made once: QEMU takes seconds to make its key hard to guess."""
    folder = tmp_path_factory.mktemp("encrypted")
    plain, made, key = folder / "plain.img", folder / "encrypted.img", folder / "key"
    plain.write_bytes(BOOT_SECTOR.read_bytes())
    os.truncate(plain, DISK_BYTES)
    key.write_bytes(PASSPHRASE)
    luks = ["-O", "luks", "-o", "key-secret=key,iter-time=10"]
    argv = ["qemu-img", "convert", "--object", f"secret,id=key,file={key}", "-f", "raw", *luks, str(plain), str(made)]
    # QEMU 7.2 measures its key stretching by the clock of the scheduler, and often gives up: "Unable to get accurate CPU usage".
    tries = (subprocess.run(argv, check=False, timeout=QEMU_IMG_LIMIT_S).returncode for _ in range(QEMU_IMG_TRIES_MAX))
    assert 0 in tries, "qemu-img cannot make an encrypted image"
    key.unlink()
    return made


@pytest.fixture
def encrypted(site: Site, image: Path) -> str:
    """A copy of it as <disk> XML; its secret is "safe"."""
    made = site.folder / "encrypted.img"
    shutil.copyfile(image, made)
    secret = "<encryption format='luks'><secret type='passphrase' usage='safe'/></encryption>"
    return f"<disk type='file'><source file='{made}'/><target dev='vda'/>{secret}</disk>"


def test_a_guest_boots_from_an_encrypted_disk(site: Site, life: Life, encrypted: str) -> None:
    site.secrets["safe"] = PASSPHRASE
    life.driver.domain_define_xml(site.guest(disk=encrypted))
    life.driver.domain_create("web")
    site.wait_up("web")
    process = Path(f"/proc/{life.pid('web')}")
    assert PASSPHRASE not in (process / "cmdline").read_bytes()
    assert PASSPHRASE not in (process / "environ").read_bytes()
    written = b"".join(path.read_bytes() for path in site.folder.rglob("*") if path.is_file())
    assert PASSPHRASE not in written


def test_a_wrong_passphrase_is_told_in_plain_words(site: Site, life: Life, encrypted: str) -> None:
    site.secrets["safe"] = b"wrong"
    life.driver.domain_define_xml(site.guest(disk=encrypted))
    with pytest.raises(DriverError, match="set the right passphrase"):
        life.driver.domain_create("web")
    assert site.processes() == {}


def test_a_secret_that_arrives_later_starts_the_guest(site: Site, life: Life, encrypted: str) -> None:
    life.driver.domain_define_xml(site.guest(disk=encrypted))
    life.driver.domain_set_autostart("web", True)
    life.driver.state_auto_start()
    assert "no secret" in life.degraded["guest web"]
    site.secrets["safe"] = PASSPHRASE
    until(lambda: life.state("web") == "running", "the guest runs")
    site.wait_up("web")
    assert life.degraded == {}


def test_a_guest_on_an_encrypted_disk_needs_its_secret_no_more_once_it_runs(site: Site, life: Life, encrypted: str) -> None:
    site.secrets["safe"] = PASSPHRASE
    life.driver.domain_create_xml(site.guest(disk=encrypted))
    site.wait_up("web")
    site.secrets.clear()
    again = site.live()
    assert again.state("web") == "running"


def test_an_encrypted_disk_can_be_plugged_into_a_running_guest(site: Site, life: Life, encrypted: str) -> None:
    site.secrets["safe"] = PASSPHRASE
    life.driver.domain_create_xml(site.guest())
    life.driver.domain_attach_device("web", encrypted)
    assert life.driver.domain_get_block_info("web", "vda")["format"] == "luks"
