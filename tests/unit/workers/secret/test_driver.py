"""What the secret driver promises to clients, to workers and to its next life."""

from __future__ import annotations

import itertools
import shutil
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.workers.secret.samples import CALL, OTHER, UUID, VALUE, raises, xml
from tierhost.workers.runtime import calling
from tierhost.workers.runtime.contract import Code, DriverError, Exposure
from tierhost.workers.runtime.store import Recorded
from tierhost.workers.secret.state import VALUE_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.workers.secret.conftest import Life, Lives
    from tierhost.workers.secret.driver import SecretDriver


def test_a_secret_can_be_defined_shown_and_forgotten(life: Life, driver: SecretDriver) -> None:
    answer = driver.secret_define_xml(xml(extra="<tape/>"))
    assert answer == {"uuid": UUID, "usage_type": "volume", "usage_id": "/x", "unread": ["/secret/tape (line 1)"]}
    shown = {
        "uuid": UUID,
        "usage_type": "volume",
        "usage_id": "/x",
        "ephemeral": False,
        "private": False,
        "description": "",
        "has_value": False,
    }
    assert driver.secret_list() == [shown]
    assert driver.secret_lookup_by_uuid(UUID.upper()) == shown
    assert driver.secret_lookup_by_usage("volume", "/x") == shown
    assert "<tape/>" in driver.secret_get_xml_desc(UUID)
    assert driver.objects() == {"secrets": {"with value": 0, "without value": 1}}
    driver.secret_undefine(UUID)
    assert driver.secret_list() == []
    with raises(Code.NO_SECRET, "no secret with matching uuid"):
        driver.secret_undefine(UUID)
    assert life.kinds() == [("secret-defined", UUID), ("secret-undefined", UUID)]


def test_a_value_can_be_set_replaced_and_read(life: Life, driver: SecretDriver) -> None:
    driver.secret_define_xml(xml())
    with raises(Code.NO_SECRET, f"secret '{UUID}' does not have a value"):
        driver.secret_get_value(UUID)
    driver.secret_set_value(UUID, b"first")
    driver.secret_set_value(UUID, VALUE)
    assert driver.secret_get_value(UUID) == VALUE
    assert driver.get_value(uuid=UUID) == driver.get_value(usage_type="volume", usage_id="/x") == VALUE
    assert driver.objects() == {"secrets": {"with value": 1, "without value": 0}}
    assert life.kinds()[-1] == ("secret-value-changed", UUID)


def test_private_values_leave_to_workers_only(driver: SecretDriver) -> None:
    driver.secret_define_xml(xml(private="yes"))
    driver.secret_set_value(UUID, VALUE)
    with raises(Code.INVALID_SECRET, "secret is private"):
        driver.secret_get_value(UUID)
    assert driver.get_value(UUID) == VALUE


def test_methods_are_offered_as_what_they_are(driver: SecretDriver) -> None:
    exposures: dict[str, Exposure] = {
        name: method.exposure for name in dir(type(driver)) if hasattr(method := getattr(type(driver), name), "exposure")
    }
    assert {name for name, exposure in exposures.items() if exposure.service} == {"get_value"}
    assert {name for name, exposure in exposures.items() if exposure.changes} == {
        "secret_define_xml",
        "secret_undefine",
        "secret_set_value",
    }
    assert all(exposure.inline for exposure in exposures.values() if not exposure.changes)


def test_a_value_has_a_limit(driver: SecretDriver) -> None:
    driver.secret_define_xml(xml())
    driver.secret_set_value(UUID, b"x" * VALUE_BYTES_MAX)
    with raises(Code.INVALID_ARG, "up to 65536 bytes, not 65537"):
        driver.secret_set_value(UUID, b"x" * (VALUE_BYTES_MAX + 1))
    with raises(Code.INVALID_ARG, "unsupported flags"):
        driver.secret_set_value(UUID, b"x", flags=1)


def test_redefining_keeps_the_value(driver: SecretDriver) -> None:
    driver.secret_define_xml(xml())
    driver.secret_set_value(UUID, VALUE)
    driver.secret_define_xml(xml(private="yes"))
    assert driver.secret_lookup_by_uuid(UUID)["private"] is True
    assert driver.get_value(UUID) == VALUE


