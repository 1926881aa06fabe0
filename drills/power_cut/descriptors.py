"""Which descriptor of which process is which file: tables that threads share, children copy, and programs lose what is marked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tierhost.drills.power_cut.calls import SystemCall


@dataclass(slots=True)
class Descriptor:
    """An open file. Duplicates share it, offset and all, as POSIX has it. `synced`: each write is durable when it returns."""

    number: int
    append: bool = False
    synced: bool = False
    offset: int = 0


@dataclass(frozen=True, slots=True)
class _Slot:
    descriptor: Descriptor
    cloexec: bool


class Tables:
    """One table for each process; threads of one process have the same."""

    BIRTHS: Final = frozenset({"clone", "clone3", "fork", "vfork"})
    _DUPS: Final = frozenset({"dup", "dup2", "dup3"})

    def __init__(self) -> None:
        self._tables: dict[int, dict[int, _Slot]] = {}

    def get(self, pid: int, fd: int) -> Descriptor | None:
        """Return the recorded file a descriptor stands for; None for any other file."""
        slot = self._tables.get(pid, {}).get(fd)
        return None if slot is None else slot.descriptor

    def set(self, pid: int, fd: int, descriptor: Descriptor | None, *, cloexec: bool = False) -> None:
        """Let a descriptor stand for a file (None: for one that is not recorded)."""
        table = self._tables.setdefault(pid, {})
        if descriptor is None:
            table.pop(fd, None)
        else:
            table[fd] = _Slot(descriptor, cloexec)

    def take(self, call: SystemCall) -> bool:
        """Follow what changes tables only. Returns whether this call is such a one."""
        table = self._tables.setdefault(call.pid, {})
        if call.name in self.BIRTHS:
            threads = any("CLONE_FILES" in arg for arg in call.args)
            self._tables[call.result] = table if threads else dict(table)
        elif call.name == "execve":
            self._tables[call.pid] = {fd: slot for fd, slot in table.items() if not slot.cloexec}
        elif call.name == "close":
            table.pop(int(call.args[0]), None)
        elif call.name == "close_range":
            first, last = int(call.args[0]), int(call.args[1], 0)
            for fd in [fd for fd in table if first <= fd <= last]:
                del table[fd]
        elif call.name in self._DUPS:
            self._duplicate(table, int(call.args[0]), call.result, cloexec="O_CLOEXEC" in call.args)
        elif call.name == "fcntl":
            self._control(table, call)
        else:
            return False
        return True

    def _control(self, table: dict[int, _Slot], call: SystemCall) -> None:
        fd, command = int(call.args[0]), call.args[1]
        if command in {"F_DUPFD", "F_DUPFD_CLOEXEC"}:
            self._duplicate(table, fd, call.result, cloexec=command == "F_DUPFD_CLOEXEC")
        elif command == "F_SETFD" and fd in table:
            table[fd] = replace(table[fd], cloexec="FD_CLOEXEC" in call.args[2])

    @staticmethod
    def _duplicate(table: dict[int, _Slot], old: int, new: int, *, cloexec: bool) -> None:
        if old in table:
            table[new] = _Slot(table[old].descriptor, cloexec)
        else:
            table.pop(new, None)
