"""A flipped byte in document, attributes, index, journal and archive: each is detected, no wrong byte is served."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from artstore.client import Document
from site_alone import SiteAlone

SMALL = b"one small document, inside the journal record " * 20
LARGE = bytes(range(256)) * 1024


@pytest.fixture
def damaged(programs: str, directory: Path) -> SiteAlone:
    return SiteAlone(directory, "rw", programs, {"SE_REPAIR_GRACE": "0s"})


def upload(site: SiteAlone, body: bytes, name: str = "report.pdf") -> str:
    answer = site.client().upload("/api/v1/files/upload", Document(name, body)).expect(201)
    return str(answer.json["file_id"])


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def document(site: SiteAlone, file_id: str) -> Path:
    (found,) = [path for path in site.appliance.documents() if file_id in path.name]
    return found


def attributes(site: SiteAlone, file_id: str) -> Path:
    path = document(site, file_id)
    return path.with_name(path.name + ".attr.json")


def run(site: SiteAlone, kind: str) -> dict[str, object]:
    report = site.client().call("POST", f"/api/v1/maintenance/{kind}?wait=60").expect(200).json
    assert isinstance(report, dict)
    return report


def fsck(site: SiteAlone) -> tuple[int, dict[str, object]]:
    done = site.appliance.command("fsck", "--json", check=False)
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_a_flipped_byte_in_a_document_is_found_and_not_served(damaged: SiteAlone, body: bytes) -> None:
    site = damaged
    site.appliance.start()
    try:
        file_id, other = upload(site, body), upload(site, body)
        site.appliance.stop()
        flip(document(site, file_id), len(body) // 2)
        status, report = fsck(site)
        assert status == 1
        assert report["documents"]["summary"]["checksum_mismatches"] == 1  # type: ignore[index]
        site.appliance.start()
        found = run(site, "scrub")
        assert [issue["file_id"] for issue in found["issues"]] == [file_id]  # type: ignore[attr-defined]
        answer = site.client().call("GET", f"/api/v1/files/{file_id}/download")
        assert answer.status == 500 and body[:100] not in answer.body
        assert site.client().call("GET", f"/api/v1/files/{other}/download").expect(200).body == body
        metrics = site.client().call("GET", "/metrics").body.decode()
        assert 'se_damaged_documents{type="checksum_mismatch"} 1' in metrics
        # Put back, it is found sound and served again.
        flip(document(site, file_id), len(body) // 2)
        assert run(site, "scrub")["issues"] == []
        assert site.client().call("GET", f"/api/v1/files/{file_id}/download").expect(200).body == body
    finally:
        site.appliance.stop()


def sums(site: SiteAlone, file_id: str) -> Path:
    return site.appliance.data / "state" / "sums" / file_id[:2] / f"{file_id}.sums"


@pytest.mark.parametrize("size", [5_000, 200_000, 20_000_000])
@pytest.mark.parametrize("place", [0.0, 0.5, 1.0], ids=["first", "middle", "last"])
def test_a_flipped_byte_is_not_served_before_anybody_looks_for_it(damaged: SiteAlone, size: int, place: float) -> None:
    site = damaged
    site.appliance.start()
    try:
        body = (LARGE * (size // len(LARGE) + 1))[:size]
        file_id = upload(site, body)
        path = f"/api/v1/files/{file_id}/download"
        site.appliance.stop()
        assert sums(site, file_id).exists() == (size > 8 << 20)
        at = min(size - 1, int(size * place))
        flip(document(site, file_id), at)
        site.appliance.start()
        assert_never_wrong(site, path, body, {})
        # A part that has nothing to do with it may still be had, until it is known.
        answer = site.client().call("GET", path)
        assert answer.status == 500 and b"damaged" in answer.body
        assert 'se_damaged_documents{type="checksum_mismatch"} 1' in site.client().call("GET", "/metrics").body.decode()
        flip(document(site, file_id), at)
        assert run(site, "scrub")["issues"] == []
        assert site.client().call("GET", path).expect(200).body == body
    finally:
        site.appliance.stop()


def assert_never_wrong(site: SiteAlone, path: str, body: bytes, headers: dict[str, str]) -> None:
    """An error, or the beginning of the right bytes and then the connection's end."""
    try:
        answer = site.client().call("GET", path, headers=headers)
    except http.client.IncompleteRead as cut:
        assert body.startswith(cut.partial) and len(cut.partial) < len(body)
    except (http.client.HTTPException, OSError):
        return
    else:
        assert answer.status == 500


