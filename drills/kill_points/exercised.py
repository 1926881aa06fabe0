"""The operations of every driver that brings its own exercises."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.exercises import ACTIVE, DEFINED, Call, Exercise, Exercises, found
from tierhost.drills.kill_points.operation import DRIVERS, Operation, Scene

if TYPE_CHECKING:
    from tierhost.drills.kill_points.operation import Step

TOLD_CHARS_MIN: Final = 5
"""Shorter answers are no names that somebody made up."""

PRIVILEGED: Final = os.geteuid() == 0


def names_of(scene: Scene) -> dict[str, str]:
    """What the names in a call stand for."""
    answered = {f"answer.{name}": value for name, value in scene.answered.items()}
    return {"tag": scene.tag, "uuid": scene.uuid, "folder": str(scene.folder), **answered}


def operations_of(exercises: Exercises) -> tuple[Operation, ...]:
    """What can be drilled here of one driver's exercises."""
    if not exercises.operations:
        return ()
    own = tuple(_operation(exercises, one) for one in exercises.operations if PRIVILEGED or not one.needs_root)
    return (*own, _verb(exercises, "state_initialize"), _verb(exercises, "state_reload"))


def site_of(exercises: Exercises) -> tuple[str, ...]:
    """Whom its site has: the drivers that are always there share one."""
    return DRIVERS if exercises.driver in DRIVERS else exercises.drivers


def bring(exercises: Exercises, scene: Scene, state: str) -> None:
    """Bring a scene's object into a state."""
    _step(exercises, exercises.states.get(state, ()), changes=True)(scene)


def view(exercises: Exercises, scene: Scene) -> Any:
    """Look at all there is to see of a scene's object."""
    return _step(exercises, exercises.view, changes=False)(scene)


def question(exercises: Exercises, scene: Scene) -> tuple[str, tuple[Any, ...]]:
    """Bring a scene's object to where it can be asked about, and return what is asked: method and arguments."""
    bring(exercises, scene, next((state for state in (ACTIVE, DEFINED) if state in exercises.states), ""))
    asked = exercises.onlooker or exercises.view[0]
    return f"{exercises.driver}.{asked.method}", asked.fill(names_of(scene))


def _verb(exercises: Exercises, verb: str) -> Operation:
    """What each of its lives does first, and what it does when it is told to look at everything again."""
    driver, look = exercises.driver, _step(exercises, exercises.view, changes=False)

    def call(scene: Scene) -> Any:
        if verb == "state_initialize":
            scene.kill(driver)
        else:
            scene.site.client.host("reload", driver)
        return look(scene)

    return Operation(
        f"{driver}.{verb}",
        call,
        look,
        _step(exercises, exercises.furthest(netns=PRIVILEGED), changes=True),
        _clear(exercises),
        changes=False,
        own_lives=1 if verb == "state_initialize" else 0,
        drivers=site_of(exercises),
        netns=exercises.netns and PRIVILEGED,
    )


def _operation(exercises: Exercises, one: Exercise) -> Operation:
    def call(scene: Scene) -> Any:
        answer = _make(exercises, scene, one.call, changes=one.changes)
        return answer if one.changes else _of_it(scene, answer)

    return Operation(
        f"{exercises.driver}.{one.name}",
        call,
        _step(exercises, exercises.view, changes=False),
        _step(exercises, exercises.states.get(one.state, ()), changes=True),
        _clear(exercises),
        changes=one.changes,
        drivers=site_of(exercises),
        netns=exercises.netns and PRIVILEGED,
    )


def _of_it(scene: Scene, answer: Any) -> Any:
    """Of a list, what is about this scene's object: others come and go, and lists have no order."""
    if not isinstance(answer, list):
        return answer
    mine = [row for row in answer if scene.tag in repr(row) or scene.uuid in repr(row)]
    return mine or sorted(answer, key=repr)


def _step(exercises: Exercises, calls: tuple[Call, ...], *, changes: bool) -> Step:
    def step(scene: Scene) -> Any:
        answers = [_make(exercises, scene, call, changes=changes) for call in calls]
        return answers[0] if len(answers) == 1 else answers

    return step


def _make(exercises: Exercises, scene: Scene, call: Call, *, changes: bool) -> Any:
    args = call.fill(names_of(scene))
    make = scene.call if changes else scene.ask
    if call.method in exercises.services:
        answer = make("asker.ask", exercises.driver, call.method, args[0] if args else {})
    else:
        answer = make(f"{exercises.driver}.{call.method}", *args)
    if changes and isinstance(answer, dict):
        made_up = {str(name): value for name, value in answer.items() if isinstance(value, str) and len(value) >= TOLD_CHARS_MIN}
        scene.answered.update({name: value for name, value in made_up.items() if value not in {scene.tag, scene.uuid}})
    return answer


def _clear(exercises: Exercises) -> Step:
    def clear(scene: Scene) -> None:
        for call in exercises.clear:
            if call.method in exercises.services:
                scene.undo("asker.ask", exercises.driver, call.method, *call.fill(names_of(scene)))
            else:
                scene.undo(f"{exercises.driver}.{call.method}", *call.fill(names_of(scene)))

    return clear


OPERATIONS: Final = tuple(operation for exercises in found().values() for operation in operations_of(exercises))
