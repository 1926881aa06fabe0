"""The kernel's news about tables, byte by byte."""

from __future__ import annotations

import struct

import pytest

from tierhost.workers.nwfilter.vigil import changed_tables


def news(kind: int, body: bytes, subsystem: int = 10) -> bytes:
    made = struct.pack("=IHHII", 16 + len(body), subsystem << 8 | kind, 0, 1, 0) + body
    return made + bytes(-len(made) % 4)


def named(name: str, family: int = 7, attribute: int = 1) -> bytes:
    text = name.encode() + b"\0"
    other = struct.pack("=HHI", 8, 9, 0)
    return struct.pack("=BBH", family, 0, 0) + other + struct.pack("=HH", 4 + len(text), attribute) + text + bytes(-len(text) % 4)


def test_each_message_names_its_table() -> None:
    assert changed_tables(news(2, named("a")) + news(8, named("tierhost_nwf_vnet0"))) == {"a", "tierhost_nwf_vnet0"}


def test_what_is_not_about_tables_of_bridges_names_none() -> None:
    assert changed_tables(news(15, named("a"))) == set()
    assert changed_tables(news(2, named("a", family=2))) == set()
    assert changed_tables(news(2, named("a"), subsystem=1)) == set()
    assert changed_tables(news(2, named("a", attribute=2))) == set()


@pytest.mark.parametrize("length", range(1, 44))
def test_a_message_that_is_cut_off_breaks_nothing(length: int) -> None:
    assert changed_tables(news(2, named("tierhost"))[:length]) <= {"tierhost"}


@pytest.mark.parametrize("lie", [0, 3, 15, 0xFFFFFFFF])
def test_a_length_that_lies_breaks_nothing(lie: int) -> None:
    whole = news(2, named("a"))
    assert changed_tables(struct.pack("=I", lie) + whole[4:]) == set()
