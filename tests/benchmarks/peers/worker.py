"""The peers' worker: the least that a Python process can be which answers a request over ZeroMQ.

usage: worker.py SOCKET [READY_SOCKET NAME]: listens at SOCKET, then says NAME to the datagram socket READY_SOCKET.
"""

import gc
import os
import socket
import sys

import msgpack
import zmq

GARBAGE = "collect"


def main() -> None:
    """Bind, say so, answer for ever."""
    context = zmq.Context()
    door = context.socket(zmq.ROUTER)
    door.bind(f"ipc://{sys.argv[1]}")
    if len(sys.argv) > 2:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.sendto(sys.argv[3].encode(), sys.argv[2])
    while True:
        routing_id, data = door.recv_multipart()
        if msgpack.unpackb(data) == GARBAGE:
            gc.collect()
        door.send_multipart([routing_id, msgpack.packb(os.getpid())])


if __name__ == "__main__":
    main()
