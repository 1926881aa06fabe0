"""The secret driver under power cuts: definitions, values, and the key files without which no value opens."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tierhost.drills.power_cut.subjects import RESTART, TROUBLE, Step, Subject
from tierhost.ipc.errors import TierhostError
from tierhost.workers.runtime.testing import live
from tierhost.workers.secret.driver import SecretDriver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tierhost.drills.power_cut.subjects import Rows
    from tierhost.workers.runtime.testing import LifeInTest

FIRST: Final = "0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f"
SECOND: Final = "1b81f5b2-8403-7b23-c8d6-21ccc2f80d6f"


class SecretLife:
    """The driver, asked as clients and the qemu driver ask it."""

    def __init__(self, life: LifeInTest) -> None:
        self._life = life

    def rows(self) -> Rows:
        """Each secret that is not ephemeral, with its definition and its value."""
        rows: Rows = {}
        for shown in self._life.call("secret_list"):
            uuid = shown["uuid"]
            xml = self._life.call("secret_get_xml_desc", uuid)
            if "ephemeral='yes'" not in xml and 'ephemeral="yes"' not in xml:
                rows[f"secret {uuid}"] = xml
                rows[f"value {uuid}"] = self._value(uuid)
        rows[TROUBLE] = sorted(f"{subject}: {reason}" for subject, reason in self._life.host.degraded.items())
        return rows

    def _value(self, uuid: str) -> str:
        try:
            return str(self._life.call("get_value", uuid=uuid, by="qemu").decode())
        except TierhostError as error:
            return f"{type(error).__name__} {int(error.code)}"

    def define(self, uuid: str, volume: str, *, ephemeral: str = "no", description: str = "") -> None:
        """Define or redefine."""
        told = f"<description>{description}</description>" if description else ""
        usage = f"<usage type='volume'><volume>{volume}</volume></usage>"
        self._life.call(
            "secret_define_xml", f"<secret ephemeral='{ephemeral}' private='yes'><uuid>{uuid}</uuid>{told}{usage}</secret>"
        )

    def set(self, uuid: str, value: str) -> None:
        """Give it a value."""
        self._life.call("secret_set_value", uuid, value.encode())

    def undefine(self, uuid: str) -> None:
        """Forget it."""
        self._life.call("secret_undefine", uuid)


def _steps() -> list[Step]:
    return [
        Step("a secret is defined", lambda life: life.define(FIRST, "/one")),
        Step("it gets a value", lambda life: life.set(FIRST, "first value")),
        Step("another one is defined", lambda life: life.define(SECOND, "/two", description="two")),
        Step("the other one gets a value", lambda life: life.set(SECOND, "second value")),
        Step("a definition is changed", lambda life: life.define(SECOND, "/two", description="changed")),
        Step("a value is changed", lambda life: life.set(FIRST, "changed value")),
        RESTART,
        Step("a secret becomes ephemeral", lambda life: life.define(SECOND, "/two", ephemeral="yes")),
        Step("it becomes persistent again", lambda life: life.define(SECOND, "/two", description="back")),
        Step("a secret is undefined", lambda life: life.undefine(FIRST)),
        Step("it is defined anew", lambda life: life.define(FIRST, "/three")),
        RESTART,
        Step("its new value", lambda life: life.set(FIRST, "third value")),
    ]


@contextmanager
def _live(folder: Path, boot: str) -> Iterator[SecretLife]:
    with live(SecretDriver, folder, boot_id=boot) as life:
        yield SecretLife(life)


SECRET: Final = Subject("secret", "the secret driver: definitions, values, key files", _live, _steps)
