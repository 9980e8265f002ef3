"""A site with very many documents, as far as a catalogue sees it: listing, feed, digest and state over mutual TLS.

The real appliance is claimed and stopped; this serves at its address with its key. Documents are made up: filling a
real store with a million of them takes longer than everything that is to be measured. Pages are cut from lines that
are there already, so that serving costs about what sending does. Runs as a process of its own:

    site.py PORT STATE_DIRECTORY STORAGE_ID ROWS SEED
"""

from __future__ import annotations

import base64
import bisect
import hashlib
import json
import random
import ssl
import sys
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

_EPOCH, _GENERATION, _INCARNATION = 7, 1, 9
_WORDS = ["договор", "отчёт", "invoice", "протокол", "report", "смета", "contract", "акт", "scan", "приказ"]


def cursor(lsn: int) -> str:
    """As `Position.cursor`: four numbers and four bytes of their SHA-256."""
    words = b"".join(number.to_bytes(8, "big") for number in (_EPOCH, _GENERATION, _INCARNATION, lsn))
    return base64.urlsafe_b64encode(words + hashlib.sha256(words).digest()[:4]).decode()


class Site:
    """Documents by id and by LSN; a change puts one at the end of the history."""

    def __init__(self, storage_id: str, rows: int, seed: int) -> None:
        self.storage_id = storage_id
        chance = random.Random(seed)
        self.ids = sorted(str(UUID(int=chance.getrandbits(128), version=4)) for _ in range(rows))
        self.lsns = list(range(1, rows + 1))
        self.last = rows
        self.buckets = [0] * 256
        self.changed: list[int] = []
        self.lines: list[bytes] = []
        for index in range(rows):
            self.lines.append(b"")
            self._write(index, self.lsns[index], f"{chance.choice(_WORDS)} {index}")
        self.lock = threading.Lock()

    def _write(self, index: int, lsn: int, words: str) -> None:
        file_id = self.ids[index]
        record = (
            f'{{"file_id":"{file_id}","original_filename":"{words}.pdf","content_type":"application/pdf",'
            f'"size":{1000 + index},"checksum":"{hashlib.sha256(file_id.encode()).hexdigest()}",'
            f'"uploaded_by":"sa_bench",'
            f'"uploaded_at":"2026-{1 + index % 12:02}-{1 + index % 28:02}T10:{index % 60:02}:00Z","status":"active",'
            f'"retention_policy":"permanent","description":"Документ номер {index}","tags":["bench","{index % 50}"],'
            '"ttl_days":null,"expires_at":null}'
        ).encode()
        bucket = int(file_id[:2], 16)
        for at, of, sign in ((self.lsns[index], self.lines[index], -1), (lsn, record, 1)):
            if of:
                old = of if sign > 0 else of[of.index(b'"record":') + 9 : -1]
                inner = UUID(file_id).bytes + at.to_bytes(8, "big") + hashlib.sha256(old).digest()
                self.buckets[bucket] += sign * int.from_bytes(hashlib.sha256(inner).digest()[:16], "big")
        self.lsns[index] = lsn
        self.lines[index] = b'{"op":"put","lsn":%d,"record":%s}' % (lsn, record)

    def change(self, count: int) -> None:
        with self.lock:
            for index in random.sample(range(len(self.ids)), count):
                self.last += 1
                self._write(index, self.last, f"изменённый {self.last}")
                self.changed.append(index)

    def listing(self, after: str, until: str, limit: int) -> bytes:
        with self.lock:
            first, behind = bisect.bisect_right(self.ids, after), bisect.bisect_right(self.ids, until)
            end = min(first + limit, behind)
            return self._page(self.lines[first:end], self.last, end < behind)

    def changes(self, after: int, limit: int) -> bytes:
        with self.lock:
            later = sorted(self.lsns[index] for index in set(self.changed) if self.lsns[index] > after)
            chosen = set(later[:limit])
            lines = sorted((self.lsns[i], self.lines[i]) for i in set(self.changed) if self.lsns[i] in chosen)
            more = len(later) > limit
            return self._page([line for _, line in lines], lines[-1][0] if more else self.last, more)

    def digest(self) -> bytes:
        with self.lock:
            sums = [f"{bucket % (1 << 128):032x}" for bucket in self.buckets]
            return json.dumps({"cursor": cursor(self.last), "buckets": sums}).encode()

    def info(self) -> bytes:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        facts = {
            "storage_id": self.storage_id,
            "mode": "rw",
            "status": "online",
            "version": "bench",
            "capacity": {"total_bytes": 1 << 40, "used_bytes": 1 << 30, "available_bytes": 1 << 39},
            "replica_mode": "standalone",
            "role": "primary",
            "allowed_operations": ["read"],
            "epoch": _EPOCH,
            "last_lsn": self.last,
            "clock": {"time": now, "offset_ms": 0, "trusted": True},
            "tasks": [],
            "trust_version": 1_000_000,
            "certificate_expires_at": "2099-01-01T00:00:00Z",
        }
        return json.dumps(facts).encode()

    @staticmethod
    def _page(lines: list[bytes], lsn: int, more: bool) -> bytes:
        end = json.dumps({"cursor": cursor(lsn), "more": more}).encode()
        return b"\n".join([*lines, end]) + b"\n"


class Handler(BaseHTTPRequestHandler):
    """What the catalogue asks, and `POST /change?n=` for the bench."""

    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        match address.path:
            case "/api/v1/info":
                self._answer(self.site.info())
            case "/api/v1/files":
                self._answer(self.site.listing(query["after_id"], query["until_id"], int(query["limit"])))
            case "/api/v1/changes":
                after = base64.urlsafe_b64decode(query["after"])
                self._answer(self.site.changes(int.from_bytes(after[24:32], "big"), int(query["limit"])))
            case "/api/v1/files/digest":
                self._answer(self.site.digest())
            case _:
                self.send_error(404)

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


def main() -> None:
    port, state, storage_id, rows, seed = sys.argv[1:]
    Handler.site = Site(storage_id, int(rows), int(seed))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    identity = Path(state) / "identity"
    context.load_cert_chain(identity / "certificate.pem", identity / "key.pem")
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    for line in sys.stdin:
        Handler.site.change(int(line))
        print("changed", flush=True)


if __name__ == "__main__":
    main()
