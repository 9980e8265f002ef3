"""The driver's own measuring must notice what it is there to notice: lost and altered documents."""

import hashlib
import http.server
import threading
from collections.abc import Iterator

import pytest
from artstore.client import APIFailure, Client, Document
from artstore.workload import Acknowledged, Uploader, verify


class Store(http.server.BaseHTTPRequestHandler):
    documents: dict[str, bytes] = {}  # noqa: RUF012
    checksum = hashlib.sha256(b"content").hexdigest()
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        data = self.documents.get(self.path.split("/")[4], b"")
        self.answer(200 if data else 404, data)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(201, b'{"file_id":"a","size":7,"checksum":"%s"}' % self.checksum.encode())

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def base() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def acknowledged(file_id: str) -> Acknowledged:
    return Acknowledged(file_id, file_id, 7, hashlib.sha256(b"content").hexdigest())


def test_lost_and_altered_documents_are_found(base: str) -> None:
    Store.documents = {"whole": b"content", "altered": b"contens"}
    outcome = verify(Client(base), [acknowledged(name) for name in ("whole", "altered", "lost")])
    assert outcome.checked == 3
    assert [line.split()[0] for line in outcome.wrong] == ["altered", "lost"]


def test_a_wrong_checksum_in_the_record_is_found(base: str) -> None:
    uploader = Uploader(base, "token")
    assert uploader.upload(Document("a", b"content"), {}) is not None
    with pytest.raises(APIFailure):
        uploader.upload(Document("a", b"another"), {})


def test_what_is_not_acknowledged_is_not_counted() -> None:
    uploader = Uploader("http://127.0.0.1:1", "token")
    assert uploader.upload_all([Document("a", b"content")], lambda index: {}) == []
    assert len(uploader.refused) == 1
