"""What the secret driver promises to clients, to workers and to its next life."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tierhost.workers.runtime import calling
from tierhost.workers.runtime.contract import Code, DriverError, Exposure
from tierhost.workers.runtime.store import Recorded, Store
from tierhost.workers.secret import backend
from tierhost.workers.secret.state import VALUE_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.unit.workers.secret.conftest import Life, Lives
    from tierhost.workers.secret.driver import SecretDriver

UUID = "0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f"
OTHER = "1b81f5b2-8403-7b23-c8d6-21ccc2f80d6f"
VALUE = b"correct horse battery staple"
CALL = b"call-0123456789a"


def xml(uuid: str = UUID, volume: str = "/x", *, ephemeral: str = "no", private: str = "no", extra: str = "") -> str:
    return f"""<secret ephemeral='{ephemeral}' private='{private}'><uuid>{uuid}</uuid>{extra}
      <usage type='volume'><volume>{volume}</volume></usage></secret>"""


@contextmanager
def raises(code: Code, match: str) -> Iterator[None]:
    with pytest.raises(DriverError, match=match) as caught:
        yield
    assert caught.value.code is code


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


# Bad days.


def swap_values(folder: Path, *, key_of: str, to: str) -> None:
    """Move one secret's ciphertext to another, keeping every digest of the store right: an attack, not an accident."""
    with closing(Store.open(folder / "state" / "secret", "persistent", boot_id=None)) as store:
        row = store.get("values", key_of)
        assert row is not None
        store.put("values", to, row)


def test_a_moved_ciphertext_costs_that_secret_only(lives: Lives, life: Life, driver: SecretDriver) -> None:
    for uuid, volume in ((UUID, "/x"), (OTHER, "/y")):
        driver.secret_define_xml(xml(uuid, volume))
        driver.secret_set_value(uuid, uuid.encode())
    next_life = lives.after(life, harm=lambda folder: swap_values(folder, key_of=UUID, to=OTHER))
    again = next_life.initialize()
    assert list(next_life.degraded) == [f"secret {OTHER}"]
    with raises(Code.INVALID_SECRET, "does not open"):
        again.get_value(OTHER)
    assert again.get_value(UUID) == UUID.encode()
    again.secret_set_value(OTHER, b"new")
    assert again.get_value(OTHER) == b"new"
    assert next_life.degraded == {}


def break_rows(folder: Path, table: str, key: str) -> None:
    for side in "ab":
        with closing(sqlite3.connect(folder / f"state/secret/persistent.{side}.db")) as connection:
            connection.execute("UPDATE rows SET body = x'80' WHERE tbl = ? AND key = ?", (table.encode(), key.encode()))
            connection.commit()


def test_a_value_lost_in_both_files_costs_that_value_only(lives: Lives, life: Life, driver: SecretDriver) -> None:
    for uuid, volume in ((UUID, "/x"), (OTHER, "/y")):
        driver.secret_define_xml(xml(uuid, volume))
        driver.secret_set_value(uuid, uuid.encode())
    next_life = lives.after(life, harm=lambda folder: break_rows(folder, "values", OTHER))
    again = next_life.initialize()
    assert list(next_life.degraded) == [f"values {OTHER}"]
    with raises(Code.INVALID_SECRET, "its value is lost"):
        again.get_value(OTHER)
    assert again.get_value(UUID) == UUID.encode()
    again.secret_set_value(OTHER, b"new")
    assert again.get_value(OTHER) == b"new"
    assert next_life.degraded == {}


def test_a_definition_lost_in_both_files_gives_its_value_back_when_defined_again(
    lives: Lives, life: Life, driver: SecretDriver
) -> None:
    driver.secret_define_xml(xml())
    driver.secret_set_value(UUID, VALUE)
    next_life = lives.after(life, harm=lambda folder: break_rows(folder, "secrets", UUID))
    again = next_life.initialize()
    assert again.secret_list() == []
    assert set(next_life.degraded) == {f"secrets {UUID}", f"secret {UUID}"}
    again.secret_define_xml(xml())
    assert again.get_value(UUID) == VALUE
    assert next_life.degraded == {}


def test_what_is_left_of_a_lost_secret_can_be_undefined(lives: Lives, life: Life, driver: SecretDriver) -> None:
    driver.secret_define_xml(xml())
    driver.secret_set_value(UUID, VALUE)
    next_life = lives.after(life, harm=lambda folder: break_rows(folder, "secrets", UUID))
    again = next_life.initialize()
    again.secret_undefine(UUID)
    assert next_life.degraded == {}
    assert next_life.persistent.all("values") == {}


def remove_keys(folder: Path) -> None:
    for name in backend.KEY_FILES:
        (folder / "state/secret" / name).unlink()


