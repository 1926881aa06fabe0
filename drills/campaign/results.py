"""The results of a campaign in one SQLite file: a row when a trial begins, completed when it ends, and never taken back."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from tierhost.drills.campaign.plan import BadCampaign, Campaign, Trial
from tierhost.drills.campaign.trial import CUT_SHORT, Ended

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUSY_S: Final = 10.0
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS campaign(digest TEXT NOT NULL, title TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS attempts(
    id INTEGER PRIMARY KEY, trial INTEGER NOT NULL, attempt INTEGER NOT NULL,
    drill TEXT NOT NULL, seed INTEGER NOT NULL, repetition INTEGER NOT NULL, engine TEXT NOT NULL,
    began_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')), ended_at TEXT,
    outcome TEXT NOT NULL DEFAULT '', verdict TEXT NOT NULL DEFAULT '', exit_code INTEGER NOT NULL DEFAULT -1,
    seconds REAL NOT NULL DEFAULT 0, place TEXT NOT NULL DEFAULT '',
    report TEXT NOT NULL DEFAULT '', text TEXT NOT NULL DEFAULT '',
    UNIQUE(trial, attempt)
);
"""
_BEGIN: Final = "INSERT INTO attempts(trial, attempt, drill, seed, repetition, engine) VALUES(?, ?, ?, ?, ?, ?)"
_END: Final = (
    "UPDATE attempts SET ended_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), outcome = :outcome, verdict = :verdict, "
    "exit_code = :exit_code, seconds = :seconds, place = :where, report = :report, text = :text WHERE id = :id AND outcome = ''"
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One beginning of one trial. Most trials have one; every further one is counted and shown."""

    id: int
    trial: Trial
    number: int


@dataclass(frozen=True, slots=True)
class Row:
    """One attempt as it stands in the file; `outcome` is empty while it is under way."""

    trial: int
    attempt: int
    drill: str
    seed: int
    repetition: int
    outcome: str
    verdict: str
    exit_code: int
    seconds: float
    place: str
    text: str


class Results:
    """The file of one campaign, or of one shard of it. One campaign writes to it at a time: `use` sees to that."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Use `use` or `read`."""
        self._connection = connection

    @classmethod
    @contextmanager
    def use(cls, path: Path, campaign: Campaign, *, resume: bool) -> Iterator[Results]:
        """Open a file for the trials of a campaign, and mark what an earlier start left unfinished. Raises BadCampaign."""
        with _locked(path), closing(_connect(path)) as connection:
            results = cls(connection)
            results._prepare(path, campaign, resume=resume)
            yield results

    def _prepare(self, path: Path, campaign: Campaign, *, resume: bool) -> None:
        known = self._connection.execute("SELECT digest FROM campaign").fetchone()
        if known is None:
            with self._connection:
                self._connection.execute("INSERT INTO campaign VALUES(?, ?)", (campaign.digest(), campaign.title))
            return
        if not resume:
            raise BadCampaign("holds results already", subject=str(path), hint="--resume runs what is missing")
        if known[0] != campaign.digest():
            raise BadCampaign("holds results of another plan", subject=str(path), hint="--out names another file")
        with self._connection:
            self._connection.execute(
                "UPDATE attempts SET outcome = ?, verdict = 'UNKNOWN', text = ? WHERE outcome = ''",
                (CUT_SHORT, "the campaign ended before it did"),
            )

    def missing(self, trials: list[Trial]) -> list[Trial]:
        """Return the trials without a result: never begun, or cut short each time."""
        query = "SELECT DISTINCT trial FROM attempts WHERE outcome NOT IN ('', ?)"
        have = {number for (number,) in self._connection.execute(query, (CUT_SHORT,))}
        return [trial for trial in trials if trial.number not in have]

    def begin(self, trial: Trial, engine: str) -> Attempt:
        """Write down that a trial begins, before it does."""
        query = "SELECT coalesce(max(attempt), 0) + 1 FROM attempts WHERE trial = ?"
        (number,) = self._connection.execute(query, (trial.number,)).fetchone()
        row = (trial.number, number, trial.drill, trial.seed, trial.repetition, engine)
        with self._connection:
            written = self._connection.execute(_BEGIN, row)
        assert written.lastrowid is not None  # an INSERT has one
        return Attempt(written.lastrowid, trial, number)

    def end(self, attempt: Attempt, ended: Ended) -> None:
        """Write down how it ended."""
        with self._connection:
            self._connection.execute(_END, asdict(ended) | {"id": attempt.id})

    def rows(self) -> list[Row]:
        """Return every attempt, in order."""
        return _rows(self._connection)


def read(path: Path) -> list[Row]:
    """Return the attempts in a file of results, which may be in use. Raises BadCampaign."""
    if not path.is_file():
        raise BadCampaign("there is no such file of results", subject=str(path))
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=BUSY_S)) as connection:
            return _rows(connection)
    except sqlite3.Error as error:
        raise BadCampaign(f"is no file of results: {error}", subject=str(path)) from None


def _rows(connection: sqlite3.Connection) -> list[Row]:
    names = ", ".join(Row.__dataclass_fields__)
    return [Row(*row) for row in connection.execute(f"SELECT {names} FROM attempts ORDER BY trial, attempt")]  # noqa: S608  # our own names


def _connect(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, timeout=BUSY_S)
        connection.executescript(_TABLES)
    except sqlite3.Error as error:
        raise BadCampaign(f"cannot hold results: {error}", subject=str(path)) from None
    return connection


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the file for this campaign alone; the kernel lets go of it when we die."""
    try:
        descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise BadCampaign(f"cannot hold results: {error.strerror}", subject=str(path)) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise BadCampaign("another campaign writes to it now", subject=str(path), hint="--out names another file") from None
    finally:
        os.close(descriptor)
