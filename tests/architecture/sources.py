"""Every Python file of the repository, parsed once, with the name it is imported by."""

from __future__ import annotations

import ast
import gc
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("ipc", "host", "workers")
EVERYTHING = (*PRODUCT, "drills", "tests")


@dataclass(frozen=True, eq=False)
class Source:
    """One file: `path` is relative to the repository, `module` is the full name."""

    path: str
    module: str
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        return Path(self.path).name


def parse(path: str, text: str) -> Source:
    """Make a source out of a text; tests plant offences with it."""
    parts = list(Path(path).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    prefix = [] if parts and parts[0] == "tests" else ["tierhost"]
    return Source(path, ".".join(prefix + parts), text, ast.parse(text))


@cache
def sources(*folders: str) -> tuple[Source, ...]:
    """Read all files of these top folders."""
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    # Millions of nodes, and none of them garbage: looking for some takes longer than parsing.
    gc.disable()
    try:
        return tuple(parse(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")) for path in paths)
    finally:
        gc.freeze()
        gc.enable()


@cache
def nodes(source: Source) -> tuple[ast.AST, ...]:
    """Every node of a file's syntax tree; walked once, looked at by every rule."""
    return tuple(ast.walk(source.tree))


def dotted(node: ast.expr) -> str:
    """Spell `a.b.c` out; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""
