"""Sites: what a target holds before anything is broken. A folder of libvirt XML files, or the documentation's example."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.example_site import EXAMPLES, ExampleSite, ability
from tierhost.drills.faults import BadPlan
from tierhost.drills.plan import RUNNING, Ask
from tierhost.drills.targets.ours import OurHost

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tierhost.drills.targets import Target

SITES: Final = Path(__file__).resolve().parent / "catalogue" / "sites"
EXAMPLE: Final = "example"
SLOW_CALL_S: Final = 60.0
MAKE_DIRECTORY: Final = 1
START_PAUSED: Final = 1
KINDS: Final = ("secrets", "pools", "volumes", "guests")
WORDS: Final = ("values", "autostart", "inactive", "paused", "boot")


@dataclass(frozen=True, slots=True)
class Wishes:
    """`site.toml`: what XML does not say. Objects are named "pool images", "guest web", "images/web" (a volume).

    `values` gives secrets (by file name, without .xml) their value; `autostart` objects start at every boot; `inactive` ones
    are not started; `paused` guests are started without running; `boot` volumes get a boot sector.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    autostart: tuple[str, ...] = ()
    inactive: tuple[str, ...] = ()
    paused: tuple[str, ...] = ()
    boot: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Wishes:
        """Read the file; without one there are no wishes. Raises BadPlan."""
        if not path.exists():
            return cls()
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise BadPlan(f"{path}: not TOML: {error}") from None
        unknown = set(raw) - set(WORDS)
        if unknown:
            raise BadPlan(f"{path}: unknown key {', '.join(sorted(unknown))}", hint=f"known: {', '.join(WORDS)}")
        lists = {word: tuple(str(name) for name in raw.get(word, ())) for word in WORDS if word != "values"}
        return cls(dict(raw.get("values", {})), lists["autostart"], lists["inactive"], lists["paused"], lists["boot"])


def set_up(site: str, target: Target) -> None:
    """Set a site up on a target that has just been started. Raises BadPlan, or what a refused call raises."""
    if site in {"", RUNNING}:
        return
    if site == EXAMPLE:
        _example(target)
        return
    for ask in asks_of(folder_of(site), target.folder / "site"):
        target.ask(ask)


def why_not(site: str) -> str:
    """Say why there is no such site; nothing if there is."""
    if site not in {"", RUNNING, EXAMPLE}:
        try:
            folder_of(site)
        except BadPlan as error:
            return f"{error.text} ({error.hint})"
    return ""


def folder_of(site: str) -> Path:
    """Find a site's folder: one of ours by its name, or a path. Raises BadPlan."""
    for folder in (SITES / site, Path(site)):
        if folder.is_dir() and any((folder / kind).is_dir() for kind in KINDS):
            return folder
    ours = ", ".join(sorted([EXAMPLE, *(path.name for path in SITES.iterdir() if path.is_dir())]))
    raise BadPlan(f"{site!r} is no site", hint=f"a folder with {', '.join(KINDS)} of XML files, or one of: {ours}")


def asks_of(folder: Path, place: Path) -> list[Ask]:
    """Return the calls that set a folder up, in the order in which one thing needs another. `place` is its disk space."""
    wishes = Wishes.read(folder / "site.toml")
    place.mkdir(mode=0o700, exist_ok=True)
    return [
        *_secrets(folder, place, wishes),
        *_pools(folder, place, wishes),
        *_volumes(folder, place, wishes),
        *_guests(folder, place, wishes),
    ]


def _files(folder: Path, place: Path) -> Iterable[tuple[str, str]]:
    """Yield name and text of each XML file; @ROOT@ is where the site's disk space is."""
    for path in sorted(folder.glob("*.xml")):
        yield path.stem, path.read_text(encoding="utf-8").replace("@ROOT@", str(place))


def _secrets(folder: Path, place: Path, wishes: Wishes) -> Iterable[Ask]:
    for name, xml in _files(folder / "secrets", place):
        yield Ask("secret.secret_define_xml", (xml,))
        if name in wishes.values:
            yield Ask("secret.secret_set_value", (_uuid(xml, name), wishes.values[name].encode()))


def _pools(folder: Path, place: Path, wishes: Wishes) -> Iterable[Ask]:
    for name, xml in _files(folder / "pools", place):
        yield Ask("storage.storage_pool_define_xml", (xml,))
        if f"pool {name}" in wishes.inactive:
            yield Ask("storage.storage_pool_build", (name,), SLOW_CALL_S)
        else:
            yield Ask("storage.storage_pool_create", (name, MAKE_DIRECTORY), SLOW_CALL_S)
        if f"pool {name}" in wishes.autostart:
            yield Ask("storage.storage_pool_set_autostart", (name, True))


def _volumes(folder: Path, place: Path, wishes: Wishes) -> Iterable[Ask]:
    pools = sorted((folder / "volumes").iterdir()) if (folder / "volumes").is_dir() else []
    for pool in pools:
        for name, xml in _files(pool, place):
            yield Ask("storage.storage_vol_create_xml", (pool.name, xml), SLOW_CALL_S)
            if f"{pool.name}/{name}" in wishes.boot:
                boot = (EXAMPLES / "guest" / "boot.bin").read_bytes()
                yield Ask("storage.storage_vol_upload", (pool.name, name, boot), SLOW_CALL_S)


def _guests(folder: Path, place: Path, wishes: Wishes) -> Iterable[Ask]:
    for name, xml in _files(folder / "guests", place):
        yield Ask("qemu.domain_define_xml", (xml,))
        if f"guest {name}" not in wishes.inactive:
            flags = START_PAUSED if f"guest {name}" in wishes.paused else 0
            yield Ask("qemu.domain_create", (name, flags), SLOW_CALL_S)
        if f"guest {name}" in wishes.autostart:
            yield Ask("qemu.domain_set_autostart", (name, True))


def _uuid(xml: str, name: str) -> str:
    _, _, rest = xml.partition("<uuid>")
    uuid, found, _ = rest.partition("</uuid>")
    if not found:
        raise BadPlan(f"the secret {name!r} is to have a value, so its XML must say its uuid")
    return uuid.strip()


@dataclass(frozen=True, slots=True)
class _Client:
    """The target, as the example site asks: so it knows of the values that must be nowhere."""

    target: Target

    def call(self, method: str, *args: Any, deadline_s: float = SLOW_CALL_S) -> Any:
        """Make one call."""
        return self.target.ask(Ask(method, args, deadline_s))


def _example(target: Any) -> None:
    if not isinstance(target, OurHost):
        raise BadPlan("the example site is for our own host", hint="name a folder of XML files")
    can = ability()
    site = ExampleSite(target.folder / "site", can)
    client: Any = _Client(target)
    site.define_secret(client)
    site.start_pools(client)
    site.make_volumes(client)
    site.start_guests(client)
