"""Tells the service manager that started us how far we are (sd_notify(3)): one datagram, where it
asked for one. Knows nothing of who is up."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress

READY = "READY=1"
STOPPING = "STOPPING=1"


def notify(state: str, environ: Mapping[str, str]) -> None:
    """Say the state where NOTIFY_SOCKET names a socket. Nobody who listens is no error."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
        wire.settimeout(0)
        wire.sendto(state.encode(), address)
