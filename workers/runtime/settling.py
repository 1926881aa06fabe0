"""What is under way on an object that is started and stopped, as its intent says: every such driver settles it after a crash."""

from __future__ import annotations

from enum import Enum


class Intent(Enum):
    """What was under way when the last life ended."""

    NONE = "none"
    START = "start"
    STOP = "stop"
