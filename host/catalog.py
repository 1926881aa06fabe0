"""All drivers there are: reads manifests (driver.toml) from folders, entry points and classes; imports no driver."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgpack

from tierhost.host.core.spec import VERB_LIMITS_S, DriverSpec
from tierhost.ipc.limits import DRIVERS_MAX, NAME_CHARS_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tierhost.host.config import Config

BUILT_IN = Path(__file__).resolve().parent.parent / "workers"
BUILT_IN_PACKAGE = "tierhost.workers"
ENTRY_POINT_GROUP = "tierhost.drivers"
MANIFEST = "driver.toml"
MANIFEST_BYTES_MAX = 64 << 10
LIMIT_S_MAX = 86_400
VERBS = tuple(verb.removeprefix("state_") for verb in VERB_LIMITS_S)
NAME = re.compile(r"[a-z][a-z0-9-]*\Z")
SERVICE = re.compile(r"[a-z][a-z0-9-]*\.[a-z_][a-z0-9_]*\Z")
ENTRY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*\Z")


@dataclass(frozen=True, slots=True)
class Manifest:
    """One driver as its `driver.toml` (or its class) describes it, with the configuration's words applied."""

    name: str
    tier: str
    entry: str
    summary: str = ""
    required: bool = True
    warm: bool = False
    provides: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    preload: tuple[str, ...] = ()
    limits_s: Mapping[str, float] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    package: str = ""
    folder: str = ""
    blob: bytes = b""

    def spec(self) -> DriverSpec:
        """What the core needs to know of it."""
        return DriverSpec(name=self.name, tier=self.tier, required=self.required, limits_s=dict(self.limits_s))

    def wire(self) -> dict[str, Any]:
        """What the worker needs to know of it."""
        return {
            "name": self.name,
            "tier": self.tier,
            "package": self.package,
            "path": self.folder,
            "entry": self.entry,
            "provides": list(self.provides),
            "needs": list(self.needs),
            "required": self.required,
            "limits_s": dict(self.limits_s),
            "config": dict(self.options),
            "class_blob": bool(self.blob),
        }


@dataclass(frozen=True, slots=True)
class Catalog:
    """The drivers that can run, and what was wrong with those that cannot."""

    drivers: Mapping[str, Manifest]
    broken: Mapping[str, str]

    def preload(self) -> tuple[str, ...]:
        """Return what the zygote imports for everybody: each module that a manifest asks for, once, in order."""
        return tuple(dict.fromkeys(name for manifest in self.drivers.values() for name in manifest.preload))


def read(config: Config, folders: Iterable[Path] = (), classes: Path | None = None) -> Catalog:
    """Find every driver: the built-in ones, installed ones (entry points), `--drivers DIR`s, classes handed over.

    A later one may not take an earlier one's name. A broken manifest costs that driver only: it is listed in `broken`.
    """
    drivers: dict[str, Manifest] = {}
    broken: dict[str, str] = {}
    for source, parse in _sources(config.built_in, folders, classes):
        try:
            manifest = _configured(parse(), config)
        except (BadManifest, OSError) as error:
            broken[source] = str(error)
            continue
        if manifest.name in drivers:
            broken[source] = f"the name '{manifest.name}' is taken by {drivers[manifest.name].folder or 'a class'}"
        elif config.driver(manifest.name).enabled:
            drivers[manifest.name] = manifest
    for name in config.drivers:
        if name not in drivers and config.driver(name).enabled:
            broken[name] = f"the configuration speaks of driver '{name}', and there is none"
    if len(drivers) > DRIVERS_MAX:
        message = f"{len(drivers)} drivers found, the limit is {DRIVERS_MAX}"
        raise BadManifest(message)
    return Catalog(drivers, broken)


class BadManifest(ValueError):
    """Raised when a manifest cannot be used; names file and key."""


def _sources(
    wanted: tuple[str, ...] | None, folders: Iterable[Path], classes: Path | None
) -> Iterable[tuple[str, Callable[[], Manifest]]]:
    built_in = {path.parent.name.replace("_", "-"): path.parent for path in sorted(BUILT_IN.glob(f"*/{MANIFEST}"))}
    for name in built_in if wanted is None else wanted:
        folder = built_in.get(name)
        if folder is None:
            yield name, partial(_not_built_in, name, tuple(built_in))
        else:
            yield folder.name, partial(read_folder, folder, f"{BUILT_IN_PACKAGE}.{folder.name}")
    for name, package in _installed():
        yield name, partial(read_installed, name, package)
    for parent in folders:
        found = sorted(path.parent for path in Path(parent).absolute().glob(f"*/{MANIFEST}"))
        if not found:
            yield str(parent), partial(_nothing_in, parent)
        for folder in found:
            yield str(folder), partial(read_folder, folder, "")
    if classes is not None and classes.is_dir():
        for path in sorted(classes.glob("*.class")):
            yield path.stem, partial(read_class, path)


def _not_built_in(name: str, there: tuple[str, ...]) -> Manifest:
    message = f"the configuration wants the built-in driver '{name}', and there is {', '.join(there)}"
    raise BadManifest(message)


