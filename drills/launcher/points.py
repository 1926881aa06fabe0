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
        *("execute", "executemany", "fork_exec", "posix_spawn", "kill", "killpg", "pidfd_send_signal", "prlimit"),
        *("connect", "bind", "send", "sendall", "sendmsg", "sendto", "flock"),
    }
)
"""Calls into the kernel (or SQLite), by the name of the built-in function, after which the world is not as before."""

CLOSING: Final = ("close", "sqlite3")
"""Closing changes something only where SQLite folds its log into the file."""

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

    @property
    def changed(self) -> bool:
        """Whether the world has changed since the last point."""
        return self._changed

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


@dataclass(slots=True)
class Chosen:
    """Chooses among the points of one operation after the other, so that each line is struck once and each change always.

    Points where the world has changed are struck in every operation. Of the other lines, those that all operations share
    (serving, stores, sockets) are struck in the first operation of a driver that executes them, and the driver's own lines
    once for each of its methods.
    """

    shared: dict[str, set[str]] = field(default_factory=dict)
    own: dict[str, set[str]] = field(default_factory=dict)

    def choose(self, points: Iterable[Point], *, driver: str, method: str) -> list[str]:
        """Return the points to strike, in order."""
        shared, own = self.shared.setdefault(driver, set()), self.own.setdefault(method, set())
        chosen = []
        for point in points:
            seen = own if point.name.startswith(f"workers/{driver.replace('-', '_')}/") else shared
            if point.changed or point.name not in seen:
                chosen.append(point.name)
            seen.add(point.name)
        return chosen
