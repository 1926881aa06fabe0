"""Prints results: a table for a terminal, plain columns for a pipe, JSON for a program."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

CELL_CHARS_MAX = 60


def style(asked: str | None) -> str:
    """The format to print in."""
    return asked or ("table" if sys.stdout.isatty() else "plain")


def print_json(value: Any) -> None:
    """One JSON document. Bytes are shown as hexadecimal text, so that everything can be shown."""
    json.dump(value, sys.stdout, indent=2, default=lambda data: data.hex())
    sys.stdout.write("\n")


def print_rows(rows: Sequence[dict[str, Any]], columns: Sequence[str], how: str) -> None:
    """Rows as a table with headings, or as tab-separated columns."""
    cells = [[_cell(row.get(column), how) for column in columns] for row in rows]
    if how != "table":
        sys.stdout.writelines("\t".join(line) + "\n" for line in cells)
        return
    heads = [column.replace("_", " ") for column in columns]
    widths = [max(len(line[number]) for line in [heads, *cells]) for number in range(len(columns))]
    for line in (heads, ["-" * width for width in widths], *cells):
        sys.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n")


def print_value(value: Any, how: str) -> None:
    """Whatever a method returned."""
    if how == "json":
        print_json(value)
    elif isinstance(value, bytes):
        sys.stdout.flush()
        sys.stdout.buffer.write(value)
    elif isinstance(value, str):
        sys.stdout.write(value if value.endswith("\n") else value + "\n")
    elif isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        print_rows(value, list(value[0]), how)
    elif isinstance(value, dict):
        print_rows([{"name": key, "value": item} for key, item in value.items()], ("name", "value"), how)
    elif value is not None:
        print_json(value)


def _cell(value: Any, how: str) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = value if isinstance(value, str) else json.dumps(value, default=lambda data: data.hex())
    text = text.replace("\n", " ").replace("\t", " ")
    return text[: CELL_CHARS_MAX - 1] + "…" if how == "table" and len(text) > CELL_CHARS_MAX else text
