"""Any daemon: a real web server is started, asked, killed, started again and ended, from four commands in a table."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tierhost.drills import leaks
from tierhost.drills.plan import Ask
from tierhost.drills.targets import NoAnswer
from tierhost.drills.targets.generic import Daemon, GenericDaemon, NotReady
from tierhost.drills.waiting import strike
from tierhost.ipc.errors import DriverError

if TYPE_CHECKING:
    from collections.abc import Iterator

FETCH = "import sys, urllib.request as web; print(web.urlopen(sys.argv[1] + sys.argv[3]).read().decode())"
SERVER = {
    "start": [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "@PORT@"],
    "ready_socket": "127.0.0.1:@PORT@",
    "call": [sys.executable, "-c", FETCH, "http://127.0.0.1:@PORT@/"],
}
PAGE = Ask("web.get", ("page",), 10.0)

pytestmark = pytest.mark.slow


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="thg", dir="/tmp"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def server(folder: Path) -> Iterator[GenericDaemon]:
    (folder / "page").write_text("hello")
    target = GenericDaemon(folder, Daemon.read(SERVER))
    try:
        target.start()
        yield target
    finally:
        target.close()
        assert leaks.processes(folder) == []


def test_it_is_asked_killed_and_started_again(server: GenericDaemon) -> None:
    assert server.ask(PAGE) == "hello\n"
    [pid] = server.pids("host")
    assert [process["pid"] for process in server.look("before").world["processes"]] == [pid]
    strike(pid)
    assert server.pids("host") == []
    with pytest.raises(DriverError, match="refused"):
        server.ask(PAGE)
    server.start()
    assert server.ask(PAGE) == "hello\n"
    assert server.pids("host") != [pid]
    server.stop()
    assert server.pids("everything") == []


def test_one_that_hangs_gives_no_answer_and_is_ended_all_the_same(server: GenericDaemon) -> None:
    os.kill(server.pids("host")[0], signal.SIGSTOP)
    with pytest.raises(NoAnswer):
        server.ask(Ask("web.get", ("page",), 0.5))
    server.close()
    assert server.pids("everything") == []


def test_one_that_ends_before_it_is_ready_is_told_with_its_own_words(folder: Path) -> None:
    table = {"start": ["sh", "-c", "echo no such device; exit 3"], "ready": ["false"]}
    target = GenericDaemon(folder, Daemon.read(table))
    with pytest.raises(NotReady, match="no such device"):
        target.start()
    target.close()
