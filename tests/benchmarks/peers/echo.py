"""A raw UNIX socket echo, both ends: the floor under every question that one Python process asks another.

usage: echo.py SOCKET. Serves there; a line with a number on stdin makes it ask itself that often, from another process,
and print the times in seconds as one JSON list.
"""

import json
import os
import socket
import sys
import time

MESSAGE = b"x" * 64


def serve(listener: socket.socket) -> None:
    """Return what comes, one caller after the other."""
    while True:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(4096):
                connection.sendall(data)


def ask(path: str) -> None:
    """Measure as often as stdin says."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(path)
        for count in sys.stdin:
            times = []
            for _ in range(int(count)):
                start_s = time.perf_counter()
                line.sendall(MESSAGE)
                line.recv(4096)
                times.append(time.perf_counter() - start_s)
            sys.stdout.write(json.dumps(times) + "\n")
            sys.stdout.flush()


def main() -> None:
    """Fork into the two ends."""
    path = sys.argv[1]
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    if os.fork():
        ask(path)
    else:
        serve(listener)


if __name__ == "__main__":
    main()
