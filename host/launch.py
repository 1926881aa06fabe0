"""Start a host from a program (a test, a notebook, a drill), with driver classes defined on the spot."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgpack

from tierhost.ipc.errors import Code, TierhostError
from tierhost.ipc.limits import ORDER_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tierhost.ipc.paths import Root

CLASS_BYTES_MAX = ORDER_BYTES_MAX - (16 << 10)
START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 60.0


class CannotLaunch(TierhostError):
    """Raised when a host did not come up, or a class cannot be carried into another process."""

    code = Code.OPERATION_FAILED


@dataclass(slots=True)
class Running:
    """A host that was started by this program. It goes on when the program ends; `kill` and `wait` are for drills."""

    root: Root
    process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """The host's process id."""
        return self.process.pid

    def kill(self) -> None:
        """SIGKILL the host, as a drill does. Its workers live on."""
        self.process.kill()
        self.process.wait()


def hand_over(root: Root, drivers: Iterable[type]) -> None:
    """Lay driver classes down where the host of this root finds them, now and after its next restart.

    `drivers` are subclasses of StateDriver; name, tier, needs, provides and required are read from the class. dill
    carries the class by value, so it may come from `__main__` or from inside a test function. Raises CannotLaunch.
    """
    import dill  # noqa: PLC0415  # 30 ms that only this function needs

    folder = root.run / "classes"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for driver in drivers:
        manifest = _manifest_of(driver)
        home = driver.__module__
        try:
            # By value whatever module it stands in: the worker need not be able to import that.
            driver.__module__ = "__main__"
            blob = dill.dumps(driver, byref=False, recurse=True)
        except (TypeError, ValueError, AttributeError, RecursionError, dill.PicklingError) as error:
            reason = f"the class cannot be carried into a worker: {error}"
            hint = "do not refer to locks, sockets, threads or contexts outside the class"
            raise CannotLaunch(reason, subject=driver.__qualname__, hint=hint) from None
        finally:
            driver.__module__ = home
        if len(blob) > CLASS_BYTES_MAX:
            reason = f"the class and what it refers to have {len(blob)} bytes, the limit is {CLASS_BYTES_MAX}"
            raise CannotLaunch(reason, subject=driver.__qualname__, hint="import large things inside its methods")
        path = folder / f"{manifest['name']}.class"
        fresh = path.with_suffix(".new")
        fresh.write_bytes(msgpack.packb({"manifest": manifest, "blob": blob}))
        os.replace(fresh, path)


def _manifest_of(driver: Any) -> dict[str, Any]:
    return {
        "name": driver.name,
        "tier": driver.tier,
        "entry": f"handed_over:{driver.__name__}",
        "provides": list(driver.provides),
        "needs": list(driver.needs),
        "required": driver.required,
        "summary": (driver.__doc__ or "").strip().partition("\n")[0],
    }


def start(
    root: Root,
    folder: Path | None,
    *,
    drivers: Iterable[type] = (),
    options: Iterable[str] = (),
    program: Iterable[str] = (),
) -> Running:
    """Start `tierhost up` on `--root folder` (None: the default places); return once its tiers are as far as they get.

    `program` is the command to run as `tierhost`: another build, or a wrapper that ends in an exec of one. Empty: this
    interpreter's own. Raises CannotLaunch.
    """
    hand_over(root, drivers)
    ready_read, ready_write = os.pipe()
    where = ["--root", str(folder)] if folder else []
    command = tuple(program) or (sys.executable, "-m", "tierhost.host")
    argv = [*command, *where, "up", "--ready-fd", str(ready_write), *options]
    log = root.run / "host.log"
    root.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=[ready_write], start_new_session=True
        )
    os.close(ready_write)
    with os.fdopen(ready_read, "rb") as ready:
        heard, _, _ = select.select([ready], [], [], START_DEADLINE_S)
        word = os.read(ready.fileno(), 4096) if heard else b""
    if not heard:
        process.kill()
    if not word:
        process.wait(STOP_DEADLINE_S)
        reason = f"the host ended with exit code {process.returncode}: {log.read_text()[-2000:].strip()}"
        raise CannotLaunch(reason, subject=str(root.run), hint=f"see {log}")
    return Running(root, process)
