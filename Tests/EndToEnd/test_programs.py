"""What the programs are: what they link, what they say about themselves, what monitoring sees."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from artstore import paths
from artstore.client import Client
from artstore.programs import Appliance
from conftest import WholeFleet


def libraries(program: Path) -> str:
    return subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=True).stdout


def test_each_side_links_only_its_own_libraries(programs: str) -> None:
    appliance = libraries(paths.program("appliance", programs))
    assert "libssl" in appliance
    assert not re.search(r"libpq|libcurl", appliance)
    plane = libraries(paths.program("controlplane", programs))
    assert "libpq" in plane and "libcurl" in plane
    assert not re.search(r"libsqlite|liblz4", direct_libraries(paths.program("controlplane", programs)))


def direct_libraries(program: Path) -> str:
    """What the program itself asks for; libraries of libraries are Debian's business."""
    done = subprocess.run(["objdump", "-p", str(program)], capture_output=True, text=True, check=True)
    return "\n".join(line for line in done.stdout.splitlines() if "NEEDED" in line)


@pytest.mark.parametrize("side", ["appliance", "controlplane"])
def test_the_version_is_told(programs: str, side: str) -> None:
    done = subprocess.run(
        [str(paths.program(side, programs)), "--version"], capture_output=True, text=True, timeout=30, check=True
    )
    assert re.search(r"\d+\.\d+\.\d+", done.stdout)


def test_whose_ciphers_seal_records_is_told(programs: str) -> None:
    done = subprocess.run(
        [str(paths.program("appliance", programs)), "--version", "--json"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    flags = set(Path("/proc/cpuinfo").read_text().split())
    needed = {"avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512cd", "vaes", "vpclmulqdq"}
    assert json.loads(done.stdout)["record_cipher"] == ("ipsec-mb" if needed <= flags else "openssl")


@pytest.mark.parametrize("side", ["appliance", "controlplane"])
def test_the_configuration_documents_itself(programs: str, side: str) -> None:
    done = subprocess.run(
        [str(paths.program(side, programs)), "--print-config"], capture_output=True, text=True, timeout=30, check=True
    )
    prefix = {"appliance": "SE_", "controlplane": "CP_"}[side]
    assert len(re.findall(rf"\b{prefix}[A-Z_]+", done.stdout)) >= 8


def promtool(metrics: bytes) -> None:
    done = subprocess.run(
        [paths.tool("promtool"), "check", "metrics"], input=metrics, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr.decode() + done.stdout.decode()


def test_metrics_of_every_role_are_what_prometheus_reads(fleet: WholeFleet) -> None:
    for role in fleet.plane.roles:
        answer = fleet.plane.client(role).call("GET", "/metrics").expect(200)
        assert answer.headers["Content-Type"].startswith("text/plain")
        promtool(answer.body)


def test_the_probe_listener_shows_little_and_needs_no_certificate(fleet: WholeFleet) -> None:
    appliance = fleet.appliances["rw"]
    metrics = appliance.probe().call("GET", "/metrics").expect(200)
    promtool(metrics.body)
    text = metrics.body.decode()
    assert "se_" in text
    for hidden in ("se_files_total", "se_http_requests_total"):
        assert hidden not in text, "the probe listener tells nothing about the documents"
    assert appliance.probe().call("GET", "/health/ready").expect(200).json["status"] in ("ok", "degraded")
    assert appliance.probe().call("GET", "/api/v1/files").status == 404


def test_the_full_metrics_are_on_the_api_listener(site_metrics: bytes) -> None:
    promtool(site_metrics)
    for name in ("se_http_requests_total", "se_files_total", "se_capacity_bytes"):
        assert name in site_metrics.decode()


@pytest.fixture
def site_metrics(request: pytest.FixtureRequest) -> bytes:
    site = request.getfixturevalue("site")
    client: Client = site.client()
    client.call("GET", "/api/v1/files").expect(200)
    return client.call("GET", "/metrics").expect(200).body


def test_health_of_every_role(fleet: WholeFleet) -> None:
    for role in fleet.plane.roles:
        live = fleet.plane.client(role).call("GET", "/health/live").expect(200).json
        assert live["status"] == "ok"
        assert {"timestamp", "version", "service"} <= live.keys()
        ready = fleet.plane.client(role).call("GET", "/health/ready").expect(200).json
        assert isinstance(ready["checks"], dict)


def test_a_stopped_appliance_ends_quietly_and_starts_again(programs: str, directory: Path) -> None:
    appliance = Appliance(directory, "edit", "short", programs)
    appliance.start()
    code = appliance.claim_code()
    assert appliance.stop() == 0
    appliance.start()
    assert appliance.claim_code() == code, "the code lives for 24 hours, not for one start"
    assert appliance.stop() == 0
