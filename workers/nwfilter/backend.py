"""The kernel's tables, by `nft -j`: what it can do, which tables there are and whose, and changes of one transaction each."""

from __future__ import annotations

import fcntl
import json
import os
import select
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.nwfilter.rules import CONNTRACK, FAMILY, MARK, PREFIX, REJECT, removal, table, table_name
from tierhost.workers.nwfilter.state import Seen
from tierhost.workers.runtime import calling
from tierhost.workers.runtime.commands import CommandFailed, CommandMissing, CommandOverdue, run
from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from tierhost.workers.nwfilter.rules import Command
    from tierhost.workers.nwfilter.state import Placed

LIMIT_S: Final = 5.0
"""How long one transaction may take; never longer than the caller waits."""

PATIENCE_S: Final = 2.0
"""How long an nft of an earlier life, killed with it, may take to be gone."""

RETRY_S: Final = 0.002
LISTING_BYTES_MAX: Final = 64 << 20
PROBE: Final = f"{PREFIX}probe"
"""Never made: the kernel is asked to check, and forgets it."""

PROBES: Final[dict[str, list[dict[str, Any]]]] = {
    CONNTRACK: [{"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established"]}}, {"drop": None}],
    REJECT: [{"reject": None}],
}


class NoFirewall(DriverError):
    """Raised when nothing can be filtered on this machine; the text is a sentence a person can act on."""

    code = Code.OPERATION_UNSUPPORTED


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the kernel shows it: how many rules each chain has, and its whole text."""

    shape: dict[str, int]
    text: str


def features() -> frozenset[str]:
    """Find out what this kernel can do on bridges. Raises NoFirewall when it cannot filter there at all, or we may not."""
    with _or_no_firewall():
        _check([])
    return frozenset(name for name, rule in PROBES.items() if _has(rule))


@contextmanager
def _or_no_firewall() -> Iterator[None]:
    """Turn what shows that nothing can be filtered here into a sentence a person can act on."""
    try:
        yield
    except CommandMissing:
        raise NoFirewall("nft is not installed: install the package nftables, then restart this driver") from None
    except CommandFailed as error:
        if "permitted" in error.words:
            reason = "tierhost may not change packet filters: run it as root, or give it CAP_NET_ADMIN"
        else:
            reason = (
                "this kernel has no nftables for bridges: it needs CONFIG_NF_TABLES_BRIDGE (modprobe nf_tables); "
                f"it says: {_words(error)}"
            )
        raise NoFirewall(reason) from None


def _has(rule: list[dict[str, Any]]) -> bool:
    try:
        _check(rule)
    except CommandFailed:
        return False
    return True


def _check(rule: list[dict[str, Any]]) -> None:
    hooked = {"type": "filter", "hook": "prerouting", "prio": -150, "policy": "accept"}
    commands: list[Command] = [
        {"add": {"table": {"family": FAMILY, "name": PROBE}}},
        {"add": {"chain": {"family": FAMILY, "table": PROBE, "name": "c", **hooked}}},
    ]
    if rule:
        commands.append({"add": {"rule": {"family": FAMILY, "table": PROBE, "chain": "c", "expr": rule}}})
    _nft(["-c", "-j", "-f", "-"], commands)


class Firewall:
    """Our tables in the kernel. One change at a time, and none while an nft of an earlier life still runs."""

    def __init__(self, folder: Path, mark: str) -> None:
        self._lock = folder / "nft.lock"
        self._mark = mark

    def change(self, commands: Sequence[Command], subject: str) -> None:
        """Have the kernel make all of these changes, or none. Raises DriverError with its words."""
        fd = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _take(fd, subject)
            _nft(["-j", "-f", "-"], commands, keep_fds=(fd,))
        except CommandFailed as error:
            code = Code.OPERATION_DENIED if "permitted" in error.words else Code.BUILD_FIREWALL
            raise DriverError(f"nftables refuses its rules: {_words(error)}", code=code, subject=subject) from None
        except CommandOverdue as error:
            error.subject, error.hint = subject, "is nft, or the kernel's packet filter, stopped or overloaded?"
            raise
        except CommandMissing as error:
            error.subject, error.hint = subject, "install the package nftables"
            raise
        finally:
            os.close(fd)

    def compose(self, port_dev: str, placed: Sequence[Placed], *, replace: bool) -> list[Command]:
        """What is to be said to the kernel to put a port's table in the place of ours, or to make it where there is none."""
        return table(port_dev, self._mark, placed, replace=replace)

    def ports(self) -> dict[str, Seen]:
        """Look which ports have a table with our prefix, and whether we made it. Raises NoFirewall.

        A table without a chain is not seen: to list tables nft reads all their rules first.
        """
        with _or_no_firewall():
            answer = _nft(["-j", "list", "chains", FAMILY], None)
        found: dict[str, Seen] = {}
        for chain in (one["chain"] for one in json.loads(answer)["nftables"] if "chain" in one):
            if chain["table"].startswith(PREFIX):
                port, ours = chain["table"].removeprefix(PREFIX), chain["name"] == f"{MARK}{self._mark}"
                found[port] = Seen.OURS if ours or found.get(port) is Seen.OURS else Seen.FOREIGN
        return found

    def look(self, port_dev: str) -> tuple[Seen, Table]:
        """Look at one port's table."""
        try:
            answer = _nft(["-j", "list", "table", FAMILY, table_name(port_dev)], None)
        except CommandFailed as error:
            if "No such file" in error.words:
                return Seen.ABSENT, Table({}, "")
            raise
        shape = shape_of(json.loads(answer)["nftables"])
        return (Seen.OURS if f"{MARK}{self._mark}" in shape else Seen.FOREIGN), Table(shape, answer)

    def remove(self, port_dev: str, subject: str) -> None:
        """Leave no table of ours for this port; one that somebody else made stays."""
        if self.look(port_dev)[0] is Seen.OURS:
            self.change(removal(port_dev), subject)


def _take(fd: int, subject: str) -> None:
    """Take the lock. It is contended only right after a crash, by a program that was killed with its worker."""
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        if time.monotonic() >= deadline_s:
            reason = "an nft of an earlier life still runs; it was killed and hangs inside the kernel"
            raise DriverError(reason, code=Code.RESOURCE_BUSY, subject=subject)
        select.select([], [], [], RETRY_S)


def shape_of(listed: Iterable[dict[str, Any]]) -> dict[str, int]:
    """Count the rules of each chain, in a listing or in commands. Pure."""
    shape: dict[str, int] = {}
    for one in listed:
        entry = one.get("add", one)
        if "chain" in entry:
            shape.setdefault(entry["chain"]["name"], 0)
        if "rule" in entry:
            shape[entry["rule"]["chain"]] = shape.get(entry["rule"]["chain"], 0) + 1
    return shape


def _nft(words: list[str], commands: Sequence[Command] | None, keep_fds: Sequence[int] = ()) -> str:
    stdin = b"" if commands is None else json.dumps({"nftables": commands}).encode()
    limit_s = max(0.1, min(LIMIT_S, calling.deadline_s() - time.monotonic()))
    return run(["nft", *words], stdin=stdin, limit_s=limit_s, keep_fds=keep_fds, out_bytes_max=LISTING_BYTES_MAX).out


def _words(error: CommandFailed) -> str:
    """The line that says it; the others repeat our rules."""
    return next((line for line in error.words.splitlines() if "Error" in line), error.words or error.text)[:300]
