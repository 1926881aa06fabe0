"""What the command line may say."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tierhost import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

EPILOG = """exit codes: 0 done, 1 failed, 2 wrong usage

examples:
  tierhost --root /tmp/site up --detach
  tierhost --root /tmp/site call storage.storage_pool_define_xml @pool.xml
  tierhost --root /tmp/site status --format json
"""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; on a mistake print one line and leave with 2."""
    parser = argparse.ArgumentParser(prog="tierhost", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.description = "runs every state driver in a worker process of its own, tier by tier"
    parser.add_argument("--version", action="version", version=f"tierhost {__version__}")
    parser.add_argument("--root", type=Path, metavar="DIR", help="put state, runtime and sockets under one private directory")
    parser.add_argument("-q", "--quiet", action="store_true", help="print results only")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _host_commands(commands)
    _driver_commands(commands)
    return parser.parse_args(argv)


def _host_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    up = commands.add_parser("up", help="start a host")
    up.add_argument("--flat", action="store_true", help="one tier and no barrier: shows the race that tiers prevent")
    up.add_argument("--detach", action="store_true", help="return once every tier is as far as it gets")
    up.add_argument("--drivers", type=Path, action="append", default=[], metavar="DIR", help="a folder of driver folders")
    up.add_argument("--config", type=Path, metavar="FILE", help="configuration (TOML)")
    up.add_argument("--ready-fd", type=int, help=argparse.SUPPRESS)
    down = commands.add_parser("down", help="end the host, tier by tier")
    down.add_argument("--save", action="store_true", help="save guests first: the machine goes down")
    down.add_argument("--leave-guests", action="store_true", help="end although guests run; they run on")
    down.add_argument("--deadline", type=float, default=300.0, metavar="S", help="seconds to wait (default %(default)s)")
    status = commands.add_parser("status", help="tiers, drivers, and what is wrong with them")
    _format(status)
    events = commands.add_parser("events", help="what happened")
    events.add_argument("--follow", action="store_true", help="go on with what happens from now on")
    events.add_argument("--since", type=int, default=0, metavar="N", help="only events after number N")
    _format(events)
    reload = commands.add_parser("reload", help="let drivers read their definitions again")
    reload.add_argument("name", nargs="?", default="", metavar="DRIVER")
    demo = commands.add_parser("demo", help="kill everything in turn, and print what survived")
    demo.add_argument("--keep", action="store_true", help="leave the demo's directory for a look")


def _driver_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    call = commands.add_parser("call", help="call a method of a driver")
    call.add_argument("method", metavar="DRIVER.METHOD")
    call.add_argument("args", nargs="*", metavar="ARG|@FILE|KEY=ARG", help="JSON or text; @FILE is the text of a file, @@FILE its bytes")
    call.add_argument("--deadline", type=float, default=30.0, metavar="S", help="seconds to wait (default %(default)s)")
    _format(call)
    for command, what in (
        ("worker-restart", "end a worker and start its next life"),
        ("worker-stop", "take a driver down until it is released"),
        ("worker-release", "let a stopped or quarantined driver live again"),
    ):
        worker = commands.add_parser(command, help=what)
        worker.add_argument("name", metavar="DRIVER")
    check = commands.add_parser("check", help="check every driver: manifest, verbs, methods, docs")
    check.add_argument("drivers", type=Path, nargs="*", metavar="DIR", help="folders of driver folders beside the installed ones")
    _format(check)


def _format(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("table", "plain", "json"), help="default: table on a terminal, plain in a pipe")
