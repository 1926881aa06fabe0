"""Words that say nothing, and so are not used in names."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from tests.architecture.sources import nodes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.architecture.sources import Source

REFUSED = {
    "manager": "say what it does to what: Supervisor, Nursery, Switchboard",
    "handler": "say what it does",
    "util": "find the idea the functions share, and name the file after it",
    "utils": "find the idea the functions share, and name the file after it",
    "helper": "say whom it helps do what",
    "helpers": "say whom it helps do what",
    "misc": "find the idea",
    "arbiter": "the host has a Supervisor",
    "nanny": "the host has a Supervisor",
    "watcher": "say what it watches for",
    "slave": "worker",
}

EXCUSED = {
    "ServiceManager": "systemd's own name for what it is",
    "service_manager": "the same",
}


def words(name: str) -> list[str]:
    """Split snake_case and CamelCase into lower-case words."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def names(source: Source) -> Iterator[tuple[int, str]]:
    """Yield the names a file gives: its own, and those of classes, functions, arguments and variables. A test's is a sentence."""
    yield 1, source.path.rpartition("/")[2].removesuffix(".py")
    for node in nodes(source):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if not node.name.startswith("test_"):
                yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id


def empty_words(source: Source) -> list[str]:
    """List names with a refused word in them."""
    return [
        f"{source.path}:{line}: {name}: {REFUSED[word]}"
        for line, name in names(source)
        if name not in EXCUSED
        for word in words(name)
        if word in REFUSED
    ]
