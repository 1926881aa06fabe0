"""A namespace with a bridge and two stations, all of it gone after the test, whatever happens."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.network.places import Place, need
from tests.integration.nwfilter.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Be in a namespace of the test's own, with a lab in it."""
    need("nft")
    place = Place()
    folder = Path(tempfile.mkdtemp(prefix="thw", dir="/tmp"))
    try:
        with place.entered():
            made = Lab(folder, place)
            try:
                yield made
            finally:
                made.close()
    finally:
        place.close()
        shutil.rmtree(folder, ignore_errors=True)
