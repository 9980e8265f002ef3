"""One case of the HTTP/1.1 tables: what goes out, what may come back, and whether the connection lives on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from http11_wire import WireAnswer

Check = Callable[[WireAnswer], bool]

# Filled in by the test: they are known only once the appliance runs.
FILE = b"<file>"
AUTH = b"<auth>"

CONTENT = b'{"description":"plain"}'
SIZE = b"%d" % len(CONTENT)
HEX = b"%x" % len(CONTENT)
# What a case tries to get executed behind the server's back: the tests look that it never was.
SMUGGLED_BODY = b'{"description":"smuggled"}'
SMUGGLED = (
    b"PATCH " + FILE + b" HTTP/1.1\r\nHost: localhost\r\n" + AUTH + b"Content-Length: %d\r\n\r\n" % len(SMUGGLED_BODY)
) + SMUGGLED_BODY
REFUSED = (400,)
KEEPS = False
CLOSES = True


@dataclass(frozen=True)
class Case:
    """`name` is the public Http11Probe catalogue's where it has the case, `section` the paragraph that decides."""

    name: str
    level: str
    section: str
    send: bytes
    expect: tuple[int, ...] = REFUSED
    closes: bool = CLOSES
    # What else must hold of the answer.
    check: Check | None = None
    # Ending the connection without a word is right as well.
    may_be_silent: bool = False
    # Our side ends after the bytes: the request will never be whole.
    is_cut: bool = False


def request(start: bytes, *lines: bytes, host: bytes | None = b"Host: localhost", content: bytes = b"") -> bytes:
    """A start line, Host, field lines (each without its end), and the body."""
    fields = ([host] if host is not None else []) + list(lines)
    return b"".join(line + b"\r\n" for line in [start, *fields]) + b"\r\n" + content


def get(*lines: bytes, target: bytes = b"/api/v1/info", host: bytes | None = b"Host: localhost") -> bytes:
    return request(b"GET " + target + b" HTTP/1.1", *lines, host=host)


def patch(*lines: bytes, content: bytes = CONTENT, version: bytes = b"HTTP/1.1") -> bytes:
    """Replaces the file's description: a request whose body the appliance reads."""
    head = b"PATCH " + FILE + b" " + version + b"\r\nHost: localhost\r\n" + AUTH
    return head + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + content


def chunked(content: bytes, *lines: bytes) -> bytes:
    return patch(b"Transfer-Encoding: chunked", *lines, content=content)


def upload(*lines: bytes, content: bytes = b"hello", version: bytes = b"HTTP/1.1") -> bytes:
    """Stores a document: the POST whose body is taken whatever it is."""
    head = b"POST /api/v1/files/upload " + version + b"\r\nHost: localhost\r\n" + AUTH.replace(b"auth", b"bearer")
    kind = b'Content-Type: text/plain\r\nContent-Disposition: attachment; filename="wire.txt"\r\n'
    return head + kind + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + content


# A body in one chunk, as it should be.
WHOLE = HEX + b"\r\n" + CONTENT + b"\r\n0\r\n\r\n"


def ended(content: bytes) -> bytes:
    """The last chunk after broken ones: a lenient reader would have something to accept."""
    return content + b"0\r\n\r\n"
