"""Driver folders of programs that misbehave, written where a host finds them: in place of a real driver, or beside them."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.faults import BadPlan
from tierhost.drills.misbehaving import WAYS
from tierhost.host import catalog

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TOLD: Final = "told"
ENTRY: Final = 'entry = "driver:Driver"'
CODE: Final = '''\
"""{name}, with one way to misbehave: {what}."""

from __future__ import annotations

import json
from pathlib import Path

from {module} import {base}
from tierhost.drills.misbehaving import misbehave

Driver = misbehave({base}, {way!r}, json.loads({options!r}), str(Path(__file__).with_name({told!r})))
'''

IDLE: Final = """\
name = "{name}"
tier = "{tier}"
entry = "driver:Driver"
summary = "misbehaves: {what}"
required = false
"""


def check(way: str, options: Mapping[str, Any]) -> None:
    """Raise BadPlan for a way that there is not, or an option that it does not have."""
    if way not in WAYS:
        raise BadPlan(f"there is no program {way!r}", subject="fault program", hint=f"there is {', '.join(WAYS)}")
    for name in options:
        if name not in WAYS[way].options:
            hint = f"it has {', '.join(WAYS[way].options) or 'none'}"
            raise BadPlan(f"it has no option {name!r}", subject=f"program {way}", hint=hint)


def replace(parent: Path, driver: str, way: str, options: Mapping[str, Any], limits_s: Mapping[str, float]) -> Path:
    """Write a folder that takes the place of a built-in driver: its manifest, and its class with one way to misbehave."""
    manifest = catalog.BUILT_IN / driver / catalog.MANIFEST
    if not manifest.is_file():
        raise BadPlan(f"there is no built-in driver {driver!r}", subject="fault program")
    text = manifest.read_text(encoding="utf-8")
    module, _, base = tomllib.loads(text)["entry"].partition(":")
    lines = [ENTRY if line.startswith("entry") else line for line in text.splitlines()]
    if limits_s:
        # Its own table of limits is the last of a manifest.
        lines = [line for line in lines if line.partition(" ")[0] not in limits_s]
        lines += [] if "[limits_s]" in lines else ["[limits_s]"]
        lines += [f"{verb} = {limit}" for verb, limit in limits_s.items()]
    package = f"{catalog.BUILT_IN_PACKAGE}.{driver}.{module}"
    return _write(parent, driver, "\n".join(lines) + "\n", CODE, way, {"module": package, "base": base, "options": options})


def beside(parent: Path, name: str, way: str, options: Mapping[str, Any], *, tier: str = "libvirt") -> Path:
    """Write the folder of one more driver, which does nothing but misbehave."""
    manifest = IDLE.format(name=name, tier=tier, what=WAYS[way].what)
    where = {"module": "tierhost.drills.misbehaving.idle", "base": "Idle", "options": options}
    return _write(parent, name, manifest, CODE, way, where)


def _write(parent: Path, name: str, manifest: str, code: str, way: str, where: Mapping[str, Any]) -> Path:
    folder = parent / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / catalog.MANIFEST).write_text(manifest, encoding="utf-8")
    options = json.dumps(dict(where["options"]))
    text = code.format(**{**where, "options": options}, name=name, what=WAYS[way].what, way=way, told=TOLD)
    (folder / "driver.py").write_text(text, encoding="utf-8")
    (folder / TOLD).unlink(missing_ok=True)
    return folder


def told(folder: Path) -> list[tuple[int, str]]:
    """What the program has told: a pid, and what it did, each time."""
    try:
        lines = (folder / TOLD).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [(int(pid), what) for pid, _, what in (line.partition(" ") for line in lines)]
