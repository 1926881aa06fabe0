"""The driver's configuration."""

from __future__ import annotations

from typing import Any

import pytest

from tierhost.workers.network.options import Options, read_options
from tierhost.workers.runtime.contract import DriverError


def test_without_any_there_are_defaults() -> None:
    assert read_options({}) == Options()


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"comand_limit_s": 1}, "unknown"),
        ({"command_limit_s": 0}, "expected a number"),
        ({"command_limit_s": True}, "expected a number"),
        ({"dnsmasq_user": 7}, "expected text"),
        ({"dnsmasq_user": "no such user"}, "there is no user"),
    ],
)
def test_what_makes_no_sense_is_named(raw: dict[str, Any], words: str) -> None:
    with pytest.raises(DriverError, match=words):
        read_options(raw)
