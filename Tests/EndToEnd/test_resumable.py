"""Uploads that come in pieces (tus 1.0): with tuspy, over killed appliances, with two writers, against the rules."""

from __future__ import annotations

import base64
import hashlib
import io
import random
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from artstore.client import Answer, Client
from site_alone import SiteAlone
from tusclient.client import TusClient
from tusclient.uploader.uploader import Uploader

UPLOADS = "/api/v1/uploads"
PIECE = "application/offset+octet-stream"


@pytest.fixture(scope="module")
def own_site(programs: str, scratch: Path) -> Iterator[SiteAlone]:
    """Of its own: it is killed."""
    site = SiteAlone(scratch / "resumable", "edit", programs)
    site.appliance.start()
    yield site
    site.appliance.stop()


@pytest.fixture(autouse=True)
def _trust(own_site: SiteAlone, monkeypatch: pytest.MonkeyPatch) -> None:
    """tuspy takes its certificate authority and its way past proxies from the environment only."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(own_site.authority.certificate))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


class Tus:
    """The protocol by hand, over one of our own clients."""

    def __init__(self, site: SiteAlone, subject: str = "sa_test") -> None:
        self.client: Client = site.client(site.token(subject=subject))

    def begin(self, length: int, name: str = "a.bin", headers: Mapping[str, str] | None = None) -> str:
        encoded = base64.b64encode(name.encode()).decode()
        own = {"Tus-Resumable": "1.0.0", "Upload-Length": str(length), "Upload-Metadata": f"filename {encoded}"}
        answer = self.client.call("POST", UPLOADS, headers={**own, **(headers or {})}).expect(201)
        return str(answer.headers["Location"])

    def piece(self, path: str, offset: int, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        own = {"Tus-Resumable": "1.0.0", "Upload-Offset": str(offset), "Content-Type": PIECE}
        return self.client.call("PATCH", path, headers={**own, **(headers or {})}, body=body)

    def look(self, path: str) -> Answer:
        return self.client.call("HEAD", path, headers={"Tus-Resumable": "1.0.0"})

    def offset(self, path: str) -> int:
        return int(self.look(path).expect(200).headers["Upload-Offset"])

    def download(self, path: str) -> bytes:
        """What a finished upload became."""
        file_id = self.look(path).expect(200).headers["ArtStore-File-Id"]
        return self.client.call("GET", f"/api/v1/files/{file_id}/download").expect(200).body


def uploader(site: SiteAlone, source: bytes, chunk: int, url: str | None = None, checksum: bool = True) -> Uploader:
    identity = (str(site.ingester.certificate), str(site.ingester.key))
    client = TusClient(
        f"{site.appliance.url}{UPLOADS}", {"Authorization": f"Bearer {site.token()}"}, client_cert=identity
    )
    metadata = {"filename": "отчёт.pdf", "filetype": "application/pdf", "description": "tuspy"}
    return client.uploader(
        file_stream=io.BytesIO(source), chunk_size=chunk, metadata=metadata, url=url, upload_checksum=checksum
    )


def test_tuspy_resumes_over_killed_appliances(own_site: SiteAlone) -> None:
    chance = random.Random(4)
    source = chance.randbytes(3_000_000)
    first = uploader(own_site, source, 150_000)
    first.upload(stop_at=150_000)
    url = str(first.url)
    offset = first.offset
    while offset < len(source):
        own_site.appliance.kill()
        own_site.appliance.start()
        resumed = uploader(own_site, source, 150_000, url)
        assert resumed.offset == offset, "what was acknowledged is there after SIGKILL"
        resumed.upload(stop_at=min(len(source), offset + chance.randint(1, 900_000)))
        offset = resumed.offset
    tus = Tus(own_site)
    path = url.removeprefix(own_site.appliance.url)
    assert tus.download(path) == source
    record = tus.client.call("GET", f"/api/v1/files/{tus.look(path).headers['ArtStore-File-Id']}").json
    assert record["original_filename"] == "отчёт.pdf"
    assert record["content_type"] == "application/pdf"
    assert record["checksum"] == hashlib.sha256(source).hexdigest()


def test_sigkill_in_the_middle_of_a_piece_loses_only_what_was_not_synced(own_site: SiteAlone) -> None:
    tus = Tus(own_site)
    source = random.Random(5).randbytes(40 << 20)
    path = tus.begin(len(source))
    assert tus.piece(path, 0, source[:1_000_000]).status == 204
    with Stale(own_site, path, 1_000_000, source[1_000_000:]) as stale:
        stale.send(30 << 20)
        own_site.appliance.kill()
    own_site.appliance.start()
    tus = Tus(own_site)
    offset = tus.offset(path)
    assert 1_000_000 + (16 << 20) <= offset <= 1_000_000 + (30 << 20), offset
    assert tus.piece(path, offset, source[offset:]).status == 204
    assert tus.download(path) == source


class Stale:
    """A connection that sends a part of a piece and then nothing more, as one that broke without anybody noticing."""

    def __init__(self, site: SiteAlone, path: str, offset: int, source: bytes) -> None:
        context = ssl.create_default_context(cafile=str(site.authority.certificate))
        context.load_cert_chain(site.ingester.certificate, site.ingester.key)
        plain = socket.create_connection(("127.0.0.1", site.appliance.port), timeout=30)
        self._socket = context.wrap_socket(plain, server_hostname="127.0.0.1")
        self._source = source
        head = f"PATCH {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {site.token()}\r\n"
        head += f"Tus-Resumable: 1.0.0\r\nUpload-Offset: {offset}\r\nContent-Type: {PIECE}\r\n"
        self._socket.sendall(f"{head}Content-Length: {len(source)}\r\n\r\n".encode())

    def __enter__(self) -> Stale:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, count: int) -> None:
        self._socket.sendall(self._source[:count])

    def answer(self) -> str:
        """Everything until the server ends the connection."""
        received = b""
        while block := self._socket.recv(65_536):
            received += block
        return received.decode()


def test_a_newer_request_ends_a_stale_connection_at_once(own_site: SiteAlone) -> None:
    tus = Tus(own_site)
    source = random.Random(6).randbytes(400_000)
    path = tus.begin(len(source))
    with Stale(own_site, path, 0, source) as stale:
        stale.send(100_000)
        began = time.monotonic()
        # Once HEAD has answered the offset stays: the old connection has no say any more.
        offset = tus.offset(path)
        answer = stale.answer()
        waited = time.monotonic() - began
    assert answer.startswith("HTTP/1.1 409 "), answer
    assert '"CONFLICT"' in answer
    assert "Connection: close" in answer
    # The server would wait 30 s for more of the body: far from that is what "at once" means.
    assert waited < 15, "the newer request waited for the stale one"
    assert tus.offset(path) == offset
    with Stale(own_site, path, offset, source[offset:]) as stale:
        stale.send(1000)
        while tus.piece(path, offset, source[offset:]).status == 409:
            offset = tus.offset(path)
        stale.answer()
    assert tus.download(path) == source


def test_the_rules_of_offsets(own_site: SiteAlone) -> None:
    tus = Tus(own_site)
    source = random.Random(7).randbytes(10_000)
    path = tus.begin(len(source))
    assert tus.piece(path, 0, source[:4000]).status == 204
    for offset in (0, 1, 3999, 4001, 9999, 10_000, 10_001):
        answer = tus.piece(path, offset, source[offset : offset + 100])
        assert (answer.status, answer.code) == (409, "CONFLICT"), offset
    assert tus.piece(path, 4000, source[4000:] + b"x").status == 413
    assert tus.offset(path) == 4000
    wrong = f"sha1 {base64.b64encode(hashlib.sha1(b'other').digest()).decode()}"
    assert tus.piece(path, 4000, source[4000:], {"Upload-Checksum": wrong}).status == 460
    assert tus.offset(path) == 4000
    right = f"sha1 {base64.b64encode(hashlib.sha1(source[4000:]).digest()).decode()}"
    assert tus.piece(path, 4000, source[4000:], {"Upload-Checksum": right}).status == 204
    for offset in (0, 4000, 9999, 10_000):
        assert tus.piece(path, offset, source[offset:]).status == 409, "a finished upload cannot be changed"
    removed = tus.client.call("DELETE", path, headers={"Tus-Resumable": "1.0.0"})
    assert removed.status == 409
    assert tus.download(path) == source
    assert Tus(own_site, "sa_other").look(path).status == 404
    assert tus.client.call("HEAD", path).status == 412


def test_deletion_and_bounds(programs: str, directory: Path) -> None:
    site = SiteAlone(directory, "rw", programs, {"SE_MAX_UPLOADS_PER_SUBJECT": "2"})
    site.appliance.start()
    try:
        tus, other = Tus(site), Tus(site, "sa_other")
        first = tus.begin(1000)
        tus.begin(1000)
        encoded = base64.b64encode(b"c").decode()
        own = {"Tus-Resumable": "1.0.0", "Upload-Length": "1", "Upload-Metadata": f"filename {encoded}"}
        refused = tus.client.call("POST", UPLOADS, headers=own)
        assert (refused.status, refused.code) == (429, "RATE_LIMITED")
        other.begin(1000)
        assert tus.client.call("DELETE", first, headers={"Tus-Resumable": "1.0.0"}).status == 204
        assert tus.look(first).status == 404
        tus.begin(1000)
        metrics = site.client().call("GET", "/metrics").expect(200).body.decode()
        assert "se_uploads_unfinished 3" in metrics
        site.appliance.stop()
        site.appliance.start()
        assert "se_uploads_unfinished 3" in site.client().call("GET", "/metrics").expect(200).body.decode()
    finally:
        site.appliance.stop()
