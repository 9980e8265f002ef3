"""Real ENOSPC: an appliance whose journal lies on a disk of 55 MB beside a foreign file that takes the rest."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from artstore.client import Answer, Document
from faults import until
from site_alone import SiteAlone
from small_disk import ForeignFile, mounted

SMALL, LARGE = 3_000, 150_000
_LONG = "описание " * 110


class Filling:
    """An appliance, and everything that it has acknowledged."""

    def __init__(self, directory: Path, programs: str, settings: dict[str, str]) -> None:
        grace = {"SE_GC_INTERVAL": "1s", "SE_REMOVAL_GRACE": "0s"}
        self.site = SiteAlone(directory, "edit", programs, {**grace, **settings})
        self.sums: dict[str, str] = {}
        self.descriptions: dict[str, set[str]] = {}
        self._chance = random.Random(5)
        self.client = self.site.client()

    def start(self) -> None:
        self.site.appliance.start()
        self.client = self.site.client()

    def upload(self, size: int) -> Answer:
        document = Document("report.pdf", self._chance.randbytes(size))
        answer = self.client.upload("/api/v1/files/upload", document)
        if answer.status == 201:
            self.sums[str(answer.json["file_id"])] = document.sha256()
        return answer

    def check(self) -> None:
        """Everything acknowledged is listed and served; nothing else is."""
        items = self.client.call("GET", "/api/v1/files?limit=1000&status=active").expect(200).json["items"]
        assert {item["file_id"] for item in items} == set(self.sums)
        for item in items:
            if (allowed := self.descriptions.get(item["file_id"])) is not None:
                assert item.get("description") in allowed
        for file_id, wanted in self.sums.items():
            status, digest, _ = self.client.download_sha256(f"/api/v1/files/{file_id}/download")
            assert (status, digest) == (200, wanted)

    def resumes(self) -> None:
        """Writes go on by themselves."""
        until("uploads are taken again", lambda: self.upload(SMALL).status == 201, seconds=30)
        assert self.upload(LARGE).status == 201

    def end(self) -> None:
        """A clean stop, and nothing that fsck minds."""
        assert self.site.appliance.stop() == 0
        done = self.site.appliance.command("fsck", "--json", check=False)
        assert done.returncode == 0, done.stdout


@pytest.fixture
def disks(directory: Path) -> Iterator[Callable[[str], Path]]:
    """Makes a small disk by name."""
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(mounted(directory / name))


def test_the_last_block_goes_in_the_middle_of_the_journal(
    programs: str, directory: Path, disks: Callable[[str], Path]
) -> None:
    disk = disks("journal")
    filling = Filling(directory, programs, {"SE_WAL_DIR": str(disk / "appliance")})
    foreign = ForeignFile(disk)
    filling.start()
    try:
        for _ in range(20):
            assert filling.upload(SMALL).status == 201
        foreign.fill()
        until("uploads are refused", lambda: filling.upload(SMALL).status == 507)
        # A start makes do with what is there: the room in the active segment.
        filling.site.appliance.kill()
        filling.start()
        filling.check()
        foreign.fill()
        # The segment made ahead is used up; then there is no more.
        assert _describe(filling, 60, foreign), "nothing ever met the full disk"
        filling.check()
        foreign.remove()
        filling.resumes()
        some = next(iter(filling.sums))
        filling.client.call("PATCH", f"/api/v1/files/{some}", {"description": "after"}).expect(200)
        filling.descriptions[some] = {"after"}
        filling.check()
    finally:
        filling.end()


def _describe(filling: Filling, seconds: float, foreign: ForeignFile) -> bool:
    """Changes descriptions from several connections, until one is refused for want of room or the time is over. Whether
    one was. Meanwhile `foreign` takes whatever becomes free."""
    over = threading.Event()
    failures: list[str] = []
    deadline = time.monotonic() + seconds

    def describe(file_id: str) -> None:
        client = filling.site.client()
        allowed = filling.descriptions.setdefault(file_id, set())
        number = 0
        while not over.is_set() and time.monotonic() < deadline:
            number += 1
            text = f"{number} {_LONG}"[:1000].strip()
            allowed.add(text)
            try:
                answer = client.call("PATCH", f"/api/v1/files/{file_id}", {"description": text})
            except (OSError, http.client.HTTPException) as error:
                failures.append(repr(error))
                return
            if answer.status == 200:
                allowed.intersection_update({text})
            elif (answer.status, answer.code) == (507, "STORAGE_FULL"):
                over.set()
            else:
                failures.append(f"{answer.status} {answer.body[:300]!r}")
                return

    workers = [threading.Thread(target=describe, args=(file_id,)) for file_id in list(filling.sums)[:8]]
    for worker in workers:
        worker.start()
    for worker in workers:
        while worker.is_alive():
            foreign.fill()
            worker.join(0.05)
    assert not failures, failures[:3]
    return over.is_set()
