"""Typed errors that travel: each tells its story, names the object and the next step, and carries libvirt's code."""

from enum import IntEnum


class Code(IntEnum):
    """libvirt's error numbers (virErrorNumber in include/libvirt/virterror.h), as far as we raise them."""

    INTERNAL_ERROR = 1
    NO_MEMORY = 2
    NO_SUPPORT = 3
    NO_CONNECT = 5
    INVALID_CONN = 6
    INVALID_ARG = 8
    OPERATION_FAILED = 9
    XML_ERROR = 27
    DOM_EXIST = 28
    OPERATION_DENIED = 29
    OPEN_FAILED = 30
    CONF_SYNTAX = 33
    NETWORK_EXIST = 37
    SYSTEM_ERROR = 38
    RPC = 39
    NO_DOMAIN = 42
    NO_NETWORK = 43
    AUTH_FAILED = 45
    NO_STORAGE_POOL = 49
    NO_STORAGE_VOL = 50
    NO_NODE_DEVICE = 53
    OPERATION_INVALID = 55
    NO_INTERFACE = 57
    MULTIPLE_INTERFACES = 59
    NO_NWFILTER = 62
    BUILD_FIREWALL = 63
    INVALID_SECRET = 65
    NO_SECRET = 66
    CONFIG_UNSUPPORTED = 67
    OPERATION_TIMEOUT = 68
    ARGUMENT_UNSUPPORTED = 74
    STORAGE_PROBE_FAILED = 75
    STORAGE_POOL_BUILT = 76
    OPERATION_ABORTED = 78
    OVERFLOW = 82
    OPERATION_UNSUPPORTED = 84
    AGENT_UNRESPONSIVE = 86
    RESOURCE_BUSY = 87
    ACCESS_DENIED = 88
    STORAGE_VOL_EXIST = 90
    XML_INVALID_SCHEMA = 92
    NO_SERVER = 95
    DEVICE_MISSING = 99
    NO_NWFILTER_BINDING = 101
    NO_NETWORK_PORT = 107


class TierhostError(Exception):
    """Root of everything raised on purpose. `kind` is the class that says it over the wire again.

    `subject` names the object ("pool images", "guest web"), `hint` the next step a person can take.
    """

    code: Code = Code.INTERNAL_ERROR

    def __init__(self, text: str, *, code: Code | None = None, subject: str = "", hint: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.code = self.code if code is None else code
        self.subject = subject
        self.hint = hint

    def __str__(self) -> str:
        head = f"{self.subject}: {self.text}" if self.subject else self.text
        return f"{head} ({self.hint})" if self.hint else head


class DriverError(TierhostError):
    """Raised by a driver when what was asked cannot be done. The caller sees it unchanged."""

    code = Code.OPERATION_FAILED


class CallError(TierhostError):
    """Root of what goes wrong between caller and callee, as against inside the driver."""

    code = Code.RPC


class DeadlineExceeded(CallError):
    """Raised when the answer did not come in the time the caller gave. The work may still finish."""

    code = Code.OPERATION_TIMEOUT


class PeerDied(CallError):
    """Raised when the worker that had the request is dead, and nothing of the request was done."""

    code = Code.RPC


class PeerAbsent(CallError):
    """Raised when the driver has no life to talk to within the time given: down, quarantined or unknown."""

    code = Code.NO_CONNECT


class OutcomeUnknown(CallError):
    """Raised when the worker died during a change and its next life cannot tell whether it happened."""

    code = Code.OPERATION_ABORTED


class AccessDenied(CallError):
    """Raised when the caller, as the kernel names it, may not call this."""

    code = Code.ACCESS_DENIED


class NoSuchMethod(CallError):
    """Raised when the driver has no public method of this name."""

    code = Code.NO_SUPPORT


class Busy(CallError):
    """Raised when the callee, or this caller's share of it, is full. Ask again later."""

    code = Code.RESOURCE_BUSY


class DriverBug(CallError):
    """Raised when a driver's method raised something it should not have; the worker's log has the traceback."""

    code = Code.INTERNAL_ERROR


class ProtocolError(TierhostError):
    """The peer spoke out of turn or not our language. The peer's fault; never lets the receiver fall."""

    code = Code.RPC


KINDS: dict[str, type[TierhostError]] = {
    kind.__name__: kind
    for kind in (
        DriverError,
        DeadlineExceeded,
        PeerDied,
        PeerAbsent,
        OutcomeUnknown,
        AccessDenied,
        NoSuchMethod,
        Busy,
        DriverBug,
        ProtocolError,
    )
}
"""The kinds a Failure message may name."""
