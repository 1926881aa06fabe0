"""A store of the runtime under power cuts: the persistent one, and the one of a boot."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.power_cut.subjects import FIRST_BOOT, RESTART, TROUBLE, Step, Subject
from tierhost.workers.runtime import calling
from tierhost.workers.runtime.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tierhost.drills.power_cut.subjects import Rows

CALLS: Final = 40
FILLING_BYTES: Final = 24_000
"""Several pages of a file; a dozen such rows are more than its log holds before it is folded into the file."""

LONG_ROWS: Final = 12
TOLD_CHARS_MAX: Final = 64


class StoreLife:
    """A store, used as drivers use it."""

    def __init__(self, store: Store, file: Path) -> None:
        self.store = store
        self.file = file

    def rows(self) -> Rows:
        """Every row that a driver wrote, what it intended, and what was answered."""
        rows: Rows = {f"things {key}": _short(row) for key, row in self.store.all("things").items()}
        rows |= {f"intent {key}": facts for key, facts in self.store.intents().items()}
        for number in range(CALLS):
            recorded = self.store.recorded(_call_id(number))
            if recorded is not None:
                rows[f"call {number}"] = list(recorded)
        damaged = [f"{damage.subject}: {damage.reason}" for damage in self.store.damage()]
        rows[TROUBLE] = damaged + [f"{name}: {trouble}" for name, trouble in self.store.troubles().items()]
        return rows

    def put(self, call: int, rows: dict[str, dict[str, Any] | None], answer: object = None) -> None:
        """Commit rows (None: a deletion) and the answer of a call, together."""
        token = calling.CALL_ID.set(_call_id(call))
        try:
            with self.store.transaction() as t:
                for key, row in rows.items():
                    if row is None:
                        t.delete("things", key)
                    else:
                        t.put("things", key, row)
                t.reply(answer)
        finally:
            calling.CALL_ID.reset(token)

    def intend(self) -> None:
        """Say what is about to be done, beside a change."""
        with self.store.transaction() as t:
            t.put("things", "b", {"n": 2})
            t.intend("pool p", {"start": "p"})

    def settle(self) -> None:
        """It is done."""
        with self.store.transaction() as t:
            t.put("things", "b", {"n": 3})
            t.settle("pool p", reply="started")

    def lose_a_file(self) -> None:
        """Somebody deletes one of the two; the next commit makes it anew."""
        self.file.with_name(f"{self.file.name}.a.db").unlink()
        self.put(4, {"c": {"n": 4}}, "made anew")


def _call_id(number: int) -> bytes:
    return b"%016d" % number


def _short(row: dict[str, Any]) -> dict[str, Any]:
    """Long fillings as their digest: they are compared, not read."""
    return {
        key: _digest(value) if isinstance(value, str) and len(value) > TOLD_CHARS_MAX else value for key, value in row.items()
    }


def _digest(value: str) -> str:
    return hashlib.blake2b(value.encode(), digest_size=8).hexdigest()


def _long_row(number: int) -> Step:
    filling = f"{number:04d}" * (FILLING_BYTES // 4)
    return Step(f"a long row, {number}", lambda life: life.put(20 + number, {"long": {"n": number, "filling": filling}}))


def _steps() -> list[Step]:
    return [
        Step("the first commit makes both files", lambda life: life.put(0, {"a": {"n": 1}}, "one")),
        Step("two rows change together", lambda life: life.put(1, {"a": {"n": 2}, "b": {"n": 1}}, {"two": 2})),
        Step("an intent beside a row", StoreLife.intend),
        Step("the intent is settled", StoreLife.settle),
        Step("one row goes, one comes", lambda life: life.put(2, {"a": None, "c": {"n": 3}})),
        RESTART,
        Step("the first commit of the next life", lambda life: life.put(3, {"a": {"n": 5}})),
        Step("one of the files was deleted", StoreLife.lose_a_file),
        *(_long_row(number) for number in range(LONG_ROWS)),
        RESTART,
        Step("the last commit", lambda life: life.put(5, {"z": {"n": 9}, "long": None})),
    ]


def _live(name: str, *, bound: bool) -> Callable[[Path, str], AbstractContextManager[StoreLife]]:
    @contextmanager
    def live(folder: Path, boot: str) -> Iterator[StoreLife]:
        store = Store.open(folder / "driver", name, boot_id=boot if bound else None)
        try:
            yield StoreLife(store, folder / "driver" / name)
        finally:
            store.close()

    return live


def _nothing(rows: Rows) -> Rows:
    return {TROUBLE: rows[TROUBLE]}


SUBJECTS: Final = {
    found.name: found
    for found in (
        Subject("store", "a driver's persistent store", _live("persistent", bound=False), _steps),
        Subject("run-store", "its store of one boot, in that boot", _live("run", bound=True), _steps, next_boot=FIRST_BOOT),
        Subject("run-store-next-boot", "the same, found by another boot", _live("run", bound=True), _steps, survives=_nothing),
    )
}
