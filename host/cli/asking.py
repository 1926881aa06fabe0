"""The commands that ask a running host or one of its drivers to do something."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tierhost.host.cli import output
from tierhost.host.cli.arguments import UsageError
from tierhost.host.cli.connecting import connect

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable


def call(arguments: argparse.Namespace) -> int:
    """Call a method and print its answer."""
    args, kwargs = read_arguments(arguments.args)
    if "." not in arguments.method:
        raise UsageError(f"{arguments.method!r} is not of the form DRIVER.METHOD", hint="tierhost call secret.secret_list")
    with connect(arguments) as client:
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
    """A file's text (@FILE), a file's bytes (@@FILE), JSON if it is JSON, else the text itself."""
    if text.startswith("@@"):
        return Path(text[2:]).read_bytes()
    if text.startswith("@"):
        try:
            return Path(text[1:]).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise UsageError(f"{text[1:]} is not text", hint=f"@{text} sends its bytes") from None
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def worker_restart(arguments: argparse.Namespace) -> int:
    """End a worker and start its next life."""
    return _ask(arguments, "worker_restart")


def worker_stop(arguments: argparse.Namespace) -> int:
    """Take a driver down until it is released."""
    return _ask(arguments, "worker_stop")


def worker_release(arguments: argparse.Namespace) -> int:
    """Let a stopped or quarantined driver live again."""
    return _ask(arguments, "worker_release")


def reload(arguments: argparse.Namespace) -> int:
    """Let one driver, or all, read their definitions again."""
    return _ask(arguments, "reload")


def _ask(arguments: argparse.Namespace, method: str) -> int:
    with connect(arguments) as client:
        client.host(method, arguments.name)
    return 0
