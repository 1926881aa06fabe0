"""What can become of a state file: seven damages, each a function on one file; and how what came of it is judged."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tierhost.drills.verdicts import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

HEAD_BYTE: Final = 5


def empty(file: Path, _old: Path, _foreign: Path) -> None:
    """Nothing is left in it."""
    file.write_bytes(b"")


def halve(file: Path, _old: Path, _foreign: Path) -> None:
    """Its second half is gone."""
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _flip(file: Path, place: int) -> None:
    content = bytearray(file.read_bytes())
    content[place % len(content)] ^= 0x10
    file.write_bytes(content)


def flip_head(file: Path, _old: Path, _foreign: Path) -> None:
    """One bit of its header is another."""
    _flip(file, HEAD_BYTE)


def flip_body(file: Path, _old: Path, _foreign: Path) -> None:
    """One bit in its midst is another."""
    _flip(file, file.stat().st_size * 5 // 8)


def delete(file: Path, _old: Path, _foreign: Path) -> None:
    """It is gone."""
    file.unlink()


def restore_old(file: Path, old: Path, _foreign: Path) -> None:
    """It is as it was before the last changes, or gone, if it was not there then."""
    if old.exists():
        shutil.copyfile(old, file)
    else:
        file.unlink()


def exchange(file: Path, _old: Path, foreign: Path) -> None:
    """It is another store's file."""
    shutil.copyfile(foreign, file)


DAMAGES: Final[Mapping[str, Callable[[Path, Path, Path], None]]] = {
    "emptied": empty,
    "halved": halve,
    "head-flipped": flip_head,
    "body-flipped": flip_body,
    "deleted": delete,
    "old-version": restore_old,
    "other-store": exchange,
}


@dataclass(frozen=True, slots=True)
class Damaged:
    """What was seen after some files of one driver were damaged between two of its lives.

    Objects are told by name, as their owner sees them. `told` is what the status says is wrong, `events` what was told in
    passing, `guests` the processes of guests before and after.
    """

    files: tuple[str, ...]
    damage: str
    both: bool
    before: Mapping[str, str]
    after: Mapping[str, str]
    told: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    guests: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())
    trouble: str = ""


def judge(seen: Damaged) -> list[Finding]:
    """One file: nothing is lost. Both of a pair: what is lost is told, nothing is invented. Guests run on in any case."""
    if seen.trouble:
        return [Finding("drill", Verdict.UNKNOWN, seen.trouble)]
    return [_nothing_invented(seen), _all_told(seen) if seen.both else _nothing_lost(seen), _guests_run_on(seen)]


def _verdict(checker: str, text: str, evidence: list[str], *, held: bool) -> Finding:
    return Finding(checker, Verdict.HELD, "") if held else Finding(checker, Verdict.BROKEN, text, tuple(evidence))


def _changes(seen: Damaged) -> list[str]:
    return [
        f"{name}: {was} -> {seen.after.get(name, 'gone')}" for name, was in seen.before.items() if seen.after.get(name) != was
    ]


def _nothing_lost(seen: Damaged) -> Finding:
    changes = _changes(seen)
    return _verdict("nothing lost", "one file was damaged, and something is lost", changes, held=not changes)


def _all_told(seen: Damaged) -> Finding:
    changes = _changes(seen)
    return _verdict("all told", "something is lost, and the status says nothing", changes, held=not changes or bool(seen.told))


def _nothing_invented(seen: Damaged) -> Finding:
    more = sorted(seen.after.keys() - seen.before.keys())
    return _verdict("nothing invented", "there is what never was", more, held=not more)


def _guests_run_on(seen: Damaged) -> Finding:
    before, after = seen.guests
    text = "guests were ended, or started twice"
    return _verdict("guests run on", text, [f"{sorted(before)} -> {sorted(after)}"], held=before == after)
