"""SIGKILL during uploads, again and again: what was acknowledged is there, nothing is half-visible."""

from __future__ import annotations

import hashlib
import http.client
import random
import threading
from pathlib import Path

from artstore.client import Document
from site_alone import SiteAlone

ROUNDS = 50
SEED = 20_261_120


class Writers:
    """Four connections that upload documents of many sizes until the appliance is gone."""

    def __init__(self, site: SiteAlone, seed: int, stop_after: int) -> None:
        self._site, self._seed = site, seed
        self._token = site.token()
        self._lock = threading.Lock()
        self.acknowledged: dict[str, str] = {}
        self.reached = threading.Event()
        self._stop_after = stop_after
        self._threads = [threading.Thread(target=self._write, args=(index,)) for index in range(4)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _write(self, index: int) -> None:
        chance = random.Random(self._seed * 10 + index)
        client = self._site.client(self._token)
        while True:
            # Below and above the limit under which a document travels inside the journal.
            size = chance.choice([1, 900, 20_000, 65_536, 65_537, 300_000, 1_500_000])
            document = Document(f"round {self._seed} {chance.random()}.bin", chance.randbytes(size))
            try:
                answer = client.upload("/api/v1/files/upload", document)
            except (OSError, http.client.HTTPException):
                return
            assert answer.status == 201, answer.body
            assert answer.json["checksum"] == document.sha256()
            with self._lock:
                self.acknowledged[str(answer.json["file_id"])] = document.sha256()
                if len(self.acknowledged) >= self._stop_after:
                    self.reached.set()


def listed(site: SiteAlone) -> dict[str, dict[str, object]]:
    """Every record the appliance shows."""
    client = site.client()
    records: dict[str, dict[str, object]] = {}
    path = "/api/v1/files?limit=1000"
    while True:
        answer = client.call("GET", path).expect(200).json
        records.update({str(item["file_id"]): item for item in answer["items"]})
        if not answer["has_more"]:
            return records
        path = f"/api/v1/files?limit=1000&cursor={answer['next_cursor']}"


def assert_whole(site: SiteAlone, file_id: str, checksum: str) -> None:
    response = site.client().call("GET", f"/api/v1/files/{file_id}/download").expect(200)
    assert hashlib.sha256(response.body).hexdigest() == checksum, file_id


def test_fifty_kills_lose_nothing_and_show_nothing_half(programs: str, directory: Path) -> None:
    site = SiteAlone(directory, "rw", programs)
    site.appliance.start()
    chance = random.Random(SEED)
    acknowledged: dict[str, str] = {}
    checked: set[str] = set()
    try:
        for round_number in range(ROUNDS):
            writers = Writers(site, SEED + round_number, stop_after=chance.randint(1, 25))
            writers.start()
            assert writers.reached.wait(60), f"round {round_number}: the uploads stopped by themselves"
            site.appliance.kill()
            writers.join()
            acknowledged.update(writers.acknowledged)
            site.appliance.start()
            records = listed(site)
            missing = writers.acknowledged.keys() - records.keys()
            assert not missing, f"round {round_number}: acknowledged and gone: {missing}"
            for file_id, record in records.items():
                if file_id not in checked:
                    assert_whole(site, file_id, acknowledged.get(file_id, str(record["checksum"])))
                    checked.add(file_id)
        assert acknowledged.keys() <= checked
        assert len(acknowledged) >= ROUNDS
        assert site.appliance.stop() == 0, site.appliance.log.read_text()[-2000:]
        report = site.appliance.command("fsck", "--json")
        assert report.returncode == 0, report.stdout
        site.appliance.start()
        final = listed(site)
        assert {file_id: final[file_id]["checksum"] for file_id in acknowledged} == acknowledged
        stray = [path for path in (site.appliance.data / "staging").iterdir() if path.suffix == ".part"]
        assert len(stray) <= 4, f"unfinished uploads of earlier runs were not tidied away: {stray}"
    finally:
        site.appliance.stop()
