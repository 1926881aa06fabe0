"""`tierhost`: picks the command, and turns every error into one line and an exit code."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from tierhost.host.cli.arguments import parse
from tierhost.ipc.errors import TierhostError
from tierhost.ipc.paths import PathTooLong

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return 0 (done), 1 (failed, said why on stderr), 2 (wrong usage), 130 (Ctrl-C)."""
    arguments = parse(argv)
    # Only now, and only what this command needs: `tierhost --help` loads no ZeroMQ.
    from tierhost.host.cli import verbs  # noqa: PLC0415

    try:
        return verbs.COMMANDS[arguments.command](arguments)
    except (TierhostError, PathTooLong, ValueError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_FAILED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
