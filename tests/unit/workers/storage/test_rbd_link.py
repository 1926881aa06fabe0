"""How a Ceph monitor's address is written."""

from __future__ import annotations

import pytest

from tierhost.workers.storage.rbd_link import mon_address


@pytest.mark.parametrize(
    ("name", "port", "text"),
    [
        ("mon1", 0, "mon1"),
        ("192.0.2.1", 6789, "192.0.2.1"),
        ("192.0.2.1", 3300, "192.0.2.1"),
        ("mon1", 6790, "mon1:6790"),
        ("fd00::1", 0, "[fd00::1]"),
        ("fd00::1", 6790, "[fd00::1]:6790"),
    ],
)
def test_the_usual_ports_are_left_to_the_library_which_knows_their_protocols(name: str, port: int, text: str) -> None:
    assert mon_address(name, port) == text
