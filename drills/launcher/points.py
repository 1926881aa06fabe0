"""Which of the lines that a process executes are kill points: the rule, without any process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

REPEATS_MAX: Final = 8
"""A loop that writes a thousand blocks has no thousand points: each line counts at most so often."""

EFFECTS: Final = frozenset(
    {
        *("fsync", "fdatasync", "write", "pwrite", "writelines", "truncate", "ftruncate", "posix_fallocate", "copy_file_range"),
        *("rename", "replace", "link", "symlink", "unlink", "remove", "mkdir", "rmdir", "chmod", "fchmod", "chown", "fchown"),
        *("execute", "executemany", "close", "fork_exec", "posix_spawn", "kill", "killpg", "pidfd_send_signal", "prlimit"),
        *("connect", "bind", "send", "sendall", "sendmsg", "sendto", "eventfd_write", "flock", "open"),
    }
)
"""Calls into the kernel (or SQLite), by the name of the built-in function, after which the world is not as before."""

WAITED_FOR: Final = frozenset({("workers/qemu/monitor.py", "execute"), ("ipc/calls.py", "call")})
"""Functions of ours that have another process or thread change something."""


class Point(NamedTuple):
    """One place to die at. `changed`: the world is another one than at the point before."""

    name: str
    changed: bool


@dataclass(slots=True)
class Counted:
    """The points of one operation, in the order in which they come up.

    A line is a point when it is executed for the first time, and again when it is the first line after an effect: only
    there is the world another one than at any point before. A point is named "workers/runtime/pair.py:171", and
    "workers/runtime/pair.py:171 #2" the second time it counts: names stay, when a race takes another turn; ordinals do not.
    """

    times: dict[tuple[str, int], int] = field(default_factory=dict)
    _changed: bool = True

    def effect(self) -> None:
        """The world has changed."""
        self._changed = True

    def line(self, path: str, number: int) -> Point | None:
        """A line is about to be executed. Return the point that it is, if it is one."""
        before = self.times.get((path, number), 0)
        if before and (not self._changed or before >= REPEATS_MAX):
            return None
        changed, self._changed = self._changed, False
        self.times[path, number] = before + 1
        return Point(f"{path}:{number}" if before == 0 else f"{path}:{number} #{before + 1}", changed)


def distinct(points: Iterable[Point], seen: set[str], *, own: str) -> list[str]:
    """Choose among an operation's points: those in the driver's `own` files, and those where the world has changed.

    Of the lines that all operations share (serving, stores, sockets) each is struck once, in the first operation that
    executes it: they are added to `seen`.
    """
    chosen = []
    for point in points:
        if point.name.startswith(own) or point.changed or point.name not in seen:
            chosen.append(point.name)
        seen.add(point.name)
    return chosen
