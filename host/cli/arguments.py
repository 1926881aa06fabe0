"""What the command line may say."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tierhost import __version__
from tierhost.ipc.errors import Code, TierhostError

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_USAGE = 2

EPILOG = """commands (each has --help):
{commands}

exit codes: 0 done, 1 failed and said why, 2 wrong usage, 130 interrupted

examples:
  tierhost --root /tmp/site up --detach
  tierhost --root /tmp/site call storage.storage_pool_define_xml @pool.xml
  tierhost --root /tmp/site status --format json
"""

ARGUMENTS = """an ARG is JSON (3, true, null, "3", {"a": 1}) or else text as it is;
  @FILE is the text of a file, @@FILE its bytes; @- and @@- read standard input;
  KEY=ARG goes by name

examples:
  tierhost call secret.secret_list
  tierhost call storage.storage_pool_define_xml @pool.xml
  tierhost call qemu.domain_create web flags=1
"""


KEY_ACTIONS = """actions:
  generate NAME                 make a key; print its public half
  rotate NAME                   make its successor, which is not used yet
  commit NAME                   use the successor
  delete NAME                   forget a key that nobody uses
  list                          the keys, by their public halves
  allow NAME PUBLIC METHOD...   let a key in: secret.secret_list, 'storage.*'
  revoke NAME                   take it off the list, at once
  allowed                       who may come in, and what for
the key of our own door is called door
"""


class UsageError(TierhostError):
    """Raised when the command line cannot mean what it says, in ways that argparse does not know."""

    code = Code.INVALID_ARG


class Parser(argparse.ArgumentParser):
    """Says a mistake in one line, and the way out in another."""

    def error(self, message: str) -> NoReturn:
        """Called by argparse on wrong usage; leaves with 2."""
        sys.stderr.write(f"error: {message}\nhint: {_near(message) or f'{self.prog} --help'}\n")
        sys.exit(EXIT_USAGE)


def _near(message: str) -> str:
    """Guess what was meant by a word that is none of the choices."""
    from difflib import get_close_matches

    _, _, after = message.partition("invalid choice: ")
    words = [word.strip("', ()") for word in after.replace("(choose from", "").split()]
    near = get_close_matches(words[0], words[1:], n=1) if words else []
    return f"did you mean {near[0]!r}?" if near else ""


def parser() -> Parser:
    """Build the parser of all commands."""
    whole = Parser(
        prog="tierhost",
        usage="tierhost [--root DIR | -c URI] [-q] COMMAND ...",
        description="runs every state driver in a worker process of its own, tier by tier",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=f"tierhost {__version__}")
    whole.add_argument("--root", type=Path, metavar="DIR", help="put state, runtime and sockets under one private directory")
    whole.add_argument(
        "-c",
        "--connect",
        metavar="URI",
        help="config:/// (no hypervisors), tierhost+unix:///ROOT, or tierhost+tcp://HOST:PORT (call only)",
    )
    whole.add_argument("-q", "--quiet", action="store_true", help="print results only")
    commands = Commands(
        whole.add_subparsers(dest="command", required=True, metavar="COMMAND", prog="tierhost", help=argparse.SUPPRESS)
    )
    _hosting(commands)
    _looking(commands)
    _asking(commands)
    _keys(commands)
    listing = "\n".join(f"  {name:16}{what}" for name, what in commands.listed)
    whole.epilog = EPILOG.replace("{commands}", listing)
    return whole


class Commands:
    """Adds commands, and lists them: argparse's own list breaks lines at our longer names."""

    def __init__(self, choices: argparse._SubParsersAction[Parser]) -> None:
        self._choices = choices
        self.listed: list[tuple[str, str]] = []

    def add(self, name: str, what: str, *, more: str = "") -> Parser:
        """Make the parser of one command: `what` it does in a line, `more` below its options."""
        self.listed.append((name, what))
        return self._choices.add_parser(name, description=what, epilog=more, formatter_class=argparse.RawDescriptionHelpFormatter)

    def add_program(self, name: str, what: str) -> Parser:
        """Make the parser of a command that is another program: every word after its name is that one's, --help too."""
        self.listed.append((name, what))
        words = self._choices.add_parser(name, add_help=False, prefix_chars="\0")
        words.add_argument("words", nargs=argparse.REMAINDER)
        return words


