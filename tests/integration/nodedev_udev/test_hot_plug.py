"""Devices come and go, each scene on a machine of its own; and this machine, as it is."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.integration.nodedev_udev.scenes import SCENES, UDEVD, UDEVD_PATHS
from tests.namespaces import need_namespaces, on_a_machine_of_its_own
from tierhost.workers.nodedev_udev.driver import NodedevUdevDriver
from tierhost.workers.runtime.contract import Code, DriverError, InitResult
from tierhost.workers.runtime.definitions import parse, validate
from tierhost.workers.runtime.testing import live

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tierhost.workers.runtime.testing import LifeInTest


@pytest.mark.parametrize("scene", SCENES)
def test_the_driver_follows(scene: str) -> None:
    need_namespaces()
    for program, package in (("ip", "iproute2"), ("losetup", "mount"), ("unshare", "util-linux")):
        if shutil.which(program) is None:
            pytest.skip(f"{package} is not installed")
    if scene == "udev" and shutil.which(UDEVD, path=UDEVD_PATHS) is None:
        pytest.skip("udev is not installed")
    done = on_a_machine_of_its_own("tests.integration.nodedev_udev.scenes", scene)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def here(tmp_path: Path) -> Iterator[LifeInTest]:
    """The driver on this machine."""
    with live(NodedevUdevDriver, tmp_path) as life:
        if life.outcome is not InitResult.COMPLETE:
            pytest.skip("this machine shows no devices")
        yield life
        life.driver.state_cleanup()


def test_every_device_is_described_as_libvirts_schema_asks(here: LifeInTest) -> None:
    for row in here.call("node_device_list", 0):
        with contextlib.suppress(Gone):
            described(here, row)


class Gone(Exception):
    """Somebody else's loop has gone just now."""


def described(here: LifeInTest, row: dict[str, str]) -> None:
    try:
        xml = here.call("node_device_get_xml_desc", row["name"])
    except DriverError as error:
        raise Gone from error
    element = parse(xml, "device")
    assert element.child_text("name") == row["name"]
    assert element.child_text("parent") == row["parent"]
    try:
        validate(element, "nodedev")
    except DriverError as error:
        if error.code is not Code.ARGUMENT_UNSUPPORTED:
            raise


def test_the_tree_holds_every_device_and_begins_with_the_machine(here: LifeInTest) -> None:
    def names(tree: dict[str, dict[str, object]]) -> set[str]:
        return set(tree).union(*(names(below) for below in tree.values()))  # type: ignore[arg-type]

    physical = {row["name"] for row in here.call("node_device_list", 2 | 4 | 8)}
    assert physical <= names(here.call("node_device_tree", "computer"))
    assert here.call("node_device_lookup_by_name", "computer")["parent"] == ""
    assert here.call("node_device_get_parent", "computer") is None
    assert here.call("node_device_list_caps", "computer") == ["system"]
    assert here.call("node_device_num_of_caps", "computer") == 1


def test_questions_that_make_no_sense_are_refused(here: LifeInTest) -> None:
    for method, args, code in (
        ("node_list_devices", ("teapot",), Code.INVALID_ARG),
        ("node_device_list", (1 << 20,), Code.INVALID_ARG),
        ("node_device_list", (None,), Code.INVALID_ARG),
        ("node_device_get_xml_desc", ("nope",), Code.NO_NODE_DEVICE),
        ("node_device_get_xml_desc", ("computer", 1), Code.INVALID_ARG),
        ("node_device_tree", (["computer"],), Code.NO_NODE_DEVICE),
    ):
        with pytest.raises(DriverError) as caught:
            here.call(method, *args)
        assert caught.value.code is code
