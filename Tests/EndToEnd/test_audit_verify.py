"""`audit verify` against whoever can write to the database, and whoever can write to an appliance's disk: each change
is found by the command and by the API, and a system that nobody touched is clean."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from artstore.client import Client, Document
from artstore.postgres import PrivatePostgres
from artstore.programs import Appliance, ControlPlane, Fleet
from forged_journal import forge, pack, rewrite, unpack

DATABASE = "audited"
KEEP = "CREATE TABLE kept_log AS TABLE audit_log; CREATE TABLE kept_head AS TABLE audit_head"
PUT_BACK = (
    "TRUNCATE audit_log, audit_head; INSERT INTO audit_log TABLE kept_log; INSERT INTO audit_head TABLE kept_head"
)
COLUMNS = "at, actor, action, target, source, result, trace, details, code"
COPY = f"INSERT INTO audit_log (sequence, {COLUMNS}) SELECT {{0}}, {COLUMNS} FROM kept_log WHERE sequence = 2"
SHIFT = "UPDATE audit_log SET sequence = -sequence - 1 WHERE sequence >= 3; UPDATE audit_log SET sequence = -sequence"
MANIPULATIONS = {
    "changed": "UPDATE audit_log SET actor = 'eve' WHERE sequence = 2",
    "result changed": "UPDATE audit_log SET result = 'refused' WHERE sequence = 3",
    "removed": "DELETE FROM audit_log WHERE sequence = 3",
    "first removed": "DELETE FROM audit_log WHERE sequence = 1",
    "end cut off": "DELETE FROM audit_log WHERE sequence = (SELECT max(sequence) FROM audit_log)",
    "end cut off with its head": "DELETE FROM audit_log WHERE sequence = (SELECT max(sequence) FROM audit_log); "
    "UPDATE audit_head SET (sequence, code) = (SELECT sequence, code FROM audit_log ORDER BY 1 DESC LIMIT 1)",
    "inserted": f"{SHIFT} WHERE sequence < 0; {COPY.format(3)}; UPDATE audit_head SET sequence = sequence + 1",
    "inserted before the first": COPY.format(0),
    "inserted beyond the head": COPY.format("(SELECT max(sequence) + 1 FROM kept_log)"),
    "emptied": "TRUNCATE audit_log, audit_head",
}


class Audited:
    """A fleet of one appliance whose journal is pinned, and the two ways to verify."""

    def __init__(self, directory: Path, postgres: PrivatePostgres, configuration: str) -> None:
        self.plane = ControlPlane(directory, postgres.create_database(DATABASE), configuration)
        self.appliance = Appliance(directory / "site", "rw", "site", configuration)
        self.journal = self.appliance.data / "wal"
        self.element = ""

    def begin(self) -> None:
        self.plane.start()
        self.appliance.start()
        fleet = Fleet(self.plane)
        self.admin = fleet.admin
        self.element = str(fleet.claim(self.appliance)["id"])
        account = fleet.service_account("writer", "files:write")
        self.ingester: Client = self.plane.client("ingester", account.token())

    def upload(self, name: str) -> None:
        form = {"retention_policy": "permanent"}
        self.ingester.upload("/api/v1/files/upload", Document(name, name.encode() * 50), form).expect(201)

    def sync(self) -> None:
        path = f"/api/v1/storage-elements/{self.element}/sync"
        while self.admin.call("POST", path).expect(200, 409).status == 409:
            pass

    def restart(self) -> None:
        """What was sealed early counts from the start again."""
        assert self.appliance.stop() == 0
        self.appliance.start()

    def shown(self) -> Any:
        return self.admin.call("GET", f"/api/v1/storage-elements/{self.element}").expect(200).json

    def verdicts(self, query: str = "") -> tuple[Any, Any]:
        """What the command and the API say."""
        done = self.plane.command("audit", "verify", "--json", check=False)
        said = json.loads(done.stdout)
        assert done.returncode == (0 if said["sound"] else 1), done.stderr
        return said, self.admin.call("GET", f"/api/v1/audit/verify{query}").expect(200).json

    def is_clean(self) -> bool:
        said, answered = self.verdicts()
        assert said == answered
        return bool(said["sound"])

    def pins(self) -> int:
        page = self.admin.call("GET", "/api/v1/audit?action=journal.pin").expect(200).json
        return int(page["total"])


@pytest.fixture
def audited(directory: Path, postgres: PrivatePostgres, programs: str) -> Iterator[Audited]:
    made = Audited(directory, postgres, programs)
    try:
        made.begin()
        yield made
    finally:
        made.appliance.stop()
        made.plane.stop()


def test_every_manipulation_is_found(audited: Audited, postgres: PrivatePostgres, directory: Path) -> None:
    for number in range(3):
        audited.upload(f"honest-{number}.txt")
    audited.sync()
    assert audited.pins() == 1, "a journal of a few kilobytes is sealed and pinned at the first sync"
    audited.restart()
    audited.upload("honest-3.txt")
    audited.sync()
    audited.sync()
    assert audited.pins() == 2
    said, answered = audited.verdicts()
    assert said == answered and said["sound"] and said["whole"], said
    assert [journal["verdict"] for journal in said["journals"]] == ["sound"]

    the_log_is_watched(audited, postgres)
    the_journal_is_watched(audited, directory)
    assert audited.is_clean()


def the_log_is_watched(audited: Audited, postgres: PrivatePostgres) -> None:
    postgres.sql(KEEP, DATABASE)
    for name, manipulation in MANIPULATIONS.items():
        postgres.sql(manipulation, DATABASE)
        said, answered = audited.verdicts("?journals=false")
        postgres.sql(PUT_BACK, DATABASE)
        for verdict in (said, answered):
            assert not verdict["sound"] and not verdict["whole"] and verdict["problem"], (name, verdict)
    assert audited.is_clean(), "put back as it was"


def the_journal_is_watched(audited: Audited, directory: Path) -> None:
    assert audited.appliance.stop() == 0
    honest = directory / "honest"
    shutil.copytree(audited.appliance.data, honest, symlinks=True)
    oldest, *_ = sorted((audited.journal / "archive").glob("*.wal.lz4"))

    # The segment was sealed by the first sync that had something to seal, which an upload may have brought about.
    found = re.search(rb"honest-\d\.txt", unpack(oldest.read_bytes()))
    assert found, "the oldest segment holds the first document"
    name, other = found[0], found[0].replace(b"honest", b"forged")

    # One document never had that name: all records, hashes and checksums are made to fit, and the journal is sound.
    rewrite(audited.journal, name, other)
    assert audited.appliance.command("journal", "verify", check=False).returncode == 0
    audited.appliance.start()
    said, answered = audited.verdicts()
    for verdict in (said, answered):
        assert verdict["whole"] and not verdict["sound"], verdict
        assert verdict["journals"][0]["verdict"] == "rewritten", verdict
    assert "history was rewritten" in audited.shown()["journal_problem"]
    audited.sync()
    assert audited.pins() == 2, "the new head is not believed"
    assert "history was rewritten" in audited.shown()["journal_problem"], "the sync sees it as well"
    put_back(audited, honest)

    # Bytes that do not fit the hash in the next header: the heads are as they were, and reading finds it.
    oldest.write_bytes(pack(forge(unpack(oldest.read_bytes()), name, other)))
    audited.appliance.start()
    said, answered = audited.verdicts("?contents=true")
    for verdict in (said, answered):
        assert "it was changed" in verdict["journals"][0]["about"], verdict
    put_back(audited, honest)

    oldest.unlink()
    audited.appliance.start()
    said, answered = audited.verdicts()
    for verdict in (said, answered):
        assert "pruning did not take them" in verdict["journals"][0]["about"], verdict
    put_back(audited, honest)
    audited.appliance.start()
    audited.sync()
    assert audited.shown()["journal_problem"] is None


def put_back(audited: Audited, honest: Path) -> None:
    """The appliance as it was before, stopped."""
    assert audited.appliance.stop() == 0
    shutil.rmtree(audited.appliance.data)
    shutil.copytree(honest, audited.appliance.data, symlinks=True)
