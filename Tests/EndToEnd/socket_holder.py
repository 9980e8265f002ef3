"""What systemd's socket units do: hold the listening sockets while the appliance stops and starts."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from artstore import paths
from artstore.processes import Process

# Puts the sockets where sd_listen_fds(3) says, names the process that it becomes.
_LAUNCHER = """
import os, sys
sources = [int(text) for text in sys.argv[1].split(",")]
spares = [os.dup(source) for source in sources]
high = [os.dup2(spare, 100 + index) for index, spare in enumerate(spares)]
for index, descriptor in enumerate(high):
    os.dup2(descriptor, 3 + index, inheritable=True)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


class SocketHolder:
    """Listening sockets by name, and programs that are started with them."""

    def __init__(self, addresses: Mapping[str, tuple[str, int]]) -> None:
        self._sockets: dict[str, socket.socket] = {}
        for name, address in addresses.items():
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(4096)
            self._sockets[name] = listener

    def start(self, name: str, settings: Mapping[str, str], log: Path, configuration: str) -> Process:
        numbers = [listener.fileno() for listener in self._sockets.values()]
        program = str(paths.program("appliance", configuration))
        command = [sys.executable, "-c", _LAUNCHER, ",".join(map(str, numbers)), program, "serve"]
        environment = {
            **settings,
            "LISTEN_FDS": str(len(numbers)),
            "LISTEN_FDNAMES": ":".join(self._sockets),
        }
        return Process(name, command, log, environment=environment, descriptors=numbers)

    def close(self) -> None:
        for listener in self._sockets.values():
            listener.close()
