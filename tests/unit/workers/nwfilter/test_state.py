"""Filters among each other, and ports after a crash."""

from __future__ import annotations

import pytest

from tierhost.ipc.errors import DriverError
from tierhost.workers.nwfilter.builtin import builtin_filters
from tierhost.workers.nwfilter.filter_xml import Filter, parse_filter
from tierhost.workers.nwfilter.state import SETTLEMENTS, Filters, Intent, NoFilter, Seen, Settlement, settle
from tierhost.workers.nwfilter.variables import Unresolvable


def one(name: str, *references: str, more: str = "") -> Filter:
    inside = "".join(f"<filterref filter='{other}'/>" for other in references)
    return parse_filter(f"<filter name='{name}'>{inside}{more}</filter>")[0]


def several(*filters: Filter) -> Filters:
    return Filters({made.name: made for made in filters})


def test_a_filter_is_found_by_name_and_by_uuid_however_that_is_written() -> None:
    made = one("a")
    assert several(made).find("a") == several(made).find(made.uuid.upper()) == several(made).find_uuid(made.uuid) == made
    for what in ("b", None, 5):
        with pytest.raises(NoFilter):
            several(made).find(what)


def test_a_filter_is_redefined_only_with_its_own_uuid() -> None:
    old = one("a")
    filters = several(old)
    with pytest.raises(DriverError, match="already exists with uuid"):
        filters.admit(one("a"))
    with pytest.raises(DriverError, match="same UUID but different name"):
        filters.admit(parse_filter(f"<filter name='b'><uuid>{old.uuid}</uuid></filter>")[0])
    again = parse_filter(f"<filter name='a' chain='arp'><uuid>{old.uuid}</uuid></filter>")[0]
    assert filters.admit(again).find("a").chain == "arp"


def test_a_loop_of_any_length_is_refused_and_shown() -> None:
    with pytest.raises(DriverError, match="loop: a > a"):
        several().admit(one("a", "a"))
    with pytest.raises(DriverError, match="loop: c > a > b > c"):
        several(one("a", "b"), one("b", "x", "c"), one("x")).admit(one("c", "a"))


def test_what_a_filter_reaches_is_found_through_others_and_through_what_is_missing() -> None:
    filters = several(one("a", "b", "gone"), one("b", "c"), one("c"), one("d"))
    assert filters.reached("a") == {"a", "b", "c", "gone"}


def test_a_reference_to_nothing_is_told_with_who_makes_it() -> None:
    with pytest.raises(Unresolvable, match=r"'gone' is missing .*named by 'b'"):
        several(one("a", "b"), one("b", "gone")).resolve("a", {})


def test_what_the_port_gives_goes_before_what_a_reference_gives() -> None:
    inner = one("inner", more="<rule action='accept' direction='in'><ip srcipaddr='$IP'/></rule>")
    xml = "<filter name='outer'><filterref filter='inner'><parameter name='IP' value='1.1.1.1'/></filterref></filter>"
    filters = several(inner, parse_filter(xml)[0])
    assert [placed.variables for placed in filters.resolve("outer", {})] == [{"IP": ("1.1.1.1",)}]
    assert [placed.variables for placed in filters.resolve("outer", {"IP": ("2.2.2.2",)})] == [{"IP": ("2.2.2.2",)}]


def test_filters_that_multiply_are_cut_off_before_they_fill_the_memory() -> None:
    layers = [one(f"l{number}", *[f"l{number + 1}"] * 10) for number in range(30)]
    with pytest.raises(Unresolvable, match="more than 4096 rules"):
        several(*layers, one("l30", more="<rule action='drop' direction='in'/>")).resolve("l0", {})


def test_a_chain_of_references_that_is_too_deep_is_refused() -> None:
    with pytest.raises(Unresolvable, match="deeper than 64"):
        several(*[one(f"l{number}", f"l{number + 1}") for number in range(100)], one("l100")).resolve("l0", {})


def test_every_built_in_filter_is_whole() -> None:
    filters = Filters(builtin_filters())
    given = {"MAC": ("52:54:00:00:00:01",), "IP": ("10.0.0.1",), "IPV6": ("fe80::1",), "DHCPSERVER": ("10.0.0.2",)}
    for name in filters.named:
        assert filters.loop(name) == []
        filters.resolve(name, {**given, "GATEWAY_MAC": ("52:54:00:00:00:02",)})
    assert {"clean-traffic", "no-mac-spoofing", "no-ip-spoofing", "no-arp-spoofing", "allow-dhcp-server"} <= set(filters.named)
    assert builtin_filters() == builtin_filters()


def test_every_situation_after_a_crash_has_its_end() -> None:
    assert set(SETTLEMENTS) == {(recorded, intent) for recorded in (False, True) for intent in Intent}
    assert all(set(row) == set(Seen) for row in SETTLEMENTS.values())


@pytest.mark.parametrize("intent", list(Intent))
def test_what_was_acknowledged_is_there_and_what_was_not_is_gone(intent: Intent) -> None:
    for seen in (Seen.ABSENT, Seen.OURS):
        kept = settle(recorded=True, intent=intent, seen=seen) in {Settlement.APPLY, Settlement.APPLY_LOST}
        assert kept is (intent is not Intent.UNBIND)
    assert settle(recorded=False, intent=Intent.BIND, seen=Seen.OURS) is Settlement.UNDO_BIND


def test_a_table_of_somebody_else_is_never_replaced() -> None:
    for intent in (Intent.NONE, Intent.BIND):
        assert settle(recorded=True, intent=intent, seen=Seen.FOREIGN) is Settlement.REPORT_FOREIGN
    assert settle(recorded=False, intent=Intent.NONE, seen=Seen.FOREIGN) is Settlement.NOTHING


def test_rules_whose_record_is_lost_stay() -> None:
    assert settle(recorded=False, intent=Intent.NONE, seen=Seen.OURS) is Settlement.REPORT_UNRECORDED
