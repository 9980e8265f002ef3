"""Bytes to a server over TLS exactly as they are given, and whatever comes back, taken apart strictly."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, field


class WireFailure(AssertionError):
    """The server sent what is no HTTP/1.1 answer, or went silent."""


@dataclass
class WireAnswer:
    status: int
    fields: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name.lower()]

    def one(self, name: str) -> str | None:
        values = self.all(name)
        assert len(values) < 2, f"{name} twice: {self.fields}"
        return values[0] if values else None


class Wire:
    """One connection. Reads with a time limit, so that a server that waits is told apart from one that answers."""

    def __init__(self, port: int, context: ssl.SSLContext, seconds: float = 10) -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = context.wrap_socket(plain, server_hostname="localhost")
        self._seconds = seconds
        self._held = b""
        self.ended = False

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """A server may close before it has read everything: that is an answer too."""
        try:
            self._socket.sendall(data)
        except (ConnectionError, ssl.SSLError):
            self.ended = True

    def finish_sending(self) -> None:
        """Ends our side only; SSLSocket's own shutdown would take the encryption away from what still comes."""
        socket.socket.shutdown(self._socket, socket.SHUT_WR)

    def is_silent(self, seconds: float) -> bool:
        """Whether nothing comes for so long."""
        if self._held:
            return False
        self._socket.settimeout(seconds)
        try:
            self._fill()
        except TimeoutError:
            return True
        finally:
            self._socket.settimeout(self._seconds)
        return False

    def answer(self, is_head: bool = False) -> WireAnswer | None:
        """The next answer; nothing when the connection ended instead."""
        while b"\r\n\r\n" not in self._held:
            if not self._fill():
                if self._held:
                    raise WireFailure(f"the connection ended within a head: {self._held[:200]!r}")
                return None
        head, self._held = self._held.split(b"\r\n\r\n", 1)
        answer = _head(head)
        if is_head or answer.status < 200 or answer.status in (204, 304):
            return answer
        if answer.one("transfer-encoding") == "chunked":
            answer.body = self._chunks()
        elif (length := answer.one("content-length")) is not None:
            answer.body = self._take(int(length))
        else:
            while self._fill():
                pass
            answer.body, self._held = self._held, b""
        return answer

    def rest(self) -> list[WireAnswer]:
        """Every answer until the server closes the connection."""
        answers = []
        while (answer := self.answer()) is not None:
            answers.append(answer)
        return answers

    def _chunks(self) -> bytes:
        body = b""
        while True:
            while b"\r\n" not in self._held:
                self._must_fill()
            size, self._held = self._held.split(b"\r\n", 1)
            piece = self._take(int(size, 16) + 2)
            if not piece.endswith(b"\r\n"):
                raise WireFailure(f"a chunk does not end: {piece[-20:]!r}")
            body += piece[:-2]
            if int(size, 16) == 0:
                return body

    def _take(self, count: int) -> bytes:
        while len(self._held) < count:
            self._must_fill()
        taken, self._held = self._held[:count], self._held[count:]
        return taken

    def _must_fill(self) -> None:
        if not self._fill():
            raise WireFailure("the connection ended within a body")

    def _fill(self) -> bool:
        try:
            piece = self._socket.recv(65_536)
        except TimeoutError:
            raise
        except (ConnectionError, ssl.SSLError):
            piece = b""
        self._held += piece
        self.ended = self.ended or not piece
        return bool(piece)


def _head(head: bytes) -> WireAnswer:
    start, *lines = head.split(b"\r\n")
    version, status, _ = start.split(b" ", 2)
    if version != b"HTTP/1.1" or len(status) != 3 or b"\n" in head.replace(b"\r\n", b""):
        raise WireFailure(f"no answer of HTTP/1.1: {head[:200]!r}")
    answer = WireAnswer(int(status))
    for line in lines:
        name, value = line.split(b":", 1)
        if not name or name != name.strip() or line[:1] in b" \t":
            raise WireFailure(f"a malformed field: {line!r}")
        answer.fields.append((name.decode("ascii").lower(), value.strip().decode("latin-1")))
    return answer
