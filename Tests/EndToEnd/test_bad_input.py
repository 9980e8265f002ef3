"""Bad input: refused with the contract's code and a message that says how to mend it; nothing partial stays behind."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from artstore import paths
from artstore.client import Answer, Document
from artstore.programs import Appliance, ControlPlane
from conftest import WholeFleet
from site_alone import SiteAlone


def left_behind(site: SiteAlone) -> list[Path]:
    return [*site.appliance.documents(), *(site.appliance.data / "staging").iterdir()]


# --- configuration -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("SE_DATA_DIR", ""),
        ("SE_MODE", "sideways"),
        ("SE_API_ADDRESS", "127.0.0.1:70000"),
        ("SE_NO_SUCH_KEY", "1"),
        ("SE_TLS_CERT", "/nowhere/at/all.pem"),
    ],
)
def test_the_appliance_refuses_a_bad_setting_and_names_it(programs: str, directory: Path, key: str, value: str) -> None:
    appliance = Appliance(directory, "edit", "bad", programs, {key: value})
    done = appliance.command("serve", check=False)
    assert done.returncode not in (0, None), done.stdout
    assert key in done.stderr + done.stdout
    assert not (directory / "data/files").exists() or not appliance.documents()


def test_the_appliance_names_an_unknown_key_of_its_file(programs: str, directory: Path) -> None:
    appliance = Appliance(directory, "edit", "bad", programs)
    (directory / "appliance.conf").write_text("SE_MODE=edit\nSE_COLOUR=blue\n")
    done = appliance.command("serve", "--config", str(directory / "appliance.conf"), check=False)
    assert done.returncode != 0
    assert "SE_COLOUR" in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("CP_DATABASE_URL", ""),
        ("CP_MASTER_KEY", "short"),
        ("CP_QUERY_ADDRESS", "nonsense"),
        ("CP_NO_SUCH_KEY", "1"),
    ],
)
def test_the_control_plane_refuses_a_bad_setting_and_names_it(
    programs: str, directory: Path, key: str, value: str
) -> None:
    plane = ControlPlane(directory, "postgresql://nobody@127.0.0.1:1/none", programs, settings={key: value})
    program = [str(paths.program("controlplane", programs)), "serve", "--roles", "query"]
    environment = {"PATH": "/usr/bin:/bin", **plane.settings}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert key in done.stderr + done.stdout


def test_an_unknown_role_is_named(programs: str, directory: Path) -> None:
    plane = ControlPlane(directory, "postgresql://nobody@127.0.0.1:1/none", programs)
    program = [str(paths.program("controlplane", programs)), "serve", "--roles", "query,butler"]
    environment = {"PATH": "/usr/bin:/bin", **plane.settings}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "butler" in done.stderr + done.stdout


def test_a_second_process_on_the_data_directory_is_told_who_holds_it(site: SiteAlone) -> None:
    pid = str(site.appliance.process.pid)
    for command in (["serve"], ["fsck"]):
        done = site.appliance.command(*command, check=False)
        assert done.returncode != 0
        assert pid in done.stderr + done.stdout, done.stderr


# --- names and bodies ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b.txt", "..", "line\u0007bell.txt", "x" * 300 + ".txt"])
def test_hostile_names_never_reach_the_disk(site: SiteAlone, name: str) -> None:
    before = len(left_behind(site))
    answer = site.client().upload("/api/v1/files/upload", Document(name, b"content " + name.encode()))
    if answer.status == 201:
        # Clients may send a path; only its last, cleaned part is a name.
        shown = str(answer.json["original_filename"])
        assert "/" not in shown and ".." not in shown.split(".")[0] and shown.isprintable()
        stored = [path for path in site.appliance.documents() if str(answer.json["file_id"]) in path.name]
        assert len(stored) == 1
        assert stored[0].is_relative_to(site.appliance.data / "files")
        assert stored[0].name.isprintable() and len(stored[0].name.encode()) <= 255
    else:
        assert (answer.status, answer.code) == (400, "VALIDATION_ERROR")
        assert "name" in answer.message or "header" in answer.message
        assert len(left_behind(site)) == before


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"description": "я" * 1001}, "description"),
        ({"tags": "not json"}, "tags"),
        ({"ttl_days": "0"}, "ttl_days"),
        ({"ttl_days": "366"}, "ttl_days"),
        ({"retention_policy": "forever"}, "retention_policy"),
        ({"metadata": "[1]"}, "metadata"),
        ({"metadata": '{"big": "' + "x" * 5000 + '"}'}, "metadata"),
    ],
)
def test_a_bad_field_is_named_and_nothing_stays(site: SiteAlone, fields: dict[str, str], named: str) -> None:
    before = len(left_behind(site))
    document = Document("field.bin", b"y" * 100_000)
    answer = site.client().upload("/api/v1/files/upload", document, fields).expect(400)
    assert answer.code == "VALIDATION_ERROR"
    assert named in answer.message
    assert len(left_behind(site)) == before


MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}
PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (MULTIPART, b"no boundary at all"),
        (MULTIPART, PART + b"body without end"),
        (MULTIPART, b'--b\r\nContent-Disposition: form-data; name="description"\r\n\r\nno file\r\n--b--\r\n'),
        ({"Content-Type": "multipart/form-data"}, PART + b"x\r\n--b--\r\n"),
        ({"Content-Type": "application/json"}, b'{"file": 1}'),
    ],
)
def test_malformed_multipart_is_refused_whole(site: SiteAlone, headers: dict[str, str], body: bytes) -> None:
    before = len(left_behind(site))
    answer = site.client().call("POST", "/api/v1/files/upload", headers=headers, body=body)
    assert answer.status in (400, 415)
    assert answer.code in ("VALIDATION_ERROR", "UNSUPPORTED_TYPE")
    assert answer.message
    assert len(left_behind(site)) == before


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"query": 5}', b'{"query": "a", "colour": "blue"}', b"\xff\xfe"])
def test_malformed_json_is_refused_with_a_reason(fleet: WholeFleet, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = fleet.query().call("POST", "/api/v1/search", headers=headers, body=body).expect(400)
    assert answer.code == "VALIDATION_ERROR"
    assert answer.message


def test_a_connection_that_dies_in_the_middle_leaves_nothing(site: SiteAlone) -> None:
    before = set(left_behind(site))
    client = site.client()

    def torn() -> Iterator[bytes]:
        yield PART
        yield b"z" * 500_000
        raise InterruptedError("the client's machine is switched off")

    headers = {**MULTIPART, "Content-Length": "2000000"}
    with pytest.raises(InterruptedError):
        client.call("POST", "/api/v1/files/upload", headers=headers, body=torn())
    client.close()
    del client
    for _ in range(100):
        if set(left_behind(site)) == before:
            return
        time.sleep(0.1)
    raise AssertionError(f"left behind: {set(left_behind(site)) - before}")


# --- too much ------------------------------------------------------------------------------------------------------


def test_a_too_large_file_is_refused_before_it_is_stored(programs: str, directory: Path) -> None:
    site = SiteAlone(directory, "edit", programs, {"SE_MAX_FILE_BYTES": "1000000"})
    site.appliance.start()
    try:
        for size, status in ((1_000_000, 201), (1_000_001, 413)):
            answer = upload_or_answer(site, Document("large.bin", b"L" * size))
            assert answer.status == status
        assert answer.code == "FILE_TOO_LARGE"
        assert "1000000" in answer.message.replace(" ", "").replace(",", "")
        assert len(left_behind(site)) == 1
    finally:
        site.appliance.stop()


def upload_or_answer(site: SiteAlone, document: Document) -> Answer:
    return site.client().upload("/api/v1/files/upload", document)


@pytest.fixture
def small_disk(directory: Path) -> Iterator[Path]:
    """48 MiB of disk of its own."""
    mounted = directory / "disk"
    mounted.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(mounted)], check=True)
    yield mounted
    subprocess.run(["umount", "-l", str(mounted)], check=True)


def test_a_full_disk_stops_writes_and_nothing_else(programs: str, directory: Path, small_disk: Path) -> None:
    site = SiteAlone(directory, "edit", programs, {"SE_DATA_DIR": str(small_disk / "data")})
    site.appliance.data = small_disk / "data"
    site.appliance.start()
    try:
        stored: list[tuple[str, Document]] = []
        for index in range(100):
            document = Document(f"{index}.bin", bytes([index]) * 1_000_000)
            answer = site.client().upload("/api/v1/files/upload", document)
            if answer.status != 201:
                break
            stored.append((answer.json["file_id"], document))
        assert (answer.status, answer.code) == (507, "STORAGE_FULL")
        assert answer.message
        assert len(stored) >= 5, "a 48 MiB disk holds more than that"
        assert len(site.appliance.documents()) <= len(stored)
        for file_id, document in stored:
            status, digest, _ = site.client().download_sha256(f"/api/v1/files/{file_id}/download")
            assert (status, digest) == (200, document.sha256())
        assert site.client().call("GET", "/api/v1/info").expect(200).json["storage_id"]
        for file_id, _ in stored:
            site.client().call("DELETE", f"/api/v1/files/{file_id}").expect(204)
    finally:
        site.appliance.stop()
