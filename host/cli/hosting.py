"""The commands that start and end a host."""

from __future__ import annotations

import os
import select
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tierhost.host.cli.connecting import connect, root_of
from tierhost.ipc.errors import DeadlineExceeded

if TYPE_CHECKING:
    import argparse

    from tierhost.host.shell.forking import Zygote

SYSTEM_CONFIG = Path("/etc/tierhost/tierhost.toml")


def up(arguments: argparse.Namespace) -> int:
    """Run a host here until it is asked to end; with --detach leave one behind and print its pid."""
    config = arguments.config or default_config(arguments)
    if arguments.detach:
        return _detached(arguments, config)
    # First of all: it has much to import, and a processor of its own for it.
    from tierhost.host.shell.forking import Zygote

    zygote = Zygote()
    try:
        return _run(arguments, config, zygote)
    finally:
        zygote.close()


def _run(arguments: argparse.Namespace, config: Path | None, zygote: Zygote) -> int:
    from tierhost.host.config import Settings
    from tierhost.host.run import run_host

    settings = Settings(
        root=root_of(arguments),
        flat=arguments.flat,
        drivers_dirs=tuple(folder.absolute() for folder in arguments.drivers),
        config_file=config,
        ready_fd=arguments.ready_fd,
        progress=sys.stderr.isatty() and not arguments.quiet,
    )
    return run_host(settings, zygote)


def _detached(arguments: argparse.Namespace, config: Path | None) -> int:
    from tierhost.host import launch

    options = ["--flat"] if arguments.flat else []
    for folder in arguments.drivers:
        options += ["--drivers", str(folder)]
    options += ["--config", str(config)] if config else []
    running = launch.start(root_of(arguments), arguments.root, options=options)
    sys.stdout.write(f"{running.pid}\n")
    return 0


def default_config(arguments: argparse.Namespace) -> Path | None:
    """The configuration nobody named: none with --root, else the system's for root and the user's for others, if it exists."""
    if arguments.root:
        return None
    if os.geteuid() == 0:
        path = SYSTEM_CONFIG
    else:
        path = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "tierhost/tierhost.toml"
    return path if path.exists() else None


def down(arguments: argparse.Namespace) -> int:
    """End the host and wait until it is gone, so that `tierhost up` may follow at once."""
    end_s = time.monotonic() + arguments.deadline
    with connect(arguments) as client:
        pidfd = os.pidfd_open(client.host("status")["host"]["pid"])
        try:
            client.host("shutdown", deadline_s=arguments.deadline, save=arguments.save, force=arguments.leave_guests)
            _wait(pidfd, end_s)
        finally:
            os.close(pidfd)
    return 0


def _wait(pidfd: int, end_s: float) -> None:
    ended, _, _ = select.select([pidfd], [], [], max(0.0, end_s - time.monotonic()))
    if not ended:
        raise DeadlineExceeded("it has not ended yet", subject="host", hint="`tierhost status` says what it waits for")


def demo(arguments: argparse.Namespace) -> int:
    """Run the demonstration, a program of its own: the product never imports a drill."""
    argv = [sys.executable, "-m", "tierhost.drills.demo", *(["--keep"] if arguments.keep else [])]
    os.execv(sys.executable, argv)  # noqa: S606  # this very interpreter


def drill(arguments: argparse.Namespace) -> int:
    """Run `tierhost drill ...`, a program of its own with its own options: the product never imports a drill."""
    os.execv(sys.executable, [sys.executable, "-m", "tierhost.drills", *arguments.words])  # noqa: S606  # this very interpreter
