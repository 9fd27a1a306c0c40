"""The way to the gateway out of a sandbox that has no network: what is said to a port of the
sandbox's own loopback is said to a socket of the file system, behind which the gateway is.

A program of its own, of the standard library only: `python -I -S bridge.py SOCKET PORT PROGRAM
ARGUMENT…` begins to listen, leaves a child behind that carries bytes, and becomes the program. The
child ends with the sandbox. Must not know what is said.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading

CHUNK_BYTES = 65_536


def main(place: str, port: int, argv: list[str]) -> None:
    """Listen, and become the program. Raises OSError where either cannot be."""
    listener = socket.create_server(("127.0.0.1", port), backlog=128)
    if os.fork() == 0:
        nothing = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):  # whoever reads the program's output must see its end
            os.dup2(nothing, fd)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        while True:
            inside, _ = listener.accept()
            threading.Thread(target=carry, args=(inside, place), daemon=True).start()
    listener.close()
    os.execvp(argv[0], argv)  # noqa: S606 - the worker's own program, as it was ordered


def carry(inside: socket.socket, place: str) -> None:
    """Carry one conversation, both ways, to the end of both."""
    with inside, socket.socket(socket.AF_UNIX) as outside:
        try:
            outside.connect(place)
        except OSError:
            return
        back = threading.Thread(target=pump, args=(outside, inside), daemon=True)
        back.start()
        pump(inside, outside)
        back.join()


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Carry what comes from one side to the other, and then its end."""
    try:
        while data := source.recv(CHUNK_BYTES):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:  # one of them is gone: so is the conversation
        for one in (source, sink):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
