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
    from collections.abc import Mapping, Sequence

    from tierhost.host.catalog import Manifest

CHECK_LIMIT_S = 120.0
WORDS_CHARS_MAX = 2_000


class CheckFailed(TierhostError):
    """Raised when the check itself could not be made."""

    code = Code.OPERATION_FAILED


def check(arguments: argparse.Namespace) -> int:
    """Print what is wrong with each driver; 1 if anything is. The host never imports a driver, and neither do we."""
    from tierhost.host import catalog, config

    plain = config.Config()
    found = catalog.read(plain, [folder.absolute() for folder in arguments.drivers])
    findings = _ask_checker([manifest.wire() for manifest in found.drivers.values()])
    for name, unmet in unmet_needs(found.drivers, plain.tiers).items():
        findings[name] += unmet
    rows = [
        {"driver": name, "tier": found.drivers[name].tier, "finding": text}
        for name, texts in findings.items()
        for text in texts or ["ok"]
    ]
    rows += [{"driver": source, "tier": "-", "finding": reason} for source, reason in found.broken.items()]
    output.print_value(rows, output.style(arguments.format))
    return 1 if found.broken or any(findings.values()) else 0


def unmet_needs(drivers: Mapping[str, Manifest], tiers: Sequence[str]) -> dict[str, list[str]]:
    """List, for each driver with such a need, what nobody provides in its own tier or an earlier one."""
    unmet: dict[str, list[str]] = {}
    for one in drivers.values():
        for need in one.needs:
            provider, _, method = need.partition(".")
            other = drivers.get(provider)
            if other is None or method not in other.provides:
                unmet.setdefault(one.name, []).append(f"it needs {need}, which nobody provides")
            elif tiers.index(other.tier) > tiers.index(one.tier):
                unmet.setdefault(one.name, []).append(f"it needs {need}, which comes up in the later tier '{other.tier}'")
    return unmet


def _ask_checker(specs: list[dict[str, object]]) -> dict[str, list[str]]:
    argv = [sys.executable, "-m", "tierhost.workers.runtime.check"]
    try:
        checked = subprocess.run(
            argv, input=json.dumps(specs), capture_output=True, text=True, timeout=CHECK_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as expired:
        last = (expired.stderr or b"").decode(errors="replace").rpartition("checking ")[2].partition("\n")[0]
        reason = f"importing it took more than {CHECK_LIMIT_S:.0f} s"
        raise CheckFailed(reason, subject=f"driver {last}", hint="does it wait for something in its import?") from None
    if checked.returncode:
        raise CheckFailed(checked.stderr[-WORDS_CHARS_MAX:].strip(), subject="the check itself failed")
    findings: dict[str, list[str]] = json.loads(checked.stdout)
    return findings
