"""The key is made once, kept in two files, and never replaced silently; a moved ciphertext does not open."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tierhost.workers.secret.backend import KEY_FILES, AesGcmVault, MasterKey, NoKey, NotOurs, ShutVault, master_key
from tierhost.workers.secret.openssl import KEY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FIRST, SECOND = KEY_FILES


def anything(_key: bytes) -> bool:
    return True


def only(key: bytes) -> Callable[[bytes], bool]:
    return lambda other: other == key


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "secret"


@pytest.fixture
def key(folder: Path) -> bytes:
    return master_key(folder, None).key


def test_a_first_key_is_made_for_its_owner_alone(folder: Path) -> None:
    made = master_key(folder, None)
    assert len(made.key) == KEY_BYTES
    assert made.mended == ()
    assert {path.name for path in folder.iterdir()} == set(KEY_FILES)
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert master_key(folder, anything) == MasterKey(made.key)


@pytest.mark.parametrize("name", KEY_FILES)
@pytest.mark.parametrize(
    "content", [None, b"", b"short", b"x" * 40, b"y" * 1000], ids=["gone", "empty", "short", "garbage", "long"]
)
def test_one_damaged_key_file_is_mended_from_the_other(folder: Path, key: bytes, name: str, content: bytes | None) -> None:
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    found = master_key(folder, only(key))
    assert found.key == key
    assert len(found.mended) == 1
    assert found.mended[0].startswith(name)
    assert master_key(folder, only(key)) == MasterKey(key)


@pytest.mark.parametrize("name", KEY_FILES)
def test_of_two_keys_the_one_that_opens_the_values_is_right(folder: Path, key: bytes, name: str, tmp_path: Path) -> None:
    other = tmp_path / "other"
    master_key(other, None)
    (folder / name).write_bytes((other / name).read_bytes())
    found = master_key(folder, only(key))
    assert found.key == key
    assert list(folder.glob("*.damaged-1")), "the other key is kept: it may be somebody's only one"


def test_a_missing_key_is_not_replaced_while_something_is_encrypted(folder: Path, key: bytes) -> None:
    for name in KEY_FILES:
        (folder / name).unlink()
    with pytest.raises(NoKey, match="missing or damaged") as missing:
        master_key(folder, anything)
    assert FIRST in missing.value.subject
    assert list(folder.iterdir()) == []


def test_damaged_remains_are_never_taken_for_a_first_start(folder: Path, key: bytes) -> None:
    for name in KEY_FILES:
        (folder / name).write_bytes(b"garbage")
    with pytest.raises(NoKey):
        master_key(folder, None)
    assert (folder / FIRST).read_bytes() == b"garbage"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o606, 0o644])
@pytest.mark.parametrize("name", KEY_FILES)
def test_a_key_that_others_could_read_or_write_is_refused(folder: Path, key: bytes, name: str, mode: int) -> None:
    (folder / name).chmod(mode)
    with pytest.raises(NoKey, match=f"mode {mode:04o}") as refused:
        master_key(folder, anything)
    assert str(folder / name) in str(refused.value)
    assert "chmod it 0600" in str(refused.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file away")
@pytest.mark.root
def test_a_key_of_somebody_else_is_refused(folder: Path, key: bytes) -> None:
    os.chown(folder / FIRST, 65534, 65534)
    with pytest.raises(NoKey, match="belongs to uid 65534"):
        master_key(folder, anything)


def test_a_link_in_place_of_the_key_is_not_followed(folder: Path, key: bytes, tmp_path: Path) -> None:
    (folder / FIRST).rename(tmp_path / "elsewhere")
    (folder / FIRST).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NoKey, match="cannot be opened"):
        master_key(folder, anything)


def test_a_key_that_is_there_is_used_even_if_its_copy_cannot_be_mended(folder: Path, key: bytes) -> None:
    (folder / SECOND).unlink()
    (folder / f"{SECOND}.new").mkdir()
    found = master_key(folder, only(key))
    assert found.key == key
    assert found.mended == ()
    assert SECOND in found.troubles[0]


def test_a_first_key_that_cannot_be_kept_is_no_key(folder: Path) -> None:
    for name in KEY_FILES:
        (folder / f"{name}.new").mkdir(parents=True)
    with pytest.raises(NoKey, match="cannot be written"):
        master_key(folder, None)


def test_a_credential_of_the_service_manager_goes_first(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "master-key").write_bytes(b"k" * KEY_BYTES)
    assert master_key(folder, None) == MasterKey(b"k" * KEY_BYTES)
    assert not folder.exists(), "and no key is made beside it"
    (tmp_path / "master-key").write_bytes(b"a pass phrase")
    assert len(master_key(folder, None).key) == KEY_BYTES
    (tmp_path / "master-key").write_bytes(b"")
    with pytest.raises(NoKey, match="empty"):
        master_key(folder, None)


def test_the_key_is_not_in_its_repr(folder: Path, key: bytes) -> None:
    assert repr(key) not in repr(master_key(folder, anything))


def test_a_value_opens_for_its_own_secret_only() -> None:
    vault = AesGcmVault(b"k" * KEY_BYTES)
    sealed = vault.seal(b"value", b"secret:a:v1")
    assert b"value" not in sealed
    assert vault.open(sealed, b"secret:a:v1") == b"value"
    assert vault.seal(b"value", b"secret:a:v1") != sealed
    for damaged, association in (
        (sealed, b"secret:b:v1"),
        (sealed[:-1], b"secret:a:v1"),
        (bytes([sealed[0] ^ 1]) + sealed[1:], b"secret:a:v1"),
        (b"", b"secret:a:v1"),
        (b"short", b"secret:a:v1"),
    ):
        with pytest.raises(NotOurs):
            vault.open(damaged, association)
    with pytest.raises(NotOurs):
        AesGcmVault(b"j" * KEY_BYTES).open(sealed, b"secret:a:v1")


def test_a_shut_vault_says_why_each_time() -> None:
    vault = ShutVault(NoKey("it is missing", subject="master.key"))
    for use in (vault.seal, vault.open):
        with pytest.raises(NoKey, match="it is missing"):
            use(b"", b"")


def test_the_process_leaves_no_core_and_is_not_dumpable() -> None:
    script = (
        "import ctypes, resource\n"
        "from tierhost.workers.secret.backend import keep_to_ourselves\n"
        "keep_to_ourselves()\n"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), *resource.getrlimit(resource.RLIMIT_CORE))\n"  # 3: PR_GET_DUMPABLE
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True).stdout
    assert told.split() == ["0", "0", "0"]
