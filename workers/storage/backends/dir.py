"""Pools of type dir: a directory that is there already, or that build makes. Active is what the record says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierhost.workers.storage.backend import PoolBackend
from tierhost.workers.storage.directories import (
    directory_trouble,
    make_directory,
    need_directory,
    remove_directory,
)
from tierhost.workers.storage.file_volumes import FileVolumes
from tierhost.workers.storage.source_xml import Source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.workers.runtime.definitions import Element
    from tierhost.workers.storage.backend import Effort, Facts
    from tierhost.workers.storage.pool_xml import PoolDefinition


class Backend(PoolBackend):
    """A directory as a pool.

    Whether it is active is not seen in the world: libvirt takes every pool whose directory exists for active, and starts
    pools nobody started. We do not look.
    """

    volumes = FileVolumes()

    def read_source(self, source: Element | None, pool: Element) -> Source:
        """A directory has no source."""
        return Source()

    def exclusive(self, definition: PoolDefinition) -> set[str]:
        """Two pools in one directory would show each other's volumes."""
        return {definition.target}

    def start(self, definition: PoolDefinition, effort: Effort) -> Facts:
        """The directory must be there."""
        need_directory(definition)
        return {}

    def trouble(self, definition: PoolDefinition, facts: Mapping[str, Any], effort: Effort) -> str:
        """Whether the directory is there and readable."""
        return directory_trouble(definition.target)

    def build(self, definition: PoolDefinition, flags: int, effort: Effort) -> None:
        """Make the directory."""
        make_directory(definition)

    def delete(self, definition: PoolDefinition, effort: Effort) -> None:
        """Remove the directory, if it is empty."""
        remove_directory(definition)
