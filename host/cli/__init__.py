"""The command line: virsh's habits, one line per mistake, and no import that a command does not need."""

from tierhost.host.cli.main import main

__all__ = ["main"]
