"""Where trials run: in threads of this process, or on the workers of a Dask cluster. Both are an Executor and nothing more."""

from __future__ import annotations

from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.campaign.plan import BadCampaign
from tierhost.drills.campaign.trial import Ended, Leashes, run_trial
from tierhost.ipc.errors import Code, TierhostError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

JOBS_MAX: Final = 256
DASK: Final = "dask://"
CONNECT_S: Final = "5s"


class NoEngine(TierhostError):
    """Raised when trials cannot be run where they were asked to: a library is missing, or nobody answers there."""

    code = Code.OPERATION_FAILED


@dataclass(frozen=True, slots=True)
class Engine:
    """`slots` trials are under way at a time and no more: what waits in a queue elsewhere is lost with it, and looks begun."""

    name: str
    executor: Executor
    slots: int
    leashes: Leashes | None

    def submit(self, argv: list[str], limit_s: float) -> Future[Ended]:
        """Begin one trial."""
        if self.leashes is not None:
            return self.executor.submit(run_trial, argv, limit_s, self.leashes)
        return self.executor.submit(run_trial, argv, limit_s)


@contextmanager
def engine(address: str, jobs: int) -> Iterator[Engine]:
    """Give the engine "local" or "dask://HOST:PORT". Raises BadCampaign, NoEngine."""
    if address == "local":
        with _local(jobs) as made:
            yield made
    elif address.startswith(DASK):
        with _dask(address) as made:
            yield made
    else:
        raise BadCampaign(f"there is no engine {address!r}", subject="--engine", hint="local, or dask://HOST:PORT")


@contextmanager
def _local(jobs: int) -> Iterator[Engine]:
    if not 1 <= jobs <= JOBS_MAX:
        raise BadCampaign(f"{jobs} trials at a time, the limits are 1 and {JOBS_MAX}", subject="--jobs")
    leashes = Leashes()
    executor = ThreadPoolExecutor(jobs, thread_name_prefix="trial")
    try:
        yield Engine("local", executor, jobs, leashes)
    finally:
        leashes.cut()
        executor.shutdown(cancel_futures=True)


@contextmanager
def _dask(address: str) -> Iterator[Engine]:
    try:
        from distributed import Client  # noqa: PLC0415  # one second, and only who has a cluster has it
    except ImportError:
        raise NoEngine("the package distributed is not installed", subject=address, hint="pip install 'tierhost[dask]'") from None
    connect: Any = Client  # only half of its types are told
    try:
        client = connect(f"tcp://{address.removeprefix(DASK)}", timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        raise NoEngine(f"no scheduler answers: {error}", subject=address, hint="start one: dask scheduler") from None
    try:
        _never_run_twice(client, address)
        slots = sum(client.nthreads().values())
        if not slots:
            raise NoEngine("the cluster has no worker", subject=address, hint="start one: dask worker HOST:PORT")
        with client.get_executor(pure=False, retries=0) as executor:
            yield Engine(address, executor, slots, None)
    finally:
        client.close()


def _never_run_twice(client: Any, address: str) -> None:
    """Refuse a scheduler that runs a task again, without a word, when the worker under it dies."""
    allowed = client.run_on_scheduler(_allowed_failures)
    if allowed != 0:
        reason = f"its scheduler would run a trial again {allowed} times without saying so when a worker dies"
        hint = "start it with DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES=0"
        raise NoEngine(reason, subject=address, hint=hint)


def _allowed_failures(dask_scheduler: Any) -> int:
    return int(dask_scheduler.allowed_failures)
