"""A drill file: TOML in, a frozen Drill out; every mistake with its file and line."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills import points, schema, sites
from tierhost.drills.faults import BadPlan, table
from tierhost.drills.plan import Ask, Drill, Fault, Load, Probe, Radius

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILE_BYTES_MAX: Final = 1 << 20
CATALOGUE: Final = Path(__file__).resolve().parent / "catalogue"

Keys = tuple[str | int, ...]


class BadDrill(BadPlan):
    """Raised when a drill file cannot be used. The text has one line per mistake: `file:line: key: what`."""


def find(name: str) -> Path:
    """Return the file of a drill: a path, or a name in the catalogue. Raises BadPlan."""
    path = Path(name)
    if path.suffix == ".toml" or "/" in name:
        return path
    found = CATALOGUE / f"{name}.toml"
    if found.is_file():
        return found
    from difflib import get_close_matches  # noqa: PLC0415  # for a mistake only

    near = get_close_matches(name, [each.stem for each in CATALOGUE.glob("*.toml")], n=1)
    hint = f"did you mean {near[0]!r}?" if near else "`tierhost drill list` names those there are; a file is named by its path"
    raise BadPlan(f"no drill is called {name!r}", hint=hint)


def load(path: Path) -> Drill:
    """Read and check a drill file. Raises BadDrill with all its mistakes, or OSError."""
    data = path.read_bytes()
    if len(data) > FILE_BYTES_MAX:
        raise BadDrill(f"{path}:1: the file has {len(data)} bytes, the limit is {FILE_BYTES_MAX}")
    try:
        text = data.decode()
        raw = tomllib.loads(text)
    except ValueError as error:
        raise BadDrill(f"{path}:{_line_of_error(data, error)}: not TOML: {error}") from None
    of_form = [*schema.mistakes(raw, schema.SCHEMA)]
    wrong = {keys for keys, _ in of_form}
    found = of_form + [(keys, what) for keys, what in _mistakes_of_sense(raw, path.parent) if keys not in wrong]
    if found:
        lines = [f"{path}:{line_of(text, keys)}: {_dotted(keys)}{what}" for keys, what in found]
        raise BadDrill("\n".join(lines))
    return _drill(path, raw)


def _mistakes_of_sense(raw: Mapping[str, Any], folder: Path) -> Iterator[tuple[Keys, str]]:
    """Yield what no schema can know: sites, kinds of faults, ordinals, files beside this one. What has no form is passed over."""
    site = raw.get("site", "")
    if isinstance(site, str) and (why := sites.why_not(_site(site, folder))):
        yield ("site",), why
    kinds = table.kinds()
    for keys, fault in _tables(raw, "faults"):
        kind, at = fault.get("kind"), fault.get("at")
        if isinstance(kind, str) and kind not in kinds:
            yield (*keys, "kind"), f"no such fault (known: {', '.join(sorted(kinds))})"
        if isinstance(at, str) and (why := _no_point(at)):
            yield (*keys, "at"), why
    load = raw.get("load", {})
    of_load = [(("load", *keys), ask) for keys, ask in _tables(load, "asks")] if isinstance(load, dict) else []
    for keys, ask in (*_tables(raw, "steady"), *_tables(raw, "asks"), *of_load):
        arguments = ask.get("args", ())
        for place, argument in enumerate(arguments if isinstance(arguments, list) else ()):
            if isinstance(argument, dict) and set(argument) == {"file"} and not (folder / str(argument["file"])).is_file():
                yield (*keys, "args", place), f"there is no file {argument['file']!r} beside this one"


def _no_point(at: str) -> str:
    try:
        points.parse(at)
    except BadPlan as error:
        return error.text
    return ""


def _tables(raw: Mapping[str, Any], key: str) -> Iterator[tuple[Keys, Mapping[str, Any]]]:
    """Yield each table of an array of tables, with the keys that lead to it."""
    found = raw.get(key, ())
    for number, each in enumerate(found if isinstance(found, list) else ()):
        if isinstance(each, dict):
            yield (key, number), each


def _drill(path: Path, raw: Mapping[str, Any]) -> Drill:
    folder = path.parent
    plain = {key: raw[key] for key in ("title", "proves", "abort_after_s", "options") if key in raw}
    stream = raw.get("load", {})
    return Drill(
        name=path.stem,
        site=_site(raw.get("site", ""), folder),
        steady=tuple(_probe(each, folder) for each in raw.get("steady", ())),
        asks=tuple(ask for each in raw.get("asks", ()) for ask in _repeated(each, folder)),
        load=Load(
            tuple(ask for each in stream.get("asks", ()) for ask in _repeated(each, folder)),
            float(stream.get("per_second", Load().per_second)),
        ),
        faults=tuple(
            Fault(each["kind"], each["target"], points.parse(each["at"]), each.get("options", {}))
            for each in raw.get("faults", ())
        ),
        radius=_radius(raw.get("radius", {})),
        **plain,
    )


def _site(site: str, folder: Path) -> str:
    """A site beside the drill file is meant from there."""
    return str(folder / site) if "/" in site and (folder / site).is_dir() else site


def _radius(raw: Mapping[str, Any]) -> Radius:
    names = {key: tuple(raw[key]) for key in ("drivers", "kinds", "may_lose") if key in raw}
    return Radius(**names, for_s=float(raw.get("for_s", Radius().for_s)))


def _probe(raw: Mapping[str, Any], folder: Path) -> Probe:
    args = tuple(_argument(each, folder, 1) for each in raw.get("args", ()))
    return Probe(raw["title"], raw["method"], args, raw.get("tolerance", {}))


def _repeated(raw: Mapping[str, Any], folder: Path) -> Iterator[Ask]:
    deadline_s = float(raw.get("deadline_s", Ask("").deadline_s))
    refused = raw.get("refused", "")
    for number in range(1, raw.get("times", 1) + 1):
        yield Ask(raw["method"], tuple(_argument(each, folder, number) for each in raw.get("args", ())), deadline_s, refused)


def _argument(raw: Any, folder: Path, number: int) -> Any:
    if isinstance(raw, str):
        return raw.replace("{n}", str(number))
    if isinstance(raw, dict) and set(raw) == {"bytes"}:
        return str(raw["bytes"]).replace("{n}", str(number)).encode()
    if isinstance(raw, dict) and set(raw) == {"file"}:
        return (folder / str(raw["file"])).read_text(encoding="utf-8").replace("{n}", str(number))
    return raw


# Lines.


def line_of(text: str, keys: Keys) -> int:
    """Find the line of a key: the first prefix of the file that parses and has it. No TOML library keeps lines.

    What is not there at all (a missing key) is reported where its table begins.
    """
    lines = text.splitlines()
    while keys:
        for count in range(1, len(lines) + 1):
            try:
                node: Any = tomllib.loads("\n".join(lines[:count]))
            except tomllib.TOMLDecodeError:
                continue
            if _has(node, keys):
                return count
        keys = keys[:-1]
    return 1


def _has(node: Any, keys: Keys) -> bool:
    for key in keys:
        try:
            node = node[key]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _dotted(keys: Keys) -> str:
    text = "".join(f"[{key + 1}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")
    return f"{text}: " if text else ""


def _line_of_error(data: bytes, error: ValueError) -> int:
    """Find the line of what is no TOML, or no text. The parser says it in words only."""
    if isinstance(error, UnicodeDecodeError):
        return data.count(b"\n", 0, error.start) + 1
    said = re.search(r"at line (\d+)", str(error))
    return int(said[1]) if said else len(data.splitlines()) or 1
