"""A driver in a process of its own that binds and redefines without a pause, until it is killed."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

from tests.deaths import tell
from tierhost.workers.nwfilter.driver import NwfilterDriver
from tierhost.workers.runtime.testing import live

UUID = "7a1f0f9e-6f4e-4a63-9a1c-2f6d1d2f0b09"
OWNER = "7a1f0f9e-6f4e-4a63-9a1c-2f6d1d2f0b01"
XML = f"<filter name='mine'><uuid>{UUID}</uuid><filterref filter='clean-traffic'/></filter>"


def main() -> None:
    """Say a line after each round."""
    folder, device, mac, ip, incarnation = sys.argv[1:]
    with live(NwfilterDriver, Path(folder), incarnation=int(incarnation)) as life:
        for number in count():
            life.call("nwfilter_define_xml", XML)
            life.call("bind", device, mac, "mine", {"IP": [ip, f"10.88.1.{number % 200}"]}, OWNER, "web", by="qemu")
            tell(f"{number}\n")


if __name__ == "__main__":
    main()
