"""Driver folders for tests of the host: as a person would write them, right or wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = 'name = "{name}"\ntier = "libvirt"\nentry = "driver:Driver"\nsummary = "for a test"\n'

CODE = '''\
"""A driver for a test."""

import ctypes
import os
import signal
import sys
import threading
from pathlib import Path

from tierhost.workers.runtime.contract import InitResult, StateDriver, change, read

{before}


class Driver(StateDriver):
    """Does as it should, but for what follows."""

    def state_initialize(self, *, privileged, inhibit):
        """Take nothing."""
        return InitResult.COMPLETE

    @read()
    def echo(self, text):
        """Return what was said."""
        return text

{inside}
'''

ALONE = "built_in = []\n"
"""The beginning of a configuration: without the drivers of the repository, which are not on trial here."""


def lay_down(parent: Path, name: str, *, manifest: str = "", before: str = "", inside: str = "", code: str = "") -> Path:
    """Write a driver folder. `manifest`: more lines of it; `before` and `inside` the class: more code; or `code`, all of it."""
    folder = parent / name
    folder.mkdir(parents=True)
    folder.joinpath("driver.toml").write_text(MANIFEST.format(name=name) + manifest)
    indented = "".join(f"    {line}\n" if line else "\n" for line in inside.splitlines())
    folder.joinpath("driver.py").write_text(code or CODE.format(before=before, inside=indented))
    return folder


def configure(folder: Path, text: str = "") -> tuple[str, ...]:
    """Write a configuration of this text and no driver of the repository; return the options that name it."""
    path = folder / "tierhost.toml"
    path.write_text(ALONE + text)
    return ("--config", str(path))


def initialize(*lines: str) -> str:
    """A method `state_initialize` of these lines."""
    return "def state_initialize(self, *, privileged, inhibit):\n" + "".join(f"    {line}\n" for line in lines)
