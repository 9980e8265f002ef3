"""Every limit of both listeners, hit once on the real program: what the client gets, and the metric that counts it."""

from __future__ import annotations

import re
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from faults import until
from site_alone import SiteAlone

# Whoever reads the metrics comes from elsewhere, so that a limit for one address does not hit it.
_ELSEWHERE = "127.0.0.9"
_UPLOAD = "POST /api/v1/files/upload HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"
_NAMED = 'Content-Disposition: attachment; filename="a"\r\n'


class Bench:
    """One appliance with one limit so low that it is hit at once."""

    def __init__(self, site: SiteAlone, stack: ExitStack) -> None:
        self.site = site
        self._stack = stack
        self._context = ssl.create_default_context(cafile=str(site.authority.certificate))
        self._context.load_cert_chain(site.ingester.certificate, site.ingester.key)

    @property
    def _credentials(self) -> str:
        return f"Authorization: Bearer {self.site.token()}\r\n"

    def raw(self, probe: bool = False, origin: str = "127.0.0.1") -> socket.socket:
        """A connection that does nothing yet."""
        port = self.site.appliance.probe_port if probe else self.site.appliance.port
        return self._stack.enter_context(socket.create_connection(("127.0.0.1", port), 60, (origin, 0)))

    def tls(self, probe: bool = False, origin: str = "127.0.0.1") -> ssl.SSLSocket:
        plain = self.raw(probe, origin)
        return self._stack.enter_context(self._context.wrap_socket(plain, server_hostname="127.0.0.1"))

    def begin_upload(self, length: int, sent: bytes) -> ssl.SSLSocket:
        connection = self.tls()
        head = f"{_UPLOAD}{_NAMED}{self._credentials}Content-Length: {length}\r\n\r\n"
        connection.sendall(head.encode() + sent)
        return connection

    def ask(self, head: str, probe: bool = False, body: bytes = b"") -> int:
        connection = self.tls(probe)
        fields = f"Host: x\r\n{self._credentials}Content-Length: {len(body)}\r\n\r\n"
        connection.sendall(f"{head}\r\n{fields}".encode() + body)
        return status(connection)

    def is_refused(self, probe: bool = False) -> bool:
        """Whether a new connection is closed before it can ask anything."""
        try:
            connection = self.tls(probe)
            connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            return connection.recv(1) == b""
        except (OSError, ssl.SSLError):
            return True

    def metric(self, pattern: str) -> float:
        """The sum of all series whose name and labels match."""
        plain = socket.create_connection(("127.0.0.1", self.site.appliance.port), 60, (_ELSEWHERE, 0))
        with plain, self._context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
            head = f"GET /metrics HTTP/1.1\r\nHost: x\r\n{self._credentials}Connection: close\r\n\r\n"
            connection.sendall(head.encode())
            text = b"".join(iter(lambda: connection.recv(65_536), b"")).decode()
        return sum(float(value) for value in re.findall(rf"^{pattern} (\S+)$", text, re.MULTILINE))


def status(connection: socket.socket) -> int:
    """Of the answer that comes; 0 when the connection ends without one."""
    head = b""
    try:
        while b"\r\n" not in head and (piece := connection.recv(4096)):
            head += piece
    except (OSError, ssl.SSLError):
        pass
    return int(head.split(b" ", 2)[1]) if head.startswith(b"HTTP/1.1 ") else 0


def ends(connection: socket.socket) -> int:
    """Waits for the end of a connection that gets no answer."""
    assert status(connection) == 0
    return 0


@dataclass
class Case:
    setting: str
    value: str
    hit: Callable[[Bench], int]
    # The answer's status; 0: the connection is closed, for who has not said anything yet cannot be answered over TLS.
    status: int
    metric: str


def _refusal(reason: str, server: str = "api") -> str:
    return rf'se_http_refusals_total{{server="{server}",reason="{reason}"}}'


def _answers(code: int, server: str = "api") -> str:
    return rf'se_http_requests_total{{server="{server}",method="[A-Z]+",route="[^"]*",status="{code}"}}'


def _connections(bench: Bench) -> int:
    busy = [bench.begin_upload(1000, b"x") for _ in range(16)]
    until("one more is refused", bench.is_refused)
    for connection in busy:
        connection.close()
    return 0


def _from_one_address(bench: Bench) -> int:
    for _ in range(2):
        bench.tls()
    assert bench.is_refused()
    return 0


def _handshakes(bench: Bench) -> int:
    # Each beyond the eighth takes the place of one that has been at it for longest on its loop, if it has any.
    slow = [bench.raw() for _ in range(20)]
    ended, _, _ = select.select(slow, [], [], 60)
    return ends(ended[0])


def _handshake_rate(probe: bool) -> Callable[[Bench], int]:
    def hit(bench: Bench) -> int:
        assert any(bench.is_refused(probe) for _ in range(20))
        return 0

    return hit


def _probe_connections(bench: Bench) -> int:
    # A quarter of four may come from one address.
    until("one is let in", lambda: bench.ask("GET /health/live HTTP/1.1", probe=True) == 200)
    assert bench.is_refused(probe=True)
    return 0


