"""Every method that a driver offers has an operation, and no operation is about a method that there is not."""

from __future__ import annotations

import pytest

from tierhost.drills.kill_points.table import OPERATIONS, NoOperation, named
from tierhost.host import catalog
from tierhost.host.config import Config
from tierhost.workers.runtime.loading import load, offers

VERBS = {"state_initialize", "state_reload"}
"""Of the verbs, those that a worker runs again and again; the others are part of `host.start` and `host.stop`."""

FOUND = catalog.read(Config()).drivers
EXPOSED = {
    f"{name}.{method}": exposure for name, found in FOUND.items() for method, exposure in offers(load(found.wire())).items()
}


@pytest.mark.parametrize("driver", sorted(FOUND))
def test_the_table_is_complete(driver: str) -> None:
    offered = {method for method in EXPOSED if method.startswith(f"{driver}.")} | {f"{driver}.{verb}" for verb in VERBS}
    assert {one.method for one in OPERATIONS if one.method.startswith(f"{driver}.")} == offered


def test_changes_are_known_as_changes() -> None:
    wrong = [one for one in OPERATIONS if one.changes and not (EXPOSED[one.method].changes or EXPOSED[one.method].service)]
    assert wrong == []


def test_names_are_names_of_one() -> None:
    assert len({one.name for one in OPERATIONS}) == len(OPERATIONS)


def test_operations_are_found_by_driver_method_and_situation() -> None:
    assert {one.driver for one in named(["secret"])} == {"secret"}
    assert [one.name for one in named(["secret.secret_set_value"])] == [
        "secret.secret_set_value",
        "secret.secret_set_value:again",
    ]
    assert [one.name for one in named(["secret.secret_set_value:again"])] == ["secret.secret_set_value:again"]
    with pytest.raises(NoOperation, match="no operation is called 'lxc'"):
        named(["lxc"])
