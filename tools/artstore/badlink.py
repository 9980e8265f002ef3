"""A bad link to an appliance: a gateway on loopback that delays, limits and cuts, all by a seed, and keeps a log.

It speaks plain HTTP to the client and mutual TLS with a token to the appliance, so that it sees what each request asks
for. One request a connection on the client's side; the appliance's are used again, for a handshake costs more than all
the rest, unless they were cut. A cut comes after a random number of payload bytes, before the answer's first byte, or
half: the client's side ends, by a reset or in peace, and the appliance's stays open and silent, as when a route goes
away. What was let through before a cut has reached the client's machine: a client that counts right goes on there.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import random
import re
import socket
import ssl
import struct
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .postgres import free_port

_BLOCK = 16_384
_HEAD_MAX = 65_536
# Of the appliance's patience with a connection that asks nothing we use a part only.
_IDLE_SECONDS_MAX = 20.0
# Bytes that the kernel has not sent yet (linux/sockios.h); Python knows only their sum with those not acknowledged.
_SIOCOUTQNSD = 0x894B
_HOP_BY_HOP = re.compile(r"(authorization|connection|expect|proxy-connection|keep-alive):", re.IGNORECASE)
_Result = TypeVar("_Result")


@dataclass
class Seen:
    """One request as it passed. `payload`: bytes let through of the answer (GET) or of the request (others)."""

    method: str
    target: str
    range_start: int | None
    upload_offset: int | None
    payload: int = 0
    status: int | None = None
    is_cut: bool = False

    @property
    def end(self) -> int:
        """Where a download stands after it."""
        return (self.range_start or 0) + self.payload


@dataclass
class Weather:
    """How bad the link is. Times in seconds, rate in bytes each second; 0 means none."""

    cuts: int
    size: int
    delay: float = 0
    rate: int = 0


@dataclass
class _Cut:
    """After so many payload bytes; -1: once the request is through, before its answer."""

    after: int
    leaves_server_hanging: bool
    resets: bool


@dataclass
class Gate:
    """One door with its own weather, chance and log."""

    port: int
    weather: Weather
    chance: random.Random
    seen: list[Seen] = field(default_factory=list)
    cuts: int = 0
    # The appliance's sides of cuts, open and silent until this gate is shut.
    hanging: list[asyncio.StreamWriter] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def payloads(self) -> list[Seen]:
        """Requests that moved a document, or wanted to."""
        return [seen for seen in self.seen if seen.method in ("GET", "PATCH")]

    def next_cut(self, seen: Seen, length: int) -> _Cut | None:
        """For a request that asks for, or brings (`length`), the rest of a document."""
        if seen.method not in ("GET", "PATCH") or self.cuts >= self.weather.cuts:
            return None
        left = self.weather.size - (seen.range_start or seen.upload_offset or 0)
        self.cuts += 1
        hanging, resets = self.chance.random() < 0.2, self.chance.random() < 0.5
        # An upload whose last answer is lost is over all the same: only the last cut may do that.
        is_over = seen.method == "PATCH" and length >= left and self.cuts < self.weather.cuts
        if self.chance.random() < 0.15 and not is_over:
            return _Cut(-1, hanging, resets)
        # So long that the cuts are spread over the whole.
        most = max(1, 2 * left // (self.weather.cuts - self.cuts + 2))
        return _Cut(self.chance.randint(1, min(most, length - 1) if length > 1 else most), hanging, resets)


@dataclass
class _Onward:
    """A connection to the appliance; `since` when it rests."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    since: float


