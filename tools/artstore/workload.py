"""What clients do to a running fleet: many uploads at once, verification of every acknowledged document."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from .client import APIFailure, Client, Document


@dataclass(frozen=True)
class Acknowledged:
    """A document the ingester answered 201 for."""

    file_id: str
    name: str
    size: int
    sha256: str


class Uploader:
    """Uploads documents through the ingester with several connections and remembers what was acknowledged."""

    def __init__(self, base: str, token: str, connections: int = 4) -> None:
        self._base, self._token = base, token
        self._connections = connections
        self._local = threading.local()
        self._lock = threading.Lock()
        self.acknowledged: list[Acknowledged] = []
        self.refused: list[str] = []

    def upload_all(
        self,
        documents: Sequence[Document],
        fields: Callable[[int], dict[str, str]],
        on_progress: Callable[[int], None] | None = None,
    ) -> list[Acknowledged]:
        """Returns what was acknowledged, in the documents' order; refusals are in `refused`."""
        with ThreadPoolExecutor(self._connections) as pool:
            jobs = [pool.submit(self.upload, document, fields(index)) for index, document in enumerate(documents)]
            done = []
            try:
                for count, job in enumerate(jobs, 1):
                    if (result := job.result()) is not None:
                        done.append(result)
                    if on_progress:
                        on_progress(count)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return done

    def upload(self, document: Document, fields: dict[str, str]) -> Acknowledged | None:
        client: Client | None = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = Client(self._base, self._token)
        try:
            answer = client.upload("/api/v1/files/upload", document, fields)
        except (OSError, http.client.HTTPException) as error:
            client.close()
            self._refuse(f"{document.name}: {error!r}")
            return None
        if answer.status != 201:
            self._refuse(f"{document.name}: {answer.status} {answer.code} {answer.message}")
            return None
        record = answer.json
        result = Acknowledged(str(record["file_id"]), document.name, document.size, document.sha256())
        if record["checksum"] != result.sha256 or record["size"] != result.size:
            raise APIFailure(f"{document.name}: the record says {record['checksum']}, the file is {result.sha256}")
        with self._lock:
            self.acknowledged.append(result)
        return result

    def _refuse(self, reason: str) -> None:
        with self._lock:
            self.refused.append(reason)


@dataclass
class Verification:
    checked: int = 0
    wrong: list[str] = field(default_factory=list)


def verify(
    client: Client,
    documents: Sequence[Acknowledged],
    on_progress: Callable[[int], None] | None = None,
    patience_seconds: float = 60,
) -> Verification:
    """Downloads every document through `client`, compares its SHA-256; waits for an appliance that is coming back."""
    outcome = Verification()
    deadline = time.monotonic() + patience_seconds
    for document in documents:
        path = f"/api/v1/files/{document.file_id}/download"
        status, digest, _ = client.download_sha256(path)
        while status in (502, 503) and time.monotonic() < deadline:
            time.sleep(0.3)
            status, digest, _ = client.download_sha256(path)
        if status != 200 or digest != document.sha256:
            outcome.wrong.append(f"{document.name} ({document.file_id}): status {status}, SHA-256 {digest}")
        outcome.checked += 1
        if on_progress:
            on_progress(outcome.checked)
    return outcome