@pytest.mark.parametrize("ranges", ["bytes=9999000-10000999", "bytes=0-99,9999000-10000999", "bytes=10000000-10000000"])
def test_a_range_over_a_flipped_byte_is_not_served(damaged: SiteAlone, ranges: str) -> None:
    site = damaged
    site.appliance.start()
    try:
        body = (LARGE * 80)[:20_000_000]
        file_id = upload(site, body)
        path = f"/api/v1/files/{file_id}/download"
        site.appliance.stop()
        flip(document(site, file_id), 10_000_000)
        site.appliance.start()
        # Elsewhere it is what it was.
        for first in (0, 32_767, 5_000_001):
            asked = {"Range": f"bytes={first}-{first + 70_000}"}
            assert site.client().call("GET", path, headers=asked).expect(206).body == body[first : first + 70_001]
        try:
            answer = site.client().call("GET", path, headers={"Range": ranges})
        except (http.client.HTTPException, OSError):
            pass
        else:
            assert answer.status == 500
        assert site.client().call("GET", path, headers={"Range": "bytes=0-9"}).status == 500
    finally:
        site.appliance.stop()


@pytest.mark.parametrize("how", ["flipped", "cut", "gone", "another's"])
def test_sums_that_are_wrong_are_made_again(damaged: SiteAlone, how: str) -> None:
    site = damaged
    site.appliance.start()
    try:
        body = (LARGE * 80)[:20_000_001]
        file_id, other = upload(site, body), upload(site, body + b"!")
        path, kept = f"/api/v1/files/{file_id}/download", sums(site, file_id)
        right = kept.read_bytes()
        site.appliance.stop()
        if how == "flipped":
            flip(kept, 500)
        elif how == "cut":
            kept.write_bytes(right[:1000])
        elif how == "gone":
            kept.unlink()
        else:
            kept.write_bytes(sums(site, other).read_bytes())
        site.appliance.start()
        asked = {"Range": "bytes=19999990-"}
        assert site.client().call("GET", path, headers=asked).expect(206).body == body[19_999_990:]
        assert kept.read_bytes() == right
        assert site.client().call("GET", path).expect(200).body == body
        site.client().call("DELETE", f"/api/v1/files/{file_id}")
    finally:
        site.appliance.stop()


def test_a_flipped_byte_in_attributes_is_found_and_mended(damaged: SiteAlone) -> None:
    site = damaged
    site.appliance.start()
    try:
        file_id = upload(site, SMALL)
        record = site.client().call("GET", f"/api/v1/files/{file_id}").expect(200).json
        site.appliance.stop()
        path = attributes(site, file_id)
        whole = json.loads(path.read_bytes())
        flip(path, path.read_bytes().index(b'"version"') + 1)
        status, report = fsck(site)
        assert status == 1 and report["documents"]["issues"]  # type: ignore[index]
        site.appliance.start()
        run(site, "reconcile")
        assert site.client().call("GET", f"/api/v1/files/{file_id}").expect(200).json == record
        site.appliance.stop()
        mended = json.loads(path.read_bytes())
        assert mended["lsn"] > whole["lsn"]
        assert {k: v for k, v in mended.items() if k != "lsn"} == {k: v for k, v in whole.items() if k != "lsn"}
        history = json.loads(site.appliance.command("journal", "show", file_id, "--json").stdout)
        assert [entry["reason"] for entry in history] == ["upload", "repair"]
        assert fsck(site)[0] == 0
    finally:
        site.appliance.stop()


def test_a_flipped_byte_in_the_index_is_found_and_mended(damaged: SiteAlone) -> None:
    site = damaged
    site.appliance.start()
    try:
        file_id = upload(site, SMALL, "zebra-7.pdf")
        record = site.client().call("GET", f"/api/v1/files/{file_id}").expect(200).json
        site.appliance.stop()
        index = site.appliance.data / "index/index.sqlite"
        flip(index, index.read_bytes().index(b'"original_filename":"zebra-7') + 22)
        status, report = fsck(site)
        assert status == 1 and "not what was written" in str(report["index_problems"])
        site.appliance.start()
        run(site, "reconcile")
        assert site.client().call("GET", f"/api/v1/files/{file_id}").expect(200).json == record
        site.appliance.stop()
        done = site.appliance.command("rebuild-index", "--json")
        assert json.loads(done.stdout)["documents"] == 1
        assert fsck(site)[0] == 0
        site.appliance.start()
        assert site.client().call("GET", f"/api/v1/files/{file_id}").expect(200).json == record
    finally:
        site.appliance.stop()


