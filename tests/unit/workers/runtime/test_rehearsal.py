"""What an idle spare does, in the process of the test: it works, it leaves nothing, and it harms nobody when it cannot."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tierhost.ipc import wires
from tierhost.workers.runtime import rehearsal
from tierhost.workers.runtime.rehearsal import rehearse

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_rehearsal_goes_through_stores_verb_and_call_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lives: list[dict[str, dict[str, object]]] = []
    heard: list[bytes | None] = []
    initialize, receive = rehearsal.Stand.state_initialize, wires.Wire.receive

    def seen(stand: rehearsal.Stand, **words: object) -> object:
        lives.append({"lines": dict(stand.context.persistent.all("lines"))})
        return initialize(stand, **words)  # type: ignore[arg-type]

    def kept(wire: wires.Wire, deadline_s: float) -> bytes | None:
        heard.append(receive(wire, deadline_s))
        return heard[-1]

    monkeypatch.setattr(rehearsal.Stand, "state_initialize", seen)
    monkeypatch.setattr(wires.Wire, "receive", kept)
    open_before = len(os.listdir("/proc/self/fd"))
    rehearse(tmp_path / "stage")
    assert [list(life["lines"]) for life in lives] == [[], ["rehearsal"]]
    assert all(answer is not None and b"rehearsal" in answer for answer in heard)
    assert len(heard) == rehearsal.LIVES
    assert list(tmp_path.iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) == open_before


def test_where_nothing_can_be_written_there_is_no_rehearsal_and_no_harm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "stage").write_text("a file stands here")
    rehearse(tmp_path / "stage")
    assert "no rehearsal" in capsys.readouterr().err
