"""The engine under the real kernel's faults: death in any call of an upload, syncs that fail.

Every state-changing call of an upload is recorded once; then, upload by upload, the process dies in the first of them,
the second, and so on to the last.
"""

from __future__ import annotations

import http.client
import json
import shutil
from pathlib import Path

import pytest
from artstore.client import APIFailure, Document
from artstore.processes import ProcessFailed
from faults import SYNCS, Call, dealt, dealt_to, recorded, until, was_dealt
from site_alone import SiteAlone

SMALL = b"a small document, inside the journal record " * 50
LARGE = bytes(range(256)) * 1024
BODIES = pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])


class Stage:
    """An appliance that dies again and again, and what it has acknowledged."""

    def __init__(self, directory: Path, programs: str) -> None:
        self.site = SiteAlone(directory, "edit", programs)
        self.log = directory / "strace.log"
        self.acknowledged: dict[str, str] = {}

    def begin(self, fresh: bool = True) -> None:
        if fresh and self.site.appliance.data.exists():
            shutil.rmtree(self.site.appliance.data)
            self.acknowledged = {}
        self.site.appliance.start()

    @property
    def pid(self) -> int:
        return self.site.appliance.process.pid

    def is_dead(self) -> bool:
        return self.site.appliance.process.exit_status is not None

    def upload(self, body: bytes) -> bool:
        """Whether it was acknowledged."""
        document = Document("report.pdf", body)
        try:
            answer = self.site.client().upload("/api/v1/files/upload", document)
        except (OSError, http.client.HTTPException, APIFailure):
            return False
        if answer.status == 201:
            self.acknowledged[str(answer.json["file_id"])] = document.sha256()
        return answer.status == 201

    def record(self, body: bytes) -> list[Call]:
        """What an upload does to the disk, up to the idle marker that ends it."""
        before = len(self.site.appliance.documents())
        with recorded(self.pid, self.log) as calls:
            assert self.upload(body)
            until("the document is in place", lambda: len(self.site.appliance.documents()) > before)
            # The committer's own sync, and half a second later the marker's; for a large document its own before both.
            wanted = 2 if body is SMALL else 3
            until("it is attested", lambda: self.log.read_text(errors="replace").count("fdatasync(") >= wanted)
        return calls

    def check(self, body: bytes) -> None:
        """After a restart: what was acknowledged is there, nothing is half-visible, nothing is left over."""
        client = self.site.client()
        listed = client.call("GET", "/api/v1/files?limit=1000").expect(200).json["items"]
        ids = [item["file_id"] for item in listed]
        gone = self.acknowledged.keys() - set(ids)
        assert not gone, f"acknowledged and gone: {gone}"
        # One whose answer was lost may be there, and then it is there whole.
        new = [known for known in ids if known not in self.acknowledged]
        assert len(new) <= 1
        for known in [*new, *list(self.acknowledged)[-1:]]:
            status, digest, _ = client.download_sha256(f"/api/v1/files/{known}/download")
            assert (status, digest) == (200, Document("report.pdf", body).sha256())
            self.acknowledged[known] = digest
        assert not list((self.site.appliance.data / "staging").iterdir())
        until("everything is in place", lambda: len(self.site.appliance.documents()) == len(ids))
        for document in self.site.appliance.documents():
            assert document.with_name(document.name + ".attr.json").stat().st_size > 0

    def fail_in(self, call: Call, body: bytes) -> bool:
        """Uploads while the sync fails, looks at what the appliance says, starts it again. Whether the call came."""
        with dealt(self.pid, call, "error=EIO", self.log):
            is_acknowledged = self.upload(body)
            try:
                until(f"{call} fails", lambda: was_dealt(self.log), seconds=2)
            except AssertionError:
                return False
        client = self.site.client()
        until("it is not ready", lambda: client.call("GET", "/health/ready").status == 503)
        report = client.call("GET", "/health/ready").body.decode()
        assert "Input/output error" in report, report
        refused = client.upload("/api/v1/files/upload", Document("second.pdf", body))
        assert (refused.status, refused.code) == (503, "READ_ONLY")
        ids = [item["file_id"] for item in client.call("GET", "/api/v1/files?limit=1000").expect(200).json["items"]]
        assert set(ids) == set(self.acknowledged), f"{call} failed, acknowledged: {is_acknowledged}"
        for known in list(self.acknowledged)[-1:]:
            status, digest, _ = client.download_sha256(f"/api/v1/files/{known}/download")
            assert (status, digest) == (200, self.acknowledged[known])
        self.site.appliance.kill()
        self.begin(fresh=False)
        self.check(body)
        return True

    def die_in(self, call: Call, body: bytes) -> bool:
        """Uploads, dies in the call, starts again. Whether the call came."""
        with dealt(self.pid, call, "signal=SIGKILL", self.log):
            self.upload(body)
            try:
                until("it died", self.is_dead, seconds=2)
                has_died = True
            except AssertionError:
                has_died = False
        self.site.appliance.kill()
        self.begin(fresh=False)
        try:
            self.check(body)
        except AssertionError as problem:
            raise AssertionError(f"killed in {call}: {problem}") from problem
        return has_died


