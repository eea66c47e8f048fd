"""Start a program when what it needs takes connections: some end at once where others try again.

python -m stack.ops.scale.after 127.0.0.1:9042 PROGRAM ARGUMENT…
"""

from __future__ import annotations

import os
import socket
import sys
import time
from contextlib import suppress

_PAUSE = 0.25


def taken(address: str) -> bool:
    """Tell whether something takes connections at `host:port`."""
    host, _, port = address.rpartition(":")
    with suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
        return True
    return False


def main() -> None:
    """Wait, and become that program."""
    address, *command = sys.argv[1:]
    while not taken(address):
        time.sleep(_PAUSE)
    os.execv(command[0], command)  # noqa: S606 -- of our own plan


if __name__ == "__main__":
    main()
