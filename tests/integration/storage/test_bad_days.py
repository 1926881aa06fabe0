"""Full disks, hung programs, secrets that are missing, wrong or late: a typed error, and nothing is left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.integration.qemu.mounts import small_file_system
from tests.integration.storage.lives import within
from tests.integration.storage.programs import FakePrograms, lives
from tierhost.workers.runtime import commands
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.runtime.store import StoreFailed
from tierhost.workers.storage import workbench

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.storage.lives import Life, Site

KEY = "11111111-2222-3333-4444-555555555555"
SECRET = f"<encryption format='luks'><secret type='passphrase' uuid='{KEY}'/></encryption>"
PASSPHRASE = b"a passphrase that nobody may see"
PATIENCE_S = 0.3


def volume(name: str, kind: str = "raw", *, mib: int = 4, encryption: str = "", allocation: str = "") -> str:
    sizes = f"<capacity unit='MiB'>{mib}</capacity>{allocation}"
    return f"<volume><name>{name}</name>{sizes}<target><format type='{kind}'/>{encryption}</target></volume>"


def pool(life: Life, path: Path) -> str:
    """An active pool, called as its directory is."""
    life.driver.storage_pool_define_xml(f"<pool type='dir'><name>{path.name}</name><target><path>{path}</path></target></pool>")
    life.driver.storage_pool_build(path.name)
    life.driver.storage_pool_create(path.name)
    return path.name


def refusal(life: Life, method: str, *args: object) -> DriverError:
    with pytest.raises(DriverError) as refused:
        getattr(life.driver, method)(*args)
    return refused.value


def nothing_left(life: Life, folder: Path, *, but: tuple[str, ...] = ()) -> bool:
    intents = {**life.context.persistent.intents(), **life.context.run.intents()}
    return (sorted(os.listdir(folder)), intents, life.degraded) == (sorted(but), {}, {})


@pytest.fixture
def programs(site: Site, monkeypatch: pytest.MonkeyPatch) -> FakePrograms:
    return FakePrograms(site.folder / "bin", monkeypatch)


# Full disks.


@pytest.mark.parametrize("encryption", ["", SECRET])
def test_a_volume_that_does_not_fit_leaves_nothing_behind(site: Site, encryption: str) -> None:
    if encryption and shutil.which("cryptsetup", path=commands.SYSTEM_PATHS) is None:
        pytest.skip("cryptsetup is not installed")
    site.secrets[KEY] = PASSPHRASE
    with small_file_system(site.folder / "small") as small, site.life() as life:
        name = pool(life, small)
        error = refusal(life, "storage_vol_create_xml", name, volume("big", encryption=encryption))
        assert (error.code, "No space left" in str(error), error.subject) == (Code.SYSTEM_ERROR, True, "volume small/big")
        assert nothing_left(life, small)
        life.driver.storage_vol_create_xml(name, volume("thin", allocation="<allocation>0</allocation>"))


def test_a_copy_that_does_not_fit_leaves_nothing_behind(site: Site) -> None:
    with small_file_system(site.folder / "small") as small, site.life() as life:
        name, origin = pool(life, small), pool(life, site.folder / "large")
        life.driver.storage_vol_create_xml(origin, volume("disk"))
        life.driver.storage_vol_upload(origin, "disk", os.urandom(3 << 20))
        for kind in ("raw", "qcow2"):
            thin = volume("copy", kind, allocation="<allocation>0</allocation>")
            error = refusal(life, "storage_vol_create_xml_from", name, thin, origin, "disk")
            assert "No space left" in str(error)
            assert nothing_left(life, small)
        assert [found["name"] for found in life.driver.storage_vol_list(origin)] == ["disk"]


def test_a_full_pool_keeps_what_was_in_a_volume(site: Site) -> None:
    with small_file_system(site.folder / "small") as small, site.life() as life:
        name = pool(life, small)
        life.driver.storage_vol_create_xml(name, volume("thin", allocation="<allocation>0</allocation>"))
        life.driver.storage_vol_upload(name, "thin", b"kept")
        error = refusal(life, "storage_vol_upload", name, "thin", bytes(2 << 20), 4096)
        assert (error.code, error.hint) == (Code.SYSTEM_ERROR, "is the pool full or read-only?")
        refusal(life, "storage_vol_resize", name, "thin", 8 << 20, 1)
        assert life.driver.storage_vol_download(name, "thin", 0, 4) == b"kept"
        assert nothing_left(life, small, but=("thin",))


def test_a_full_state_directory_refuses_changes_and_serves_what_is_known(site: Site) -> None:
    with small_file_system(site.folder / "state") as state, site.life() as life:
        name = pool(life, site.folder / "images")
        filler = state / "filler"
        fill(filler)
        made = as_many_as_fit(life, name)
        assert [found["name"] for found in life.driver.storage_vol_list(name)] == sorted(made)
        assert sorted(os.listdir(site.folder / "images")) == sorted(made)
        filler.unlink()
        life.driver.storage_vol_create_xml(name, volume("again"))


def fill(path: Path) -> None:
    """Write until the disk is full."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    with suppress(OSError):
        while True:
            os.write(fd, bytes(4096))
    os.close(fd)


