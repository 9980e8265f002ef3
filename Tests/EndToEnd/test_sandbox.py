"""The daemon under its own sandbox: what it may no longer do, and that everything it must do still works."""

from __future__ import annotations

import json
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from artstore.client import Client, Document
from artstore.programs import Appliance
from site_alone import SiteAlone


def thread_facts(pid: int, name: str) -> set[str]:
    """One line of /proc's status, of every thread."""
    found = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        lines = (task / "status").read_text().splitlines()
        found |= {line.split()[1] for line in lines if line.startswith(f"{name}:")}
    return found


def sandbox_metrics(site: SiteAlone) -> dict[str, str]:
    text = site.client().call("GET", "/metrics").expect(200).body.decode()
    lines = [line for line in text.splitlines() if line.startswith("se_sandbox{")]
    return {line.split('"')[1]: line.split()[-1] for line in lines}


def test_every_thread_is_confined_and_says_so(site: SiteAlone) -> None:
    site.client().upload("/api/v1/files/upload", Document("a.bin", b"a" * 200_000)).expect(201)
    pid = site.appliance.process.pid
    assert thread_facts(pid, "Seccomp") == {"2"}, "filtered"
    assert thread_facts(pid, "NoNewPrivs") == {"1"}
    assert sandbox_metrics(site)["calls"] == "1"
    told = [line for line in site.appliance.log.read_text().splitlines() if '"event":"sandbox"' in line]
    assert told and "seccomp" in told[-1]
    if "landlock version" in told[-1]:
        assert sandbox_metrics(site)["files"] == "1"


def test_it_can_be_switched_off_and_says_so(programs: str, directory: Path) -> None:
    site = SiteAlone(directory, "edit", programs, {"SE_SANDBOX": "off"})
    site.appliance.start()
    try:
        assert thread_facts(site.appliance.process.pid, "Seccomp") == {"0"}
        assert sandbox_metrics(site) == {"files": "0", "calls": "0"}
    finally:
        site.appliance.stop()


@pytest.fixture
def switched(programs: str, directory: Path) -> Iterator[SiteAlone]:
    """A site whose certificate directory is a link, which can be turned to a place outside the fence."""
    site = SiteAlone(directory / "site", "edit", programs)
    (directory / "inside").mkdir()
    for key in ("SE_TLS_CERT", "SE_TLS_KEY", "SE_CLIENT_CA", "SE_JWKS_FILE"):
        source = Path(site.appliance.settings[key])
        (directory / "inside" / source.name).write_bytes(source.read_bytes())
        site.appliance.settings[key] = str(directory / "current" / source.name)
    (directory / "current").symlink_to("inside")
    site.appliance.start()
    yield site
    site.appliance.stop()


def shown_certificate(appliance: Appliance) -> str:
    return ssl.get_server_certificate(("127.0.0.1", appliance.probe_port), timeout=10)


def test_files_outside_its_directories_stay_closed(switched: SiteAlone, directory: Path) -> None:
    told = switched.appliance.log.read_text()
    if "landlock version" not in told:
        assert "unavailable" in told, "a kernel without landlock is told of"
        return
    before = shown_certificate(switched.appliance)
    outside = directory / "outside"
    outside.mkdir()
    renewed = switched.authority.server("renewed")
    for key in ("SE_CLIENT_CA", "SE_JWKS_FILE"):
        name = Path(switched.appliance.settings[key]).name
        (outside / name).write_bytes((directory / "inside" / name).read_bytes())
    for key, source in (("SE_TLS_CERT", renewed.certificate), ("SE_TLS_KEY", renewed.key)):
        (outside / Path(switched.appliance.settings[key]).name).write_bytes(source.read_bytes())
    (directory / "current").unlink()
    (directory / "current").symlink_to("outside")
    switched.appliance.process.send(signal.SIGHUP)
    switched.appliance.process.wait_until(
        lambda: "Permission denied" in switched.appliance.log.read_text(), "refusing to read outside"
    )
    assert shown_certificate(switched.appliance) == before


def test_serving_archiving_and_rebuilding_go_on(programs: str, directory: Path) -> None:
    site = SiteAlone(directory, "edit", programs)
    site.appliance.start()
    try:
        # More than one journal segment of 16 MiB, in documents that travel inside it.
        client = site.client()
        documents = [Document(f"{n}.bin", bytes([n % 256]) * 60_000) for n in range(300)]
        ids = [client.upload("/api/v1/files/upload", each).expect(201).json["file_id"] for each in documents]
        wal = site.appliance.data / "wal"
        site.appliance.process.wait_until(lambda: any(wal.rglob("*.lz4")), "archiving a sealed segment")
        client.close()
        assert site.appliance.stop() == 0
        index = site.appliance.data / "index"
        for path in index.iterdir():
            path.unlink()
        site.appliance.start()
        listed = site.client()
        site.appliance.process.wait_until(
            lambda: listed.call("GET", "/api/v1/files?limit=1").json.get("total") == len(ids), "the rebuilt index"
        )
        assert listed.call("GET", f"/api/v1/files/{ids[-1]}/download").expect(200).body == bytes([299 % 256]) * 60_000
    finally:
        site.appliance.stop()


def test_a_feed_of_megabytes_needs_no_temporary_file(site: SiteAlone) -> None:
    client = site.client()
    fields = {"description": "отчёт" * 200, "metadata": json.dumps({"note": "x" * 1200})}

    def upload(number: int) -> str:
        document = Document(f"{number}.txt", b"%d" % number)
        return str(client.upload("/api/v1/files/upload", document, fields).expect(201).json["file_id"])

    start = feed(client, None)[-1]["cursor"]
    ids = [upload(number) for number in range(900)]
    client.call("DELETE", f"/api/v1/files/{ids[0]}").expect(200, 204)
    lines = feed(client, start)
    assert len(client.call("GET", f"/api/v1/changes?after={start}&limit=5000").body) > 3 << 20
    assert [line["record"]["file_id"] for line in lines[:-1]] == ids[1:] + ids[:1], "in the order of the changes"
    positions = [line["lsn"] for line in lines[:-1]]
    assert positions == sorted(set(positions))


def feed(client: Client, after: str | None) -> list[Any]:
    """What changed, to the end; the closing line last."""
    lines: list[Any] = []
    while True:
        page = client.call("GET", "/api/v1/changes?limit=5000" + (f"&after={after}" if after else "")).expect(200)
        *changes, end = map(json.loads, page.body.splitlines())
        lines += changes
        if not end["more"]:
            return [*lines, end]
        after = end["cursor"]
