"""Filter tables in the kernel, by `nft -j`: one table per network, put in place in one transaction."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from tierhost.workers.network.rules import FAMILY, removal, table, table_name
from tierhost.workers.runtime.commands import CommandFailed, CommandMissing, run
from tierhost.workers.runtime.contract import DriverError

if TYPE_CHECKING:
    from typing import Any

    from tierhost.workers.network.definition import NetworkDefinition


def put_table(definition: NetworkDefinition, deadline_s: float) -> None:
    """Put a network's table in place, whatever was there. Raises DriverError."""
    _nft(table(definition), deadline_s, definition.subject)


def drop_table(uuid: str, deadline_s: float, subject: str) -> None:
    """Leave no table of this network behind. Without nft there cannot be one."""
    try:
        _nft(removal(uuid), deadline_s, subject)
    except CommandMissing:
        return


def has_table(uuid: str, deadline_s: float) -> bool:
    """Whether the network's table is in place."""
    try:
        run(["nft", "list", "table", FAMILY, table_name(uuid)], limit_s=max(0.1, deadline_s - time.monotonic()))
    except (CommandFailed, CommandMissing):
        return False
    return True


def _nft(commands: list[dict[str, Any]], deadline_s: float, subject: str) -> None:
    try:
        run(
            ["nft", "-j", "-f", "-"],
            stdin=json.dumps({"nftables": commands}).encode(),
            limit_s=max(0.1, deadline_s - time.monotonic()),
        )
    except CommandMissing as error:
        error.subject, error.hint = subject, "install the package nftables, or define the network without <forward> and <ip>"
        raise
    except CommandFailed as error:
        words = next((line for line in error.words.splitlines() if "Error" in line), error.words)
        raise DriverError(f"nftables refuses its rules: {words:.300}", subject=subject) from None
