"""The bytes of netlink: requests say what iproute2 6.1 says (recorded with strace), and broken answers are survived."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from tierhost.workers.interface import messages as m

VLAN = "0800050003000000 0900030070302e3500000000 18001200 08000100766c616e 0c000200 0600010005000000"
BOND = "0a000300626f6e6430000000 20001200 08000100626f6e64 14000200 0500010001000000 0800030064000000"


def unfolded(attributes: bytes) -> dict[str, Any]:
    """What a request for a new link says, whatever the order and padding it says it in."""
    found = m.attributes(attributes)
    detail = m.attributes(found.pop(m.IFLA_LINKINFO))
    named = {kind: payload.rstrip(b"\0") for kind, payload in found.items()}
    return {"top": named, "kind": detail[m.INFO_KIND].rstrip(b"\0"), "options": m.attributes(detail[m.INFO_DATA])}


@pytest.mark.parametrize(
    ("recorded", "name", "kind", "options", "parent"),
    [
        (VLAN, "p0.5", "vlan", {"tag": 5}, 3),
        (BOND, "bond0", "bond", {"mode": 1, "miimon": 100}, 0),
    ],
)
def test_a_request_says_what_iproute2_says(recorded: str, name: str, kind: str, options: dict[str, int], parent: int) -> None:
    ours = m.new_link(77, name, kind, options, parent)
    assert m.LINK.unpack_from(ours) == (0, 0, 77, 0, 0)
    assert unfolded(ours[m.LINK.size :]) == unfolded(bytes.fromhex(recorded))


def test_addresses_that_a_bond_asks_are_a_list() -> None:
    body = m.new_link(1, "b", "bond", {"arp_targets": ["10.0.0.1"]})
    targets = m.attributes(unfolded(body[m.LINK.size :])["options"][m.ARP_TARGETS])
    assert targets == {0: bytes([10, 0, 0, 1])}


def test_an_address_of_ours_is_read_as_it_was_written() -> None:
    for written in ("10.0.0.1/24", "fd00::1/64"):
        assert m.read_address(m.address(7, written)) == (7, written)
    assert m.read_route(m.default_route(7, "10.0.0.9")) == (7, "10.0.0.9")


def test_what_the_kernel_gave_by_itself_is_no_address_of_ours() -> None:
    body = m.ADDRESS.pack(10, 64, 0, m.LINK_LOCAL_SCOPE, 7) + m.attribute(m.IFA_ADDRESS, bytes(16))
    assert m.read_address(body) is None


@pytest.mark.parametrize("cut", range(40))
def test_an_answer_that_is_cut_short_is_no_crash(cut: int) -> None:
    whole = m.text(m.IFLA_IFNAME, "br0") + m.attribute(m.IFLA_LINKINFO, m.text(m.INFO_KIND, "bridge") + m.attribute(2, b"abc"))
    assert m.read_link(m.LINK.pack(0, 1, 7, 1, 0) + whole[:cut])["index"] == 7
    datagram = struct.pack("=LHHLL", 20, 3, 0, 9, 0) + b"body"
    assert list(m.messages(datagram[:cut])) == ([(3, 0, 9, b"body")] if cut >= 20 else [])


def test_words_of_the_kernel_are_found_behind_the_request() -> None:
    words = m.text(1, "Unknown device type")
    capped = struct.pack("=i", -95) + m.HEADER.pack(60, 16, 0, 1, 0) + words
    assert m.words_of(m.TLVS | m.CAPPED, capped) == "Unknown device type"
    echoed = struct.pack("=i", -95) + m.HEADER.pack(20, 16, 0, 1, 0) + b"four" + words
    assert m.words_of(m.TLVS, echoed) == "Unknown device type"
    assert m.words_of(0, capped) == ""
