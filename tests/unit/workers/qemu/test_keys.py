"""Keys on their way to QEMU, and passwords at rest."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tierhost.workers.qemu.keys import KEY_BYTES, MasterKey, PasswordLost, Passwords
from tierhost.workers.runtime.contract import Code

if TYPE_CHECKING:
    from pathlib import Path

    from tierhost.workers.qemu.blocks import Wrapped

SESAME = "sesame ä"


def unwrapped(key: bytes, wrapped: Wrapped) -> bytes:
    decryptor = Cipher(algorithms.AES(key), modes.CBC(wrapped.iv)).decryptor()
    unpadder = padding.PKCS7(128).unpadder()
    return unpadder.update(decryptor.update(wrapped.data) + decryptor.finalize()) + unpadder.finalize()


@pytest.mark.parametrize("value", [b"", b"sesame", b"sixteen bytes ok", bytes(1000)])
def test_what_is_wrapped_is_opened_by_the_guests_key_alone(value: bytes) -> None:
    key = MasterKey()
    wrapped = key.wrap(value)
    assert unwrapped(key.key, wrapped) == value
    assert key.wrap(value) != wrapped
    assert len(wrapped.data) == (len(value) // 16 + 1) * 16


def test_every_start_has_a_key_of_its_own() -> None:
    assert MasterKey().key != MasterKey().key
    assert len(MasterKey().key) == KEY_BYTES


def test_the_key_is_in_a_file_that_no_path_leads_to() -> None:
    key = MasterKey()
    fd = key.memory_file()
    assert os.pread(fd, 100, 0) == key.key
    assert not os.get_inheritable(fd)
    assert os.fstat(fd).st_nlink == 0
    os.close(fd)


def test_a_password_at_rest_is_opened_for_its_guest_alone(tmp_path: Path) -> None:
    passwords = Passwords(tmp_path / "vnc.key")
    sealed = passwords.seal("guest a", SESAME)
    assert SESAME.encode() not in sealed
    assert Passwords(tmp_path / "vnc.key").open("guest a", sealed) == SESAME
    with pytest.raises(PasswordLost) as refused:
        passwords.open("guest b", sealed)
    assert refused.value.code is Code.INVALID_SECRET
    assert refused.value.hint == "define the guest again, with its password"


def test_without_a_password_there_is_no_key(tmp_path: Path) -> None:
    passwords = Passwords(tmp_path / "vnc.key")
    assert passwords.seal("guest a", "") == b""
    assert passwords.open("guest a", b"") == ""
    assert list(tmp_path.iterdir()) == []


def test_the_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    Passwords(tmp_path / "vnc.key").seal("guest a", SESAME)
    assert (tmp_path / "vnc.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("sealed", [b"x", b"x" * 12, b"x" * 100])
def test_a_damaged_password_is_told(tmp_path: Path, sealed: bytes) -> None:
    passwords = Passwords(tmp_path / "vnc.key")
    passwords.seal("guest a", SESAME)
    with pytest.raises(PasswordLost, match="cannot be read with"):
        passwords.open("guest a", sealed)


@pytest.mark.parametrize("harm", [lambda path: path.unlink(), lambda path: path.write_bytes(b"short")])
def test_a_lost_key_is_told_and_not_made_anew(tmp_path: Path, harm: object) -> None:
    path = tmp_path / "vnc.key"
    sealed = Passwords(path).seal("guest a", SESAME)
    assert callable(harm)
    for each in (path, tmp_path / "vnc.key.copy"):
        harm(each)
    with pytest.raises(PasswordLost):
        Passwords(path).open("guest a", sealed)
    assert not path.exists() or path.read_bytes() == b"short"


@pytest.mark.parametrize("name", ["vnc.key", "vnc.key.copy"])
@pytest.mark.parametrize("left", [b"", b"short", b"x" * 40])
def test_one_damaged_key_file_costs_nothing_and_is_mended(tmp_path: Path, name: str, left: bytes) -> None:
    sealed = Passwords(tmp_path / "vnc.key").seal("guest a", SESAME)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(left)
    assert Passwords(tmp_path / "vnc.key").open("guest a", sealed) == SESAME
    assert (tmp_path / name).read_bytes() == whole


def test_a_password_that_cannot_be_kept_is_told(tmp_path: Path) -> None:
    with pytest.raises(PasswordLost, match="cannot be kept") as refused:
        Passwords(tmp_path / "no" / "vnc.key").seal("guest a", SESAME)
    assert refused.value.code is Code.SYSTEM_ERROR
