"""System calls as strace writes them down, taken apart: who called what with which arguments, and when it began and ended."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tierhost.ipc.errors import Code, TierhostError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TRACED: Final = (
    *("open", "openat", "openat2", "creat", "close", "close_range", "dup", "dup2", "dup3", "fcntl", "lseek"),
    *("write", "pwrite64", "writev", "pwritev", "pwritev2", "truncate", "ftruncate", "fallocate"),
    *("copy_file_range", "sendfile", "splice", "mmap", "io_uring_setup", "io_submit"),
    *("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat"),
    *("mkdir", "mkdirat", "rmdir", "chmod", "fchmod", "fchmodat", "fsync", "fdatasync", "sync", "syncfs", "sync_file_range"),
    *("clone", "clone3", "fork", "vfork", "execve", "chdir", "fchdir"),
)
"""What can change a file, its names, or who holds it open. What is not modelled of it is refused where it touches the folder."""

STRING_BYTES_MAX: Final = 8 << 20

_LINE: Final = re.compile(r"(\d+)\s+(.*)")
_RESUMED: Final = re.compile(r"<\.\.\. (\w+) resumed>(.*)")
_CALL: Final = re.compile(r"(\w+)\((.*)\)\s+= (-?\d+|\?|0x[0-9a-f]+)(.*)")
_UNFINISHED: Final = " <unfinished ...>"
_PIECES: Final = re.compile(r'"(?:[^"\\]|\\.)*"(?:\.\.\.)?|[\[{(]|[\]})]|,|[^"\[\](){},]+')
_MINUS: Final = -1


class Unmodelled(TierhostError):
    """Raised for an act whose effect after a power cut is not modelled: no verdict is better than a wrong one."""

    code = Code.OPERATION_UNSUPPORTED


@dataclass(frozen=True, slots=True)
class SystemCall:
    """One call that came back. `began` and `ended` are lines of the trace; `injected`: it did not happen at all."""

    pid: int
    name: str
    args: tuple[str, ...]
    result: int
    began: int
    ended: int
    injected: bool = False


def parse(lines: Iterable[str]) -> Iterator[SystemCall]:
    """Yield the successful calls of a trace in the order of their ends. One that was cut off has no result, and is left out."""
    open_calls: dict[int, tuple[int, str]] = {}
    for number, line in enumerate(lines):
        found = _LINE.match(line)
        if found is None:
            continue
        pid, text = int(found[1]), found[2]
        began = number
        resumed = _RESUMED.match(text)
        if resumed is not None:
            began, head = open_calls.pop(pid, (number, f"{resumed[1]}("))
            text = head + resumed[2]
        elif text.endswith(_UNFINISHED):
            open_calls[pid] = number, text.removesuffix(_UNFINISHED)
            continue
        call = _CALL.match(text)
        if call is None or call[3] == "?":
            continue
        result = int(call[3], 0)
        if result > _MINUS:
            yield SystemCall(pid, call[1], tuple(split(call[2])), result, began, number, "(INJECTED)" in call[4])


def split(text: str) -> Iterator[str]:
    """Split arguments at the commas that stand in no bracket and no string."""
    depth, gathered = 0, ""
    for piece in _PIECES.findall(text):
        if piece == "," and depth == 0:
            yield gathered.strip()
            gathered = ""
            continue
        depth += (piece in "[{(") - (piece in "]})")
        gathered += piece
    if gathered.strip():
        yield gathered.strip()


def literal(text: str, call: SystemCall) -> bytes:
    """Return the bytes of a string that was written in hexadecimal. Raises Unmodelled if strace cut it short."""
    if not (text.startswith('"') and text.endswith('"')):
        raise Unmodelled(f"the trace holds only a part of what {call.name} was given", subject=f"line {call.ended + 1}")
    return bytes.fromhex(text[1:-1].replace("\\x", ""))


def whole(text: str) -> int:
    """Return a number, as strace writes it: decimal, octal or hexadecimal."""
    return int(text, 8) if text.startswith("0") and text.isdigit() else int(text, 0)