def as_many_as_fit(life: Life, name: str) -> list[str]:
    """Make volumes until the state directory, which is full but for the ends of its files, takes no more."""
    made: list[str] = []
    for number in range(200):
        try:
            life.driver.storage_vol_create_xml(name, volume(f"disk{number}", allocation="<allocation>0</allocation>"))
        except StoreFailed:
            return made
        made.append(f"disk{number}")
    pytest.fail("the state directory is never full")


# Programs that hang, fail or are missing.


@pytest.mark.parametrize("act", ["create", "copy", "resize"])
def test_a_hung_program_is_ended_by_the_deadline_and_leaves_nothing(site: Site, programs: FakePrograms, act: str) -> None:
    with site.life() as life:
        name = pool(life, site.folder / "images")
        life.driver.storage_vol_create_xml(name, volume("disk", "qcow2"))
        calls: dict[str, tuple[object, ...]] = {
            "create": ("storage_vol_create_xml", name, volume("new", "qcow2")),
            "copy": ("storage_vol_create_xml_from", name, volume("new"), name, "disk"),
            "resize": ("storage_vol_resize", name, "disk", 8 << 20),
        }
        programs.hang("qemu-img")
        with within(PATIENCE_S):
            error = refusal(life, *calls[act])  # type: ignore[arg-type]
        assert (error.code, "qemu-img did not finish within" in str(error)) == (Code.OPERATION_TIMEOUT, True)
        assert not lives(programs.pid)
        assert nothing_left(life, site.folder / "images", but=("disk",))
        programs.remove("qemu-img")
        getattr(life.driver, str(calls[act][0]))(*calls[act][1:])


def test_a_program_that_fails_is_quoted(site: Site, programs: FakePrograms) -> None:
    programs.add("qemu-img", "echo the moon is in the wrong phase >&2; exit 3")
    with site.life() as life:
        error = refusal(life, "storage_vol_create_xml", pool(life, site.folder / "images"), volume("new", "qcow2"))
        assert "qemu-img failed with status 3: the moon is in the wrong phase" in str(error)
        assert nothing_left(life, site.folder / "images")


def test_a_program_that_never_stops_talking_is_not_kept_in_memory(site: Site, programs: FakePrograms) -> None:
    programs.add("qemu-img", "yes | head -c 1000000 >&2; exit 1")
    with site.life() as life:
        error = refusal(life, "storage_vol_create_xml", pool(life, site.folder / "images"), volume("new", "qcow2"))
        assert len(str(error)) <= commands.OUTPUT_BYTES_MAX + 200


def test_a_missing_program_is_named(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(site.folder))
    monkeypatch.setattr(commands, "SYSTEM_PATHS", str(site.folder))
    with site.life() as life:
        error = refusal(life, "storage_vol_create_xml", pool(life, site.folder / "images"), volume("new", "qcow2"))
        assert (error.code, error.hint) == (Code.OPERATION_UNSUPPORTED, "install qemu-img")
        assert nothing_left(life, site.folder / "images")


