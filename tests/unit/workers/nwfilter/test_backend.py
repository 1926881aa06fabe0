"""What is compared of a table: how many rules each chain has."""

from __future__ import annotations

from tierhost.workers.nwfilter.backend import shape_of
from tierhost.workers.nwfilter.filter_xml import parse_filter
from tierhost.workers.nwfilter.rules import table
from tierhost.workers.nwfilter.state import Filters


def test_commands_and_the_listing_of_what_they_made_have_one_shape() -> None:
    made = parse_filter("<filter name='f' chain='arp'><rule action='drop' direction='out'/></filter>")[0]
    commands = table("vnet0", "m", Filters({"f": made}).resolve("f", {}), replace=True)
    listing = [one["add"] for one in commands if "add" in one]
    assert shape_of(commands) == shape_of(listing) == {"made_by_m": 0, "out": 2, "out-arp": 1, "in": 1}
