"""`make pictures`: draws what documents show of the code (tiers, phases, errors) between their markers again."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.architecture.sources import PRODUCT, ROOT, dotted, sources
from tierhost.host import catalog, config
from tierhost.host.core import lifecycle
from tierhost.ipc.errors import Code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

DOCUMENTS = ("README.md", "ARCHITECTURE.md", "docs")
MARKED = re.compile(r"(<!-- drawn by `make pictures`: (\w+) -->\n)(?:.*?\n)??(<!-- end -->)", re.DOTALL)


def tiers() -> str:
    """Draw the drivers in their tiers, and which service goes from whom to whom."""
    manifests = built_in()
    lines = ["flowchart BT"]
    for number, tier in enumerate(config.TIERS_DEFAULT, 1):
        lines.append(f'    subgraph {tier}["tier {number}: {tier}"]')
        lines += [f'        {name}["{name}"]' for name, manifest in manifests.items() if manifest.tier == tier]
        lines.append("    end")
    for lower, upper in zip(config.TIERS_DEFAULT, config.TIERS_DEFAULT[1:], strict=False):
        lines.append(f'    {lower} ==>|"barrier: initialized and auto-started"| {upper}')
    for name, manifest in manifests.items():
        needs: dict[str, list[str]] = {}
        for need in manifest.needs:
            driver, _, service = need.partition(".")
            needs.setdefault(driver, []).append(service)
        lines += [f'    {name} -. "{"<br/>".join(services)}" .-> {driver}' for driver, services in needs.items()]
    return fenced("mermaid", lines)


def built_in() -> Mapping[str, catalog.Manifest]:
    """The drivers that come with us."""
    found = {
        folder.parent.name: catalog.read_folder(folder.parent, "") for folder in sorted(catalog.BUILT_IN.glob("*/driver.toml"))
    }
    return {manifest.name: manifest for manifest in found.values()}


def drivers() -> str:
    """List the drivers."""
    rows = [
        (f"[`{name}`](workers/{Path(manifest.folder).name}/README.md)", manifest.tier, manifest.summary)
        for name, manifest in built_in().items()
    ]
    return table(("driver", "tier", "what"), rows)


def phases() -> str:
    """Draw the life of a driver."""
    return fenced("mermaid", lifecycle.mermaid().splitlines())


def phase_meanings() -> str:
    """Say what each phase means."""
    return table(("phase", "the driver"), [(f"`{phase.name}`", phase.value) for phase in lifecycle.Phase])


def errors() -> str:
    """List every error class with libvirt's code and when it is raised."""
    return table(
        ("error", "libvirt's code", "meaning"),
        [(f"`{name}`", code, meaning) for name, (code, meaning) in sorted(error_classes().items())],
    )


def error_classes() -> dict[str, tuple[str, str]]:
    """Find every exception class of the product that is part of what others see: name -> (code, meaning)."""
    classes = {node.name: node for source in sources(*PRODUCT) for node in source.tree.body if isinstance(node, ast.ClassDef)}
    found = {}
    for name, node in classes.items():
        line = list(_ancestors(name, classes))
        if "TierhostError" in line or "ValueError" in line:
            meaning = (ast.get_docstring(node) or "").partition("\n\n")[0].replace("\n", " ").replace("|", "\\|")
            found[name] = (_code(line, classes), meaning)
    return found


def _ancestors(name: str, classes: Mapping[str, ast.ClassDef]) -> Iterable[str]:
    yield name
    for base in classes[name].bases if name in classes else ():
        yield from _ancestors(dotted(base).rpartition(".")[2], classes)


def _code(line: Iterable[str], classes: Mapping[str, ast.ClassDef]) -> str:
    for name in line:
        for statement in classes[name].body if name in classes else ():
            target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
            if isinstance(target, ast.Name) and target.id == "code" and isinstance(statement, ast.Assign | ast.AnnAssign):
                word = dotted(statement.value).rpartition(".")[2] if statement.value is not None else ""
                return f"{Code[word].value} {word}"
    return "none: never leaves the process that raises it"


def fenced(language: str, lines: Iterable[str]) -> str:
    """A code block."""
    return "\n".join((f"```{language}", *lines, "```"))


def table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (heads, tuple("---" for _ in heads), *rows))


PICTURES: dict[str, Callable[[], str]] = {
    "tiers": tiers,
    "drivers": drivers,
    "phases": phases,
    "phase_meanings": phase_meanings,
    "errors": errors,
}


def redrawn(text: str) -> str:
    """A document with every picture drawn anew."""
    return MARKED.sub(lambda found: found[1] + PICTURES[found[2]]() + "\n" + found[3], text)


def documents() -> list[Path]:
    """Every document that may have pictures."""
    found = []
    for name in DOCUMENTS:
        path = ROOT / name
        found += sorted(path.rglob("*.md")) if path.is_dir() else [path]
    return found


def main() -> int:
    """Draw everything again; say which documents changed."""
    for path in documents():
        before = path.read_text(encoding="utf-8")
        after = redrawn(before)
        if after != before:
            path.write_text(after, encoding="utf-8")
            sys.stdout.write(f"drew {path.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
