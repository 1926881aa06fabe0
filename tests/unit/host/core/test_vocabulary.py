"""Facts and orders: frozen, comparable, and every one of them has somebody who acts on it."""

from __future__ import annotations

import dataclasses
from typing import get_args

import pytest

from tests.unit.host.core.site import Site
from tierhost.host.core import commands, events


@pytest.mark.parametrize("kind", [*get_args(events.Event), *get_args(commands.Command)], ids=lambda kind: kind.__name__)
def test_facts_and_orders_are_frozen_and_say_what_they_mean(kind: type) -> None:
    assert dataclasses.is_dataclass(kind)
    parameters = kind.__dataclass_params__  # type: ignore[attr-defined]  # dataclasses keep it there
    assert parameters.frozen
    assert kind.__doc__
    assert not kind.__doc__.startswith(f"{kind.__name__}("), "a docstring of its own, not the generated one"


def test_the_door_takes_every_fact() -> None:
    assert set(Site().core._take) == set(get_args(events.Event))  # a fact without a taker would raise in the host


def test_a_thing_that_is_no_fact_is_our_own_bug() -> None:
    with pytest.raises(KeyError):
        Site().core.handle("hello", 1.0)  # type: ignore[arg-type]  # that is the point
