"""Folders of trivial drivers, as many as a benchmark needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.benchmarks.site import DRIVERS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MANIFEST = """name = "{name}"
tier = "{tier}"
entry = "driver:TrivialDriver"
summary = "does nothing, and says so"
"""


def make_trivial(below: Path, count: int, tiers: Sequence[str] = ("libvirt",)) -> Path:
    """Make `count` trivial drivers, named trivial-N, spread over the tiers. Returns the folder for `--drivers`."""
    code = (DRIVERS / "trivial" / "driver.py").read_text(encoding="utf-8")
    for number in range(count):
        folder = below / f"trivial-{number}"
        folder.mkdir(parents=True)
        (folder / "driver.py").write_text(code, encoding="utf-8")
        (folder / "driver.toml").write_text(
            MANIFEST.format(name=folder.name, tier=tiers[number * len(tiers) // count]), encoding="utf-8"
        )
    return below