def test_without_the_key_definitions_are_served_and_values_say_why(lives: Lives, life: Life, driver: SecretDriver) -> None:
    driver.secret_define_xml(xml())
    driver.secret_set_value(UUID, VALUE)
    next_life = lives.after(life, harm=remove_keys)
    again = next_life.initialize()
    assert list(next_life.degraded) == ["master key"]
    assert again.secret_lookup_by_uuid(UUID)["has_value"] is True
    with raises(Code.INTERNAL_ERROR, "the master key and its copy are missing"):
        again.get_value(UUID)
    with raises(Code.INTERNAL_ERROR, "the master key and its copy are missing"):
        again.secret_set_value(UUID, b"new")
    assert not (next_life.folder / "state/secret" / backend.KEY_FILES[0]).exists(), "never silently a new key"
    shutil.copy(life.folder / "state/secret" / backend.KEY_FILES[1], next_life.folder / "state/secret" / backend.KEY_FILES[0])
    again.state_reload()
    assert again.get_value(UUID) == VALUE
    assert next_life.degraded == {}
    assert next_life.kinds() == [("state-file-mended", f"{backend.KEY_FILES[1]} was missing")]


def test_another_key_degrades_each_value_and_a_reload_with_the_right_one_mends(
    lives: Lives, life: Life, driver: SecretDriver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    driver.secret_define_xml(xml())
    driver.secret_set_value(UUID, VALUE)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "master-key").write_bytes(b"another key")
    next_life = lives.after(life)
    again = next_life.initialize()
    assert list(next_life.degraded) == [f"secret {UUID}"]
    (tmp_path / "master-key").unlink()
    again.state_reload()
    assert next_life.degraded == {}
    assert again.get_value(UUID) == VALUE


def test_a_record_of_another_version_is_shown_and_not_fatal(lives: Lives, life: Life, driver: SecretDriver) -> None:
    driver.secret_define_xml(xml())
    life.persistent.put("secrets", OTHER, {"uuid": OTHER, "shape": "unknown"})
    next_life = lives.after(life)
    assert [secret["uuid"] for secret in next_life.initialize().secret_list()] == [UUID]
    assert list(next_life.degraded) == [f"secret {OTHER}"]


def test_a_state_directory_that_cannot_be_written_costs_no_value(lives: Lives, life: Life, driver: SecretDriver) -> None:
    driver.secret_define_xml(xml())
    driver.secret_set_value(UUID, VALUE)
    folder = life.folder / "state/secret"
    for side in "ab":
        (folder / f"persistent.{side}.db.new" / "in the way").mkdir(parents=True)
        (folder / f"persistent.{side}.db").unlink()
    with raises(Code.SYSTEM_ERROR, "cannot be made durable"):
        driver.secret_set_value(UUID, b"new")
    assert driver.get_value(UUID) == VALUE
    assert lives.all[0].driver.secret_lookup_by_uuid(UUID)["has_value"] is True


def test_values_are_nowhere_but_where_they_were_asked_for(
    life: Life, driver: SecretDriver, capfd: pytest.CaptureFixture[str]
) -> None:
    driver.secret_define_xml(xml())
    driver.secret_define_xml(xml(OTHER, "/y", ephemeral="yes"))
    for uuid in (UUID, OTHER):
        driver.secret_set_value(uuid, VALUE)
    with pytest.raises(DriverError) as too_long:
        driver.secret_set_value(UUID, VALUE * 4096)
    texts = [
        str(too_long.value),
        repr(driver.secret_list()),
        repr(life.events),
        repr(life.degraded),
        repr(vars(driver)),
        *capfd.readouterr(),
    ]
    assert all(VALUE.decode() not in text for text in texts)
    life.close()
    for path in life.folder.rglob("*"):
        assert path.is_dir() or VALUE not in path.read_bytes(), path
        assert not path.stat().st_mode & 0o077 or path.is_dir()


@pytest.mark.parametrize("argument", [None, 7, [], {}, b"x", "", "x" * 10_000])
def test_arguments_of_any_kind_end_in_typed_errors(driver: SecretDriver, argument: Any) -> None:
    driver.secret_define_xml(xml())
    for call in (
        lambda: driver.secret_define_xml(argument),
        lambda: driver.secret_undefine(argument),
        lambda: driver.secret_lookup_by_uuid(argument),
        lambda: driver.secret_lookup_by_usage(argument, argument),
        lambda: driver.secret_get_value(argument),
        lambda: driver.secret_set_value(argument, b"x"),
        lambda: driver.get_value(argument),
        lambda: driver.get_value(usage_type=argument, usage_id=argument),
    ):
        with pytest.raises(DriverError):
            call()
