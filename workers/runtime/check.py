"""`python -m tierhost.workers.runtime.check`: manifests on stdin (JSON), findings per driver on stdout; imports the drivers."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tierhost.workers.runtime.guard import guarded
from tierhost.workers.runtime.loading import check_driver, load


def findings(spec: dict[str, Any]) -> list[str]:
    """List what is wrong with one driver."""
    # Whoever started us learns from this which driver was the last one.
    sys.stderr.write(f"checking {spec['name']}\n")
    sys.stderr.flush()
    loaded = guarded("importing", load, spec)
    if loaded.error is not None:
        return [str(loaded.error)]
    wrong = check_driver(loaded.value, spec)
    if not Path(spec["path"], "README.md").exists():
        wrong.append("README.md is missing")
    return wrong


if __name__ == "__main__":
    json.dump({spec["name"]: findings(spec) for spec in json.load(sys.stdin)}, sys.stdout)
