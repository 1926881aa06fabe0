"""Files of saved memory: whole or refused, whatever was done to them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tierhost.workers.qemu.save_file import ABOUT_BYTES_MAX, HEADER, MAGIC, About, BadSaveFile, complete, create, open_saved

ABOUT = About("<domain>ä</domain>", b"\x00sealed", paused=True)
MEMORY = b"QEVM and so on"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "web.save"
    fd = create(path, ABOUT)
    os.write(fd, MEMORY)
    os.close(fd)
    return path


def test_what_was_written_is_read_and_the_stream_begins_behind_it(saved: Path) -> None:
    fd, about = open_saved(saved)
    assert about == ABOUT
    assert os.read(fd, 100) == MEMORY
    os.close(fd)


def test_memory_is_for_its_owner_alone(saved: Path) -> None:
    assert saved.stat().st_mode & 0o777 == 0o600
    saved.chmod(0o644)
    os.close(create(saved, ABOUT))
    assert saved.stat().st_mode & 0o777 == 0o600


def test_a_file_gets_its_name_when_it_is_whole(saved: Path) -> None:
    path = saved.with_name("named")
    complete(saved, path)
    assert path.exists()
    assert not saved.exists()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "link").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        create(tmp_path / "link", ABOUT)
    assert victim.read_text() == "precious"


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        create(tmp_path / "no" / "file", ABOUT)
    with pytest.raises(BadSaveFile, match="cannot be opened: No such file") as refused:
        open_saved(tmp_path / "none")
    assert refused.value.subject == str(tmp_path / "none")


def test_a_file_that_is_refused_keeps_no_descriptor() -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(BadSaveFile):
        open_saved(Path("/dev/null"))
    assert len(os.listdir("/proc/self/fd")) == before


@given(cut=st.integers(min_value=0, max_value=HEADER.size + 90))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_cut_short_in_its_beginning_is_refused(saved: Path, cut: int) -> None:
    whole = saved.read_bytes()
    about = len(whole) - len(MEMORY)
    path = saved.with_name("cut")
    path.write_bytes(whole[: min(cut, about - 1)])
    with pytest.raises(BadSaveFile, match="its beginning is damaged"):
        open_saved(path)


@given(place=st.integers(min_value=0), value=st.integers(min_value=1, max_value=255))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_byte_of_damage_in_its_beginning_is_noticed(saved: Path, place: int, value: int) -> None:
    whole = bytearray(saved.read_bytes())
    whole[place % (len(whole) - len(MEMORY))] ^= value
    path = saved.with_name("damaged")
    path.write_bytes(whole)
    with pytest.raises(BadSaveFile, match="not a saved guest, or its beginning is damaged"):
        open_saved(path)


def test_a_length_that_nobody_wrote_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.write_bytes(HEADER.pack(MAGIC, ABOUT_BYTES_MAX + 1, bytes(16)))
    with pytest.raises(BadSaveFile):
        open_saved(path)
