"""The kernel's news of devices that are gone."""

from __future__ import annotations

import socket
import struct

from tierhost.workers.network.vigil import HEADER, LINK_INFO, RTM_DELLINK, deleted_links

NEW_LINK = 16


def news(kind: int, index: int, family: int = socket.AF_UNSPEC) -> bytes:
    body = LINK_INFO.pack(family, 1, index) + struct.pack("=II", 0, 0)
    return HEADER.pack(HEADER.size + len(body), kind, 0, 0, 0) + body


def test_devices_that_are_gone_are_named_and_others_are_not() -> None:
    assert deleted_links(news(RTM_DELLINK, 7) + news(NEW_LINK, 8) + news(RTM_DELLINK, 9)) == [7, 9]


def test_a_port_that_left_its_bridge_is_not_gone() -> None:
    assert deleted_links(news(RTM_DELLINK, 7, socket.AF_BRIDGE if hasattr(socket, "AF_BRIDGE") else 7)) == []


def test_news_that_are_cut_off_are_passed_over() -> None:
    whole = news(RTM_DELLINK, 7)
    assert deleted_links(whole + whole[:10]) == [7]
    assert deleted_links(HEADER.pack(3, RTM_DELLINK, 0, 0, 0)) == []
