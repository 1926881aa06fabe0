"""The table that describes a daemon: what is missing or unknown in it is told before anything is started."""

from __future__ import annotations

from typing import Any

import pytest

from tierhost.drills.faults import BadPlan
from tierhost.drills.targets.generic import Daemon


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ({}, "has no start"),
        ({"start": ["true"]}, "ready"),
        ({"start": ["true"], "ready": ["true"], "ready_socket": "127.0.0.1:1"}, "ready"),
        ({"start": ["true"], "ready": ["true"], "colour": "red"}, "colour"),
        ({"start": [1], "ready": ["true"]}, "start"),
        ({"start": "true", "ready": 3}, "ready"),
    ],
)
def test_a_table_that_cannot_be_is_refused(raw: dict[str, Any], told: str) -> None:
    with pytest.raises(BadPlan, match=told):
        Daemon.read(raw)


def test_a_table_of_four_commands_is_read() -> None:
    read = Daemon.read({"start": ["a", "b"], "ready_socket": "/run/x", "call": ["c"], "stop": ["d"], "ready_limit_s": 3})
    assert (read.start, read.ready_socket, read.call, read.stop, read.ready_limit_s) == (
        ("a", "b"),
        "/run/x",
        ("c",),
        ("d",),
        3.0,
    )
