"""`tierhost check` finds each thing that can be wrong with a driver, all of them in one run, and needs no host."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.integration.cli.conftest import TIERHOST, Shell
from tierhost.host import catalog
from tierhost.host.cli import arguments, checking

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = 'name = "{name}"\ntier = "libvirt"\nentry = "driver:Made"\nsummary = "made for a test"\n'

GOOD = '''\
"""A driver."""

from tierhost.workers.runtime.contract import InitResult, StateDriver, change, read, service


class Made(StateDriver):
    """A driver for a test."""

    def state_initialize(self, *, privileged, inhibit):
        """Be there."""
        return InitResult.COMPLETE

    @read()
    def look(self):
        """Look."""
'''
CODES = {
    "good": (GOOD, "ok"),
    "no-import": (GOOD.replace("import InitResult", "import NoSuchName"), "its code cannot be imported: ImportError"),
    "no-python": ("class Made(:\n", "its code cannot be imported: SyntaxError"),
    "raises": ("raise ValueError('on purpose')\n", "importing raised ValueError: on purpose"),
    "no-class": ('"""Nothing."""\n', "driver:Made is no StateDriver"),
    "no-driver": ('"""A class."""\n\n\nclass Made:\n    """No driver."""\n', "driver:Made is no StateDriver"),
    "no-verb": (GOOD + "\n    state_reload = None\n", "state_reload is missing"),
    "own-verb": (
        GOOD + '\n    def state_stop(self, how):\n        """Stop."""\n',
        "state_stop has other parameters than the contract's",
    ),
    "no-initialize": (GOOD.replace("state_initialize", "start"), "state_initialize is not implemented"),
    "extra-service": (GOOD.replace("@read()", "@service()"), "the class offers the services ['look']"),
    "no-words": (GOOD.replace('\n        """Look."""', " ..."), "look has no docstring"),
    "no-title": (GOOD.replace('    """A driver for a test."""\n', ""), "the class has no docstring"),
    "own-lock": (GOOD.replace("@read()", '@change(lock="thing")'), "look locks by 'thing', which is none of its parameters"),
}

MANIFESTS: dict[str, tuple[str | bytes, str]] = {
    "no-toml": ("name =\n", "not TOML"),
    "no-utf-8": (b"name = '\xff'\n", "not TOML"),
    "unknown-key": (MANIFEST.format(name="unknown-key") + "colour = 1\n", "colour: unknown key"),
    "wrong-type": (MANIFEST.format(name="wrong-type") + 'required = "yes"\n', "required: expected bool"),
    "no-name": ('tier = "libvirt"\nentry = "driver:Made"\n', "name: missing or not of the form"),
    "bad-name": (MANIFEST.format(name="../up"), "name: missing or not of the form"),
    "bad-entry": (MANIFEST.format(name="bad-entry").replace("driver:Made", "driver"), "entry: missing or not of the form"),
    "bad-tier": (MANIFEST.format(name="bad-tier").replace("libvirt", "roof"), "tier 'roof' is none of libvirt, hypervisor"),
    "bad-need": (MANIFEST.format(name="bad-need") + 'needs = ["secret"]\n', "needs: expected 'driver.method', got 'secret'"),
    "bad-limit": (MANIFEST.format(name="bad-limit") + "[limits_s]\nstop = 0\n", "limits_s.stop: expected seconds, got 0"),
    "too-long": (MANIFEST.format(name="too-long") + "#" * (64 << 10), "the limit is 65536"),
    "taken": (MANIFEST.format(name="secret"), "the name 'secret' is taken by"),
}

LATER = {
    "needs-nobody": ('needs = ["ghost.appear"]\n', "it needs ghost.appear, which nobody provides"),
    "needs-more": ('needs = ["secret.get_everything"]\n', "it needs secret.get_everything, which nobody provides"),
    "needs-later": ('needs = ["above.look"]\n', "it needs above.look, which comes up in the later tier 'hypervisor'"),
    "gives-nothing": ('provides = ["nothing"]\n', "the manifest provides ['nothing'], the class offers the services []"),
}


def lay_down(folder: Path, name: str, manifest: str | bytes, code: str, *, page: bool = True) -> None:
    """Write one driver folder."""
    home = folder / name
    home.mkdir()
    home.joinpath("driver.toml").write_bytes(manifest if isinstance(manifest, bytes) else manifest.encode())
    home.joinpath("driver.py").write_text(code)
    if page:
        home.joinpath("README.md").write_text(f"# {name}\n")


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What one run of the command says, by driver or broken folder."""
    folder = tmp_path_factory.mktemp("drivers")
    for name, (code, _) in CODES.items():
        lay_down(folder, name, MANIFEST.format(name=name), code)
    for name, (manifest, _) in MANIFESTS.items():
        lay_down(folder, name, manifest, GOOD)
    for name, (more, _) in LATER.items():
        lay_down(folder, name, MANIFEST.format(name=name) + more, GOOD)
    lay_down(folder, "no-page", MANIFEST.format(name="no-page"), GOOD, page=False)
    slow = GOOD.replace("@read()", "@service(changes=True, inline=True)")
    lay_down(folder, "slow-inline", MANIFEST.format(name="slow-inline") + 'provides = ["look"]\n', slow)
    above = MANIFEST.format(name="above").replace("libvirt", "hypervisor") + 'provides = ["look"]\n'
    lay_down(folder, "above", above, GOOD.replace("@read()", "@service()"))
    argv = [*TIERHOST, "check", "--format", "json", str(folder), str(folder / "nowhere")]
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 1, ran.stderr
    found: dict[str, list[str]] = {}
    for row in json.loads(ran.stdout):
        found.setdefault(row["driver"].removeprefix(f"{folder}/"), []).append(row["finding"])
    return found


