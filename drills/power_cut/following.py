"""From system calls to what happened to files: names are looked up, descriptors followed through threads and children."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tierhost.drills.power_cut.calls import SystemCall, Unmodelled, literal, whole
from tierhost.drills.power_cut.descriptors import Descriptor, Tables
from tierhost.drills.power_cut.operations import Made, Named, Renamed, Said, Sized, Synced, Unnamed, Written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tierhost.drills.power_cut.disk import Disk
    from tierhost.drills.power_cut.operations import Change, Operation

MARK: Final = b'{"said":'
"""Lines that begin so, written to standard output, are what the program told the world."""

AT: Final = "AT_FDCWD"
STANDARD_OUTPUT: Final = 1


def follow(calls: Iterable[SystemCall], root: str, begin: Disk) -> list[Operation]:
    """List what the calls did to the folder `root`, which held `begin` before. Raises Unmodelled for what cannot be told."""
    following = Following(root, begin)
    ordered = sorted(calls, key=lambda call: call.began if call.name in Tables.BIRTHS else call.ended)
    for call in ordered:
        following.take(call)
    return following.operations


class Following:
    """`_now` is the disk as the running program sees it: names are looked up in it, and each operation is applied at once."""

    def __init__(self, root: str, begin: Disk) -> None:
        self.operations: list[Operation] = []
        self._root = root.rstrip("/")
        self._now = begin.copy()
        self._next = max(begin.modes) + 1
        self._tables = Tables()
        self._sync_starts: dict[int, int] = {}

    def take(self, call: SystemCall) -> None:
        """Take one call into account."""
        if call.injected:
            return
        if self._tables.take(call):
            return
        act = _ACTS.get(call.name)
        if act is not None:
            act(self, call)
        elif self._touches(call):
            raise Unmodelled(f"{call.name} of a recorded file is not modelled", subject=f"line {call.ended + 1} of the trace")

    # Looking up.

    def _touches(self, call: SystemCall) -> bool:
        """Whether a call that is not modelled may have to do with the folder: by a descriptor, or by a path."""
        for arg in call.args:
            if arg.isdigit() and self._descriptor(call, arg) is not None:
                return True
            if arg.startswith('"') and self._path(call, arg) is not None:
                return True
        return False

    def _descriptor(self, call: SystemCall, arg: str) -> Descriptor | None:
        return self._tables.get(call.pid, int(arg)) if arg.lstrip("-").isdigit() else None

    def _path(self, call: SystemCall, arg: str, at: str = AT) -> tuple[int, str] | None:
        """Return folder and name that a path means; None when it lies elsewhere. The folder itself: ("its number", "")."""
        text = literal(arg, call).decode(errors="surrogateescape")
        if not text.startswith("/"):
            base = None if at == AT else self._descriptor(call, at)
            return None if base is None else self._walk(base.number, text)
        if text != self._root and not text.startswith(f"{self._root}/"):
            return None
        return self._walk(0, text[len(self._root) :])

    def _walk(self, number: int, path: str) -> tuple[int, str] | None:
        names = [name for name in path.split("/") if name not in {"", "."}]
        if ".." in names:
            raise Unmodelled("a path with '..' is not modelled", subject=path)
        for name in names[:-1]:
            number = self._now.entries[number][name]
        return number, names[-1] if names else ""

    def _number(self, place: tuple[int, str]) -> int | None:
        folder, name = place
        return self._now.entries[folder].get(name) if name else folder

    # What happened.

    def _do(self, change: Change) -> None:
        self._now.apply(change)
        self.operations.append(change)

    def _make(self, place: tuple[int, str], *, folder: bool, mode: int) -> int:
        made = Made(self._next, folder, mode)
        self._next += 1
        self._now.make(made)
        self.operations += [made]
        self._do(Named(place[0], place[1], made.number))
        return made.number

    def open(self, call: SystemCall) -> None:
        """A descriptor came to stand for a file, which may be new or emptied by it."""
        at, path, flags, *mode = call.args if call.name == "openat" else (AT, *call.args)
        place = self._path(call, path, at)
        if place is None:
            self._tables.set(call.pid, call.result, None)
            return
        words = set(flags.split("|"))
        number = self._number(place)
        if number is None:
            number = self._make(place, folder=False, mode=whole(mode[0]) if mode else 0o600)
        elif "O_TRUNC" in words and self._now.contents[number]:
            self._do(Sized(number, 0))
        synced = bool(words & {"O_SYNC", "O_DSYNC"})
        descriptor = Descriptor(number, append="O_APPEND" in words, synced=synced)
        self._tables.set(call.pid, call.result, descriptor, cloexec="O_CLOEXEC" in words)

    def write(self, call: SystemCall) -> None:
        """Bytes were written, or the program said something."""
        descriptor = self._descriptor(call, call.args[0])
        if descriptor is None:
            if int(call.args[0]) == STANDARD_OUTPUT and (data := literal(call.args[1], call)).startswith(MARK):
                self.operations.append(Said(data.decode()))
            return
        data = literal(call.args[1], call)[: call.result]
        if call.name == "pwrite64":
            offset = int(call.args[3])
        else:
            offset = len(self._now.contents[descriptor.number]) if descriptor.append else descriptor.offset
            descriptor.offset = offset + len(data)
        self._do(Written(descriptor.number, offset, data))
        if descriptor.synced:
            self.operations.append(Synced(descriptor.number))

    def size(self, call: SystemCall) -> None:
        """A file was cut or made longer."""
        descriptor = self._descriptor(call, call.args[0]) if call.name == "ftruncate" else None
        place = self._path(call, call.args[0]) if call.name == "truncate" else None
        number = descriptor.number if descriptor else self._number(place) if place else None
        if number is not None and len(self._now.contents[number]) != int(call.args[1]):
            self._do(Sized(number, int(call.args[1])))

    def seek(self, call: SystemCall) -> None:
        """The next write goes elsewhere."""
        descriptor = self._descriptor(call, call.args[0])
        if descriptor is not None:
            descriptor.offset = call.result

    def sync(self, call: SystemCall) -> None:
        """One file or folder was synced."""
        descriptor = self._descriptor(call, call.args[0])
        if descriptor is not None:
            self.operations.append(Synced(descriptor.number))

    def sync_everything(self, call: SystemCall) -> None:
        """Everything was."""
        if call.name == "sync" or self._descriptor(call, call.args[0]) is not None:
            self.operations += [Synced(number) for number in self._now.modes]

    def rename(self, call: SystemCall) -> None:
        """A name was changed."""
        old, new = self._two_paths(call, flags_at=4)
        if old is None and new is None:
            return
        if old is None or new is None or old[0] != new[0]:
            raise Unmodelled("a rename into another folder is not modelled", subject=f"line {call.ended + 1} of the trace")
        number = self._number(old)
        assert number is not None  # the call succeeded
        self._do(Renamed(old[0], old[1], new[1], number))

    def link(self, call: SystemCall) -> None:
        """A file got a second name."""
        old, new = self._two_paths(call, flags_at=5)
        if old is None and new is None:
            return
        number = self._number(old) if old else None
        if number is None or new is None:
            raise Unmodelled("a link from elsewhere is not modelled", subject=f"line {call.ended + 1} of the trace")
        self._do(Named(new[0], new[1], number))

    def _two_paths(self, call: SystemCall, flags_at: int) -> tuple[tuple[int, str] | None, tuple[int, str] | None]:
        args = call.args
        if len(args) == 2:  # noqa: PLR2004  # old, new
            return self._path(call, args[0]), self._path(call, args[1])
        if len(args) >= flags_at + 1 and args[flags_at] not in {"0", "RENAME_NOREPLACE"}:
            raise Unmodelled(f"{call.name} with {args[flags_at]} is not modelled", subject=f"line {call.ended + 1} of the trace")
        return self._path(call, args[1], args[0]), self._path(call, args[3], args[2])

    def unlink(self, call: SystemCall) -> None:
        """A name was removed."""
        at, path = (call.args[0], call.args[1]) if call.name == "unlinkat" else (AT, call.args[0])
        place = self._path(call, path, at)
        # a name that nobody made is a socket's: it means nothing after a cut, and is in no recording
        if place is not None and self._number(place) is not None:
            self._do(Unnamed(*place))

    def mkdir(self, call: SystemCall) -> None:
        """A folder was made."""
        at, path, mode = call.args if call.name == "mkdirat" else (AT, *call.args)
        place = self._path(call, path, at)
        if place is not None:
            self._make(place, folder=True, mode=whole(mode))

    def mmap(self, call: SystemCall) -> None:
        """A file was mapped: to read it changes nothing."""
        shared = "MAP_SHARED" in call.args[3] and "PROT_WRITE" in call.args[2]
        if shared and self._descriptor(call, call.args[4]) is not None:
            raise Unmodelled(
                "a file that is written through memory is not modelled", subject=f"line {call.ended + 1} of the trace"
            )

    def chdir(self, call: SystemCall) -> None:
        """The program went elsewhere; relative paths are followed only outside the folder."""
        if self._touches(call):
            raise Unmodelled("a program that changes into the folder is not modelled", subject=f"line {call.ended + 1}")


_ACTS: Final[dict[str, Callable[[Following, SystemCall], None]]] = {
    **dict.fromkeys(("open", "openat"), Following.open),
    **dict.fromkeys(("write", "pwrite64"), Following.write),
    **dict.fromkeys(("truncate", "ftruncate"), Following.size),
    "lseek": Following.seek,
    **dict.fromkeys(("fsync", "fdatasync"), Following.sync),
    **dict.fromkeys(("sync", "syncfs"), Following.sync_everything),
    **dict.fromkeys(("rename", "renameat", "renameat2"), Following.rename),
    **dict.fromkeys(("link", "linkat"), Following.link),
    **dict.fromkeys(("unlink", "unlinkat", "rmdir"), Following.unlink),
    **dict.fromkeys(("mkdir", "mkdirat"), Following.mkdir),
    "mmap": Following.mmap,
    **dict.fromkeys(("chdir", "fchdir"), Following.chdir),
}