def _probe_requests(bench: Bench) -> int:
    statuses = [bench.ask("GET /health/live HTTP/1.1", probe=True) for _ in range(8)]
    return statuses[-1]


def _half_a_head(bench: Bench) -> int:
    connection = bench.tls()
    connection.sendall(b"GET /health/live HT")
    return status(connection)


def _announce(count: int, length: int) -> Callable[[Bench], int]:
    """The last answer to `count` uploads that are announced and never sent."""

    def hit(bench: Bench) -> int:
        named = "Upload-Metadata: filename YQ==,filetype YXBwbGljYXRpb24vb2N0ZXQtc3RyZWFt"
        head = f"POST /api/v1/uploads HTTP/1.1\r\nTus-Resumable: 1.0.0\r\nUpload-Length: {length}\r\n{named}"
        *before, last = [bench.ask(head) for _ in range(count)]
        assert before == [201] * (count - 1)
        return last

    return hit


def _trickle(bench: Bench) -> int:
    connection = bench.begin_upload(1 << 20, b"x")
    connection.settimeout(0.5)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            connection.sendall(b"x")
            return status_within(connection)
        except TimeoutError:
            continue
    return -1


def status_within(connection: ssl.SSLSocket) -> int:
    piece = connection.recv(4096)
    return int(piece.split(b" ", 2)[1]) if piece else 0


CASES = [
    Case("SE_MAX_CONNECTIONS", "16", _connections, 0, _refusal("connections")),
    Case("SE_MAX_CONNECTIONS_PER_ADDRESS", "2", _from_one_address, 0, _refusal("address")),
    Case("SE_MAX_HANDSHAKES", "8", _handshakes, 0, _refusal("evicted")),
    Case("SE_HANDSHAKES_PER_SECOND", "1", _handshake_rate(probe=False), 0, _refusal("handshake_rate")),
    Case("SE_PROBE_MAX_CONNECTIONS", "4", _probe_connections, 0, _refusal("address", "probe")),
    Case("SE_PROBE_HANDSHAKES_PER_SECOND", "1", _handshake_rate(probe=True), 0, _refusal("handshake_rate", "probe")),
    Case("SE_PROBE_REQUESTS_PER_SECOND", "1", _probe_requests, 429, _answers(429, "probe")),
    Case(
        "SE_MAX_HEADER_BYTES", "1024",
        lambda bench: bench.ask(f"GET /health/live HTTP/1.1\r\nX: {'x' * 2000}"), 431, _refusal("status_431"),
    ),
    Case("SE_HANDSHAKE_TIMEOUT", "1s", lambda bench: ends(bench.raw()), 0, _refusal("handshake_timeout")),
    Case("SE_HEADER_TIMEOUT", "1s", _half_a_head, 408, _refusal("head_timeout")),
    Case("SE_IDLE_TIMEOUT", "1s", lambda bench: ends(bench.tls()), 0, _refusal("idle_timeout")),
    Case("SE_BODY_TIMEOUT", "1s", lambda bench: status(bench.begin_upload(9, b"x")), 408, _refusal("body_timeout")),
    Case("SE_MIN_BYTES_PER_SECOND", "1048576", _trickle, 408, _refusal("body_pace")),
    Case("SE_MAX_FILE_BYTES", "1024", lambda bench: status(bench.begin_upload(1025, b"x")), 413, _answers(413)),
    Case("SE_MAX_FILE_BYTES", "1024", _announce(1, 1025), 413, _answers(413)),
    Case("SE_MAX_UPLOADS_PER_SUBJECT", "2", _announce(3, 1), 429, _answers(429)),
    Case("SE_MAX_UPLOAD_BYTES_PER_SUBJECT", "1048576", _announce(2, 600_000), 429, _answers(429)),
    Case("SE_CAPACITY_BYTES", "1048576", lambda bench: status(bench.begin_upload(1 << 21, b"x")), 507, _answers(507)),
    Case("SE_CAPACITY_BYTES", "1048576", _announce(2, 600_000), 507, _answers(507)),
]  # fmt: skip


@contextmanager
def bench_with(directory: Path, programs: str, settings: dict[str, str]) -> Iterator[Bench]:
    site = SiteAlone(directory, "edit", programs, settings)
    site.appliance.start()
    try:
        with ExitStack() as stack:
            yield Bench(site, stack)
    finally:
        site.appliance.stop()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.setting)
def test_a_limit_that_is_hit_is_told_and_counted(programs: str, directory: Path, case: Case) -> None:
    with bench_with(directory, programs, {case.setting: case.value}) as bench:
        # The rate of handshakes may let the reader of metrics in a moment later only.
        counted = 0.0

        def is_counted() -> bool:
            nonlocal counted
            try:
                counted = bench.metric(case.metric)
            except (OSError, ssl.SSLError):
                return False
            return counted > 0

        assert case.hit(bench) == case.status
        until(f"{case.metric} counts it", is_counted)
