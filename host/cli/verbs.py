"""What each command does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tierhost.host.cli import output
from tierhost.ipc.paths import Root

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from tierhost.ipc.client import Client

DRIVER_COLUMNS = ("tier", "name", "phase", "pid", "incarnation", "restarts", "objects", "last_error")


def _root(arguments: argparse.Namespace) -> Root:
    return Root.under(arguments.root) if arguments.root else Root.default()


def _client(arguments: argparse.Namespace, deadline_s: float = 30.0) -> Client:
    from tierhost.ipc.client import Client  # noqa: PLC0415  # loads ZeroMQ

    return Client(_root(arguments), deadline_s=deadline_s)


def up(arguments: argparse.Namespace) -> int:
    """Run a host here, or leave one behind."""
    if arguments.detach:
        from tierhost.host import launch  # noqa: PLC0415

        options = ["--flat"] if arguments.flat else []
        for folder in arguments.drivers:
            options += ["--drivers", str(folder)]
        options += ["--config", str(arguments.config)] if arguments.config else []
        running = launch.start(_root(arguments), arguments.root, options=options)
        sys.stdout.write(f"{running.pid}\n")
        return 0
    from tierhost.host.config import Settings  # noqa: PLC0415
    from tierhost.host.run import run_host  # noqa: PLC0415

    settings = Settings(
        root=_root(arguments),
        flat=arguments.flat,
        drivers_dirs=tuple(folder.absolute() for folder in arguments.drivers),
        config_file=arguments.config,
        ready_fd=arguments.ready_fd,
        progress=sys.stderr.isatty() and not arguments.quiet,
    )
    return run_host(settings)


def down(arguments: argparse.Namespace) -> int:
    """End the host."""
    with _client(arguments, arguments.deadline) as client:
        client.host("shutdown", save=arguments.save, force=arguments.leave_guests)
    return 0


def status(arguments: argparse.Namespace) -> int:
    """Show everything."""
    with _client(arguments) as client:
        shown = client.host("status")
    how = output.style(arguments.format)
    if how == "json":
        output.print_json(shown)
        return 0
    rows = [row | {"objects": _counts(row["objects"])} for row in shown["drivers"]]
    if how == "plain":
        output.print_rows(rows, DRIVER_COLUMNS, how)
        return 0
    host = shown["host"]
    sys.stdout.write(f"host {host['pid']} is {host['state']}, {host['spares']} spares\n")
    for tier in shown["tiers"]:
        sys.stdout.write(f"tier {tier['name']}: {tier['state']}" + (f" ({tier['reason']})" if tier["reason"] else "") + "\n")
    sys.stdout.write("\n")
    output.print_rows(rows, DRIVER_COLUMNS, how)
    for row in rows:
        for subject, reason in row["degraded"].items():
            sys.stdout.write(f"degraded: {row['name']}: {subject}: {reason}\n")
    for broken in shown["broken"]:
        sys.stdout.write(f"broken: {broken['source']}: {broken['reason']}\n")
    for inhibitor in host["inhibitors"]:
        sys.stdout.write(f"holds shutdown off: {inhibitor['driver']}: {inhibitor['why']}\n")
    return 0


def _counts(objects: dict[str, dict[str, int]]) -> str:
    return ", ".join(f"{number} {kind} {state}" for kind, states in objects.items() for state, number in states.items() if number)


def events(arguments: argparse.Namespace) -> int:
    """Show what happened."""
    how = output.style(arguments.format)
    with _client(arguments) as client:
        for event in client.events(arguments.since, follow=arguments.follow):
            if how == "json":
                line = json.dumps({name: getattr(event, name) for name in event.__dataclass_fields__})
            else:
                details = " ".join(f"{key}={value}" for key, value in event.details.items())
                line = f"{event.number}\t{event.at_s:.3f}\t{event.source}\t{event.kind}\t{event.subject}\t{details}"
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
    return 0


def call(arguments: argparse.Namespace) -> int:
    """Call a method and print its answer."""
    args, kwargs = [], {}
    for text in arguments.args:
        key, equals, rest = text.partition("=")
        if equals and key.isidentifier() and not text.startswith("@"):
            kwargs[key] = _argument(rest)
        else:
            args.append(_argument(text))
    with _client(arguments, arguments.deadline) as client:
        value = client.call(arguments.method, *args, deadline_s=arguments.deadline, **kwargs)
    output.print_value(value, output.style(arguments.format))
    return 0


def _argument(text: str) -> Any:
    if text.startswith("@@"):
        return Path(text[2:]).read_bytes()
    if text.startswith("@"):
        return Path(text[1:]).read_text(encoding="utf-8")
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _about_worker(method: str) -> Callable[[argparse.Namespace], int]:
    def ask(arguments: argparse.Namespace) -> int:
        with _client(arguments) as client:
            client.host(method, arguments.name)
        return 0

    return ask


def check(arguments: argparse.Namespace) -> int:
    """Check every driver, each class in a process that is not ours: the host never imports a driver."""
    from tierhost.host import catalog, config  # noqa: PLC0415

    found = catalog.read(config.Config(), [folder.absolute() for folder in arguments.drivers])
    rows = [{"driver": source, "tier": "-", "finding": reason} for source, reason in found.broken.items()]
    specs = [manifest.wire() for manifest in found.drivers.values()]
    argv = [sys.executable, "-m", "tierhost.workers.runtime.check"]
    checked = subprocess.run(argv, input=json.dumps(specs), capture_output=True, text=True, timeout=120, check=False)
    if checked.returncode:
        sys.stderr.write(f"error: the check itself failed: {checked.stderr[-2000:]}\n")
        return 1
    findings = json.loads(checked.stdout)
    rows += [{"driver": name, "tier": found.drivers[name].tier, "finding": text} for name, texts in findings.items() for text in texts]
    good = [{"driver": name, "tier": found.drivers[name].tier, "finding": "ok"} for name, texts in findings.items() if not texts]
    output.print_value(good + rows, output.style(arguments.format))
    return 1 if rows else 0


def demo(arguments: argparse.Namespace) -> int:
    """Run the demonstration, a program of its own: the product never imports a drill."""
    argv = [sys.executable, "-m", "tierhost.drills.demo", *(["--keep"] if arguments.keep else [])]
    os.execv(sys.executable, argv)


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "up": up,
    "down": down,
    "status": status,
    "events": events,
    "call": call,
    "worker-restart": _about_worker("worker_restart"),
    "worker-stop": _about_worker("worker_stop"),
    "worker-release": _about_worker("worker_release"),
    "reload": _about_worker("reload"),
    "check": check,
    "demo": demo,
}