@BODIES
def test_death_in_every_call_of_an_upload_loses_nothing(programs: str, directory: Path, body: bytes) -> None:
    stage = Stage(directory, programs)
    stage.begin()
    # The first upload of an hour makes directories, the second shows the rest.
    first = [call for call in stage.record(body) if call.name == "mkdir"]
    calls = stage.record(body)
    names = {call.name for call in calls}
    assert {"pwrite64", "fdatasync", "openat"} <= names, f"too little was recorded: {names}"
    assert len(first) == 4
    stage.site.appliance.kill()
    missed: list[Call] = []
    for call in first:
        stage.begin(fresh=True)
        if not stage.die_in(call, body):
            missed.append(call)
        stage.site.appliance.kill()
    stage.begin(fresh=False)
    for call in calls:
        # Which of two threads takes a job is chance: not every call comes at once.
        if not any(stage.die_in(call, body) for _ in range(4)):
            missed.append(call)
    stage.site.appliance.stop()
    assert len(missed) <= len(calls) // 10, f"{len(missed)} calls did not come again: {[str(call) for call in missed]}"
    done = stage.site.appliance.command("fsck", "--json", check=False)
    assert done.returncode == 0, done.stdout


@BODIES
def test_a_failed_sync_stops_all_writing_at_once(programs: str, directory: Path, body: bytes) -> None:
    stage = Stage(directory, programs)
    stage.begin()
    syncs = [call for call in stage.record(body) if call.name in SYNCS]
    # A small document rests on the journal's sync alone: its directory comes from there again.
    assert len(syncs) >= (1 if body is SMALL else 4), f"too few syncs were recorded: {syncs}"
    # The directories of an hour are synced by whoever meets them first, which is chance; the others come every time.
    dealt = [call for call in syncs if any(stage.fail_in(call, body) for _ in range(2))]
    assert len(dealt) >= (1 if body is SMALL else 3), f"of {[str(call) for call in syncs]} only {dealt} came again"
    stage.site.appliance.stop()


def test_an_index_whose_disk_fails_is_rebuilt_meanwhile(programs: str, directory: Path) -> None:
    stage = Stage(directory, programs)
    stage.begin()
    client = stage.site.client()
    for _ in range(5):
        assert stage.upload(SMALL)
    cursor = json.loads(client.call("GET", "/api/v1/changes").expect(200).body.splitlines()[-1])["cursor"]
    log_of_sqlite = stage.site.appliance.data / "index/index.sqlite-wal"
    with dealt_to(stage.pid, log_of_sqlite, "pwrite64", "error=EIO", stage.log):
        assert stage.upload(SMALL)
        until("a write of the index fails", lambda: was_dealt(stage.log))
    # Nobody restarts anything, and nothing stops.
    assert stage.upload(SMALL)
    until("the index is back", lambda: client.call("GET", "/api/v1/files").status == 200, seconds=30)
    stage.check(SMALL)
    assert client.call("GET", f"/api/v1/changes?after={cursor}").code == "CURSOR_EXPIRED"
    assert stage.upload(LARGE)
    stage.site.appliance.stop()
    done = stage.site.appliance.command("fsck", "--json", check=False)
    assert done.returncode == 0, done.stdout


def test_a_failed_sync_at_the_start_stops_it_and_says_why(programs: str, directory: Path) -> None:
    stage = Stage(directory, programs)
    stage.begin()
    assert stage.upload(SMALL)
    stage.site.appliance.kill()
    failures = 0
    for name in SYNCS:
        for number in range(1, 20):
            appliance = stage.site.appliance
            # One thread opens the store: its calls come in one order.
            # -D: the program stays our child, strace stands beside it.
            inject = f"inject={name}:error=EIO:when={number}"
            appliance.wrapper = ["strace", "-D", "-f", "-o", str(stage.log), f"--trace={name}", "-e", inject]
            try:
                appliance.start()
                has_started = True
            except ProcessFailed:
                has_started = False
            finally:
                appliance.wrapper = []
            if not was_dealt(stage.log):
                appliance.stop()
                break
            failures += 1
            if has_started:
                # Not one of the store's start, or of a thread that has just begun.
                appliance.stop()
            else:
                assert "Input/output error" in appliance.process.tail(), appliance.process.tail()
    assert failures >= 3, "the start syncs at least its recovered segment, that segment's name, and the first batch"
    stage.site.appliance.start()
    try:
        stage.check(SMALL)
    finally:
        stage.site.appliance.stop()
