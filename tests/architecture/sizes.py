"""How long things may be. What is longer today is named here and may only shrink."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from tests.architecture.sources import nodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.architecture.sources import Source

FUNCTION_LINES_MAX = 60
CLASS_LINES_MAX = 200
FILE_LINES_MAX = 300

FORGIVEN: dict[str, int] = {}
"""`path` or `path:name` -> its length today. May become smaller, never larger, and goes when it is no longer needed."""


def lengths(source: Source) -> list[tuple[str, int, int]]:
    """List (name, length, limit) of the file and of everything in it."""
    found = [(source.path, source.text.count("\n"), FILE_LINES_MAX)]
    for node in nodes(source):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.end_lineno is not None:
            limit = CLASS_LINES_MAX if isinstance(node, ast.ClassDef) else FUNCTION_LINES_MAX
            found.append((f"{source.path}:{node.name}", node.end_lineno - node.lineno + 1, limit))
    return found


def too_long(sources: Iterable[Source], forgiven: Mapping[str, int]) -> list[str]:
    """List what is over its limit, and what is over what it was forgiven."""
    return [
        f"{name} has {length} lines, at most {forgiven.get(name, limit)}"
        for source in sources
        for name, length, limit in lengths(source)
        if length > forgiven.get(name, limit)
    ]


def forgiven_too_much(sources: Iterable[Source], forgiven: Mapping[str, int]) -> list[str]:
    """List entries that are larger than what they forgive, or forgive nothing: the ratchet only turns one way."""
    longest: dict[str, tuple[int, int]] = {}
    for source in sources:
        for name, length, limit in lengths(source):
            longest[name] = max(longest.get(name, (0, limit)), (length, limit))
    wrong = []
    for name, allowed in forgiven.items():
        length, limit = longest.get(name, (0, 0))
        if length <= limit:
            wrong.append(f"{name} needs no forgiveness any more")
        elif length < allowed:
            wrong.append(f"{name} has {length} lines now, so write {length} instead of {allowed}")
    return wrong
