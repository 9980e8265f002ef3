"""`make bad-link`: downloads and uploads over a link that delays, limits and resets, each cut at random points.

UPLOADS=n (default 1000, half by tuspy, half by our own client), CUTS=n for each transfer (default 20), WORKERS=n and
SEED=n in the environment. curl -C -, wget -c, aria2c -x4, rclone and chromium fetch one document; what arrives must be
byte-identical, and what goes on must ask for exactly the byte that it had come to (aria2c: within its blocks). Each
upload must become one document with its bytes, and go on where it was: no offset that was taken is ever taken again.
"""

from __future__ import annotations

import hashlib
import io
import os
import random
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from artstore import paths, progress, swiftpackage
from artstore.badlink import BadLink, Gate, Seen, Weather
from artstore.client import Client, Document
from artstore.processes import interruptible
from artstore.resumable import ResumableUpload
from browser_download import download as browser_download
from requests.exceptions import RequestException
from site_alone import SiteAlone
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError, TusUploadFailed
from tusclient.uploader.uploader import Uploader

_UPLOADS = "/api/v1/uploads"
DOWNLOADERS = ("curl", "wget", "aria2c", "rclone", "chromium")
# What aria2c counts in, and the least it gives one of its parts.
_ARIA_BLOCK, _ARIA_PART = 16_384, 1 << 20
_NO_PROXY = {**os.environ, "no_proxy": "*", "NO_PROXY": "*", "http_proxy": "", "LC_ALL": "C.UTF-8"}


class Spoiled(AssertionError):
    """A transfer arrived otherwise than it was sent, or began again where it should have gone on."""


@dataclass
class Tally:
    downloads: int = 0
    uploads: int = 0
    cuts: int = 0
    requests: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, gate: Gate, downloads: int = 0, uploads: int = 0) -> None:
        with self.lock:
            self.downloads += downloads
            self.uploads += uploads
            self.cuts += sum(seen.is_cut for seen in gate.seen)
            self.requests += len(gate.seen)

    def __str__(self) -> str:
        return (
            f"{self.downloads} downloads and {self.uploads} uploads byte-identical over {self.cuts} cuts"
            f" ({self.requests} requests)"
        )


