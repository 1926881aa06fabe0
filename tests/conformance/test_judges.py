"""Each judge convicts a driver with a planted bug, and acquits the same driver without it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance import judges
from tests.conformance.conftest import FOUND
from tierhost.host.cli.checking import unmet_needs
from tierhost.workers.runtime.contract import InhibitCallback, InitResult, StateDriver, change, read
from tierhost.workers.runtime.loading import load
from tierhost.workers.runtime.testing import live

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tierhost.host.catalog import Manifest

SAMPLE = FOUND.drivers["sample"]
SECRET = FOUND.drivers["secret"]
TIERS = ("libvirt", "hypervisor")


class Forgetful(StateDriver):
    """Acknowledges what it keeps in memory only."""

    def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
        self.words: list[str] = []
        return InitResult.COMPLETE

    @change()
    def say(self, word: str) -> None:
        """Keep a word."""
        self.words.append(word)

    @read()
    def said(self) -> list[str]:
        """Show the words."""
        return self.words


class Worsening(Forgetful):
    """Is well in its second life and not in its third: initialize has an effect that it should not have."""

    def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
        super().state_initialize(privileged=privileged, inhibit=inhibit)
        known = self.context.persistent.all("words")
        if known and self.context.incarnation > 1:
            self.context.persistent.delete("words", next(iter(known)))
        self.words = list(known)
        return InitResult.COMPLETE

    @change()
    def say(self, word: str) -> None:
        """Keep a word."""
        super().say(word)
        self.context.persistent.put("words", word, {})


class CleansOnce(Forgetful):
    """Cannot be cleaned up twice."""

    def state_cleanup(self) -> None:
        del self.words


class Immortal(Forgetful):
    """Does not know how to stop."""

    def state_stop(self) -> None:
        raise NotImplementedError


class StaysDown(Forgetful):
    """Never comes up again on the same folder."""

    def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
        if self.context.persistent.get("t", "was here"):
            return InitResult.FAILED
        self.context.persistent.put("t", "was here", {"yes": 1})
        return super().state_initialize(privileged=privileged, inhibit=inhibit)


class Touchy(Forgetful):
    """Breaks when it is given a list."""

    @read()
    def length(self, word: str) -> int:
        """Say how long a word is."""
        return len(word) if isinstance(word, str) else word.no_such_attribute


def test_the_lives_judge_convicts_a_driver_that_keeps_nothing(tmp_path: Path) -> None:
    assert "life 2 shows" in judges.lives(Forgetful, tmp_path, lambda life: life.call("say", "hello"))[0]


def test_the_lives_judge_looks_at_a_third_life(tmp_path: Path) -> None:
    complaints = judges.lives(Worsening, tmp_path, lambda life: life.call("say", "hello"))
    assert [complaint[:6] for complaint in complaints] == ["life 3"]


@pytest.mark.parametrize(
    ("driver", "complaint"),
    [
        (CleansOnce, "state_cleanup raised AttributeError"),
        (Immortal, "state_stop raised NotImplementedError"),
        (StaysDown, "state_initialize failed after a cleanup"),
    ],
)
def test_the_endings_judge_convicts(driver: type[StateDriver], complaint: str, tmp_path: Path) -> None:
    assert any(complaint in said for said in judges.endings(driver, tmp_path))


def test_the_manners_judge_convicts_a_driver_that_breaks(tmp_path: Path) -> None:
    with live(Touchy, tmp_path) as life:
        complaints = judges.manners(Touchy, life.call)
    assert any("no_such_attribute" in complaint for complaint in complaints)
    assert all(complaint.startswith("length") for complaint in complaints)


def test_the_manners_judge_convicts_a_worker_that_lets_anything_in(tmp_path: Path) -> None:
    with live(Forgetful, tmp_path) as life:

        def call(method: str, *_: Any, **__: Any) -> Any:
            return getattr(life.driver, method, None)

        assert "'state_cleanup' is not offered, and was answered" in judges.manners(Forgetful, call)


def test_an_innocent_driver_is_acquitted(tmp_path: Path) -> None:
    sample = load(SAMPLE.wire())
    assert judges.lives(sample, tmp_path / "lives", lambda life: life.call("count", "sheep")) == []
    assert judges.endings(sample, tmp_path / "endings") == []
    with live(sample, tmp_path / "manners") as life:
        assert judges.manners(sample, lambda method, *args, **kwargs: life.call(method, *args, by="asker", **kwargs)) == []


@pytest.mark.parametrize(
    ("found", "complaint"),
    [
        (replace(SAMPLE, summary=""), "no summary"),
        (replace(SAMPLE, needs=("sample.counted",)), "needs itself"),
        (replace(SAMPLE, limits_s={"initialise": 3.0}), "limits_s.initialise is no verb"),
    ],
)
def test_the_manifest_judge_convicts(found: Manifest, complaint: str) -> None:
    assert complaint in " ".join(judges.manifest(found))


@pytest.mark.parametrize(
    ("drivers", "complaint"),
    [
        ({"sample": SAMPLE}, "it needs secret.get_value, which nobody provides"),
        ({"sample": SAMPLE, "secret": replace(SECRET, provides=())}, "which nobody provides"),
        ({"sample": replace(SAMPLE, tier="libvirt"), "secret": replace(SECRET, tier="hypervisor")}, "comes up in the later tier"),
    ],
)
def test_the_needs_judge_convicts(drivers: Mapping[str, Manifest], complaint: str) -> None:
    assert complaint in unmet_needs(drivers, TIERS)["sample"][0]


def test_the_needs_judge_acquits_a_neighbour_in_the_same_tier() -> None:
    assert unmet_needs({"sample": replace(SAMPLE, tier="libvirt"), "secret": SECRET}, TIERS) == {}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "README.md is missing"),
        ("# another\n" + " ".join(judges.README_SECTIONS), "does not begin with '# sample'"),
        ("# sample\n**Owns** **Needs** **How it fails.**", r"does not say **What others notice**"),
    ],
)
def test_the_page_judge_convicts(text: str | None, complaint: str, tmp_path: Path) -> None:
    if text is not None:
        tmp_path.joinpath("README.md").write_text(text)
    assert complaint in " ".join(judges.read_me(tmp_path, "sample"))
