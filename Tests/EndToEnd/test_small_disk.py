"""Real ENOSPC: an appliance whose journal, documents or index lie on a disk of 55 MB beside a foreign file that takes
the rest."""

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

    def delete(self, file_id: str) -> None:
        self.client.call("DELETE", f"/api/v1/files/{file_id}").expect(204)
        del self.sums[file_id]

    def is_full(self) -> bool:
        """For documents of every size."""
        return all(self.upload(size).status == 507 for size in (LARGE, SMALL))

    def readiness(self) -> str:
        return self.client.call("GET", "/health/ready").body.decode()

    def check_each(self) -> None:
        """Everything acknowledged is served."""
        for file_id, wanted in self.sums.items():
            status, digest, _ = self.client.download_sha256(f"/api/v1/files/{file_id}/download")
            assert (status, digest) == (200, wanted)

    def check(self) -> None:
        """Everything acknowledged is listed and served; nothing else is."""
        items = self.client.call("GET", "/api/v1/files?limit=1000&status=active").expect(200).json["items"]
        assert {item["file_id"] for item in items} == set(self.sums)
        for item in items:
            if (allowed := self.descriptions.get(item["file_id"])) is not None:
                assert item.get("description") in allowed
        self.check_each()

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


def test_a_start_on_a_full_disk_sets_a_torn_tail_aside(
    programs: str, directory: Path, disks: Callable[[str], Path]
) -> None:
    disk = disks("journal")
    journal = disk / "appliance"
    filling = Filling(directory, programs, {"SE_WAL_DIR": str(journal)})
    foreign = ForeignFile(disk)
    filling.start()
    try:
        for _ in range(20):
            assert filling.upload(SMALL).status == 201
        until("there is a reserve", lambda: (journal / "reserve").exists())
        filling.site.appliance.kill()
        _tear(journal)
        foreign.fill()
        filling.start()
        assert [tail.stat().st_size for tail in journal.glob("*.torn-*")] == [3000]
        filling.check()
        foreign.fill()
        until("uploads are refused", filling.is_full)
        foreign.remove()
        filling.resumes()
        until("there is a reserve again", lambda: (journal / "reserve").exists(), seconds=30)
    finally:
        filling.end()


def _tear(journal: Path) -> None:
    """As if a batch had reached the disk in part."""
    active = max(path for path in journal.glob("*.wal") if path.read_bytes().startswith(b"ARTSJNL"))
    end = (len(active.read_bytes().rstrip(b"\0")) + 7) // 8 * 8
    with active.open("r+b") as file:
        file.seek(end)
        file.write(b"\xff" * 3000)


def test_the_last_block_goes_under_the_documents(programs: str, directory: Path, disks: Callable[[str], Path]) -> None:
    disk = disks("documents")
    elsewhere = {"SE_WAL_DIR": str(directory / "wal"), "SE_INDEX_DIR": str(directory / "index")}
    filling = Filling(directory, programs, {"SE_DATA_DIR": str(disk / "data"), **elsewhere})
    foreign = ForeignFile(disk)
    filling.start()
    try:
        for _ in range(1000):
            answers = {filling.upload(size).status for size in (SMALL, LARGE)}
            assert answers <= {201, 507}
            if answers == {507}:
                break
        assert filling.is_full() and len(filling.sums) > 100
        filling.check()
        # Room for some small ones, which goes while they are taken in: the journal has them, the tree may not.
        for file_id in list(filling.sums)[:20]:
            filling.delete(file_id)
        until("there is room", lambda: filling.upload(SMALL).status == 201)
        _upload_while(filling, foreign.fill)
        until("uploads are refused", filling.is_full)
        filling.check()
        for _ in range(2):
            filling.site.appliance.kill()
            foreign.fill()
            filling.start()
            filling.check()
            assert filling.is_full()
        # Deletes are taken, and what they free is foreign at once.
        for file_id in list(filling.sums)[:5]:
            filling.delete(file_id)
        foreign.fill()
        filling.check()
        foreign.remove()
        filling.resumes()
        filling.check()
    finally:
        filling.end()


def _upload_while(filling: Filling, fill: Callable[[], None]) -> None:
    """Small documents until one is refused; the disk fills up meanwhile."""
    filler = threading.Thread(target=fill)
    filler.start()
    until("one is refused", lambda: filling.upload(SMALL).status == 507, seconds=60)
    filler.join()


def test_the_last_block_goes_under_the_index(programs: str, directory: Path, disks: Callable[[str], Path]) -> None:
    disk = disks("index")
    filling = Filling(directory, programs, {"SE_INDEX_DIR": str(disk / "index")})
    foreign = ForeignFile(disk)
    filling.start()
    try:
        for _ in range(30):
            assert filling.upload(SMALL).status == 201
        assert filling.upload(LARGE).status == 201
        until("there is a reserve", lambda: (disk / "index/reserve").exists())
        # It is for a start as well: whoever stopped cleanly has left SQLite without its log.
        assert filling.site.appliance.stop() == 0
        foreign.fill()
        filling.start()
        filling.check()
        assert filling.is_full()
        filling.delete(next(iter(filling.sums)))
        filling.check()
        _stall(filling, foreign)
        assert filling.is_full()
        some = next(iter(filling.sums))
        assert filling.client.call("GET", f"/api/v1/files/{some}").expect(200).json["description"] == "no room"
        filling.delete(some)
        assert filling.client.call("GET", f"/api/v1/files/{some}/download").status == 404
        filling.check_each()
        # A list without what waits would be wrong.
        assert filling.client.call("GET", "/api/v1/files").code == "OVERLOADED"
        filling.site.appliance.kill()
        foreign.fill()
        filling.start()
        filling.check_each()
        assert filling.client.call("GET", f"/api/v1/files/{some}/download").status == 404
        assert filling.is_full()
        foreign.remove()
        filling.resumes()
        filling.check()
        assert "takes no changes" not in filling.readiness()
        until("there is a reserve again", lambda: (disk / "index/reserve").exists())
    finally:
        filling.end()


def _stall(filling: Filling, foreign: ForeignFile) -> None:
    """Changes descriptions, each of which is taken, until the index's disk has not one block for them. Meanwhile
    `foreign` takes whatever becomes free."""
    deadline = time.monotonic() + 60
    number = 0
    while "takes no changes" not in filling.readiness():
        assert time.monotonic() < deadline, "the index never met the full disk"
        number += 1
        foreign.fill()
        for file_id in filling.sums:
            path, text = f"/api/v1/files/{file_id}", f"{number} {_LONG}"[:1000].strip()
            filling.client.call("PATCH", path, {"description": text}).expect(200)
            filling.descriptions[file_id] = {text}
    for file_id in filling.sums:
        filling.client.call("PATCH", f"/api/v1/files/{file_id}", {"description": "no room"}).expect(200)
        filling.descriptions[file_id] = {"no room"}


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
