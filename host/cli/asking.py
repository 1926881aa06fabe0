"""The commands that ask a running host or one of its drivers to do something."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tierhost.host.cli import output
from tierhost.host.cli.arguments import UsageError
from tierhost.host.cli.connecting import connect, connect_to_call
from tierhost.host.cli.settling import AT_REST, DOWN, SERVES, settle
from tierhost.ipc.limits import FRAME_BYTES_MAX

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable


def call(arguments: argparse.Namespace) -> int:
    """Call a method and print its answer."""
    args, kwargs = read_arguments(arguments.args)
    if "." not in arguments.method:
        raise UsageError(f"{arguments.method!r} is not of the form DRIVER.METHOD", hint="tierhost call secret.secret_list")
    with connect_to_call(arguments) as client:
        value = client.call(arguments.method, *args, deadline_s=arguments.deadline, **kwargs)
    output.print_value(value, output.style(arguments.format))
    return 0


def read_arguments(texts: Iterable[str]) -> tuple[list[Any], dict[str, Any]]:
    """Tell positional arguments from `key=argument`, and read each."""
    args, kwargs = [], {}
    for text in texts:
        key, equals, rest = text.partition("=")
        if equals and key.isidentifier():
            kwargs[key] = read_argument(rest)
        else:
            args.append(read_argument(text))
    return args, kwargs


def read_argument(text: str) -> Any:
    """A file's text (@FILE), a file's bytes (@@FILE), JSON if it is JSON, else the text itself. "-" is standard input."""
    if text.startswith("@@"):
        return _read(text[2:])
    if text.startswith("@"):
        try:
            return _read(text[1:]).decode()
        except UnicodeDecodeError:
            raise UsageError(f"{text[1:]} is not text", hint=f"@{text} sends its bytes") from None
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _read(name: str) -> bytes:
    """Everything that a file says, or standard input; bounded by what one message may carry."""
    with contextlib.nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb") as file:
        found = file.read(FRAME_BYTES_MAX + 1)
    if len(found) > FRAME_BYTES_MAX:
        raise UsageError(f"{name} has more than {FRAME_BYTES_MAX} bytes, the limit of one message")
    return found


def worker_restart(arguments: argparse.Namespace) -> int:
    """End a worker; return when its next life serves."""
    return _ask(arguments, "worker_restart", SERVES)


def worker_stop(arguments: argparse.Namespace) -> int:
    """Take a driver down until it is released; return when it is down."""
    return _ask(arguments, "worker_stop", DOWN)


def worker_release(arguments: argparse.Namespace) -> int:
    """Let a stopped or quarantined driver live again; return when it serves."""
    return _ask(arguments, "worker_release", SERVES)


def reload(arguments: argparse.Namespace) -> int:
    """Let one driver, or all, read their definitions again; return when they have."""
    return _ask(arguments, "reload", AT_REST)


def _ask(arguments: argparse.Namespace, method: str, wanted: frozenset[str]) -> int:
    with connect(arguments) as client:
        client.host(method, arguments.name)
        settle(client, arguments.name, wanted, arguments.deadline)
    return 0
