"""Vlans and bonds, for real: on this kernel if it has them, otherwise under a User-Mode Linux that does."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.namespaces import ip, need_namespaces, private_network
from tests.user_mode_linux import LIMIT_S, run_under_another_linux

if TYPE_CHECKING:
    from pathlib import Path

MODULE = "tests.integration.interface.vlans_and_bonds"


def kernel_has_both() -> bool:
    with private_network():
        ip("link", "add", "p0", "type", "veth", "peer", "name", "p1")
        try:
            ip("link", "add", "link", "p0", "name", "try", "type", "vlan", "id", "9")
            ip("link", "add", "try2", "type", "bond")
        except AssertionError:
            return False
    return True


@pytest.mark.slow
def test_vlans_and_bonds_are_made_kept_and_taken_back(tmp_path: Path) -> None:
    need_namespaces()
    if not kernel_has_both():
        run_under_another_linux(MODULE, tmp_path, ("8021q", "bonding", "veth", "bridge"))
        return
    done = subprocess.run([sys.executable, "-m", MODULE], capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
