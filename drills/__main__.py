"""`python -m tierhost.drills`: what `tierhost drill` runs."""

import sys

from tierhost.drills.cli import main

if __name__ == "__main__":
    sys.exit(main())
