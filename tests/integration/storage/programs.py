"""Fakes of outside programs: scripts that stand before the real ones in PATH."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

SYSTEM_PATHS = "/usr/sbin:/usr/bin:/sbin:/bin"


class FakePrograms:
    """A folder of scripts that is searched first."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder.mkdir()
        self._folder = folder
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def add(self, name: str, script: str) -> None:
        """Make one."""
        path = self._folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def remove(self, name: str) -> None:
        """Have the real one back."""
        (self._folder / name).unlink()

    def hang(self, name: str) -> None:
        """Make one that begins its work (a half-made file) and never ends it; it notes its pid."""
        half_made = 'for word; do case "$word" in *.part) echo half-made > "$word";; esac; done'
        self.add(name, f"echo $$ > {self._folder}/pid\n{half_made}\nexec sleep 600")

    @property
    def pid(self) -> int:
        """The process of the one that hangs."""
        return int((self._folder / "pid").read_text())

    def record(self, name: str) -> None:
        """Make one that writes down what anybody can see of it and of its parent, and goes on as the real one."""
        real = shutil.which(name, path=SYSTEM_PATHS)
        if real is None:
            pytest.skip(f"{name} is not installed")
        seen = "/proc/$$/cmdline /proc/$$/environ /proc/$PPID/cmdline"
        self.add(name, f'cat {seen} >> {self._folder}/seen\nexec {real} "$@"')

    @property
    def seen(self) -> bytes:
        """What anybody could see so far."""
        path = self._folder / "seen"
        return path.read_bytes() if path.exists() else b""


def lives(pid: int) -> bool:
    """Whether there is such a process, or what is left of it."""
    return Path(f"/proc/{pid}").exists()
