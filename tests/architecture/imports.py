"""Who may import whom: the table of ARCHITECTURE.md, as code."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.architecture.sources import nodes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.architecture.sources import Source

PURE = (
    *("__future__", "abc", "bisect", "collections", "contextlib", "copy", "dataclasses", "enum", "functools", "heapq"),
    *("itertools", "math", "operator", "re", "string", "textwrap", "types", "typing"),
)
"""What the core may use of the standard library: nothing that knows a clock, a file, a process or chance."""

WIRE = frozenset({"zmq", "msgpack", "multiprocess", "dill"})
"""Libraries that belong to the inside; a driver uses the runtime instead."""

DYNAMIC = {
    "tierhost.drills.discovery": "finds faults, judges, targets and subcommands by their being in their folder",
    "tierhost.host.cli.main": "imports the one command that was asked for",
    "tierhost.host.shell.zygote": "preloads modules that manifests name, for everybody it forks",
    "tierhost.workers.runtime.loading": "imports the one driver that its host assigned",
    "tierhost.workers.storage.envoy_process": "loads the library its worker names, in a process of its own",
    "tierhost.workers.storage.backend": "picks its back end by the pool's type, from its own folder",
}
"""Modules that may import by a name known only at run time."""


@dataclass(frozen=True)
class Rule:
    """What files whose module begins with `part` may import: prefixes of modules.

    "=module" is that module and nothing below it, "*" the standard library, "**" any other library.
    """

    part: str
    may: tuple[str, ...]

    def allows(self, module: str) -> bool:
        top = module.partition(".")[0]
        if f"={module}" in self.may or any(_within(module, prefix) for prefix in self.may):
            return True
        if top in sys.stdlib_module_names:
            return "*" in self.may
        return "**" in self.may and top not in {*WIRE, "tierhost", "tests"}


def _within(module: str, prefix: str) -> bool:
    return module == prefix or module.startswith(prefix + ".")


RULES = (
    Rule("tierhost.ipc.sockets", ("*", "msgpack", "zmq", "tierhost.ipc")),
    Rule("tierhost.ipc.curve", ("*", "zmq", "tierhost.ipc")),
    Rule("tierhost.ipc.curve_door", ("*", "zmq", "tierhost.ipc")),
    Rule("tierhost.ipc", ("*", "msgpack", "tierhost.ipc")),
    Rule("tierhost.host.core", (*PURE, "tierhost.host.core")),
    Rule(
        "tierhost.host.shell",
        # The configuration and the catalog are frozen values that the shell is handed.
        (
            *("*", "msgpack", "multiprocess", "=tierhost", "=tierhost.host.config", "=tierhost.host.catalog"),
            *("tierhost.host.core", "tierhost.host.shell", "tierhost.ipc"),
        ),
    ),
    Rule("tierhost.host", ("*", "msgpack", "dill", "=tierhost", "tierhost.host", "tierhost.ipc")),
    Rule("tierhost.workers.runtime", ("*", "msgpack", "dill", "lxml", "=tierhost", "tierhost.ipc", "tierhost.workers.runtime")),
    Rule("tierhost.workers", ("*", "**", "tierhost.workers.runtime")),
    Rule("tierhost.drills", ("*", "**", "msgpack", "tierhost")),
    Rule("tests", ("*", "**", "zmq", "msgpack", "multiprocess", "dill", "tierhost", "tests")),
)
"""The first rule whose part fits is the one. A driver's own folder is added to what it may import."""


def rule_for(module: str) -> Rule | None:
    """The rule a module lives under; None for a place nobody planned."""
    for rule in RULES:
        if _within(module, rule.part):
            names = module.split(".")
            if rule.part == "tierhost.workers" and len(names) > 2:
                return Rule(rule.part, (*rule.may, ".".join(names[:3])))
            return rule
    return None


def imported(source: Source) -> Iterator[tuple[int, str]]:
    """Yield line and module of every import; `from package import name` counts as what it takes the name from.

    `from tierhost import ipc` takes a part, so it is reported as that part.
    """
    for node in nodes(source):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield node.lineno, "." * node.level + (node.module or "")
            elif node.module in {"tierhost", "tierhost.host", "tierhost.workers"}:
                for alias in node.names:
                    part = alias.name in {"host", "workers", "ipc", "drills"} or node.module != "tierhost"
                    yield node.lineno, f"{node.module}.{alias.name}" if part else node.module
            else:
                yield node.lineno, node.module or ""


def offences(source: Source) -> list[str]:
    """List the imports that the table does not allow."""
    rule = rule_for(source.module)
    if rule is None:
        return [f"{source.path}: no import rule covers {source.module}"]
    found = []
    for line, module in imported(source):
        if module.startswith("."):
            found.append(f"{source.path}:{line}: import {module!r} by its full name")
        elif module.partition(".")[0] in {"host", "workers", "ipc", "drills"}:
            found.append(
                f"{source.path}:{line}: import tierhost.{module}, not {module}: two copies of one module would be loaded"
            )
        elif not rule.allows(module):
            found.append(f"{source.path}:{line}: {rule.part} may not import {module}")
    return found


def dynamic_offences(source: Source) -> list[str]:
    """List imports by computed name outside the few modules whose purpose that is."""
    if source.module in DYNAMIC:
        return []
    return [
        f"{source.path}:{node.lineno}: import by computed name; {' and '.join(DYNAMIC)} may"
        for node in nodes(source)
        if isinstance(node, ast.Attribute | ast.Name)
        and (node.attr if isinstance(node, ast.Attribute) else node.id) in {"import_module", "__import__"}
    ]
