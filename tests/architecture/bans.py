"""Calls and words we do not use; each ban names what to use instead."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.architecture.sources import dotted, nodes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.architecture.sources import Source


@dataclass(frozen=True)
class Ban:
    """`what` is a dotted name that is called, imported or caught; `but` are the paths (or folders) that may."""

    what: str
    instead: str
    but: tuple[str, ...] = ()

    def covers(self, source: Source) -> bool:
        return not any(source.path == place or source.path.startswith(place + "/") for place in self.but)


CALLS = (
    Ban("time.time", "time.monotonic, handed in where it is needed", ("tests/benchmarks",)),
    Ban("datetime.now", "time.monotonic, handed in where it is needed"),
    Ban("datetime.datetime.now", "time.monotonic, handed in where it is needed"),
    Ban(
        "print",
        "an event or the journal; the command line writes to sys.stdout",
        ("drills", "tests/benchmarks", "tests/simulation", "tests/mutants"),
    ),
    Ban("os.system", "subprocess.run with an argument list and a time-out"),
    Ban("os.fork", "the zygote: it alone forks, and has neither threads nor sockets", ("host/shell/zygote.py", "tests")),
    Ban("os.waitpid", "a pidfd: waitpid takes exits away from whoever waits for them", ("host/shell", "tests")),
    Ban("time.sleep", "wait on a descriptor with a deadline; tests call tests.waiting.until", ("tests/benchmarks",)),
    Ban("eval", "a parser", ("ipc/fields.py",)),
    Ban("exec", "a parser", ("tests/docs",)),
    Ban("breakpoint", "a test"),
)

SLEEPERS = {
    "until": "polls the outside world where it gives no event, with a deadline",
}
"""Where time.sleep is right: functions of tests by name, files by path, each with its why."""

IMPORTS = (
    Ban("pickle", "messages, encoded by ipc.codec: bytes from a peer must not run code"),
    Ban("marshal", "messages, encoded by ipc.codec"),
    Ban("shelve", "workers.runtime.store"),
    Ban("multiprocessing", "host.shell.zygote, which starts every process"),
    Ban("dill", "a driver's folder", ("host/launch.py", "workers/runtime/loading.py")),
    Ban("concurrent.futures.process", "host.shell.zygote, which starts every process"),
    Ban("unittest.mock", "the real thing, or a fake that says so in its name"),
)

CATCHES_ALL = {
    "workers/runtime/guard.py": "a driver is other people's code: the one place where anything may be raised",
    "drills/checkers/__init__.py": "a judge that crashes has no opinion: whatever it raises is UNKNOWN, and the others are asked",
    "tests/simulation/stage.py": "the core is on trial: whatever it raises is a breach, with the seed that repeats it",
}

WORDS = {
    "TO" + "DO": "an entry in the list of issues",
    "FIX" + "ME": "an entry in the list of issues",
    "XX" + "X": "an entry in the list of issues",
    "pki" + "ll": "a pidfd: names hit other people's processes",
    "kill" + "all": "a pidfd: names hit other people's processes",
    "shell=" + "True": "an argument list",
}


def offences(source: Source) -> list[str]:
    """List everything banned that a file does."""
    found = [*_calls(source), *_imports(source), *_broad_catches(source)]
    lines = source.text.splitlines()
    found += [
        (number, f"{word}: use {instead}")
        for number, line in enumerate(lines, 1)
        for word, instead in WORDS.items()
        if word in line
    ]
    return [f"{source.path}:{line}: {what}" for line, what in sorted(found)]


def _calls(source: Source) -> Iterator[tuple[int, str]]:
    bans = {ban.what: ban for ban in CALLS if ban.covers(source)}
    sleepers = _lines_of_sleepers(source)
    calls = [node for node in nodes(source) if isinstance(node, ast.Call)]
    for node in calls:
        ban = bans.get(dotted(node.func))
        if ban is None or (ban.what == "time.sleep" and (source.path in SLEEPERS or node.lineno in sleepers)):
            continue
        yield node.lineno, f"{ban.what}: use {ban.instead}"
    for line, name in _names_imported(source):
        if name in bans:
            yield line, f"{name} by its short name: use {bans[name].instead}"


def _lines_of_sleepers(source: Source) -> set[int]:
    if not source.path.startswith("tests/"):
        return set()
    return {
        line
        for node in nodes(source)
        if isinstance(node, ast.FunctionDef) and node.name in SLEEPERS
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }


def _names_imported(source: Source) -> Iterator[tuple[int, str]]:
    for node in nodes(source):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"
                yield node.lineno, node.module
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name


def _imports(source: Source) -> Iterator[tuple[int, str]]:
    for ban in IMPORTS:
        if ban.covers(source):
            lines = {line for line, name in _names_imported(source) if name == ban.what or name.startswith(ban.what + ".")}
            for line in lines:
                yield line, f"{ban.what}: use {ban.instead}"


def _broad_catches(source: Source) -> Iterator[tuple[int, str]]:
    for node in nodes(source):
        if not isinstance(node, ast.ExceptHandler) or source.path in CATCHES_ALL:
            continue
        caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        if any(kind is None or dotted(kind) in {"Exception", "BaseException"} for kind in caught):
            yield node.lineno, f"catches everything: name what is expected; only {', '.join(CATCHES_ALL)} may"
