"""The demonstration: a site is started, everything of it is killed in turn, and what survived is counted."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills import apart_network, leaks
from tierhost.drills.example_site import EXAMPLES, Ability, ExampleSite, ability
from tierhost.drills.report import Row, print_table, say
from tierhost.drills.sweeping import sweep
from tierhost.drills.traffic import Traffic
from tierhost.host import launch
from tierhost.ipc.client import Client
from tierhost.ipc.errors import TierhostError
from tierhost.ipc.paths import Root

if TYPE_CHECKING:
    from collections.abc import Iterator

QUESTIONS: Final = {
    "secret": "secret.secret_list",
    "storage": "storage.storage_pool_list",
    "network": "network.network_list",
    "qemu": "qemu.domain_list",
}
"""A harmless call for each driver."""

BACK_LIMIT_S: Final = 20.0
GONE_LIMIT_S: Final = 5.0
QUIET_CALLS: Final = 30
"""So many calls are made between two crashes."""


class Demo:
    """One run. What it does is said on standard output, as it happens."""

    def __init__(self, folder: Path, can: Ability) -> None:
        self.folder = folder
        self.can = can
        self.rows: list[Row] = []
        self.root = Root.under(folder)
        self.site = ExampleSite(folder / "site", can)
        self._guest_pids: dict[str, int] = {}

    def run(self) -> None:
        """Start, set up, kill, count. Raises TierhostError if something does not come back."""
        self._start()
        with self._client() as client:
            self._set_up(client)
            methods = self._questions()
            say("", "Now everything is killed in turn (kill -9), while clients keep calling every driver:")
            with Traffic(self.root, methods) as traffic:
                for driver in methods:
                    self._kill_worker(client, traffic, driver)
                self._kill_host(client, traffic)
            self._kill_everything()

    def _start(self) -> None:
        began_s = time.monotonic()
        launch.start(self.root, self.folder)
        say(f"host started: every tier is ready {(time.monotonic() - began_s) * 1000:.0f} ms after the command")
        with self._client() as client:
            status = client.host("status")
            for tier in status["tiers"]:
                workers = [row for row in status["drivers"] if row["tier"] == tier["name"]]
                each = ", ".join(f"{row['name']} (pid {row['pid']}, {row['phase'].lower()})" for row in workers)
                say(f"  tier {tier['name']:<10} {tier['state']}: {each}")

    def _questions(self) -> dict[str, str]:
        """What may be asked here: not of a driver that has nothing to drive."""
        able = {"qemu": self.can.guests, "network": self.can.networks}
        return {driver: method for driver, method in QUESTIONS.items() if able.get(driver, True)}

    def _client(self) -> Client:
        return Client(self.root, deadline_s=BACK_LIMIT_S)

    def _set_up(self, client: Client) -> None:
        site = self.site
        site.define_secret(client)
        site.start_networks(client)
        if site.networks:
            say("network: lab, with a DHCP server of its own, in a network namespace that ends with this demonstration")
        site.start_pools(client)
        kind = "mounted from an image" if self.can.mounts else "a directory"
        say(f"pools: images starts at every boot; vault does not, and was started once by a call ({kind})")
        site.make_volumes(client)
        site.start_guests(client)
        for row in self._guests(client):
            say(f"guest {row['name']}: {row['state']}, pid {row['pid']}")
            self._guest_pids[row["name"]] = row["pid"]
        if "ledger" in site.guests:
            say("guest ledger runs on an encrypted disk; its key went from worker to worker, over a socket of their own")
        try:
            client.call("secret.secret_get_value", site.secret_uuid, changes=False)
        except TierhostError as refused:
            say(f"we ask for that key, too, and are refused: {refused.text}")

    # Crashes.

    def _kill_worker(self, client: Client, traffic: Traffic, driver: str) -> None:
        before = self._life(client, driver)
        since_s = time.monotonic()
        os.kill(before["pid"], signal.SIGKILL)
        client.call(QUESTIONS[driver], changes=False)
        again_s = time.monotonic() - since_s
        now = client.wait_until(lambda: self._later_life(client, before), f"{driver} has a new life")
        traffic.wait_answers(QUIET_CALLS, driver, BACK_LIMIT_S)
        lives = [f"life {life['incarnation']} (pid {life['pid']})" for life in (before, now)]
        say(f"  {driver}: {lives[0]} killed, {lives[1]} serves")
        self._count(client, traffic, f"{driver} worker", since_s, again_s, other_than=driver)

    def _kill_host(self, client: Client, traffic: Traffic) -> None:
        before = client.host("status")
        since_s = time.monotonic()
        kill_and_wait(before["host"]["pid"])
        launch.start(self.root, self.folder)
        with self._client() as anew:
            now = anew.host("status")
            again_s = time.monotonic() - since_s
            pids = [{row["name"]: row["pid"] for row in status["drivers"] if row["pid"]} for status in (before, now)]
            kept = sum(1 for name, pid in pids[0].items() if pids[1].get(name) == pid)
            traffic.wait_answers(QUIET_CALLS, "", BACK_LIMIT_S)
            hosts = [status["host"]["pid"] for status in (before, now)]
            say(f"  host: pid {hosts[0]} killed, pid {hosts[1]} adopted {kept} of {len(pids[0])} live workers")

            self._count(anew, traffic, "host", since_s, again_s)

    def _kill_everything(self) -> None:
        """Host, workers and spares at once: everything but guests."""
        with self._client() as client:
            guests = {row["pid"] for row in self._guests(client)}
        since_s = time.monotonic()
        for pid in leaks.processes(self.folder):
            if pid not in guests:
                kill_and_wait(pid)
        launch.start(self.root, self.folder)
        with self._client() as client:
            for method in self._questions().values():
                client.call(method, changes=False)
            again_s = time.monotonic() - since_s
            say("  everything but the guests, at once: killed and started again")
            self._count(client, None, "everything at once", since_s, again_s)

    def _count(
        self, client: Client, traffic: Traffic | None, killed: str, since_s: float, again_s: float, *, other_than: str = ""
    ) -> None:
        failed = [] if traffic is None else traffic.failures(since_s, other_than=other_than)
        running = {row["name"] for row in self._guests(client) if row["state"] == "running" and self._same(row)}
        active = {row["name"] for row in client.call("storage.storage_pool_list", changes=False) if row["state"] == "active"}
        self.rows.append(
            Row(
                killed,
                None if traffic is None else traffic.count(since_s),
                [f"{sample.driver}: {sample.error}" for sample in failed],
                again_s,
                len(set(self.site.guests) - running),
                len(set(self.site.pools) - active),
                len(set(self.site.networks) - self._networks(client)),
            )
        )

    def _networks(self, client: Client) -> set[str]:
        rows = client.call("network.network_list", changes=False) if self.site.networks else []
        return {row["name"] for row in rows if row["state"] == "active"}

    def _same(self, row: dict[str, Any]) -> bool:
        return self._guest_pids[row["name"]] == int(row["pid"])

    def _guests(self, client: Client) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = client.call("qemu.domain_list", changes=False) if self.can.guests else []
        return rows

    @staticmethod
    def _life(client: Client, driver: str) -> dict[str, Any]:
        rows: list[dict[str, Any]] = client.host("status")["drivers"]
        return next(row for row in rows if row["name"] == driver)

    def _later_life(self, client: Client, before: dict[str, Any]) -> dict[str, Any] | None:
        row = self._life(client, before["name"])
        return row if row["phase"] == "READY" and row["incarnation"] > before["incarnation"] else None

    # The end.

    def take_down(self) -> None:
        """End guests, pools and the host, in the order a person would."""
        with self._client() as client:
            self.site.take_down(client)
            pid = client.host("status")["host"]["pid"]
            pidfd = os.pidfd_open(pid)
            client.host("shutdown", deadline_s=BACK_LIMIT_S)
        wait_gone(pidfd, BACK_LIMIT_S)

    def leaked(self) -> list[str]:
        """What is left of the site, though it should not be."""
        found = [f"process {pid}" for pid in leaks.processes(self.folder)]
        found += [f"mount {place}" for place in leaks.mounts(self.folder)] + [
            f"loop device {name}" for name in leaks.lasting_loops(self.folder)
        ]
        return found + [f"socket {path}" for path in self.folder.rglob("*") if path.is_socket()]


def kill_and_wait(pid: int) -> None:
    """SIGKILL, and wait for the end."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    wait_gone(pidfd, GONE_LIMIT_S)


