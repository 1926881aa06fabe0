"""What the catalog says of all its drivers together."""

from __future__ import annotations

from tierhost.host.catalog import Catalog, Manifest


def test_each_module_to_preload_is_named_once_in_the_order_of_the_drivers() -> None:
    first = Manifest(name="first", tier="libvirt", entry="driver:First", summary="", preload=("sqlite3", "lxml.etree"))
    second = Manifest(name="second", tier="libvirt", entry="driver:Second", summary="", preload=("lxml.etree", "json"))

    assert Catalog({"first": first, "second": second}, {}).preload() == ("sqlite3", "lxml.etree", "json")
