"""Orders go in by shared memory, and what became of them comes out, even of those who died of it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tierhost.drills.launcher.arming import KILL, SHEET_BYTES, Arming, BadArming, News, Order, Sheet, tell

ORDER = Order(KILL, "secret", "secret_list", "workers/secret/driver.py:1")


def test_an_order_is_read_by_another_and_taken_back(tmp_path: Path) -> None:
    ours, theirs = Sheet(tmp_path / "sheet"), Sheet(tmp_path / "sheet")
    assert theirs.read() is None
    ours.give(ORDER)
    assert theirs.read() == ORDER
    theirs.clear()
    assert ours.read() is None


def test_an_order_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadArming, match=f"at most {SHEET_BYTES} bytes"):
        Sheet(tmp_path / "sheet").give(Order(KILL, "secret", "x" * SHEET_BYTES))


def test_the_arming_file_comes_back_as_it_was(tmp_path: Path) -> None:
    arming = Arming(tmp_path / "sheet", tmp_path / "news", ("secret",))
    arming.write(tmp_path / "arming.json")
    assert Arming.read(tmp_path / "arming.json") == arming


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sheet": "a"}'])
def test_a_broken_arming_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "arming.json").write_text(text)
    with pytest.raises(BadArming, match="no arming file"):
        Arming.read(tmp_path / "arming.json")


def test_words_are_heard_in_order_and_nobody_waits_for_none() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        news = News(Path(folder) / "news")
        tell(Path(folder) / "news", "fired", point="a.py:1")
        tell(Path(folder) / "news", "over", points=[])
        first, second = news.hear(1.0), news.hear(1.0)
        assert first is not None
        assert second is not None
        assert (first["what"], first["point"], second["what"]) == ("fired", "a.py:1", "over")
        assert news.hear(0.0) is None
        news.close()
        tell(Path(folder) / "news", "fired", point="nobody listens any more")
