"""Where the files of one root are: state that survives a reboot, run state and sockets that do not."""

import os
from dataclasses import dataclass
from pathlib import Path

from tierhost.ipc.limits import SOCKET_PATH_BYTES_MAX

DEFAULT_SYSTEM_STATE = Path("/var/lib/tierhost")
DEFAULT_SYSTEM_RUN = Path("/run/tierhost")


class PathTooLong(ValueError):
    """Raised when a socket of this root would not fit into a UNIX socket address."""


@dataclass(frozen=True, slots=True)
class Root:
    """The two directories of one host and the names inside them.

    Used by the host, by every worker and by every client, so that nobody else spells a path.
    """

    state: Path
    run: Path

    @classmethod
    def under(cls, folder: Path) -> "Root":
        """Put everything below one private folder: `--root DIR`, tests, several hosts side by side."""
        folder = folder.absolute()
        return cls(state=folder / "state", run=folder / "run")

    @classmethod
    def default(cls) -> "Root":
        """The system's places for root, the XDG places for everybody else."""
        if os.geteuid() == 0:
            return cls(DEFAULT_SYSTEM_STATE, DEFAULT_SYSTEM_RUN)
        home = Path.home()
        state = Path(os.environ.get("XDG_STATE_HOME") or home / ".local/state") / "tierhost"
        run = Path(os.environ.get("XDG_RUNTIME_DIR") or state / "run") / "tierhost"
        return cls(state, run)

    @property
    def host_socket(self) -> Path:
        """Control: workers and clients talk to the host here."""
        return self._socket("host.sock")

    @property
    def events_socket(self) -> Path:
        """Events: the host publishes, anybody allowed into the directory listens."""
        return self._socket("events.sock")

    def worker_socket(self, driver: str, incarnation: int) -> Path:
        """Calls to one life of one driver. Fresh per life: binding an existing path steals its peers silently."""
        return self._socket(f"workers/{driver}.{incarnation}")

    def worker_sockets(self) -> list[Path]:
        """Every socket of a life, of whichever host, dead or alive: for a host that starts, and for who finds none."""
        folder = self.run / "workers"
        return [path for path in folder.iterdir() if path.is_socket()] if folder.is_dir() else []

    @property
    def lock(self) -> Path:
        """Held (flock) by the one host of this root; its text is that host's pid."""
        return self.run / "host.lock"

    @property
    def beats(self) -> Path:
        """The table workers write their heartbeat into."""
        return self.run / "beats"

    @property
    def lives(self) -> Path:
        """One record per driver: the process that lives its current life, for the next host to adopt."""
        return self.run / "lives"

    @property
    def rehearsals(self) -> Path:
        """Where spares rehearse; what is left here when a host starts is of no use to anybody."""
        return self.run / "rehearsals"

    def rehearsal(self, identity: str) -> Path:
        """The folder in which one spare rehearses, and which it removes."""
        return self.rehearsals / identity

    @property
    def journal(self) -> Path:
        """Ordered record of what the host's core was told and what it ordered."""
        return self.run / "journal.jsonl"

    def driver_state(self, driver: str) -> Path:
        """What this driver must still know after a reboot."""
        return self.state / driver

    def driver_run(self, driver: str) -> Path:
        """What this driver must still know after a crash, and nobody after a reboot."""
        return self.run / "drivers" / driver

    def _socket(self, name: str) -> Path:
        path = self.run / name
        length = len(os.fsencode(path))
        if length > SOCKET_PATH_BYTES_MAX:
            raise PathTooLong(
                f"{path} is {length} bytes long, a UNIX socket's path may have {SOCKET_PATH_BYTES_MAX}: choose a shorter --root"
            )
        return path
