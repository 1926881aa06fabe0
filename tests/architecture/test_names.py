"""Names do the explaining."""

from __future__ import annotations

import pytest

from tests.architecture.names import empty_words, words
from tests.architecture.sources import EVERYTHING, parse, sources


def test_no_name_uses_a_word_that_says_nothing() -> None:
    assert [offence for source in sources(*EVERYTHING) for offence in empty_words(source)] == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("host/utils.py", ""),
        ("host/shell/process_manager.py", ""),
        ("host/x.py", "class WorkerManager: pass"),
        ("host/x.py", "def helper_for_tiers(): pass"),
        ("host/x.py", "def f(message_handler): pass"),
        ("host/x.py", "misc = 1"),
    ],
)
def test_an_empty_word_is_found(path: str, text: str) -> None:
    assert len(empty_words(parse(path, text))) == 1


def test_words_are_found_in_both_spellings() -> None:
    assert words("XMLParser_of_HTTPThings") == ["xml", "parser", "of", "http", "things"]
