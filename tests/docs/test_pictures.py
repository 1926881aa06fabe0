"""What documents show of the code is what the code is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.architecture.sources import ROOT
from tests.docs.pictures import MARKED, PICTURES, documents, error_classes, redrawn

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_picture_is_as_the_code_draws_it_now(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert redrawn(text) == text, "draw it again: make pictures"


def test_every_picture_is_shown_somewhere() -> None:
    shown = {found[2] for path in documents() for found in MARKED.finditer(path.read_text(encoding="utf-8"))}
    assert shown == set(PICTURES)


def test_a_stale_picture_is_found() -> None:
    stale = "a\n<!-- drawn by `make pictures`: phases -->\nold\n<!-- end -->\nb\n"
    assert redrawn(stale) != stale
    assert redrawn(redrawn(stale)) == redrawn(stale)


def test_errors_are_listed_with_the_code_they_inherit() -> None:
    found = error_classes()
    assert found["PeerDied"][0] == "39 RPC"
    assert found["CannotLoad"][0] == "9 OPERATION_FAILED"
    assert found["BadConfig"][0].startswith("none")


def test_every_error_says_what_it_means() -> None:
    assert [name for name, (_, meaning) in error_classes().items() if len(meaning) < 20] == []
