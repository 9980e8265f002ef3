"""Large documents of odd sizes, by every way in, over SIGKILL in the middle: on a disk, and on one in memory, which has
no writes that leave its cache by themselves."""

from __future__ import annotations

import base64
import hashlib
import random
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from artstore.client import Document
from faults import until
from site_alone import SiteAlone

UPLOAD = "/api/v1/files/upload"
SIZES = {"disk": (200 << 20) + 12_345, "memory": (40 << 20) + 777}


@contextmanager
def in_memory(place: Path) -> Iterator[None]:
    place.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600m", "large-uploads", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


@dataclass
class Place:
    site: SiteAlone
    source: bytes

    @property
    def staged(self) -> list[Path]:
        return list((self.site.appliance.data / "staging").iterdir())

    def check(self, file_id: str) -> None:
        path = f"/api/v1/files/{file_id}/download"
        status, digest, count = self.site.client().download_sha256(path)
        assert (status, digest, count) == (200, hashlib.sha256(self.source).hexdigest(), len(self.source))

    def send(self, head: str, count: int) -> socket.socket:
        """A request with only so many bytes of its body."""
        context = ssl.create_default_context(cafile=str(self.site.authority.certificate))
        context.load_cert_chain(self.site.ingester.certificate, self.site.ingester.key)
        plain = socket.create_connection(("127.0.0.1", self.site.appliance.port), timeout=30)
        wrapped = context.wrap_socket(plain, server_hostname="127.0.0.1")
        head += f"Host: localhost\r\nAuthorization: Bearer {self.site.token()}\r\n"
        wrapped.sendall(f"{head}Content-Length: {len(self.source)}\r\n\r\n".encode())
        wrapped.sendall(self.source[:count])
        return wrapped

    def kill(self) -> None:
        self.site.appliance.kill()
        self.site.appliance.start()


@pytest.fixture(scope="module", params=["disk", "memory"])
def place(request: pytest.FixtureRequest, programs: str, scratch: Path) -> Iterator[Place]:
    kind = str(request.param)
    directory = scratch / f"large-{kind}"
    with ExitStack() as stack:
        if kind == "memory":
            stack.enter_context(in_memory(directory))
        site = SiteAlone(directory, "edit", programs)
        site.appliance.start()
        stack.callback(site.appliance.stop)
        yield Place(site, random.Random(9).randbytes(SIZES[kind]))


def test_a_form(place: Place) -> None:
    answer = place.site.client().upload(UPLOAD, Document("large.bin", place.source)).expect(201)
    place.check(answer.json["file_id"])
    assert place.staged == []


def test_a_raw_body_that_a_kill_cut_is_forgotten_and_sent_again(place: Place) -> None:
    field = {"Content-Disposition": "attachment; filename=large.bin"}
    head = f"POST {UPLOAD} HTTP/1.1\r\nContent-Disposition: {field['Content-Disposition']}\r\n"
    with place.send(head, len(place.source) // 2):
        place.kill()
    assert place.staged == []
    answer = place.site.client().call("POST", UPLOAD, headers=field, body=place.source).expect(201)
    place.check(answer.json["file_id"])


def test_a_client_that_goes_away_leaves_nothing(place: Place) -> None:
    head = f"POST {UPLOAD} HTTP/1.1\r\nContent-Disposition: attachment; filename=gone.bin\r\n"
    with place.send(head, len(place.source) // 2):
        until("bytes are staged", lambda: place.staged != [])
    until("nothing is staged", lambda: place.staged == [])


def test_pieces_go_on_after_a_kill_from_odd_places(place: Place) -> None:
    tus = {"Tus-Resumable": "1.0.0"}
    name = base64.b64encode(b"large.bin").decode()
    begun = {**tus, "Upload-Length": str(len(place.source)), "Upload-Metadata": f"filename {name}"}
    client = place.site.client()
    path = client.call("POST", "/api/v1/uploads", headers=begun).expect(201).headers["Location"]
    piece = {**tus, "Content-Type": "application/offset+octet-stream"}
    first = 7_000_003
    sent = {**piece, "Upload-Offset": "0"}
    assert client.call("PATCH", path, headers=sent, body=place.source[:first]).status == 204
    place.kill()
    client = place.site.client()
    assert client.call("HEAD", path, headers=tus).expect(200).headers["Upload-Offset"] == str(first)
    digest = base64.b64encode(hashlib.sha1(place.source[first : 2 * first]).digest()).decode()
    sent = {**piece, "Upload-Offset": str(first), "Upload-Checksum": f"sha1 {digest}"}
    assert client.call("PATCH", path, headers=sent, body=place.source[first : 2 * first]).status == 204
    sent = {**piece, "Upload-Offset": str(2 * first)}
    answer = client.call("PATCH", path, headers=sent, body=place.source[2 * first :]).expect(204)
    place.check(answer.headers["ArtStore-File-Id"])
