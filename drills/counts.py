"""Counts as a command line may give them: bounded, so that none of them can be a number that makes no sense."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

COUNT_MAX = 1_000_000


def count(least: int = 1, most: int = COUNT_MAX) -> Callable[[str], int]:
    """Return what argparse is to read an argument with: a whole number from `least` to `most`."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            message = f"expected a whole number from {least} to {most}, got {text!r}"
            raise argparse.ArgumentTypeError(message)
        return number

    return read