def test_a_program_that_cannot_be_killed_is_waited_out_by_its_volume_alone(
    site: Site, programs: FakePrograms, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(process: subprocess.Popen[bytes]) -> None:
        """As a program that hangs inside the kernel takes it."""

    monkeypatch.setattr(subprocess.Popen, "kill", never)
    monkeypatch.setattr(commands, "BURIAL_S", 0.05)
    monkeypatch.setattr(workbench, "PATIENCE_S", 0.05)
    programs.hang("qemu-img")
    with site.life() as life:
        name = pool(life, site.folder / "images")
        with within(PATIENCE_S):
            assert "hangs inside the kernel" in str(refusal(life, "storage_vol_create_xml", name, volume("new", "qcow2")))
        assert refusal(life, "storage_vol_create_xml", name, volume("new")).code is Code.RESOURCE_BUSY
        life.driver.storage_vol_create_xml(name, volume("other"))
    with site.life(incarnation=2) as life:
        assert list(life.degraded) == ["volume images/new"]
        assert [found["name"] for found in life.driver.storage_vol_list(name)] == ["other"]
        os.kill(programs.pid, signal.SIGKILL)
        os.waitpid(programs.pid, 0)
        life.driver.storage_pool_refresh(name)
        assert nothing_left(life, site.folder / "images", but=("other",))
        life.driver.storage_vol_create_xml(name, volume("new"))


# Secrets.


@pytest.fixture
def crypt(site: Site, programs: FakePrograms) -> FakePrograms:
    """A site where an encrypted volume can be made and its makers are watched."""
    site.secrets[KEY] = PASSPHRASE
    programs.record("cryptsetup")
    programs.record("qemu-img")
    return programs


def test_a_passphrase_is_in_no_argument_no_environment_and_no_file(site: Site, crypt: FakePrograms) -> None:
    with site.life() as life:
        name = pool(life, site.folder / "images")
        life.driver.storage_vol_create_xml(name, volume("crypt", encryption=SECRET))
        life.driver.storage_vol_create_xml_from(name, volume("copy", encryption=SECRET), name, "crypt")
        assert b"luksFormat" in crypt.seen
        assert b"key-secret=source" in crypt.seen
        assert PASSPHRASE not in crypt.seen
    found = [path for path in site.folder.rglob("*") if path.is_file() and PASSPHRASE in path.read_bytes()]
    assert found == []


def test_an_encrypted_volume_is_copied_only_with_its_secret_and_that_may_come_late(site: Site, crypt: FakePrograms) -> None:
    with site.life() as life:
        name = pool(life, site.folder / "images")
        life.driver.storage_vol_create_xml(name, volume("plain"))
        life.driver.storage_vol_upload(name, "plain", b"treasure")
        life.driver.storage_vol_create_xml_from(name, volume("crypt", encryption=SECRET), name, "plain")
        site.secrets.clear()
        error = refusal(life, "storage_vol_create_xml_from", name, volume("copy"), name, "crypt")
        assert error.code is Code.NO_SECRET
        site.secrets[KEY] = b"a wrong one"
        error = refusal(life, "storage_vol_create_xml_from", name, volume("copy"), name, "crypt")
        assert (error.code, "set the right passphrase" in error.hint) == (Code.INVALID_SECRET, True)
        assert nothing_left(life, site.folder / "images", but=("crypt", "plain"))
        site.secrets[KEY] = PASSPHRASE
        life.driver.storage_vol_create_xml_from(name, volume("copy"), name, "crypt")
        assert life.driver.storage_vol_download(name, "copy", 0, 8) == b"treasure"
        assert b"treasure" not in (site.folder / "images" / "crypt").read_bytes()


# Crashes and reboots.


def test_a_volume_half_made_before_a_reboot_is_removed_when_its_pool_is_there_again(site: Site) -> None:
    folder = site.folder / "images"
    with site.life() as life:
        name = pool(life, folder)
        facts = {"act": "make", "path": f"{folder}/new", "pool": name, "half_made": f"{folder}/.tierhost-1.part"}
        life.context.persistent.intend(f"volume {folder}/new", {**facts, "row": {}, "reply": {}})
        (folder / ".tierhost-1.part").write_text("half")
    site.boot_id = "boot-2"
    with site.life(incarnation=2) as life:
        assert os.listdir(folder) == [".tierhost-1.part"]
        life.driver.storage_pool_create(name)
        assert nothing_left(life, folder)
        assert "volume-settled" in life.kinds()


def test_a_directory_that_vanished_degrades_its_pool_until_it_returns(site: Site) -> None:
    folder = site.folder / "images"
    with site.life() as life:
        name = pool(life, folder)
        folder.rename(site.folder / "away")
        assert refusal(life, "storage_vol_list", name).code is Code.OPERATION_INVALID
        assert life.driver.storage_pool_get_info(name)["state"] == "degraded"
    with site.life(incarnation=2) as life:
        assert (life.active(), list(life.degraded)) == ([name], [f"pool {name}"])
        (site.folder / "away").rename(folder)
        life.run_later()
        assert (life.active(), life.degraded) == ([name], {})
