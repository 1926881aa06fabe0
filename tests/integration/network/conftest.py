"""A namespace for the driver, its folders, and guests: all of it gone after the test, whatever happens."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.network.lives import Site
from tests.integration.network.places import Guest, Place, need

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def place() -> Iterator[Place]:
    """Be in a namespace of the test's own."""
    need()
    made = Place()
    try:
        with made.entered():
            yield made
    finally:
        made.close()


@pytest.fixture
def site(place: Place) -> Iterator[Site]:
    """Give a driver its folders."""
    folder = Path(tempfile.mkdtemp(prefix="thn", dir="/tmp"))
    try:
        yield Site(folder, place)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def guest(place: Place) -> Iterator[Callable[[], Guest]]:
    """Make guests."""
    need("busybox")
    made: list[Guest] = []

    def make() -> Guest:
        made.append(Guest(len(made)))
        return made[-1]

    try:
        yield make
    finally:
        for one in made:
            one.close()
