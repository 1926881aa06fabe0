"""Every driver found keeps the contract, looked at in this process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance import judges
from tests.conformance.conftest import FOUND, NAMES, names_in
from tierhost.drills import exercises as exercising
from tierhost.host.cli.checking import unmet_needs
from tierhost.host.config import Config
from tierhost.workers.runtime.contract import InitResult
from tierhost.workers.runtime.loading import check_driver, offers
from tierhost.workers.runtime.testing import live

if TYPE_CHECKING:
    from tierhost.host.catalog import Manifest
    from tierhost.workers.runtime.contract import StateDriver
    from tierhost.workers.runtime.testing import LifeInTest


def work(life: LifeInTest) -> None:
    """Let a driver acknowledge what its exercises say; one that has none begins empty."""
    if life.context.name == "sample":
        life.call("count", "sheep")
    exercises = exercising.found().get(life.context.name)
    if exercises is not None:
        names = names_in(life.context.state_dir.parent / "objects")
        exercising.perform(exercises.furthest(netns=False), names, life.call)


def test_the_drivers_of_the_repository_are_found_and_none_is_broken() -> None:
    assert {"qemu", "sample", "secret", "storage"} <= set(NAMES)
    assert FOUND.broken == {}


def test_whatever_is_needed_is_provided_in_the_same_tier_or_below() -> None:
    assert unmet_needs(FOUND.drivers, Config().tiers) == {}


def test_the_manifest_says_what_it_must(found: Manifest) -> None:
    assert judges.manifest(found) == []


def test_there_is_a_page_for_whoever_has_to_live_with_it(found: Manifest) -> None:
    assert judges.read_me(Path(found.folder), found.name) == []


def test_verbs_methods_and_documents_are_as_declared(driver: type[StateDriver], found: Manifest) -> None:
    assert check_driver(driver, found.wire()) == []


def test_initialize_gives_one_of_its_three_answers_on_an_empty_folder(driver: type[StateDriver], tmp_path: Path) -> None:
    with live(driver, tmp_path) as life:
        assert life.outcome in {InitResult.COMPLETE, InitResult.SKIPPED}


def test_each_life_shows_what_was_acknowledged_in_the_one_before(driver: type[StateDriver], tmp_path: Path) -> None:
    _needs_its_machine(driver, tmp_path / "looked at")
    assert judges.lives(driver, tmp_path, work) == []


def test_every_verb_of_the_way_down_works_and_cleanup_twice(driver: type[StateDriver], tmp_path: Path) -> None:
    assert judges.endings(driver, tmp_path) == []


def test_hostile_calls_get_typed_errors(driver: type[StateDriver], tmp_path: Path) -> None:
    _needs_its_machine(driver, tmp_path / "looked at")
    services = {name for name, exposure in offers(driver).items() if exposure.service}
    with live(driver, tmp_path) as life:

        def call(method: str, *args: Any, **kwargs: Any) -> Any:
            return life.call(method, *args, by="asker" if method in services else "", **kwargs)

        assert judges.manners(driver, call) == []


def _needs_its_machine(driver: type[StateDriver], folder: Path) -> None:
    with live(driver, folder) as life:
        if life.outcome is InitResult.SKIPPED:
            pytest.skip(f"there is nothing to drive for {life.context.name} on this machine")