@pytest.mark.parametrize("name", [*CODES, *MANIFESTS, *LATER])
def test_what_is_wrong_with_a_driver_is_said_and_nothing_else(findings: dict[str, list[str]], name: str) -> None:
    (finding,) = findings[name]
    assert {**CODES, **MANIFESTS, **LATER}[name][1] in finding


def test_a_change_that_is_inline_is_found(findings: dict[str, list[str]]) -> None:
    assert findings["slow-inline"] == ["look is inline and changes something: inline methods may not wait for a disk"]


def test_a_driver_without_a_page_is_found(findings: dict[str, list[str]]) -> None:
    assert findings["no-page"] == ["README.md is missing"]


def test_a_folder_without_drivers_is_found(findings: dict[str, list[str]]) -> None:
    assert "no folder with a driver.toml in it" in findings["nowhere"][0]


def test_the_drivers_of_the_repository_are_all_right_beside_them(findings: dict[str, list[str]]) -> None:
    assert [findings[name] for name in ("qemu", "secret", "storage")] == [["ok"]] * 3


def test_drivers_that_are_all_right_are_an_exit_code_of_nought(shell: Shell, tmp_path: Path) -> None:
    lay_down(tmp_path, "good", MANIFEST.format(name="good"), GOOD)
    ran = shell.run("check", str(tmp_path))
    assert (ran.code, ran.err) == (0, "")
    assert {row[2] for row in ran.rows()} == {"ok"}


def test_a_driver_that_exits_when_it_is_imported_is_wrong_and_the_check_goes_on(shell: Shell, tmp_path: Path) -> None:
    lay_down(tmp_path, "exits", MANIFEST.format(name="exits"), "import sys\n\nsys.exit('I will not be checked')\n")
    ran = shell.run("check", str(tmp_path))
    assert ran.code == 1
    assert {row[0]: row[2] for row in ran.rows()}["secret"] == "ok"
    assert "I will not be checked" in next(row for row in ran.rows() if row[0] == "exits")[2]


def test_a_driver_that_ends_the_check_is_an_error_of_the_check(shell: Shell, tmp_path: Path) -> None:
    code = "import os\n\nos.write(2, b'I will not be checked')\nos._exit(3)\n"
    lay_down(tmp_path, "ends", MANIFEST.format(name="ends"), code)
    ran = shell.run("check", str(tmp_path))
    assert ran.code == 1
    assert "checking ends" in ran.err
    assert "I will not be checked" in ran.err
    assert ran.out == ""


def test_a_driver_whose_import_never_ends_is_an_error_of_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checking, "CHECK_LIMIT_S", 1.0)
    monkeypatch.setattr(catalog, "BUILT_IN", tmp_path / "nowhere")
    lay_down(tmp_path, "blocks", MANIFEST.format(name="blocks"), "import threading\n\nthreading.Event().wait()\n")
    with pytest.raises(checking.CheckFailed, match="more than 1 s") as caught:
        checking.check(arguments.parse(["check", str(tmp_path)]))
    assert caught.value.subject == "driver blocks"
    assert capsys.readouterr().out == ""


def test_no_driver_is_imported_where_the_command_runs(tmp_path: Path) -> None:
    code = f"""\
        import sys
        from tierhost.host.cli.main import main
        main(["check", {str(tmp_path)!r}])
        assert not [name for name in sys.modules if "workers" in name or "tierhost_driver" in name]
    """
    lay_down(tmp_path, "good", MANIFEST.format(name="good"), GOOD)
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
