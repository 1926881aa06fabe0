"""The driver's own configuration."""

from __future__ import annotations

from typing import Any

import pytest

from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.options import BOUNDS, Options, read_options


def test_nothing_said_means_the_defaults() -> None:
    assert read_options({}) == Options()


def test_every_option_has_bounds_that_its_default_keeps() -> None:
    for name, (_, low, high) in BOUNDS.items():
        assert low <= getattr(Options(), name) <= high


def test_options_are_read() -> None:
    assert read_options({"luks_iterations": 1000, "command_limit_s": 2}) == Options(2, luks_iterations=1000)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"luks_iteration": 1}, "drivers.storage.options.luks_iteration: unknown"),
        ({"luks_iterations": 10}, "luks_iterations: expected a whole number from 1000"),
        ({"luks_iterations": 2000.5}, "whole number"),
        ({"command_limit_s": True}, "expected a number"),
        ({"command_limit_s": "2"}, "expected a number"),
    ],
)
def test_a_wrong_option_is_named(raw: dict[str, Any], words: str) -> None:
    with pytest.raises(DriverError, match=words) as caught:
        read_options(raw)
    assert caught.value.code is Code.CONF_SYNTAX