class Trial:
    """One appliance behind one bad link."""

    def __init__(self, directory: Path, configuration: str, cuts: int, seed: int) -> None:
        self.site = SiteAlone(directory / "site", "rw", configuration)
        self.site.appliance.start()
        self.cuts, self.seed = cuts, seed
        self.tally = Tally()
        self._directory = directory
        self._tokens_until = 0.0
        context = ssl.create_default_context(cafile=str(self.site.authority.certificate))
        context.load_cert_chain(self.site.ingester.certificate, self.site.ingester.key)
        self.link = BadLink(self.site.appliance.port, context, "")
        self._renew()

    def close(self) -> None:
        self.link.close()
        status = self.site.appliance.stop()
        if status != 0:
            raise Spoiled(f"the appliance ended with {status}: {self.site.appliance.log.read_text()[-2000:]}")

    def _renew(self) -> None:
        if time.monotonic() > self._tokens_until:
            self._tokens_until = time.monotonic() + 120
            self.link.renew_token(self.site.token())

    def gate(self, size: int, number: int, rate: int = 0) -> Gate:
        self._renew()
        return self.link.open(Weather(self.cuts, size, delay=0.01, rate=rate), self.seed * 100_003 + number)

    # --- downloads ---

    def stored(self, size: int) -> tuple[str, bytes]:
        """A document to fetch: its path and its bytes."""
        source = random.Random(self.seed * 31 + size).randbytes(size)
        answer = self.site.client().upload("/api/v1/files/upload", Document("отчёт.bin", source)).expect(201)
        return f"/api/v1/files/{answer.json['file_id']}/download", source

    def download(self, tool: str, path: str, source: bytes, number: int) -> None:
        gate = self.gate(len(source), number)
        target = self._directory / f"download-{tool}-{number}" / "download"
        target.parent.mkdir()
        if tool == "chromium":
            self._browser(gate, path, target)
        elif tool in ("curl", "wget"):
            self._again(tool, gate, path, target)
        else:
            self._by_itself(tool, gate, path, target)
        if target.read_bytes() != source:
            raise Spoiled(f"{tool} (seed {self.seed}, {number}) has other bytes than were stored")
        if not any(seen.is_cut for seen in gate.seen):
            raise Spoiled(f"{tool}: the link was never cut")
        self.tally.count(gate, downloads=1)
        self.link.shut(gate)
        paths.remove_tree(target.parent)

    def _again(self, tool: str, gate: Gate, path: str, target: Path) -> None:
        """A tool that is started again after each break: what it asks for is exactly what its file lacks."""
        command = {
            "curl": ["curl", "-sS", "--fail", "-C", "-", "-o", str(target), gate.url(path)],
            "wget": ["wget", "-q", "-c", "--tries=1", "-P", str(target.parent), gate.url(path)],
        }[tool]
        for _ in range(self.cuts + 10):
            have = target.stat().st_size if target.exists() else 0
            before = len(gate.seen)
            done = subprocess.run(command, env=_NO_PROXY, capture_output=True, timeout=120, check=False)
            for seen in gate.seen[before:]:
                if (seen.range_start or 0) != have:
                    raise Spoiled(f"{tool} had {have} bytes and asked from {seen.range_start}")
                if have and seen.status not in (206, None):
                    raise Spoiled(f"{tool} asked from {have} and was answered {seen.status}")
            if done.returncode == 0:
                return
        raise Spoiled(f"{tool} did not come to an end: {done.stderr[-300:]!r}")

    def _by_itself(self, tool: str, gate: Gate, path: str, target: Path) -> None:
        """A tool that goes on by itself after each break."""
        folder, name = gate.url(path).rsplit("/", 1)
        command = {
            "aria2c": [
                "aria2c", "-q", "-x4", "-s4", "-k1M", "--max-tries=0", "--retry-wait=0", "--file-allocation=none",
                "--max-file-not-found=50", "--no-conf", "-d", str(target.parent), "-o", target.name, gate.url(path),
            ],
            "rclone": [
                "rclone", "copyto", "--config", "/dev/null", "--http-url", folder, f":http:{name}", str(target),
                "--low-level-retries", "100", "--retries", "20", "--retries-sleep", "10ms",
            ],
        }[tool]  # fmt: skip
        done = subprocess.run(command, env=_NO_PROXY, capture_output=True, timeout=300, check=False)
        if done.returncode != 0:
            raise Spoiled(f"{tool} ended with {done.returncode}: {done.stderr[-400:]!r} {done.stdout[-400:]!r}")
        if tool == "rclone":
            self._check_one_stream(tool, gate)
        else:
            self._check_parts(tool, gate.payloads())

    def _browser(self, gate: Gate, path: str, target: Path) -> None:
        """Chromium, whose user says "Resume" each time: it asks for what it counts as missing."""

        def interrupted(have: int) -> None:
            reached = max((seen.end for seen in gate.payloads() if seen.payload), default=0)
            if have != reached:
                raise Spoiled(f"chromium was sent {reached} bytes and counts {have}")

        browser_download(gate.url(path), target, target.parent, interrupted)
        self._check_one_stream("chromium", gate)

    @staticmethod
    def _check_one_stream(tool: str, gate: Gate) -> None:
        """Each request asks for exactly the byte that the one before ended with. rclone alone empties its file and
        begins again, and only when the link broke before the answer: its file is read again where a body broke off,
        but a request that was not answered at all ends its try (rclone 1.60, fs/operations/reopen.go)."""
        have = 0
        was_answered = True
        for seen in gate.payloads():
            if tool == "rclone" and not was_answered and seen.range_start is None:
                have = 0
            was_answered = seen.status is not None
            if (seen.range_start or 0) != have:
                raise Spoiled(f"{tool} had {have} bytes and asked from {seen.range_start}")
            if have and seen.status not in (206, None):
                raise Spoiled(f"{tool} asked from {have} and was answered {seen.status}")
            have += seen.payload

    @staticmethod
    def _check_parts(tool: str, requests: list[Seen]) -> None:
        """Each request begins a part, or goes on in the block in which one before ended."""
        for index, seen in enumerate(requests):
            start = seen.range_start or 0
            goes_on = any(start <= other.end < start + _ARIA_BLOCK for other in requests[:index] if other.payload)
            if start % _ARIA_PART and not goes_on:
                raise Spoiled(f"{tool} asked from {start}, where nothing ended")

    # --- uploads ---

    def upload(self, number: int) -> None:
        chance = random.Random(self.seed * 7 + number)
        source = chance.randbytes(chance.choice([40_000, 200_000, 400_000]))
        gate = self.gate(len(source), number)
        file_id = (self._own if number % 2 else self._tuspy)(gate, source, number)
        record = self.site.client().call("GET", f"/api/v1/files/{file_id}").expect(200).json
        if record["checksum"] != hashlib.sha256(source).hexdigest():
            raise Spoiled(f"upload {number} (seed {self.seed}) became other bytes than were sent")
        self._check_offsets(gate, number)
        self.tally.count(gate, uploads=1)
        self.link.shut(gate)

    def _check_offsets(self, gate: Gate, number: int) -> None:
        """Of pieces that were taken the offsets rise; and what is sent is little more than there is."""
        taken = [seen.upload_offset or 0 for seen in gate.payloads() if seen.status == 204]
        if taken != sorted(set(taken)):
            raise Spoiled(f"upload {number}: offsets went back: {taken}")
        if any(seen.status not in (200, 201, 204, 409, None) for seen in gate.seen):
            raise Spoiled(f"upload {number}: {[(seen.method, seen.status) for seen in gate.seen]}")

    def _own(self, gate: Gate, source: bytes, number: int) -> str:
        upload = ResumableUpload(lambda: Client(gate.url(""), timeout=30), Document(f"{number}.bin", source))
        return upload.run(breaks_max=self.cuts + 20)

    def _tuspy(self, gate: Gate, source: bytes, number: int) -> str:
        url: str | None = None
        for _ in range(self.cuts + 20):
            try:
                uploader = self._uploader(gate, source, number, url)
                if url is None:
                    url = uploader.create_url()
                    uploader = self._uploader(gate, source, number, url)
                if uploader.offset == len(source):
                    break
                uploader.upload()
                break
            except (TusCommunicationError, TusUploadFailed, RequestException):
                time.sleep(0.01)
        else:
            raise Spoiled(f"tuspy did not come to an end in upload {number}")
        assert url is not None
        path = url.removeprefix(gate.url(""))
        answer = self.site.client().call("HEAD", path, headers={"Tus-Resumable": "1.0.0"}).expect(200)
        return str(answer.headers["ArtStore-File-Id"])

    @staticmethod
    def _uploader(gate: Gate, source: bytes, number: int, url: str | None) -> Uploader:
        # Every second one declares its pieces' SHA-1, which makes each count as a whole or not at all.
        chunk, checked = (len(source), False) if number % 4 else (max(1, len(source) // 8), True)
        return TusClient(gate.url(_UPLOADS)).uploader(
            file_stream=io.BytesIO(source),
            chunk_size=chunk,
            metadata={"filename": f"{number}.bin"},
            url=url,
            upload_checksum=checked,
        )

    def uploads(self, count: int, workers: int, told: Callable[[int], None] = lambda _: None) -> None:
        with ThreadPoolExecutor(workers) as pool:
            for done, _ in enumerate(pool.map(self.upload, range(count)), 1):
                told(done)


def main() -> int:
    uploads, cuts = int(os.environ.get("UPLOADS") or 1000), int(os.environ.get("CUTS") or 20)
    workers = int(os.environ.get("WORKERS") or 12)
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 31))
    report = progress.Report()
    with interruptible(), tempfile.TemporaryDirectory(prefix="artstore-bad-link-", dir="/var/tmp") as scratch:
        with report.step("Build the appliance (release)"):
            log = paths.BUILD / "bad-link-build.log"
            swiftpackage.build("appliance", "release", ["--product", paths.PROGRAMS["appliance"]], log)
        trial = Trial(Path(scratch), "release", cuts, seed)
        os.environ["NO_PROXY"] = "127.0.0.1"
        try:
            path, source = trial.stored(12 << 20)
            for number, tool in enumerate(DOWNLOADERS):
                with report.step(f"Download by {tool}, cut {cuts} times (SEED={seed})"):
                    trial.download(tool, path, source, 1_000_000 + number)
            with report.step(f"{uploads} uploads, each cut {cuts} times (SEED={seed})") as step:
                trial.uploads(uploads, workers, lambda done: setattr(step, "status", f"{done} of {uploads}"))
        except Spoiled as spoiled:
            print(f"bad-link: {spoiled}", file=sys.stderr)
            return 1
        finally:
            trial.close()
    print(f"bad-link: {trial.tally}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