class BadLink:
    """Gates to one appliance, on a thread of their own."""

    def __init__(self, port: int, context: ssl.SSLContext, token: str) -> None:
        self._target, self._context, self._token = port, context, token
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="bad-link", daemon=True)
        self._servers: dict[int, asyncio.Server] = {}
        self._idle: list[_Onward] = []
        self._thread.start()

    def renew_token(self, token: str) -> None:
        self._token = token

    def open(self, weather: Weather, seed: int) -> Gate:
        gate = Gate(free_port(), weather, random.Random(seed))
        self._call(self._listen(gate))
        return gate

    def shut(self, gate: Gate) -> None:
        def end() -> None:
            self._servers.pop(gate.port).close()
            for writer in gate.hanging:
                writer.transport.abort()

        self._loop.call_soon_threadsafe(end)

    def close(self) -> None:
        async def end() -> None:
            for server in self._servers.values():
                server.close()
            for onward in self._idle:
                onward.writer.transport.abort()

        self._call(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _listen(self, gate: Gate) -> None:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                await self._relay(gate, reader, writer)
            writer.transport.abort() if writer.transport.is_closing() else writer.close()

        self._servers[gate.port] = await asyncio.start_server(accept, "127.0.0.1", gate.port, limit=_HEAD_MAX)

    async def _relay(self, gate: Gate, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        if head.lower().find("\r\nexpect: 100-continue") >= 0:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        seen = _understand(head)
        gate.seen.append(seen)
        length = int(_field(head, "content-length") or 0)
        cut = gate.next_cut(seen, length)
        if gate.weather.delay:
            await asyncio.sleep(gate.chance.uniform(0, gate.weather.delay))
        onward = await self._onward()
        is_done = False
        try:
            onward.writer.write(self._rewritten(head).encode("latin-1"))
            is_done = await self._exchange(gate, reader, writer, onward, seen, length, cut)
        finally:
            if is_done:
                onward.since = self._loop.time()
                self._idle.append(onward)
            elif cut and cut.leaves_server_hanging:
                gate.hanging.append(onward.writer)
            else:
                onward.writer.transport.abort()

    async def _exchange(
        self,
        gate: Gate,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        onward: _Onward,
        seen: Seen,
        length: int,
        cut: _Cut | None,
    ) -> bool:
        """The body there and the answer back, or what the cut lets through; whether the appliance may be asked more."""
        sends = seen.method != "GET"
        is_last = False
        whole = await self._pass(gate, reader, onward.writer, seen if sends else None, length, cut if sends else None)
        if whole and (cut is None or cut.after >= 0):
            answer = (await onward.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            seen.status = int(answer.split(" ", 2)[1])
            is_last = (_field(answer, "connection") or "").lower() == "close"
            writer.write(_with_fields(answer, "Connection: close").encode("latin-1"))
            length = int(_field(answer, "content-length") or 0)
            if seen.method != "HEAD":
                downward = (seen, length, cut) if not sends else (None, length, None)
                whole = await self._pass(gate, onward.reader, writer, *downward)
        if whole and cut is None:
            await writer.drain()
            return not is_last
        seen.is_cut = True
        if not sends:
            await _delivered(writer)
        if cut and cut.resets:
            # Linger of nothing: the kernel says RST instead of FIN.
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        return False

    async def _onward(self) -> _Onward:
        """A connection to the appliance, one that has served before if there is one."""
        while self._idle:
            onward = self._idle.pop()
            if not onward.reader.at_eof() and self._loop.time() - onward.since < _IDLE_SECONDS_MAX:
                return onward
            onward.writer.transport.abort()
        pair = await asyncio.open_connection("127.0.0.1", self._target, ssl=self._context, server_hostname="127.0.0.1")
        return _Onward(*pair, self._loop.time())

    async def _pass(
        self,
        gate: Gate,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        seen: Seen | None,
        length: int,
        cut: _Cut | None,
    ) -> bool:
        """Lets `length` bytes through, or as many as the cut allows; whether it was all of them."""
        allowed = length if cut is None or cut.after < 0 else min(length, cut.after)
        passed = 0
        while passed < allowed:
            block = await source.read(min(_BLOCK, allowed - passed))
            if not block:
                return False
            sink.write(block)
            await sink.drain()
            passed += len(block)
            if seen:
                seen.payload += len(block)
            if gate.weather.rate:
                await asyncio.sleep(len(block) / gate.weather.rate)
        return allowed == length

    def _rewritten(self, head: str) -> str:
        return _with_fields(head, f"Authorization: Bearer {self._token}")

    def _call(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)


async def _delivered(writer: asyncio.StreamWriter) -> None:
    """Returns when the client's machine has all that was written, which closing would throw away; or gives up."""
    handle = writer.get_extra_info("socket").fileno()
    for _ in range(2000):
        waiting = writer.transport.get_write_buffer_size()
        unsent = struct.unpack("i", fcntl.ioctl(handle, _SIOCOUTQNSD, b"\0" * 4))[0]
        if writer.transport.is_closing() or waiting + unsent == 0:
            return
        await asyncio.sleep(0.001)


def _with_fields(head: str, *fields: str) -> str:
    """The same head without what concerns one connection only, and with these fields."""
    lines = [line for line in head.split("\r\n")[:-2] if not _HOP_BY_HOP.match(line)]
    return "\r\n".join([*lines, *fields, "", ""])


def _field(head: str, name: str) -> str | None:
    found = re.search(rf"^{name}:[ \t]*([^\r]*)", head, re.IGNORECASE | re.MULTILINE)
    return found[1] if found else None


def _understand(head: str) -> Seen:
    method, target, _ = head.split("\r\n", 1)[0].split(" ", 2)
    start = re.match(r"bytes=(\d+)-", _field(head, "range") or "")
    offset = _field(head, "upload-offset")
    return Seen(method, target, int(start[1]) if start else None, int(offset) if offset else None)
