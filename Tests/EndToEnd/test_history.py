"""The journal's chain against a forger, and a restored older copy against the cursors of what it replaced."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from artstore.client import Document
from forged_journal import forge, pack, unpack
from site_alone import SiteAlone


def upload(site: SiteAlone, body: bytes, name: str) -> str:
    answer = site.client().upload("/api/v1/files/upload", Document(name, body)).expect(201)
    return str(answer.json["file_id"])


def cursor(site: SiteAlone, after: str | None = None) -> str:
    """Where the change feed stands now."""
    client = site.client()
    while True:
        answer = client.call("GET", "/api/v1/changes" + (f"?after={after}" if after else "")).expect(200)
        end = json.loads(answer.body.splitlines()[-1])
        after = str(end["cursor"])
        if not end["more"]:
            return after


def told(site: SiteAlone, after: str) -> list[str] | None:
    """The documents that changed after a cursor; nothing if the cursor is refused with 410."""
    answer = site.client().call("GET", f"/api/v1/changes?after={after}").expect(200, 410)
    if answer.status == 410:
        assert answer.code == "CURSOR_EXPIRED"
        return None
    return [str(json.loads(line)["record"]["file_id"]) for line in answer.body.splitlines()[:-1]]


def problems(site: SiteAlone) -> list[str]:
    done = site.appliance.command("journal", "verify", "--json", check=False)
    verdict = json.loads(done.stdout)
    assert (done.returncode == 0) == verdict["sound"] == (not verdict["problems"])
    return list(verdict["problems"])


@pytest.fixture
def site(programs: str, directory: Path) -> SiteAlone:
    return SiteAlone(directory, "rw", programs)


def test_a_forged_record_with_right_checksums_breaks_the_chain(site: SiteAlone) -> None:
    filler = bytes(range(250)) * 240
    site.appliance.start()
    try:
        client = site.client()
        # More than two segments of 16 MiB, so that two are sealed and archived.
        for number in range(580):
            client.upload("/api/v1/files/upload", Document(f"honest-{number}.bin", filler)).expect(201)
    finally:
        assert site.appliance.stop() == 0
    archive, *_ = sorted((site.appliance.data / "wal/archive").glob("*.wal.lz4"))
    whole = archive.read_bytes()
    segment = unpack(whole)
    assert problems(site) == []
    # One finding, and in the next segment: the forged one by itself is sound to the last checksum.
    forged = forge(segment, b"honest-0.bin", b"forged-0.bin")
    archive.write_bytes(pack(forged))
    found = problems(site)
    assert len(found) == 1 and "SHA-256 of the segment before it" in found[0], found
    archive.write_bytes(whole)
    assert problems(site) == []


@pytest.mark.parametrize("adopted", [False, True], ids=["as it is", "adopted"])
def test_a_restored_older_copy_never_takes_a_later_cursor_for_its_own(
    site: SiteAlone, directory: Path, adopted: bool
) -> None:
    data, copy = site.appliance.data, directory / "copy"
    try:
        site.appliance.start()
        kept = upload(site, b"in the copy", "kept.bin")
        before = cursor(site)
        site.appliance.stop()
        shutil.copytree(data, copy, symlinks=True)
        site.appliance.start()
        same_run = cursor(site)
        lost = [upload(site, b"after the copy", f"lost-{number}.bin") for number in range(3)]
        later = cursor(site)
        assert told(site, before) == lost
        site.appliance.stop()

        shutil.rmtree(data)
        shutil.copytree(copy, data, symlinks=True)
        if adopted:
            site.appliance.command("init", "--adopt")
        site.appliance.start()
        assert told(site, later) is None, "a position beyond what the copy knows"
        # The copy goes on: the same LSNs come again, for other documents.
        new = [upload(site, b"another life", f"new-{number}.bin") for number in range(6)]
        assert told(site, later) is None, "the same LSN of another life"
        assert told(site, same_run) is None, "a run of the appliance that the copy never saw"
        # What was before the copy is common to both lives; an adopted copy begins a new one all the same.
        assert told(site, before) == (None if adopted else new)
        listing = site.client().call("GET", "/api/v1/files?limit=100").expect(200).json["items"]
        assert {item["file_id"] for item in listing} == {kept, *new}
    finally:
        site.appliance.stop()
