"""A guest's failing disk: what is promised of it is held against what is shown, and the other way round it is BROKEN."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tierhost.drills.faults import BadPlan, PromiseBroken, guest_disk
from tierhost.drills.faults.guest_disk import PAUSED, GuestDiskErrors

if TYPE_CHECKING:
    from pathlib import Path

    from tierhost.drills.plan import Ask


class ShowsAlways:
    """A target that shows a guest in the same state, whatever becomes of its disk."""

    def __init__(self, folder: Path, state: dict[str, str]) -> None:
        self.folder = folder
        self._state = state

    def ask(self, ask: Ask) -> Any:
        assert ask.method == "qemu.domain_get_state"
        return self._state


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest_disk, "SHOWN_LIMIT_S", 0.05)
    monkeypatch.setattr(guest_disk, "WENT_ON_LIMIT_S", 0.05)
    monkeypatch.setattr(shutil, "which", lambda name: name)


def ready(folder: Path, state: dict[str, str]) -> GuestDiskErrors:
    fault = GuestDiskErrors(ShowsAlways(folder, state), "guest web", {})
    door = folder / "drill/guest-disks/web.nbd"
    door.parent.mkdir(parents=True)
    door.touch()  # it serves already
    return fault


def test_a_guest_that_is_shown_as_running_on_a_failing_disk_is_a_promise_broken(tmp_path: Path) -> None:
    fault = ready(tmp_path, {"state": "running", "reason": "booted"})
    with pytest.raises(PromiseBroken, match=r"its disk fails, and it is shown as .*running"):
        fault.strike()
    fault.heal()
    assert not (tmp_path / "drill/guest-disks/web.errors").exists()


def test_a_guest_that_does_not_run_on_is_one_too(tmp_path: Path) -> None:
    fault = ready(tmp_path, PAUSED)
    assert "paused for an I/O error" in fault.strike()
    assert (tmp_path / "drill/guest-disks/web.errors").exists()
    with pytest.raises(PromiseBroken, match=r"its disk is well again, and it is shown as .*paused"):
        fault.heal()
    fault.heal()


def test_only_a_guest_has_a_disk_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(BadPlan, match="'storage' is no guest"):
        GuestDiskErrors(ShowsAlways(tmp_path, {}), "storage", {})
