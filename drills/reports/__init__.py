"""Reports of a drill: JSON with a schema, JUnit XML, one HTML file, and a trace for Perfetto; all from one value."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from tierhost.drills.reports import as_html, as_json, as_junit, as_trace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tierhost.drills.reports.results import Run

FILES: Final[Mapping[str, Callable[[Run], str]]] = {
    "report.json": as_json.render,
    "junit.xml": as_junit.render,
    "report.html": as_html.render,
    "trace.json": as_trace.render,
}


def write(folder: Path, run: Run) -> list[Path]:
    """Write all of them into a folder, which is made if need be; each is whole or absent. Returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    return [_put(folder / name, render(run)) for name, render in FILES.items()]


def _put(path: Path, text: str) -> Path:
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, encoding="utf-8", errors="replace")
    os.replace(fresh, path)
    return path
