"""`make torture`: SIGKILL under many uploaders, again and again: nothing acknowledged is lost, nothing is half-visible.

KILLS=n (default 20), UPLOADERS=n (default 64) and SEED=n in the environment. After each kill the appliance starts again
and its change feed must tell every document that was acknowledged before; each of them is read back and hashed, and so
is everything else that became visible without an answer. At the end the daemon is stopped, `fsck` must find nothing,
and the whole listing is held against all that was acknowledged.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from artstore import paths, progress, swiftpackage
from artstore.client import Client, Document
from artstore.processes import interruptible
from site_alone import SiteAlone

# Below and above the limit under which a document travels inside the journal; mostly small, as in life.
_SIZES = (1, 900, 4096, 4096, 4096, 20_000, 65_536, 65_537, 300_000, 1_500_000)
_STRAY_SLACK = 4


class Lost(AssertionError):
    """An acknowledged document is gone or not whole, or something half-written is visible."""


@dataclass
class Tally:
    """What a run saw; documents that became visible although the kill swallowed their answer are `unanswered`."""

    kills: int = 0
    acknowledged: int = 0
    unanswered: int = 0
    slowest_start_seconds: float = 0
    checksums: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return (
            f"{self.kills} kills, {self.acknowledged} documents acknowledged, {self.unanswered} visible without an"
            f" answer, 0 lost, slowest start {self.slowest_start_seconds:.2f} s"
        )


class Uploaders:
    """Connections that upload documents of many sizes until the appliance is gone."""

    def __init__(self, site: SiteAlone, seed: int, connections: int, stop_after: int) -> None:
        self._site, self._seed, self._stop_after = site, seed, stop_after
        self._token = site.token()
        self._lock = threading.Lock()
        self.acknowledged: dict[str, str] = {}
        self.failures: list[str] = []
        self.reached = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(index,)) for index in range(connections)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _write(self, index: int) -> None:
        chance = random.Random(f"{self._seed} {index}")
        client = self._site.client(self._token)
        while True:
            document = Document(f"of {self._seed} {chance.random()}.bin", chance.randbytes(chance.choice(_SIZES)))
            try:
                answer = client.upload("/api/v1/files/upload", document)
            except (OSError, http.client.HTTPException):
                return
            if answer.status != 201 or answer.json["checksum"] != document.sha256():
                self.failures.append(f"{answer.status}: {answer.body[:300]!r}")
                self.reached.set()
                return
            with self._lock:
                self.acknowledged[str(answer.json["file_id"])] = document.sha256()
                if len(self.acknowledged) >= self._stop_after:
                    self.reached.set()


class Torture:
    """One appliance, killed `kills` times under `uploaders` connections."""

    def __init__(self, directory: Path, configuration: str, uploaders: int, seed: int) -> None:
        # All uploaders come from one address, and nobody but them is slowed down by what they may do.
        limits = {"SE_HANDSHAKES_PER_SECOND": "0"}
        self.site = SiteAlone(directory, "rw", configuration, limits)
        self._uploaders, self._seed = uploaders, seed
        self._chance = random.Random(seed)
        self._cursor: str | None = None
        self.tally = Tally()

    def run(self, kills: int, step: progress.Step | None = None) -> Tally:
        """Raises `Lost` at the first document that is not as it was acknowledged."""
        self._start()
        try:
            for number in range(kills):
                self._round(number)
                if step:
                    step.status = str(self.tally)
            self._final()
        finally:
            self.site.appliance.stop()
        return self.tally

    def _start(self) -> None:
        began = time.monotonic()
        self.site.appliance.start()
        self.tally.slowest_start_seconds = max(self.tally.slowest_start_seconds, time.monotonic() - began)

    def _round(self, number: int) -> None:
        most = self._uploaders * 2
        group = Uploaders(self.site, self._seed + number, self._uploaders, self._chance.randint(1, most))
        group.start()
        reached = group.reached.wait(60)
        # Not only at the moment of an answer: anywhere in the next few milliseconds.
        time.sleep(self._chance.random() * 0.02)
        self.site.appliance.kill()
        group.join()
        if not reached or group.failures:
            raise Lost(f"kill {number}: the uploads ended by themselves: {group.failures[:3]}")
        self.tally.kills += 1
        self._start()
        client = self.site.client()
        told = self._changes(client)
        missing = group.acknowledged.keys() - told.keys()
        if missing:
            raise Lost(f"kill {number} (seed {self._seed}): acknowledged and gone: {sorted(missing)[:5]}")
        for file_id, checksum in told.items():
            self._assert_whole(client, file_id, group.acknowledged.get(file_id, checksum))
        self.tally.acknowledged += len(group.acknowledged)
        self.tally.unanswered += len(told) - len(group.acknowledged)
        self.tally.checksums.update(told)

    def _changes(self, client: Client) -> dict[str, str]:
        """File ids and checksums of what changed since the last round."""
        changed: dict[str, str] = {}
        while True:
            after = f"?after={self._cursor}" if self._cursor else ""
            lines = client.call("GET", f"/api/v1/changes{after}").expect(200).body.splitlines()
            *records, end = (json.loads(line) for line in lines)
            for line in records:
                changed[str(line["record"]["file_id"])] = str(line["record"]["checksum"])
            self._cursor = end["cursor"]
            if not end["more"]:
                return changed

    def _assert_whole(self, client: Client, file_id: str, checksum: str) -> None:
        response = client.call("GET", f"/api/v1/files/{file_id}/download")
        if response.status != 200 or hashlib.sha256(response.body).hexdigest() != checksum:
            raise Lost(f"{file_id} is not whole: {response.status} {response.body[:200]!r}, seed {self._seed}")

    def _final(self) -> None:
        appliance = self.site.appliance
        if appliance.stop() != 0:
            raise Lost(f"the appliance did not stop: {appliance.log.read_text()[-2000:]}")
        report = appliance.command("fsck", "--json", check=False)
        if report.returncode != 0:
            raise Lost(f"fsck found: {report.stdout[:2000]}")
        self._start()
        if listed(self.site) != self.tally.checksums:
            raise Lost("the listing does not hold what the feed had told")
        stray = [path for path in (appliance.data / "staging").iterdir() if path.suffix == ".part"]
        if len(stray) > self._uploaders + _STRAY_SLACK:
            raise Lost(f"unfinished uploads of earlier runs were not tidied away: {len(stray)}")


def listed(site: SiteAlone) -> dict[str, str]:
    """File id and checksum of every record the appliance shows."""
    client, path = site.client(), "/api/v1/files?limit=1000"
    records: dict[str, str] = {}
    while True:
        answer = client.call("GET", path).expect(200).json
        records.update({str(item["file_id"]): str(item["checksum"]) for item in answer["items"]})
        if not answer["has_more"]:
            return records
        path = f"/api/v1/files?limit=1000&cursor={answer['next_cursor']}"


def main() -> int:
    kills, uploaders = int(os.environ.get("KILLS") or 20), int(os.environ.get("UPLOADERS") or 64)
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 31))
    report = progress.Report()
    with interruptible(), tempfile.TemporaryDirectory(prefix="artstore-torture-", dir="/var/tmp") as scratch:
        with report.step("Build the appliance (release)"):
            log = paths.BUILD / "torture-build.log"
            swiftpackage.build("appliance", "release", ["--product", paths.PROGRAMS["appliance"]], log)
        torture = Torture(Path(scratch), "release", uploaders, seed)
        try:
            with report.step(f"Kill under {uploaders} uploaders, {kills} times (SEED={seed})") as step:
                torture.run(kills, step)
        except Lost as lost:
            print(f"torture: {lost}", file=sys.stderr)
            return 1
    print(f"torture: {torture.tally}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
