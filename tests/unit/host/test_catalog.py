"""What the catalog says of all its drivers together."""

from __future__ import annotations

from tierhost.host.catalog import Catalog, Manifest, read
from tierhost.host.config import Config


def test_each_module_to_preload_is_named_once_in_the_order_of_the_drivers() -> None:
    first = Manifest(name="first", tier="libvirt", entry="driver:First", summary="", preload=("sqlite3", "lxml.etree"))
    second = Manifest(name="second", tier="libvirt", entry="driver:Second", summary="", preload=("lxml.etree", "json"))

    assert Catalog({"first": first, "second": second}, {}).preload() == ("sqlite3", "lxml.etree", "json")


def test_only_the_built_in_drivers_that_are_wanted_are_there() -> None:
    assert set(read(Config(built_in=("secret",))).drivers) >= {"secret"}
    assert "storage" not in read(Config(built_in=("secret",))).drivers
    assert {"secret", "storage", "qemu"} <= set(read(Config()).drivers)


def test_a_built_in_driver_that_there_is_not_is_told_with_those_there_are() -> None:
    found = read(Config(built_in=("secrets",)))
    assert "secrets" in found.broken
    assert "secret, storage" in found.broken["secrets"].replace("remote, ", "")
