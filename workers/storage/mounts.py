"""The kernel's mount table: what is mounted at a place, and from which device or image file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tierhost.workers.runtime.commands import run

if TYPE_CHECKING:
    from collections.abc import Sequence

MOUNTINFO: Final = "/proc/self/mountinfo"
OPTIONS: Final = "nodev,nosuid,noexec"
"""A pool holds disk images: nothing in it is ever a program or a device (libvirt mounts with the same)."""


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of the mount table."""

    number: int
    device: str
    target: str
    filesystem: str
    source: str


def parse_mountinfo(text: str) -> list[Mount]:
    """Read /proc/self/mountinfo: oldest first, so of several mounts at one place the last is the visible one."""
    found = []
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        fields, tail = left.split(" "), right.split(" ")
        if len(fields) > 4 and len(tail) > 1:  # noqa: PLR2004  # fields 0..4 are the ones below
            found.append(Mount(int(fields[0]), fields[2], _plain(fields[4]), tail[0], _plain(tail[1])))
    return found


def mounts_at(target: str) -> list[Mount]:
    """Return what is mounted at a directory, the visible mount last. Does not touch the directory: it may hang."""
    real = os.path.join(os.path.realpath(os.path.dirname(target)), os.path.basename(target))
    return [mount for mount in parse_mountinfo(Path(MOUNTINFO).read_text(errors="surrogateescape")) if mount.target == real]


def comes_from(mount: Mount, source: str) -> bool:
    """Say whether a mount shows this block device, or a loop device over this image file."""
    if mount.source.startswith("/dev/loop"):
        backing = loop_backing(mount.source)
        if backing:
            return backing == source or backing == os.path.realpath(source)
    return mount.source == source or os.path.realpath(mount.source) == os.path.realpath(source)


def loop_backing(device: str) -> str:
    """Return the file behind a loop device, or nothing."""
    try:
        text = Path("/sys/block", os.path.basename(device), "loop/backing_file").read_text(errors="surrogateescape")
    except OSError:
        return ""
    return text.rstrip("\n").removesuffix(" (deleted)")


def loops_over(source: str) -> list[str]:
    """List the loop devices that are attached to an image file."""
    real = os.path.realpath(source)
    return sorted(path.name for path in Path("/sys/block").glob("loop*") if loop_backing(path.name) == real)


def users_of(source: str) -> list[str]:
    """Say where a device or image file is mounted, and by which loop devices it is held; nothing if nobody uses it."""
    table = parse_mountinfo(Path(MOUNTINFO).read_text(errors="surrogateescape"))
    return [mount.target for mount in table if mount.source.startswith("/") and comes_from(mount, source)] or loops_over(source)


def mount(source: str, target: str, filesystem: str, *, limit_s: float, keep_fds: Sequence[int] = ()) -> None:
    """Mount a block device, or an image file over a loop device that the kernel frees with the mount."""
    loop = ",loop" if not _is_block_device(source) else ""
    kind = [] if filesystem == "auto" else ["-t", filesystem]
    run(["mount", *kind, "-o", OPTIONS + loop, "--", source, target], limit_s=limit_s, keep_fds=keep_fds)


def unmount(target: str, *, limit_s: float, keep_fds: Sequence[int] = ()) -> None:
    """Unmount the visible mount of a directory. Never lazily: a busy pool stays."""
    run(["umount", "--", target], limit_s=limit_s, keep_fds=keep_fds)


def _is_block_device(path: str) -> bool:
    return Path(path).is_block_device()


def _plain(field: str) -> str:
    """Undo the kernel's octal escapes for space, tab, newline and backslash."""
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, char)
    return field
