"""What drivers say drills may do with them: every file is read, mistakes are told by file and key, names are filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierhost.drills.exercises import BadExercises, found, perform, read
from tierhost.host import catalog
from tierhost.host.config import Config
from tierhost.workers.runtime.loading import load, offers

if TYPE_CHECKING:
    from pathlib import Path

DRIVERS = catalog.read(Config()).drivers
GOOD = """
view = [["show", "{tag}"]]
[states]
defined = [["define", "<x name='{tag}'>{uuid}</x>", { bytes = "{folder}" }]]
[[operation]]
name = "remove"
call = ["remove", "{tag}"]
from = "defined"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "exercises.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", sorted(DRIVERS))
def test_every_driver_says_what_may_be_done_with_it(name: str) -> None:
    exercises = found()[name]
    methods = set(offers(load(DRIVERS[name].wire())))
    calls = [*exercises.view, *exercises.clear, *(call for state in exercises.states.values() for call in state)]
    assert {call.method for call in [*calls, *(one.call for one in exercises.operations)]} <= methods
    assert exercises.view


def test_names_are_filled_in_wherever_they_stand(tmp_path: Path) -> None:
    exercises = read(written(tmp_path, GOOD), "some")
    made: list[tuple[object, ...]] = []
    perform(exercises.states["defined"], {"tag": "t", "uuid": "u", "folder": "/f"}, lambda *words: made.append(words))
    assert made == [("define", "<x name='t'>u</x>", b"/f")]
    assert exercises.operations[0].state == "defined"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("vieww = []", "unknown key 'vieww'"),
        ("view = 'show'", "'view' is 'show', expected a list"),
        ("view = ['show']", "view: expected a call"),
        ("[[operation]]\nname = 'x'", "operation 'x': 'call' is missing"),
        ("[[operation]]\nname = 'x'\ncall = ['x']\nfrom = 'up'", "operation 'x': there is no state 'up'"),
        ("damage = ['up']", "damage: there is no state 'up'"),
        ("view = [", "cannot be read"),
    ],
)
def test_a_mistake_is_told_with_its_file_and_key(tmp_path: Path, text: str, told: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(BadExercises, match=told) as raised:
        read(path, "some")
    assert raised.value.subject == str(path)
