"""Our own client for uploads that come in pieces (tus 1.0): goes on after every break until the document is there."""

from __future__ import annotations

import base64
import hashlib
import http.client
import time
import uuid
from collections.abc import Callable
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from .client import Answer, Client, Document

PIECE = "application/offset+octet-stream"
_TUS = {"Tus-Resumable": "1.0.0"}


class UploadFailed(RuntimeError):
    """The server refused for good, or the breaks did not end."""


class ResumableUpload:
    """One document on its way. `connect` makes a fresh client; a broken one is never used again."""

    def __init__(self, connect: Callable[[], Client], document: Document, path: str = "/api/v1/uploads") -> None:
        assert isinstance(document.source, bytes), "documents in memory only"
        self._connect, self._path, self._document = connect, path, document
        self._bytes = document.source
        # A creation whose answer was lost is asked again under the same key and gives the same upload.
        self._key = str(uuid.uuid4())
        self.location: str | None = None
        self.file_id: str | None = None
        self.breaks = 0

    def run(self, breaks_max: int = 200, pause: float = 0.01) -> str:
        """Uploads all of it; the document's id."""
        while True:
            try:
                return self._attempt()
            except (OSError, http.client.HTTPException) as error:
                self.breaks += 1
                if self.breaks > breaks_max:
                    raise UploadFailed(f"{self.breaks} breaks: {error}") from error
                time.sleep(pause)

    def _attempt(self) -> str:
        client = self._connect()
        try:
            answer = self._create(client) if self.location is None else client.call("HEAD", self.location, headers=_TUS)
            while not (file_id := answer.expect(200, 201, 204, 409).headers["ArtStore-File-Id"]):
                if answer.status == 409:
                    answer = client.call("HEAD", self._place, headers=_TUS).expect(200)
                    continue
                answer = self._send(client, int(answer.headers["Upload-Offset"]))
            self.file_id = str(file_id)
            return self.file_id
        finally:
            client.close()

    @property
    def _place(self) -> str:
        assert self.location is not None
        return self.location

    def _create(self, client: Client) -> Answer:
        fields = {"filename": PurePosixPath(self._document.name).name, "filetype": self._document.content_type}
        digest = base64.b64encode(hashlib.sha256(self._bytes).digest()).decode()
        headers = {
            **_TUS,
            "Upload-Length": str(len(self._bytes)),
            "Upload-Metadata": ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in fields.items()),
            "Repr-Digest": f"sha-256=:{digest}:",
            "Idempotency-Key": self._key,
        }
        answer = client.call("POST", self._path, headers=headers).expect(201)
        self.location = urlsplit(answer.headers["Location"]).path
        return answer

    def _send(self, client: Client, offset: int) -> Answer:
        headers = {**_TUS, "Upload-Offset": str(offset), "Content-Type": PIECE}
        # An iterator: what breaks must be asked for its offset first, never be sent again as it is.
        headers["Content-Length"] = str(len(self._bytes) - offset)
        return client.call("PATCH", self._place, headers=headers, body=iter([self._bytes[offset:]]))
