"""the JSON schema of a drill file, for editors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tierhost.drills.schema import SCHEMA

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """There is nothing to say."""


def run(_arguments: argparse.Namespace) -> int:
    """Print it."""
    print(json.dumps(SCHEMA, indent=2))
    return 0
