"""The blast-radius matrix on a real host: one cell of each kind for every driver, and nobody but the victim suffers."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from tierhost.drills.cli import main
from tierhost.drills.kill_points.table import named
from tierhost.drills.matrix import FAULTS, Ending
from tierhost.drills.matrix_run import Matrix
from tierhost.drills.matrix_site import CALL_LIMIT_S, PlainSite
from tierhost.drills.onlookers import Onlookers

if TYPE_CHECKING:
    from collections.abc import Iterator

OPERATIONS = ("secret.secret_set_value", "storage.storage_vol_create_xml", "qemu.domain_define_xml", "qemu.domain_list")


@pytest.fixture(scope="module")
def matrix() -> Iterator[Matrix]:
    """One warm host for all cells."""
    with PlainSite.make() as site:
        site.start()
        with Onlookers(site.root, site.questions(), CALL_LIMIT_S) as onlookers:
            yield Matrix(site, onlookers, random.Random(1))


@pytest.mark.slow
@pytest.mark.qemu
@pytest.mark.parametrize("fault", FAULTS)
def test_one_worker_is_hit_and_no_call_hangs_or_is_answered_wrongly(matrix: Matrix, fault: str) -> None:
    for name in OPERATIONS:
        [operation, *_] = named([name])
        cell = matrix.cell(operation, fault)
        assert (cell.trouble, cell.fired) == ("", True), cell
        assert cell.keeps_the_bar, cell
        assert cell.suffered == (), cell
        assert {one.driver for one in cell.onlookers} == {"secret", "storage", "qemu"} - {operation.driver}
        assert all(one.calls for one in cell.onlookers)
        assert cell.lives == (1 if fault in {"kill", "stop", "damaged-state"} else 0), cell


@pytest.mark.slow
@pytest.mark.qemu
def test_onlookers_tell_of_another_driver_that_does_not_answer_as_before(matrix: Matrix) -> None:
    client = matrix.site.client
    client.call("storage.storage_pool_destroy", "onlooker")
    [operation, *_] = named(["secret.secret_list"])
    try:
        cell = matrix.cell(operation, "garbage")
        assert cell.suffered == ("storage",)
        assert cell.worst in {Ending.REFUSED, Ending.WRONG}
        assert not cell.keeps_the_bar or cell.worst is Ending.REFUSED
    finally:
        client.call("storage.storage_pool_create", "onlooker")


def test_the_command_refuses_what_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["matrix", "--drivers", "lxc"]) == 2
    assert "'lxc' is none of" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.qemu
def test_the_command_prints_its_cells_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["matrix", "secret.secret_list", "--faults", "kill,slow", "--format", "json"]) == 0
    out = json.loads(capsys.readouterr().out)
    assert out["summary"]["cells"] == 2
    assert [(cell["operation"], cell["worst"]) for cell in out["cells"]] == [("secret.secret_list", "right")] * 2
