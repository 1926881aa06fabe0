"""The mount table, as the kernel writes it."""

from __future__ import annotations

from tierhost.workers.storage.mounts import Mount, comes_from, parse_mountinfo

TEXT = r"""22 1 254:0 / / rw,relatime - ext4 /dev/root rw
57 22 7:0 / /srv/va\040ult rw,nosuid shared:12 master:1 - ext4 /dev/loop0 rw
58 57 0:44 /sub /srv/va\040ult rw - btrfs /dev/sd\134b1 rw
59 22 0:45 / /broken
"""


def test_lines_are_read_oldest_first_and_escapes_undone() -> None:
    assert parse_mountinfo(TEXT) == [
        Mount(22, "254:0", "/", "ext4", "/dev/root"),
        Mount(57, "7:0", "/srv/va ult", "ext4", "/dev/loop0"),
        Mount(58, "0:44", "/srv/va ult", "btrfs", "/dev/sd\\b1"),
    ]


def test_a_mount_comes_from_its_device() -> None:
    assert comes_from(Mount(1, "8:1", "/m", "xfs", "/dev/sdb1"), "/dev/sdb1")
    assert not comes_from(Mount(1, "8:1", "/m", "xfs", "/dev/sdb2"), "/dev/sdb1")


def test_a_loop_device_that_is_gone_comes_from_nowhere() -> None:
    assert not comes_from(Mount(1, "7:999", "/m", "xfs", "/dev/loop999"), "/srv/image")
