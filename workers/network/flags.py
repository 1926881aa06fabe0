"""libvirt's numbers for network calls, and the checks that a call's arguments are of the right kind."""

from __future__ import annotations

from typing import Final

XML_INACTIVE: Final = 1


COMMAND_MODIFY: Final = 1
COMMAND_DELETE: Final = 2
COMMAND_ADD_LAST: Final = 3
COMMAND_ADD_FIRST: Final = 4
SECTION_IP_DHCP_HOST: Final = 4
SECTION_DNS_HOST: Final = 10
AFFECT_LIVE: Final = 1
AFFECT_CONFIG: Final = 2