def wait_gone(pidfd: int, limit_s: float) -> None:
    """Wait until the process of this descriptor has ended, and close it."""
    leaks.wait_readable(pidfd, limit_s)
    os.close(pidfd)


@contextmanager
def private_folder(*, keep: bool) -> Iterator[Path]:
    """A folder for one site; whatever happens, no process and no mount of it is left."""
    folder = Path(tempfile.mkdtemp(prefix="tierhost-demo-"))
    try:
        yield folder
    finally:
        sweep(folder)
        if keep:
            say(f"its directory is left for a look: {folder}")
        else:
            shutil.rmtree(folder)


def main() -> int:
    """Run the demonstration. Returns 0 if nothing was lost and nothing is left, 1 if something was."""
    parser = argparse.ArgumentParser(prog="tierhost demo")
    parser.add_argument("--keep", action="store_true")
    arguments = parser.parse_args()
    if not EXAMPLES.is_dir():
        sys.stderr.write(
            "error: the demonstration needs the examples of a checkout\nhint: `make demo` in a clone of the repository\n"
        )
        return 1
    began_s = time.monotonic()
    can = ability(apart=apart_network.enter())
    say(*(f"note: {missing}" for missing in can.missing))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with private_folder(keep=arguments.keep) as folder:
        demo = Demo(folder, can)
        demo.run()
        demo.take_down()
        leaked = demo.leaked()
        print_table(demo.rows, leaked)
        lost = [row for row in demo.rows if row.failed or row.guests_lost or row.pools_lost or row.networks_lost]
        say(f"done in {time.monotonic() - began_s:.1f} s: " + ("something was lost" if lost or leaked else "nothing was lost"))
        return 1 if lost or leaked else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except TierhostError as error:
        print(f"tierhost demo: {error}", file=sys.stderr)
        sys.exit(1)
