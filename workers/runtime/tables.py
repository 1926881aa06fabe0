"""All rows of a store as of one commit; a change makes new tables and leaves the old ones to their readers. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierhost.workers.runtime.rows import Key, Row, Rows, add

if TYPE_CHECKING:
    from collections.abc import Mapping


class Tables:
    """Rows by table and key, with what the seal says of them: how many, and what their digests add up to."""

    __slots__ = ("_tables", "count", "total")

    def __init__(self, tables: Mapping[str, Mapping[str, Row]], count: int, total: int) -> None:
        self._tables = tables
        self.count = count
        self.total = total

    @classmethod
    def of(cls, rows: Rows) -> Tables:
        """Sort rows into tables."""
        tables: dict[str, dict[str, Row]] = {}
        for (table, key), row in rows.items():
            tables.setdefault(table, {})[key] = row
        return cls(tables, len(rows), add(0, (row.digest for row in rows.values())))

    def table(self, name: str) -> Mapping[str, Row]:
        """Return the rows of one table."""
        return self._tables.get(name, {})

    def after(self, changes: Mapping[Key, Row | None]) -> Tables:
        """Return the tables as they are after the changes; what is not touched is shared."""
        touched = {name for name, _ in changes}
        tables = {name: dict(table) for name, table in self._tables.items() if name in touched}
        digests: list[bytes] = []
        count = self.count
        for (name, key), row in changes.items():
            table = tables.setdefault(name, {})
            old = table.pop(key, None)
            if old is not None:
                digests.append(old.digest)
                count -= 1
            if row is not None:
                table[key] = row
                digests.append(row.digest)
                count += 1
        return Tables({**self._tables, **tables}, count, add(self.total, digests))

    def rows(self) -> Rows:
        """Return all rows in one map."""
        return {(name, key): row for name, table in self._tables.items() for key, row in table.items()}
