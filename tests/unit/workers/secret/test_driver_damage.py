"""Damaged files, lost keys and moved ciphertexts cost one secret each, and say so; values show nowhere."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.workers.secret.samples import OTHER, UUID, VALUE, raises, xml
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.runtime.store import Store
from tierhost.workers.secret import backend

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.workers.secret.conftest import Life, Lives
    from tierhost.workers.secret.driver import SecretDriver


def swap_values(folder: Path, *, key_of: str, to: str) -> None:
    """Move one secret's ciphertext to another, keeping every digest of the store right: an attack, not an accident."""
    with closing(Store.open(folder / "state", "persistent", boot_id=None)) as store:
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
        with closing(sqlite3.connect(folder / f"state/persistent.{side}.db")) as connection:
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
        (folder / "state" / name).unlink()


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
    assert not (next_life.folder / "state" / backend.KEY_FILES[0]).exists(), "never silently a new key"
    shutil.copy(life.folder / "state" / backend.KEY_FILES[1], next_life.folder / "state" / backend.KEY_FILES[0])
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
    folder = life.folder / "state"
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
