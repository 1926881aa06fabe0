"""Imports point one way."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.architecture.imports import DYNAMIC, dynamic_offences, offences
from tests.architecture.sources import EVERYTHING, PRODUCT, ROOT, parse, sources


def test_every_import_is_one_the_table_allows() -> None:
    assert [offence for source in sources(*EVERYTHING) for offence in offences(source)] == []


def test_imports_by_computed_name_stand_in_few_places() -> None:
    assert [offence for source in sources(*PRODUCT, "drills") for offence in dynamic_offences(source)] == []


def test_no_place_is_excused_that_needs_no_excuse() -> None:
    computing = {source.module for source in sources(*PRODUCT, "drills") if "import_module" in source.text}
    assert set(DYNAMIC) <= computing


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("ipc/codec.py", "import zmq"),
        ("ipc/calls.py", "from tierhost.host.core import events"),
        ("ipc/calls.py", "from tierhost.workers.runtime.contract import read"),
        ("host/core/tiers.py", "import time"),
        ("host/core/tiers.py", "from pathlib import Path"),
        ("host/core/tiers.py", "import random"),
        ("host/core/tiers.py", "from tierhost.ipc.errors import Code"),
        ("host/core/tiers.py", "from tierhost.host.shell import procfs"),
        ("host/shell/loop.py", "from tierhost.workers.runtime import main"),
        ("host/shell/loop.py", "from tierhost.host.run import run_host"),
        ("host/shell/loop.py", "import zmq"),
        ("host/catalog.py", "import tierhost.workers.secret.driver"),
        ("host/catalog.py", "from tierhost import workers"),
        ("workers/runtime/main.py", "from tierhost.host.core import events"),
        ("workers/runtime/main.py", "from tierhost.workers.secret import driver"),
        ("workers/qemu/driver.py", "from tierhost.ipc.client import Client"),
        ("workers/qemu/driver.py", "from tierhost.workers.storage import state"),
        ("workers/qemu/driver.py", "import msgpack"),
        ("workers/qemu/driver.py", "from tierhost.host.config import Settings"),
        ("host/run.py", "from tierhost.drills import demo"),
        ("drills/demo.py", "from tests.unit import anything"),
        ("host/run.py", "from host.config import Settings"),
        ("workers/qemu/driver.py", "from .state import Guest"),
        ("host/run.py", "import yaml"),
    ],
)
def test_an_import_against_the_table_is_found(path: str, line: str) -> None:
    assert len(offences(parse(path, line))) == 1


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("ipc/sockets.py", "import zmq"),
        ("host/core/tiers.py", "from dataclasses import dataclass"),
        ("host/shell/loop.py", "from tierhost.ipc.codec import encode"),
        ("host/shell/status.py", "from tierhost import __version__"),
        ("workers/qemu/driver.py", "from tierhost.workers.qemu.state import Guest"),
        ("workers/qemu/driver.py", "from tierhost.workers.runtime.contract import change"),
        ("workers/qemu/monitor.py", "from qemu.qmp import QMPClient"),
        ("drills/demo.py", "from tierhost.host import launch"),
    ],
)
def test_an_import_the_table_allows_is_none_of_our_business(path: str, line: str) -> None:
    assert offences(parse(path, line)) == []


def test_an_import_by_computed_name_is_found() -> None:
    assert len(dynamic_offences(parse("host/catalog.py", "import importlib\nimportlib.import_module(name)"))) == 1


def test_a_folder_without_a_rule_is_found() -> None:
    assert offences(parse("plugins/tape.py", "import os"))[0].endswith("no import rule covers tierhost.plugins.tape")


def test_no_module_is_loaded_under_two_names() -> None:
    assert not {"host", "workers", "ipc", "drills"} & sys.modules.keys()


def test_the_command_line_says_help_without_the_libraries_of_the_wire() -> None:
    listing = "import sys; from tierhost.host.cli.arguments import parser; parser().format_help(); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", listing], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    ).stdout.split()
    assert "tierhost.host.cli.arguments" in loaded
    assert not {"zmq", "msgpack", "multiprocess", "dill", "asyncio", "subprocess"} & set(loaded)
