"""A program that commits without end and says so after each commit, until it is killed."""

import os
import sys
from pathlib import Path

from tierhost.workers.runtime import calling
from tierhost.workers.runtime.store import Store


def main() -> None:
    """Commit numbers to two rows at once; each number is written to standard output when it is acknowledged."""
    store = Store.open(Path(sys.argv[1]), "persistent", boot_id=None)
    row = store.get("pair", "left")
    number = int(row["n"]) if row else 0
    while True:
        number += 1
        calling.CALL_ID.set(b"%016d" % number)
        with store.transaction() as t:
            t.put("pair", "left", {"n": number, "filling": "x" * (number % 50 * 200)})
            t.put("pair", "right", {"n": number})
            t.put("history", str(number % 64), {"n": number})
            t.reply(number)
        os.write(1, b"%d\n" % number)


if __name__ == "__main__":
    main()
