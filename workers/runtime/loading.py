"""Finds the driver class that a manifest names, and says whether it keeps the contract."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import inspect
import sys
from pathlib import Path
from typing import Any

from tierhost.ipc.errors import DriverError
from tierhost.workers.runtime.contract import STATE_VERBS, Exposure, StateDriver


class CannotLoad(DriverError):
    """Raised when the driver's code cannot be imported or is no driver; says which file or name."""


def load(spec: dict[str, Any], blob: bytes = b"") -> type[StateDriver]:
    """Return the class that `spec` (a manifest as the host sends it) names. Raises CannotLoad."""
    name = spec["name"]
    if spec["class_blob"]:
        import dill  # noqa: PLC0415  # only classes that were handed over need it

        found = dill.loads(blob)  # noqa: S301  # came through a private inherited socket pair, from whoever runs the host
    else:
        module_name, _, class_name = spec["entry"].partition(":")
        try:
            module = importlib.import_module(f"{_package_of(spec)}.{module_name}")
        except (ImportError, SyntaxError) as error:
            reason = f"its code cannot be imported: {type(error).__name__}: {error}"
            raise CannotLoad(reason, subject=f"driver {name}", hint=f"see {spec['path']}") from error
        found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, StateDriver)):
        reason = f"{spec['entry']} is no StateDriver"
        raise CannotLoad(reason, subject=f"driver {name}", hint="subclass tierhost.workers.runtime.contract.StateDriver")
    return found


def _package_of(spec: dict[str, Any]) -> str:
    """The driver's package. A folder from `--drivers DIR` has none, so it becomes one of its own."""
    if spec["package"]:
        return str(spec["package"])
    package = f"tierhost_driver_{spec['name'].replace('-', '_')}"
    if package not in sys.modules:
        folder = Path(spec["path"])
        init = folder / "__init__.py"
        location = importlib.util.spec_from_file_location(
            package, init if init.exists() else None, submodule_search_locations=[str(folder)]
        )
        if location is None:
            location = importlib.machinery.ModuleSpec(package, None, is_package=True)
            location.submodule_search_locations = [str(folder)]
        module = importlib.util.module_from_spec(location)
        sys.modules[package] = module
        if location.loader is not None:
            location.loader.exec_module(module)
    return package


def offers(driver: type[StateDriver]) -> dict[str, Exposure]:
    """The methods that may be called from outside, by name."""
    found = {}
    for name in dir(driver):
        exposure = getattr(getattr(driver, name, None), "exposure", None)
        if isinstance(exposure, Exposure):
            found[name] = exposure
    return found


def check_driver(driver: type[StateDriver], spec: dict[str, Any]) -> list[str]:
    """List what is wrong with a driver: verbs, exposure, manifest, docs. An empty list is what everybody wants.

    Called by `tierhost check` (in a process of its own) and by the conformance tests.
    """
    wrong = []
    for verb in STATE_VERBS:
        if not callable(getattr(driver, verb, None)):
            wrong.append(f"{verb} is missing")
        elif (
            inspect.signature(getattr(driver, verb)).parameters.keys()
            != inspect.signature(getattr(StateDriver, verb)).parameters.keys()
        ):
            wrong.append(f"{verb} has other parameters than the contract's")
    if driver.state_initialize is StateDriver.state_initialize:
        wrong.append("state_initialize is not implemented")
    exposed = offers(driver)
    services = {name for name, exposure in exposed.items() if exposure.service}
    if services != set(spec["provides"]):
        wrong.append(f"the manifest provides {sorted(spec['provides'])}, the class offers the services {sorted(services)}")
    for name, exposure in exposed.items():
        method = getattr(driver, name)
        if not (method.__doc__ or "").strip():
            wrong.append(f"{name} has no docstring")
        if exposure.lock and exposure.lock not in inspect.signature(method).parameters:
            wrong.append(f"{name} locks by '{exposure.lock}', which is none of its parameters")
        if exposure.inline and exposure.changes:
            wrong.append(f"{name} is inline and changes something: inline methods may not wait for a disk")
    if not (driver.__doc__ or "").strip():
        wrong.append("the class has no docstring")
    return wrong
