"""`tierhost check`: looks at every driver without a host, each class in a process that is not ours."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from tierhost.host.cli import output
from tierhost.ipc.errors import Code, TierhostError

if TYPE_CHECKING:
    import argparse

CHECK_LIMIT_S = 120.0
WORDS_CHARS_MAX = 2_000


class CheckFailed(TierhostError):
    """Raised when the check itself could not be made."""

    code = Code.OPERATION_FAILED


def check(arguments: argparse.Namespace) -> int:
    """Print what is wrong with each driver; 1 if anything is. The host never imports a driver, and neither do we."""
    from tierhost.host import catalog, config

    found = catalog.read(config.Config(), [folder.absolute() for folder in arguments.drivers])
    findings = _ask_checker([manifest.wire() for manifest in found.drivers.values()])
    rows = [
        {"driver": name, "tier": found.drivers[name].tier, "finding": text}
        for name, texts in findings.items()
        for text in texts or ["ok"]
    ]
    rows += [{"driver": source, "tier": "-", "finding": reason} for source, reason in found.broken.items()]
    output.print_value(rows, output.style(arguments.format))
    return 1 if found.broken or any(findings.values()) else 0


def _ask_checker(specs: list[dict[str, object]]) -> dict[str, list[str]]:
    argv = [sys.executable, "-m", "tierhost.workers.runtime.check"]
    try:
        checked = subprocess.run(
            argv, input=json.dumps(specs), capture_output=True, text=True, timeout=CHECK_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise CheckFailed(
            f"importing the drivers took more than {CHECK_LIMIT_S:.0f} s", hint="which of them blocks in its import?"
        ) from None
    if checked.returncode:
        raise CheckFailed(checked.stderr[-WORDS_CHARS_MAX:].strip(), subject="the check itself failed")
    findings: dict[str, list[str]] = json.loads(checked.stdout)
    return findings
