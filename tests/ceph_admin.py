"""Run by Debian's Python, for its librados: does what the test cluster's administrator does. One line of JSON per step."""

from __future__ import annotations

import base64
import contextlib
import json
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import rados  # type: ignore[import-not-found]  # Debian's, for Debian's Python alone
import rbd  # type: ignore[import-not-found]

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT_S = 25


def until(test: Callable[[], bool]) -> None:
    """Wait for what the cluster gives no event for."""
    end_s = time.monotonic() + LIMIT_S
    while not test():
        if time.monotonic() > end_s:
            raise TimeoutError
        time.sleep(0.02)


class Admin:
    """Connects at the first step: the monitor may only just have been started."""

    def __init__(self, configuration: str) -> None:
        self.cluster = rados.Rados(conffile=configuration, name="client.admin")
        for name in ("rados_mon_op_timeout", "rados_osd_op_timeout", "client_mount_timeout"):
            self.cluster.conf_set(name, str(LIMIT_S))
        self.cluster.connect(timeout=LIMIT_S)

    def mon(self, prefix: str, **arguments: object) -> Any:
        """Give the monitors a command."""
        code, out, status = self.cluster.mon_command(json.dumps({"prefix": prefix, "format": "json", **arguments}), b"")
        if code:
            raise OSError(-code, f"{prefix}: {status}")
        return json.loads(out) if out.strip() else None

    def enter_osd(self, uuid: str) -> None:
        """Enter osd.0 into the map; its key is there."""
        self.mon("osd new", uuid=uuid, id=0)

    def await_osd(self, pid: int, pool: str) -> None:
        """Wait for that very process (its pid is the nonce of its addresses), and for every part of the pool."""
        until(
            lambda: any(
                osd["up"] and osd["in"] and any(address["nonce"] == pid for address in osd["public_addrs"]["addrvec"])
                for osd in self.mon("osd dump")["osds"]
            )
        )
        if pool not in self.cluster.list_pools():
            self.mon("osd pool create", pool=pool, pg_num=8, pgp_num=8)
            self.mon("osd pool application enable", pool=pool, app="rbd")
            with self.cluster.open_ioctx(pool) as ioctx:
                rbd.RBD().pool_init(ioctx, True)
        self.cluster.wait_for_latest_osdmap()
        with self.cluster.open_ioctx(pool) as ioctx:
            for number in range(64):
                with contextlib.suppress(rados.ObjectNotFound):
                    ioctx.stat(f"probe-{number}")

    def await_figures(self) -> None:
        """Wait until the manager has told how full everything is."""
        until(lambda: self.cluster.get_cluster_stats()["kb"] > 0)

    def images(self, pool: str) -> list[str]:
        """List the images."""
        with self.cluster.open_ioctx(pool) as ioctx:
            return sorted(rbd.RBD().list(ioctx))

    def put(self, pool: str, name: str, size: int, contents: str) -> None:
        """Make an image that begins with these bytes (in base64)."""
        with self.cluster.open_ioctx(pool) as ioctx:
            rbd.RBD().create(ioctx, name, size)
            with rbd.Image(ioctx, name) as image:
                image.write(base64.b64decode(contents), 0)

    def clear(self, pool: str) -> None:
        """Remove every image. Who had one open and is dead keeps it until his watch lapses."""
        with self.cluster.open_ioctx(pool) as ioctx:
            for name in rbd.RBD().list(ioctx):
                until(partial(self._remove, ioctx, name))

    def _remove(self, ioctx: Any, name: str) -> bool:
        try:
            rbd.RBD().remove(ioctx, name)
        except rbd.ImageBusy:
            return False
        return True


def main() -> None:
    """Serve until nobody asks any more."""
    admin: Admin | None = None
    for line in sys.stdin:
        step, *words = json.loads(line)
        try:
            admin = admin or Admin(sys.argv[1])
            answer = {"value": getattr(admin, step)(*words)}
        except (OSError, rados.Error, rbd.Error) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


main()
