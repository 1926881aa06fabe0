"""`tierhost drill`: picks the subcommand, and turns verdicts and errors into exit codes."""

from __future__ import annotations

import argparse
import signal
import sys
from typing import TYPE_CHECKING, Final

from tierhost.drills import commands
from tierhost.drills.discovery import modules_of
from tierhost.drills.verdicts import Verdict
from tierhost.ipc.errors import TierhostError

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_OF: Final = {Verdict.HELD: 0, Verdict.BROKEN: 1, Verdict.UNKNOWN: 3}
EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130

EPILOG: Final = """exit codes: 0 HELD, 1 BROKEN, 3 UNKNOWN (no evidence is not success),
            2 wrong usage or a plan that cannot be, 130 interrupted; whatever it is, nothing is left behind

examples:
  tierhost drill list
  tierhost drill run kill-each-worker
  tierhost drill run my-drill.toml --seed 7 --report out/
"""


def parser() -> argparse.ArgumentParser:
    """Build the parser of all subcommands. A new one is a new module in drills/commands."""
    shape = argparse.RawDescriptionHelpFormatter
    whole = argparse.ArgumentParser(
        prog="tierhost drill",
        description="break it on purpose, prove it, print what survived",
        epilog=EPILOG,
        formatter_class=shape,
    )
    choices = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in modules_of(commands).items():
        about = (module.__doc__ or "").partition("\n")[0]
        command = choices.add_parser(name.replace("_", "-"), help=about, description=about, epilog=EPILOG, formatter_class=shape)
        module.configure(command)
        command.set_defaults(run=module.run)
    return whole


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; return its exit code."""
    arguments = parser().parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        return int(arguments.run(arguments))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except TierhostError as error:
        for line in (f"{error.subject}: {error.text}" if error.subject else error.text).splitlines():
            sys.stderr.write(f"error: {line}\n")
        sys.stderr.write(f"hint: {error.hint}\n" if error.hint else "")
        return EXIT_USAGE
    except OSError as error:
        sys.stderr.write(f"error: {error.filename or 'the system'}: {error.strerror}\n")
        return EXIT_USAGE