def test_a_flipped_byte_in_the_journal_stops_the_start(damaged: SiteAlone) -> None:
    site = damaged
    site.appliance.start()
    try:
        for number in range(5):
            upload(site, SMALL + bytes([number]))
        site.appliance.stop()
        segment = site.appliance.data / "wal/000000000000000001.wal"
        flip(segment, 2000)
        done = site.appliance.command("init", check=False)
        assert done.returncode == 74 and "journal damaged" in done.stderr and str(segment) in done.stderr
        verdict = site.appliance.command("journal", "verify", "--json", check=False)
        assert verdict.returncode == 1 and json.loads(verdict.stdout)["sound"] is False
        status, report = fsck(site)
        assert status == 1 and report["journal_problems"]
        flip(segment, 2000)
        assert site.appliance.command("journal", "verify").returncode == 0
        site.appliance.start()
    finally:
        site.appliance.stop()


def test_a_changed_removed_or_reordered_archive_is_found(damaged: SiteAlone) -> None:
    site = damaged
    site.appliance.start()
    try:
        # Three segments of 16 MiB and a little more.
        for number in range(40):
            upload(site, bytes([number]) * 1)
        filler = bytes(range(250)) * 240
        for _ in range(850):
            upload(site, filler)
    finally:
        assert site.appliance.stop() == 0
    archive = sorted((site.appliance.data / "wal/archive").glob("*.wal.lz4"))
    assert len(archive) >= 2
    if shutil.which("lz4"):
        unpacked = subprocess.run(["lz4", "-dc", str(archive[0])], capture_output=True, check=True)
        assert unpacked.stdout.startswith(b"ARTSJNL\0")

    def problems() -> list[str]:
        done = site.appliance.command("journal", "verify", "--json", check=False)
        found = json.loads(done.stdout)["problems"]
        assert (done.returncode == 1) == bool(found)
        return list(found)

    assert problems() == []
    first, second = archive[0].read_bytes(), archive[1].read_bytes()
    flip(archive[0], len(first) // 2)
    assert any("does not decompress" in text for text in problems())
    archive[0].write_bytes(second)
    archive[1].write_bytes(first)
    assert any("says to be segment" in text for text in problems())
    archive[0].unlink()
    archive[1].write_bytes(second)
    assert any("missing" in text for text in problems())
    archive[0].write_bytes(first)
    assert problems() == []


def test_a_copy_is_taken_over_on_the_command_line(damaged: SiteAlone) -> None:
    site = damaged
    site.appliance.start()
    try:
        file_id = upload(site, SMALL)
        page = site.client().call("GET", "/api/v1/changes").expect(200).body.splitlines()
        cursor = json.loads(page[-1])["cursor"]
        busy = site.appliance.command("init", "--adopt", check=False)
        assert busy.returncode == 73 and f"pid {site.appliance.process.pid}" in busy.stderr
        epoch = site.client().call("GET", "/api/v1/info").expect(200).json["epoch"]
        site.appliance.stop()
        done = json.loads(site.appliance.command("init", "--adopt", "--json").stdout)
        assert done["previous_epoch"] == epoch and done["epoch"] > epoch
        site.appliance.start()
        answer = site.client().call("GET", f"/api/v1/changes?after={cursor}")
        assert answer.status == 410 and answer.json["error"]["code"] == "CURSOR_EXPIRED"
        assert site.client().call("GET", f"/api/v1/files/{file_id}/download").expect(200).body == SMALL
    finally:
        site.appliance.stop()


def test_an_export_is_whole_and_names_what_is_not(damaged: SiteAlone, tmp_path: Path) -> None:
    site = damaged
    site.appliance.start()
    try:
        kept, broken, bare = upload(site, SMALL), upload(site, LARGE), upload(site, SMALL + b"!")
    finally:
        site.appliance.stop()
    flip(document(site, broken), 5)
    attributes(site, bare).unlink()
    done = site.appliance.command("export", "--to", str(tmp_path / "out"), "--json", check=False)
    assert done.returncode == 1
    answer = json.loads(done.stdout)
    assert answer["exported"] == 2 and [broken in path for path in answer["damaged"]] == [True]
    files = {path.name: path for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert len(files) == 4
    for file_id, body in ((kept, SMALL), (bare, SMALL + b"!")):
        (name,) = [name for name in files if file_id in name and not name.endswith(".attr.json")]
        assert files[name].read_bytes() == body
        assert json.loads(files[name + ".attr.json"].read_bytes())["file_id"] == file_id
