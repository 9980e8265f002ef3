"""Links to appliances that can be cut: a TCP relay in front of each, on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from .postgres import free_port

_BLOCK = 65_536
_Result = TypeVar("_Result")


class Link:
    """Relays a port of its own to `target` until it is cut: then what is open is reset, and what comes too."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self.is_cut = False
        self._target = target
        self._open: set[asyncio.StreamWriter] = set()

    async def serve(self) -> asyncio.Server:
        return await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def cut(self) -> None:
        self.is_cut = True
        for writer in list(self._open):
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.transport.abort()
            return
        try:
            onward_reader, onward = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, onward}
        try:
            await asyncio.gather(self._relay(reader, onward), self._relay(onward_reader, writer))
        finally:
            self._open -= {writer, onward}
            for side in (writer, onward):
                side.transport.abort()

    @staticmethod
    async def _relay(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while block := await source.read(_BLOCK):
                sink.write(block)
                await sink.drain()
            # The other side hears the end; a reset is not kept from it either, since the whole is aborted then.
            sink.write_eof()
            return
        sink.transport.abort()


class Links:
    """All links of a fleet, on one thread of their own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="links", daemon=True)
        self._servers: list[asyncio.Server] = []
        self._thread.start()

    def add(self, target: int) -> Link:
        link = Link(target)
        self._servers.append(self._call(link.serve()))
        return link

    def cut(self, link: Link) -> None:
        self._call(link.cut())

    def heal(self, link: Link) -> None:
        link.is_cut = False

    def close(self) -> None:
        for server in self._servers:
            self._loop.call_soon_threadsafe(server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)

    def _call(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)
