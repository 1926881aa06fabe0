"""kill -9 of a worker, until the host knows (its "peer-down" event says when that was); beside a pidfd polled by hand."""

from __future__ import annotations

import select
import signal
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tests.benchmarks.drivers_made import make_trivial
from tests.benchmarks.figures import MS, Bar, Entry, Skipped, compare
from tests.benchmarks.processes import held, until
from tests.benchmarks.setting import Peers
from tests.benchmarks.site import BUILT_IN, Site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.setting import Setting
    from tierhost.ipc.client import Client

WORKERS = 10
OURS_MS_MAX = 5.0
PEER = "bare pidfd, idle zmq process"


def run(setting: Setting) -> list[Entry | Skipped]:
    """In each round ten workers of ours die one after the other, then ten bare ones."""
    drivers = make_trivial(setting.folder / "drivers", WORKERS)
    site = Site(setting.folder / "ours", without=BUILT_IN, drivers=drivers)
    site.start()
    site.wait_ready()
    noticed: list[float] = []
    heard: list[float] = []
    bare: list[float] = []
    with site.client() as client:
        for _ in range(setting.times(20, 2)):
            for number in range(WORKERS):
                known_s, heard_s = _kill_ours(site, client, f"trivial-{number}")
                noticed.append(known_s)
                heard.append(heard_s)
            bare += _kill_bare(setting)
    samples = {"ours": noticed, "the event, heard by a client": heard, PEER: bare}
    return [compare("death_noticed", samples, PEER, Bar(ours_max=OURS_MS_MAX), unit="ms", scale=MS, percent=99)]


def _kill_ours(site: Site, client: Client, driver: str) -> tuple[float, float]:
    """Return when the host knew (it says so itself) and when its event was heard here."""
    until(lambda: site.is_quiet(client), "nobody is getting up")
    events = client.events(client.host("directory")["number"], follow=True, timeout_s=10)
    with held(site.life(client, driver)["pid"]) as body:
        start_s = time.monotonic()
        body.send(signal.SIGKILL)
        for event in events:
            if event.kind == "peer-down" and event.subject == driver:
                return event.at_s - start_s, time.monotonic() - start_s
    message = f"no peer-down of {driver} was heard"
    raise RuntimeError(message)


def _kill_bare(setting: Setting) -> Iterator[float]:
    """Start equal processes, kill each, and wait on its pidfd alone."""
    with ExitStack() as stack:
        peers = Peers(setting, WORKERS)
        bodies = [stack.enter_context(held(pid)) for pid in peers.pids]
        for body in bodies:
            poller = select.epoll()
            poller.register(body.fd, select.EPOLLIN)
            start_s = time.monotonic()
            body.send(signal.SIGKILL)
            poller.poll()
            yield time.monotonic() - start_s
            poller.close()
        peers.close()
