"""A small HTTP/1.1 client: JSON calls, streamed multipart uploads, downloads; with or without a client certificate."""

from __future__ import annotations

import hashlib
import http.client
import json
import secrets
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode, urlsplit

from .certificates import KeyPair

_BLOCK = 256 * 1024


class APIFailure(RuntimeError):
    """An answer with a status that the caller did not expect."""


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None

    @property
    def code(self) -> str:
        """The contract's error code, or nothing."""
        try:
            return str(self.json["error"]["code"])
        except (ValueError, KeyError, TypeError):
            return ""

    @property
    def message(self) -> str:
        try:
            return str(self.json["error"]["message"])
        except (ValueError, KeyError, TypeError):
            return ""

    def expect(self, *statuses: int) -> Answer:
        if self.status not in statuses:
            raise APIFailure(f"expected {statuses}, got {self.status}: {self.body[:600].decode(errors='replace')}")
        return self


@dataclass(frozen=True)
class Document:
    """Something to upload: a name as the user sees it, and bytes from a file or memory."""

    name: str
    source: Path | bytes
    content_type: str = "application/octet-stream"
    about: str = ""

    @property
    def size(self) -> int:
        return self.source.stat().st_size if isinstance(self.source, Path) else len(self.source)

    def sha256(self) -> str:
        if isinstance(self.source, bytes):
            return hashlib.sha256(self.source).hexdigest()
        with self.source.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


class MultipartBody:
    """One document and text fields as multipart/form-data, never whole in memory."""

    def __init__(self, document: Document, fields: Mapping[str, str]) -> None:
        self._document = document
        boundary = f"artstore-{secrets.token_hex(12)}"
        self.content_type = f"multipart/form-data; boundary={boundary}"
        head = ""
        for name, value in fields.items():
            head += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        escaped = document.name.replace("%", "%25").replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        head += f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{escaped}"\r\n'
        head += f"Content-Type: {document.content_type}\r\n\r\n"
        self._head = head.encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.length = len(self._head) + document.size + len(self._tail)

    def blocks(self) -> Iterator[bytes]:
        yield self._head
        if isinstance(self._document.source, bytes):
            yield self._document.source
        else:
            with self._document.source.open("rb") as file:
                while block := file.read(_BLOCK):
                    yield block
        yield self._tail


class Client:
    """Calls one base URL such as https://127.0.0.1:8010; keeps its connection."""

    def __init__(
        self,
        base: str,
        token: str | None = None,
        authority: Path | None = None,
        identity: KeyPair | None = None,
        verify: bool = True,
        timeout: float = 60,
    ) -> None:
        parts = urlsplit(base)
        self.base = base.rstrip("/")
        self.token = token
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port
        self._timeout = timeout
        self._context: ssl.SSLContext | None = None
        self._connection: http.client.HTTPConnection | None = None
        if parts.scheme == "https":
            self._context = _tls_context(authority, identity, verify)

    def with_token(self, token: str | None) -> Client:
        other = Client(self.base, token, timeout=self._timeout)
        other._context = self._context
        return other

    def call(
        self,
        method: str,
        path: str,
        value: object = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterator[bytes] | None = None,
    ) -> Answer:
        """Sends `value` as JSON, `form` url-encoded, or `body` as it is. The path starts with a slash."""
        with self.open(method, path, value, form, headers, body) as response:
            data = response.read()
            return Answer(response.status, response.headers, data)

    def open(
        self,
        method: str,
        path: str,
        value: object = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterator[bytes] | None = None,
    ) -> http.client.HTTPResponse:
        """As `call`, with the body left to be read by the caller."""
        all_headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if value is not None:
            body = json.dumps(value).encode()
            all_headers["Content-Type"] = "application/json"
        elif form is not None:
            body = urlencode(form).encode()
            all_headers["Content-Type"] = "application/x-www-form-urlencoded"
        all_headers.update(headers or {})
        fresh = self._connection is None
        connection = self._connection or self._connect()
        try:
            connection.request(method, quote(path, safe="/?&=%:,-._~+"), body=body, headers=all_headers)
            response = connection.getresponse()
        except BaseException as error:
            self._connection = connection
            self.close()
            if not isinstance(error, ConnectionError | http.client.HTTPException):
                raise
            # The server may close an idle connection at any moment; what was not a stream can be sent once more.
            if fresh or not (body is None or isinstance(body, bytes)):
                raise
            return self.open(method, path, None, None, all_headers, body)
        self._connection = None if response.will_close else connection
        return response

    def upload(
        self,
        path: str,
        document: Document,
        fields: Mapping[str, str] | None = None,
        sent: Callable[[int], None] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Posts the document; `sent` hears how many bytes have gone out, if the body is large enough to be streamed."""
        multipart = MultipartBody(document, fields or {})
        headers = {
            **(headers or {}),
            "Content-Type": multipart.content_type,
            "Content-Length": str(multipart.length),
        }
        if multipart.length < 1 << 20:
            return self.call("POST", path, headers=headers, body=b"".join(multipart.blocks()))
        return self.call("POST", path, headers=headers, body=_counted(multipart.blocks(), sent))

    def download_sha256(self, path: str) -> tuple[int, str, int]:
        """Status, SHA-256 and length of a body that may be large."""
        digest, count = hashlib.sha256(), 0
        with self.open("GET", path) as response:
            while block := response.read(_BLOCK):
                digest.update(block)
                count += len(block)
            return response.status, digest.hexdigest(), count

    def close(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    def _connect(self) -> http.client.HTTPConnection:
        if self._context:
            return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=self._context)
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)


def _counted(blocks: Iterator[bytes], sent: Callable[[int], None] | None) -> Iterator[bytes]:
    total = 0
    for block in blocks:
        yield block
        total += len(block)
        if sent:
            sent(total)


def copy_to_file(response: http.client.HTTPResponse, file: BinaryIO, limit: int | None = None) -> int:
    """Writes at most `limit` bytes of an answer to a file; returns how many."""
    written = 0
    while limit is None or written < limit:
        block = response.read(_BLOCK if limit is None else min(_BLOCK, limit - written))
        if not block:
            break
        written += file.write(block)
    return written


def _tls_context(authority: Path | None, identity: KeyPair | None, verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority) if authority else None)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if identity:
        context.load_cert_chain(identity.certificate, identity.key)
    return context
