"""The commands that show a running host: status, events, story."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from tierhost.host.cli import output
from tierhost.host.cli.connecting import connect

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from tierhost.ipc.messages import Event

DRIVER_COLUMNS = ("tier", "name", "phase", "pid", "incarnation", "restarts", "objects", "last_error")
LONGEST_PAUSE_S = 2.0
"""`--watch` shows everything again after this time even if nothing was said."""


def status(arguments: argparse.Namespace) -> int:
    """Show everything once, or again and again."""
    how = output.style(arguments.format)
    with connect(arguments) as client:
        _show(client.host("status"), how)
        while arguments.watch:
            latest = client.host("directory")["number"]
            next(iter(client.events(latest, follow=True, timeout_s=LONGEST_PAUSE_S)), None)
            sys.stdout.write("\033[H\033[2J" if sys.stdout.isatty() else "\n")
            _show(client.host("status"), how)
            sys.stdout.flush()
    return 0


def _show(shown: Mapping[str, Any], how: str) -> None:
    if how == "json":
        output.print_json(shown)
        return
    # Not 0 for "none": a script that hands it to kill would kill itself.
    rows = [row | {"objects": counts(row["objects"]), "pid": row["pid"] or None} for row in shown["drivers"]]
    if how == "plain":
        output.print_rows(rows, DRIVER_COLUMNS, how)
        return
    host = shown["host"]
    output.print_line(f"host {host['pid']} is {host['state']}, {host['spares']} spares")
    for tier in shown["tiers"]:
        output.print_line(f"tier {tier['name']}: {tier['state']}" + (f" ({tier['reason']})" if tier["reason"] else ""))
    output.print_line("")
    output.print_rows(rows, DRIVER_COLUMNS, how)
    for line in troubles(shown):
        output.print_line(line)


def troubles(shown: Mapping[str, Any]) -> list[str]:
    """Say in full what a table cell cuts off, and what belongs to no driver."""
    lines = [f"skipped: {row['name']}: {row['reason']}" for row in shown["drivers"] if row["phase"] == "SKIPPED"]
    lines += [f"last error: {row['name']}: {row['last_error']}" for row in shown["drivers"] if row["last_error"]]
    lines += [
        f"degraded: {row['name']}: {subject}: {reason}" for row in shown["drivers"] for subject, reason in row["degraded"].items()
    ]
    lines += [f"broken: {broken['source']}: {broken['reason']}" for broken in shown["broken"]]
    lines += [f"holds shutdown off: {inhibitor['driver']}: {inhibitor['why']}" for inhibitor in shown["host"]["inhibitors"]]
    return ["", *lines] if lines else []


def counts(objects: Mapping[str, Mapping[str, int]]) -> str:
    """Put the numbers of objects into words: "2 pools active, 1 pools inactive"."""
    return ", ".join(f"{number} {kind} {state}" for kind, states in objects.items() for state, number in states.items() if number)


def events(arguments: argparse.Namespace) -> int:
    """Show what happened, and with --follow what happens."""
    how = output.style(arguments.format)
    with connect(arguments) as client:
        for event in client.events(arguments.since, follow=arguments.follow):
            output.print_line(_json(event) if how == "json" else _line(event, how))
            sys.stdout.flush()
    return 0


def _json(event: Event) -> str:
    return json.dumps(event._asdict(), default=output.hexadecimal)


def _line(event: Event, how: str) -> str:
    details = " ".join(f"{key}={output.cell(value, 'plain')}" for key, value in event.details.items() if value != "")
    cells = [str(event.number), f"{event.at_s:.3f}", event.source, event.kind, event.subject, details]
    if how == "plain":
        return "\t".join(cells)
    subject = "" if event.subject == event.source else event.subject
    return f"{event.at_s:12.3f}  {event.source:12}  {event.kind:16}  {' '.join(filter(None, (subject, details)))}".rstrip()


def story(arguments: argparse.Namespace) -> int:
    """Show what happened to one driver lately."""
    with connect(arguments) as client:
        for line in client.host("story", arguments.name):
            output.print_line(line)
    return 0
