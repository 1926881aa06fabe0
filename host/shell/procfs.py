"""What /proc says of one process: when it started, and whether it is stopped."""

from __future__ import annotations

from pathlib import Path

STATE_FIELD = 0
SESSION_FIELD = 3
START_TIME_FIELD = 19
EXIT_CODE_FIELD = 49
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def start_time(pid: int) -> int | None:
    """Clock ticks since boot at which the process started: with the pid, its identity. None: no such process."""
    fields = _stat(pid)
    return int(fields[START_TIME_FIELD]) if fields else None


def is_stopped(pid: int) -> bool:
    """Whether somebody stopped the process (SIGSTOP, a debugger): it is not slow, it does not run at all."""
    fields = _stat(pid)
    return bool(fields) and fields[STATE_FIELD] in {"T", "t"}


def is_dead(pid: int) -> bool:
    """Whether the process is gone, or a zombie that waits for its parent."""
    fields = _stat(pid)
    return not fields or fields[STATE_FIELD] in {"Z", "X"}


def exit_status(pid: int) -> int | None:
    """How a zombie ended, as `multiprocess` counts it (minus the signal, or the exit code). None: too late to tell."""
    fields = _stat(pid)
    if not fields or fields[STATE_FIELD] != "Z":
        return None
    code = int(fields[EXIT_CODE_FIELD])
    return -(code & 0x7F) if code & 0x7F else code >> 8


def is_alive_in(pid: int, session: int) -> bool:
    """Whether the process belongs to this session and is not dead."""
    fields = _stat(pid)
    return bool(fields) and int(fields[SESSION_FIELD]) == session and fields[STATE_FIELD] not in {"Z", "X"}


def boot_id() -> str:
    """Return the kernel's name for this boot."""
    return BOOT_ID.read_text().strip()


def _stat(pid: int) -> list[str]:
    try:
        # Bytes: a process may give itself any name, and what it is called is no text then.
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return stat.rpartition(b")")[2].decode("ascii").split()
