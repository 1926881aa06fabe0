"""Bindings: from XML, from a call, from a record, and back."""

from __future__ import annotations

from typing import Any

import pytest

from tierhost.ipc.errors import Code, DriverError
from tierhost.workers.nwfilter.binding import Binding, make_binding, parse_binding
from tierhost.workers.runtime.definitions import BadDefinition

OWNER = "7a1f0f9e-6f4e-4a63-9a1c-2f6d1d2f0b01"
GOOD: dict[str, Any] = {
    "port_dev": "vnet0",
    "mac": "52:54:00:00:00:01",
    "filter_name": "clean-traffic",
    "parameters": {"IP": ["10.0.0.1", "10.0.0.2"], "A": "b"},
    "owner": OWNER,
    "owner_name": "web",
}


def made(**other: Any) -> Binding:
    return make_binding(**{**GOOD, **other}, driver="qemu")


def test_xml_and_record_say_all_there_is() -> None:
    binding = made()
    assert Binding.from_row(binding.row()) == binding
    again, unread = parse_binding(binding.xml())
    assert (again.parameters, again.owner, again.port_dev, again.mac, again.filter, again.owner_name) == (
        *(binding.parameters, binding.owner, binding.port_dev, binding.mac, binding.filter, binding.owner_name),
    )
    assert unread == []


def test_the_cards_mac_is_always_its_own() -> None:
    assert made(parameters={"MAC": "52:54:00:00:00:99"}).variables == {"MAC": ("52:54:00:00:00:01",)}


@pytest.mark.parametrize(
    "wrong",
    [
        {"port_dev": ""},
        {"port_dev": "a" * 16},
        {"port_dev": "a/b"},
        {"port_dev": "vnet0; drop"},
        {"port_dev": ".."},
        {"port_dev": None},
        {"mac": "01:00:00:00:00:01"},
        {"mac": "x"},
        {"filter_name": "a b"},
        {"filter_name": 5},
        {"parameters": []},
        {"parameters": {"A": [1]}},
        {"parameters": {5: "x"}},
        {"parameters": {"A": ["x"] * 1025}},
        {"owner": "web"},
        {"owner": 5},
        {"owner_name": "a\nb"},
        {"owner_name": "x" * 257},
    ],
    ids=str,
)
def test_what_is_wrong_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(DriverError) as caught:
        made(**wrong)
    assert caught.value.code is Code.INVALID_ARG


@pytest.mark.parametrize("part", ["<owner>", "<portdev", "<mac", "<filterref"])
def test_xml_without_one_of_its_parts_is_refused(part: str) -> None:
    text = (
        made().xml().replace(part, part.replace("<", "<x")).replace("</owner>", "</xowner>" if part == "<owner>" else "</owner>")
    )
    text = text.replace("</filterref>", "</xfilterref>") if part == "<filterref" else text
    with pytest.raises(BadDefinition, match="is missing"):
        parse_binding(text)
