"""Each file says in its first line what it is for; no file says where it was written."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.architecture.sources import Source

SKIPPED_FOLDERS = frozenset({".git", ".venv", "build", "dist", "__pycache__", "tierhost", "tierhost.egg-info"})
TEXT_BYTES_MAX = 1 << 20

ELSEWHERE = re.compile(
    r"(?<![\w.])/work[/]|/home[/]\w+/|\.\.[/]shared\b|\.library[/]|pypi[.]org|files[.]pythonhosted|deb[.]debian[.]org|registry[.]npmjs"
)
"""Paths of one machine, and hosts of registries: the next clone has others."""


def without_first_line(source: Source) -> list[str]:
    """List a file that does not begin with a sentence about itself. An empty file needs none."""
    if not source.text.strip():
        return []
    sentence = ast.get_docstring(source.tree, clean=False)
    begins = source.text.startswith(('"""', "#!"))
    if sentence is None or not begins or not sentence.partition("\n")[0].rstrip().endswith((".", ":", "?")):
        return [f"{source.path}: its first line is a docstring that says its one reason, and ends with a full stop"]
    return []


def machine_words(path: str, text: str) -> list[str]:
    """List lines that only mean something on the machine where they were written."""
    return [f"{path}:{number}: {line.strip()[:80]}" for number, line in enumerate(text.splitlines(), 1) if ELSEWHERE.search(line)]


def texts(root: Path) -> dict[str, str]:
    """Read every text file of a tree that is ours."""
    found = {}
    for folder, folders, files in os.walk(root):
        folders[:] = [
            name for name in folders if name not in SKIPPED_FOLDERS and not name.endswith("_cache") and name != ".hypothesis"
        ]
        for name in files:
            path = Path(folder, name)
            if path.is_symlink() or path.stat().st_size > TEXT_BYTES_MAX:
                continue
            data = path.read_bytes()
            if b"\0" not in data:
                found[str(path.relative_to(root))] = data.decode(errors="replace")
    return found
