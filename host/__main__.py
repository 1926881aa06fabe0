"""`python -m tierhost.host`: the same as the command `tierhost`."""

import sys

from tierhost.host.cli import main

sys.exit(main())