def _nothing_in(parent: Path) -> Manifest:
    message = f"{parent}: no folder with a {MANIFEST} in it"
    raise BadManifest(message)


def _installed() -> Iterable[tuple[str, str]]:
    from importlib.metadata import entry_points  # noqa: PLC0415  # 15 ms that no other command should pay

    for point in entry_points(group=ENTRY_POINT_GROUP):
        yield point.name, point.value


def read_installed(name: str, package: str) -> Manifest:
    """Read `driver.toml` of an installed package, and import none of it, its parents neither. Raises BadManifest."""
    from importlib.util import find_spec  # noqa: PLC0415  # as above

    top, *below = package.split(".")
    try:
        spec = find_spec(top)
    except ValueError:
        spec = None
    for place in (spec and spec.submodule_search_locations) or ():
        folder = Path(place, *below)
        if (folder / MANIFEST).is_file():
            return read_folder(folder, package)
    message = f"entry point {name}: there is no package {package} with a {MANIFEST} in it"
    raise BadManifest(message)


def read_folder(folder: Path, package: str) -> Manifest:
    """Read `driver.toml` of one folder. Raises BadManifest."""
    path = folder / MANIFEST
    data = path.read_bytes()
    if len(data) > MANIFEST_BYTES_MAX:
        message = f"{path}: {len(data)} bytes, the limit is {MANIFEST_BYTES_MAX}"
        raise BadManifest(message)
    try:
        raw = tomllib.loads(data.decode())
    except ValueError as error:
        message = f"{path}: not TOML: {error}"
        raise BadManifest(message) from None
    return _manifest(raw, str(path), package=package, folder=str(folder))


def read_class(path: Path) -> Manifest:
    """Read a driver class that a test or notebook handed over (see host.launch): its manifest and its pickled form."""
    try:
        raw = msgpack.unpackb(path.read_bytes())
        return _manifest(raw["manifest"], str(path), blob=raw["blob"])
    except (ValueError, TypeError, KeyError, msgpack.UnpackException) as error:
        message = f"{path}: not a handed-over class: {error}"
        raise BadManifest(message) from None


KEYS: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "tier": (str,),
    "entry": (str,),
    "summary": (str,),
    "required": (bool,),
    "warm": (bool,),
    "provides": (list,),
    "needs": (list,),
    "preload": (list,),
    "limits_s": (dict,),
}


def _manifest(raw: dict[str, Any], source: str, *, package: str = "", folder: str = "", blob: bytes = b"") -> Manifest:
    for key, value in raw.items():
        if key not in KEYS:
            message = f"{source}: {key}: unknown key (known: {', '.join(KEYS)})"
            raise BadManifest(message)
        if not isinstance(value, KEYS[key]):
            message = f"{source}: {key}: expected {KEYS[key][0].__name__}, got {value!r}"
            raise BadManifest(message)
    for key, pattern in (("name", NAME), ("tier", NAME), ("entry", ENTRY)):
        if not pattern.match(raw.get(key, "")) or len(raw[key]) > NAME_CHARS_MAX * 2:
            message = f"{source}: {key}: missing or not of the form {pattern.pattern}"
            raise BadManifest(message)
    limits = raw.get("limits_s", {})
    for wrong in (*_wrong_names(raw), *_wrong_limits(limits)):
        message = f"{source}: {wrong}"
        raise BadManifest(message)
    known: dict[str, Any] = {key: tuple(raw.get(key, ())) for key in ("provides", "needs", "preload")}
    known |= {key: raw[key] for key in ("name", "tier", "entry", "summary", "required", "warm") if key in raw}
    return Manifest(**known, limits_s=limits, package=package, folder=folder, blob=blob)


def _wrong_names(raw: dict[str, Any]) -> Iterable[str]:
    for need in raw.get("needs", []):
        if not isinstance(need, str) or not SERVICE.match(need):
            yield f"needs: expected 'driver.method', got {need!r}"
    for key in ("provides", "preload"):
        for name in raw.get(key, []):
            if not isinstance(name, str):
                yield f"{key}: expected text, got {name!r}"


def _wrong_limits(limits: dict[str, Any]) -> Iterable[str]:
    for verb, limit in limits.items():
        if verb not in VERBS:
            yield f"limits_s.{verb}: unknown verb (known: {', '.join(VERBS)})"
        elif not isinstance(limit, int | float) or isinstance(limit, bool) or not 0 < limit <= LIMIT_S_MAX:
            yield f"limits_s.{verb}: expected seconds, got {limit!r}"


def _configured(manifest: Manifest, config: Config) -> Manifest:
    words = config.driver(manifest.name)
    tier = words.tier or manifest.tier
    if tier not in config.tiers:
        message = f"{manifest.name}: tier '{tier}' is none of {', '.join(config.tiers)}"
        raise BadManifest(message)
    return replace(
        manifest,
        tier=tier,
        required=manifest.required if words.required is None else words.required,
        warm=manifest.warm if words.warm is None else words.warm,
        limits_s={**manifest.limits_s, **words.limits_s},
        options=words.options,
    )