def test_two_definitions_at_once_do_not_get_the_same_usage(driver: SecretDriver) -> None:
    outcomes: list[str] = []

    def define(uuid: str) -> None:
        try:
            driver.secret_define_xml(xml(uuid))
        except DriverError as error:
            outcomes.append(error.code.name)
        else:
            outcomes.append("defined")

    threads = [threading.Thread(target=define, args=(f"{number:032x}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcomes) == ["INTERNAL_ERROR"] * 5 + ["defined"]
    assert len(driver.secret_list()) == 1


# The next life.


def test_definitions_and_values_are_there_in_the_next_life(lives: Lives, life: Life, driver: SecretDriver) -> None:
    driver.secret_define_xml(xml())
    driver.secret_define_xml(xml(OTHER, "/y", ephemeral="yes"))
    for uuid in (UUID, OTHER):
        driver.secret_set_value(uuid, uuid.encode())
    before = driver.secret_list(), driver.secret_get_xml_desc(UUID)
    again = lives.after(life).initialize()
    assert (again.secret_list(), again.secret_get_xml_desc(UUID)) == before
    assert again.get_value(UUID) == UUID.encode()
    assert again.get_value(OTHER) == OTHER.encode(), "a crash is no reason to lose an ephemeral secret"
    assert lives.all[-1].degraded == {}


def test_a_reboot_ends_ephemeral_secrets_only(lives: Lives, life: Life, driver: SecretDriver) -> None:
    driver.secret_define_xml(xml())
    driver.secret_define_xml(xml(OTHER, "/y", ephemeral="yes"))
    driver.secret_set_value(OTHER, VALUE)
    again = lives.after(life, "boot 2").initialize()
    assert [secret["uuid"] for secret in again.secret_list()] == [UUID]
    again.secret_define_xml(xml(OTHER, "/y"))
    assert again.secret_lookup_by_uuid(OTHER)["has_value"] is False


@pytest.mark.parametrize(("before", "after"), [("no", "yes"), ("yes", "no")])
def test_a_secret_may_become_ephemeral_and_permanent_again(
    lives: Lives, life: Life, driver: SecretDriver, before: str, after: str
) -> None:
    driver.secret_define_xml(xml(ephemeral=before))
    driver.secret_set_value(UUID, VALUE)
    driver.secret_define_xml(xml(ephemeral=after))
    assert driver.get_value(UUID) == VALUE
    assert lives.after(life).initialize().get_value(UUID) == VALUE
    rebooted = lives.after(life, "boot 2").initialize()
    assert [secret["uuid"] for secret in rebooted.secret_list()] == ([] if after == "yes" else [UUID])


@pytest.fixture
def deaths(life: Life, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Keep the folder as it is before and after each commit: what a kill there would leave."""
    found: list[Path] = []
    numbers = itertools.count()

    def keep() -> None:
        found.append(tmp_path / "deaths" / str(next(numbers)))
        shutil.copytree(life.folder, found[-1])

    for store in (life.persistent, life.run):

        def write(*args: Any, real: Any = store._pair.write) -> None:
            keep()
            real(*args)
            keep()

        monkeypatch.setattr(store._pair, "write", write)
    return found


@pytest.mark.parametrize(("before", "after"), [("no", "yes"), ("yes", "no"), ("no", "no")])
def test_a_kill_between_any_two_commits_of_a_redefinition_leaves_one_whole_secret(
    lives: Lives, driver: SecretDriver, deaths: list[Path], before: str, after: str
) -> None:
    driver.secret_define_xml(xml(ephemeral=before))
    driver.secret_set_value(UUID, VALUE)
    deaths.clear()
    token = calling.CALL_ID.set(CALL)
    answer = driver.secret_define_xml(xml(ephemeral=after, private="yes"))
    calling.CALL_ID.reset(token)
    assert len(deaths) == (2 if before == after else 4)
    for folder in deaths:
        life = lives.at(folder)
        again = life.initialize()
        records = [record for store in (life.persistent, life.run) if (record := store.recorded(CALL))]
        (shown,) = again.secret_list()
        done = Recorded(replied=True, value=answer) in records
        assert shown["private"] is done, "recorded as done exactly when it is"
        assert shown["ephemeral"] is ((after if done else before) == "yes")
        assert again.get_value(UUID) == VALUE
        assert sum(store.get("secrets", UUID) is not None for store in (life.persistent, life.run)) == 1
        again.secret_undefine(UUID)
        assert lives.after(life).initialize().secret_list() == [], "no older record comes back"


def test_changes_record_their_answer_with_the_change(life: Life, driver: SecretDriver) -> None:
    steps: dict[bytes, Callable[[], object]] = {
        b"a" * 16: lambda: driver.secret_define_xml(xml()),
        b"b" * 16: lambda: driver.secret_set_value(UUID, VALUE),
        b"c" * 16: lambda: driver.secret_undefine(UUID),
    }
    for call, step in steps.items():
        token = calling.CALL_ID.set(call)
        value = step()
        calling.CALL_ID.reset(token)
        assert life.persistent.recorded(call) == Recorded(replied=True, value=value)
