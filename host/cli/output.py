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


def print_line(text: str) -> None:
    """One line."""
    sys.stdout.write(text + "\n")


def hexadecimal(value: object) -> str:
    """Spell bytes out for JSON, which has none."""
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} has no place in JSON")


def print_json(value: Any) -> None:
    """One JSON document. Bytes are shown as hexadecimal text, so that everything can be shown."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False, default=hexadecimal)
    sys.stdout.write("\n")


def print_rows(rows: Sequence[dict[str, Any]], columns: Sequence[str], how: str) -> None:
    """Rows as a table with headings, or as tab-separated columns without."""
    cells = [[cell(row.get(column), how) for column in columns] for row in rows]
    if how != "table":
        sys.stdout.writelines("\t".join(line) + "\n" for line in cells)
        return
    heads = [column.replace("_", " ") for column in columns]
    widths = [max(len(line[number]) for line in [heads, *cells]) for number in range(len(columns))]
    for line in (heads, ["-" * width for width in widths], *cells):
        print_line("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def print_value(value: Any, how: str) -> None:
    """Whatever a method returned: text and bytes as they are, maps as rows, nothing for nothing."""
    if how == "json":
        print_json(value)
    elif isinstance(value, bytes):
        _print_bytes(value)
    elif isinstance(value, str):
        sys.stdout.write(value if value.endswith("\n") else value + "\n")
    elif isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        columns = dict.fromkeys(key for row in value for key in row)
        print_rows(value, list(columns), how)
    elif isinstance(value, list):
        for item in value:
            print_line(cell(item, "plain"))
    elif isinstance(value, dict):
        print_rows([{"name": key, "value": item} for key, item in value.items()], ("name", "value"), how)
    elif value is not None:
        print_json(value)


def _print_bytes(value: bytes) -> None:
    if not sys.stdout.isatty():
        sys.stdout.flush()
        sys.stdout.buffer.write(value)
        return
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = "\0"
    # A terminal takes control characters as orders.
    readable = text.replace("\n", "").isprintable()
    print_line(text if readable else f"({len(value)} bytes that are no text: write them to a file with > FILE)")


def cell(value: Any, how: str) -> str:
    """One value on one line: "-" for none, JSON for what has parts; cut to fit in a table."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=hexadecimal)
    text = " ".join(text.split()) if how == "table" else text.replace("\n", " ").replace("\t", " ")
    return text[: CELL_CHARS_MAX - 1] + "…" if how == "table" and len(text) > CELL_CHARS_MAX else text
