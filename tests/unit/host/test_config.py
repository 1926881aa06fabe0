"""Every key of the configuration file, and every mistake with its file and line."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from tierhost.host import config as configs
from tierhost.host.config import CONFIG_BYTES_MAX, BadConfig, Config, DriverConfig, load
from tierhost.host.core.spec import Policy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EVERY_KEY = """
tiers = ["libvirt", "hypervisor", "extra"]
spares = 3
orphan_grace_s = 1.5

[restart]
intensity_max = 7
intensity_period_s = 11
backoff_first_s = 0.2
backoff_max_s = 9
greet_s = 12
evict_s = 6
adopt_s = 4

[liveness]
patience_stopped_s = 0.75
patience_s = 7

[drivers.storage]
enabled = true
required = false
tier = "extra"
warm = false
limits_s = { initialize = 31, auto_start = 121.5 }
options = { anything = ["that", { the = "driver" }, 1] }
"""


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str | bytes], Config]:
    """Load a configuration file with this text."""

    def load_text(text: str | bytes) -> Config:
        path = tmp_path / "t.toml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return load(path)

    return load_text


@pytest.fixture
def mistakes(read: Callable[[str | bytes], Config], tmp_path: Path) -> Callable[[str | bytes], list[str]]:
    """Load a text that must be refused; return its mistakes without the folder."""

    def refused(text: str | bytes) -> list[str]:
        with pytest.raises(BadConfig) as caught:
            read(text)
        return str(caught.value).replace(f"{tmp_path}/", "").splitlines()

    return refused


def test_every_key_is_taken(read: Callable[[str], Config]) -> None:
    config = read(EVERY_KEY)
    assert (config.tiers, config.spares, config.orphan_grace_s) == (("libvirt", "hypervisor", "extra"), 3, 1.5)
    assert config.policy == Policy(
        intensity_max=7,
        intensity_period_s=11,
        backoff_first_s=0.2,
        backoff_max_s=9,
        greet_s=12,
        evict_s=6,
        adopt_s=4,
        patience_stopped_s=0.75,
        patience_s=7,
    )
    assert asdict(config.driver("storage")) == {
        "enabled": True,
        "required": False,
        "tier": "extra",
        "warm": False,
        "limits_s": {"initialize": 31, "auto_start": 121.5},
        "options": {"anything": ["that", {"the": "driver"}, 1]},
    }


def test_an_empty_file_is_the_default_of_everything(read: Callable[[str], Config]) -> None:
    assert read("") == Config()
    assert read("").driver("storage") == DriverConfig()


def test_every_number_of_the_policy_has_a_key() -> None:
    assert configs.policy_fields() == set(configs.POLICY_KEYS)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("spare = 2", "t.toml:1: spare: unknown key (known: tiers, built_in, spares, "),
        ("\n\n[restart]\nfirst_s = 1\n", "t.toml:4: restart.first_s: unknown key (known: intensity_max, "),
        ("[liveness]\ngreet_s = 1", "t.toml:2: liveness.greet_s: unknown key (known: patience_stopped_s, patience_s)"),
        ("[drivers.qemu]\n# a word\nwarmth = true", "t.toml:3: drivers.qemu.warmth: unknown key (known: enabled, "),
        ("drivers.qemu.limits_s = { initialise = 3 }", "t.toml:1: drivers.qemu.limits_s: initialise: unknown verb (known: "),
    ],
)
def test_a_key_that_nobody_knows_is_named_with_its_line_and_those_that_are_known(
    text: str, place: str, mistakes: Callable[[str], list[str]]
) -> None:
    [mistake] = mistakes(text)
    assert mistake.startswith(place)


SECONDS = "expected seconds from 0 to 86400, got"


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("tiers", '"libvirt"', "expected a list of different names, got 'libvirt'"),
        ("tiers", "[]", "expected a list of different names, got []"),
        ("tiers", '["a", "a"]', "expected a list of different names, got ['a', 'a']"),
        ("tiers", '["a", ""]', "expected a list of different names, got ['a', '']"),
        ("tiers", '["a", 1]', "expected a list of different names, got ['a', 1]"),
        ("spares", "true", "expected a whole number from 0 to 64, got True"),
        ("spares", "2.0", "expected a whole number from 0 to 64, got 2.0"),
        ("spares", "-1", "expected a whole number from 0 to 64, got -1"),
        ("spares", "65", "expected a whole number from 0 to 64, got 65"),
        ("orphan_grace_s", '"60"', f"{SECONDS} '60'"),
        ("orphan_grace_s", "true", f"{SECONDS} True"),
        ("orphan_grace_s", "-0.1", f"{SECONDS} -0.1"),
        ("orphan_grace_s", "86401", f"{SECONDS} 86401"),
        ("orphan_grace_s", "nan", f"{SECONDS} nan"),
        ("orphan_grace_s", "inf", f"{SECONDS} inf"),
        ("restart", "3", "expected a table, got 3"),
        ("liveness", "[]", "expected a table, got []"),
        ("drivers", "[]", "expected a table, got []"),
        ("drivers.qemu", "false", "expected a table, got False"),
        ("restart.intensity_max", "0", "expected a whole number from 1 to 100000, got 0"),
        ("restart.backoff_max_s", "[]", f"{SECONDS} []"),
        ("liveness.patience_s", '"5 s"', f"{SECONDS} '5 s'"),
        ("drivers.qemu.enabled", '"no"', "expected true or false, got 'no'"),
        ("drivers.qemu.required", "0", "expected true or false, got 0"),
        ("drivers.qemu.warm", "1", "expected true or false, got 1"),
        ("drivers.qemu.tier", '"cloud"', "no such tier (tiers: libvirt, hypervisor), got 'cloud'"),
        ("drivers.qemu.tier", '["libvirt"]', "no such tier (tiers: libvirt, hypervisor), got ['libvirt']"),
        ("drivers.qemu.limits_s", "30", "expected a table, got 30"),
        ("drivers.qemu.limits_s", "{ stop = -1, reload = true }", f"stop: {SECONDS} -1; reload: {SECONDS} True"),
        ("drivers.qemu.options", '"fast"', "expected a table, got 'fast'"),
        ("drivers.qemu.options", "{ pause = inf }", "expected text, numbers, flags, lists and tables, got {'pause': inf}"),
        (
            "drivers.qemu.options",
            "{ since = 2020-01-02 }",
            "expected text, numbers, flags, lists and tables, got {'since': datetime.date(2020, 1, 2)}",
        ),
    ],
)
def test_a_value_that_is_wrong_is_named_with_its_line(
    key: str, value: str, what: str, mistakes: Callable[[str], list[str]]
) -> None:
    assert mistakes(f"\n{key} = {value}\n") == [f"t.toml:2: {key}: {what}"]


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("spares = 0", {"spares": 0}),
        ("spares = 64", {"spares": 64}),
        ("orphan_grace_s = 0", {"orphan_grace_s": 0}),
        ("orphan_grace_s = 86400", {"orphan_grace_s": 86400}),
        ('tiers = ["one"]', {"tiers": ("one",)}),
    ],
)
def test_a_value_at_its_limit_is_taken(text: str, got: dict[str, Any], read: Callable[[str], Config]) -> None:
    assert read(text) == Config(**got)


def test_all_mistakes_are_told_at_once(mistakes: Callable[[str], list[str]]) -> None:
    told = mistakes('spares = "two"\n[restart]\nevict_s = -1\nnonsense = 1\n[drivers.qemu]\nwarm = 7\n')
    assert [mistake.split(": ")[:2] for mistake in told] == [
        ["t.toml:1", "spares"],
        ["t.toml:3", "restart.evict_s"],
        ["t.toml:4", "restart.nonsense"],
        ["t.toml:6", "drivers.qemu.warm"],
    ]


def test_a_driver_may_be_put_into_a_tier_that_the_same_file_makes(read: Callable[[str], Config]) -> None:
    assert read('tiers = ["one", "two"]\ndrivers.x.tier = "two"').driver("x").tier == "two"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("spares = 1\nspares == 2", "t.toml:2: not TOML: "),
        ("spares = 1\nspares = 2", "t.toml:2: not TOML: "),
        ("a = 1\nb = [1,\n2", "t.toml:3: not TOML: "),
        (b"a = 1\nb = '\xff'", "t.toml:2: not TOML: 'utf-8' codec can't decode"),
    ],
)
def test_what_is_no_toml_is_refused_with_its_line(
    text: str | bytes, place: str, mistakes: Callable[[str | bytes], list[str]]
) -> None:
    [mistake] = mistakes(text)
    assert mistake.startswith(place)


def test_a_file_that_is_too_long_is_refused_before_it_is_read_as_toml(mistakes: Callable[[str], list[str]]) -> None:
    assert mistakes("#" * (CONFIG_BYTES_MAX + 1)) == [
        f"t.toml:1: the file has {CONFIG_BYTES_MAX + 1} bytes, the limit is {CONFIG_BYTES_MAX}"
    ]


def test_a_file_that_is_not_there_is_the_system_s_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.toml")