def _hosting(commands: Commands) -> None:
    up = commands.add("up", "start a host, or adopt what a killed one left")
    up.add_argument("--flat", action="store_true", help="one tier and no barrier: shows the race that tiers prevent")
    up.add_argument("--detach", action="store_true", help="return once every tier is as far as it gets; print the host's pid")
    up.add_argument(
        "--drivers", type=Path, action="append", default=[], metavar="DIR", help="a folder of driver folders; may be repeated"
    )
    up.add_argument("--config", type=Path, metavar="FILE", help="configuration (TOML)")
    up.add_argument("--ready-fd", type=int, help=argparse.SUPPRESS)
    down = commands.add("down", "end the host, highest tier first; guests hold it off")
    guests = down.add_mutually_exclusive_group()
    guests.add_argument("--save", action="store_true", help="save running guests first, because the machine goes down")
    guests.add_argument("--leave-guests", action="store_true", help="end although guests run; they run on")
    _deadline(down, 300.0)
    demo = commands.add("demo", "kill everything in turn, and print what survived")
    demo.add_argument("--keep", action="store_true", help="leave the demo's directory for a look")
    commands.add_program("drill", "break it on purpose, prove it, print what survived")


def _looking(commands: Commands) -> None:
    status = commands.add("status", "show tiers, drivers, and what is wrong with them")
    status.add_argument("--watch", action="store_true", help="show it again whenever something happens")
    _format(status)
    events = commands.add("events", "show what happened")
    events.add_argument("--follow", action="store_true", help="go on with what happens from now on")
    events.add_argument("--since", type=int, default=0, metavar="N", help="only events after number N")
    _format(events)
    story = commands.add("story", "tell what happened to one driver lately, in words")
    story.add_argument("name", metavar="DRIVER")
    check = commands.add("check", "look at every driver's manifest, verbs, methods and README, without a host")
    check.add_argument("drivers", type=Path, nargs="*", metavar="DIR", help="folders of driver folders beside the installed ones")
    _format(check)


def _asking(commands: Commands) -> None:
    call = commands.add("call", "call a method of a driver", more=ARGUMENTS)
    call.add_argument("method", metavar="DRIVER.METHOD")
    call.add_argument("args", nargs="*", metavar="ARG", help="see below")
    _deadline(call, 30.0)
    _format(call)
    for command, what in (
        ("worker-restart", "end a worker, and wait until its next life serves"),
        ("worker-stop", "take a driver down until it is released, and wait until it is"),
        ("worker-release", "let a stopped or quarantined driver live again, and wait until it serves"),
    ):
        worker = commands.add(command, what)
        worker.add_argument("name", metavar="DRIVER")
        _deadline(worker, 60.0)
    reload = commands.add("reload", "let drivers read their definitions again")
    reload.add_argument("name", nargs="?", default="", metavar="DRIVER", help="default: every driver")
    _deadline(reload, 60.0)


def _keys(commands: Commands) -> None:
    keys = commands.add("remote-key", "keys for other machines: make, change, let in, revoke", more=KEY_ACTIONS)
    keys.add_argument(
        "action", choices=("generate", "rotate", "commit", "delete", "list", "allow", "revoke", "allowed"), help="see below"
    )
    keys.add_argument("words", nargs="*", metavar="WORD", help="see below")
    _deadline(keys, 30.0)
    _format(keys)


def _format(command: Parser) -> None:
    command.add_argument("--format", choices=("table", "plain", "json"), help="default: table on a terminal, plain in a pipe")


def _deadline(command: Parser, default_s: float) -> None:
    command.add_argument("--deadline", type=float, default=default_s, metavar="S", help="seconds to wait (default %(default)s)")


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; on a mistake print what is wrong and leave with 2."""
    return parser().parse_args(argv)
