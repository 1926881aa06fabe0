"""What documents tell a reader to do works, and prints what they say it prints."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.architecture.sources import ROOT
from tests.docs.blocks import Command, File, matches, steps
from tests.ending import end_host
from tierhost.drills.sweeping import sweep
from tierhost.ipc.paths import Root

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND_LIMIT_S = 60.0
ROOT_IN_DOCUMENTS = "/tmp/site"
RUNNABLE = ("README.md", "docs/tutorial.md", "docs/drills.md", "docs/operations.md", "docs/examples/site/README.md")
GUESTS = {"docs/examples/site/README.md"}
"""Those that start guests."""


@pytest.fixture
def desk() -> Iterator[Path]:
    """A folder to work in; `--root` of the documents becomes `root` in it. Whatever runs there at the end is ended."""
    folder = Path(tempfile.mkdtemp(prefix="th", dir="/tmp"))
    try:
        yield folder
    finally:
        end_host(Root.under(folder / "root"))
        sweep(folder)
        shutil.rmtree(folder)


def run(command: Command, folder: Path) -> str:
    """Run one line as the reader's shell would, and return what it prints."""
    line = command.line.replace(ROOT_IN_DOCUMENTS, str(folder / "root"))
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "200",
    }
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        # Whatever a document kills by group is its own.
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COMMAND_LIMIT_S,
        check=False,
    )
    return done.stdout.replace(str(folder / "root"), ROOT_IN_DOCUMENTS)


@pytest.mark.slow
@pytest.mark.timeout(300)  # many commands, each with a limit of its own
@pytest.mark.parametrize("name", RUNNABLE)
def test_a_reader_who_does_what_the_document_says_sees_what_it_shows(name: str, desk: Path) -> None:
    if name in GUESTS and shutil.which("qemu-system-x86_64") is None:
        pytest.skip("qemu-system-x86_64 is not installed")
    (desk / "docs").symlink_to(ROOT / "docs")
    for step in steps((ROOT / name).read_text(encoding="utf-8")):
        if isinstance(step, File):
            path = desk / step.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.text)
        else:
            printed = run(step, desk)
            assert matches(step.expected, printed), f"{name}: $ {step.line}\nexpected:\n{step.expected}\nprinted:\n{printed}"


def test_every_recipe_the_documents_name_is_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    texts = [
        path.read_text(encoding="utf-8")
        for path in (ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").rglob("*.md"))
    ]
    named = {word.split()[1] for text in texts for word in _code(text) if word.startswith("make ")}
    assert named
    assert {name for name in named if f"\n{name}:" not in makefile} == set()


def _code(text: str) -> list[str]:
    """The pieces in backticks, and the lines of ```sh blocks."""
    pieces = text.split("```")
    inline = [piece for outside in pieces[::2] for piece in outside.split("`")[1::2]]
    return inline + [line for block in pieces[1::2] if block.startswith("sh\n") for line in block.splitlines()[1:]]


def test_json_in_documents_is_json() -> None:
    for path in (ROOT / "docs").rglob("*.md"):
        for block in path.read_text(encoding="utf-8").split("```json\n")[1:]:
            json.loads(block.partition("```")[0])
