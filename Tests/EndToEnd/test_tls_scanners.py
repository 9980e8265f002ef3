"""testssl.sh and sslscan look at both listeners of an appliance and find nothing above "low"."""

from __future__ import annotations

import json
import os
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest
from artstore import paths
from site_alone import SiteAlone

# Both listeners are served by the same code: the certificate and cipher classes of one, forward secrecy and some known
# attacks on the other. TLS_SCAN=full looks for everything at both, which takes minutes.
CHECKS = {"api": ["-p", "-s", "-S"], "probe": ["-p", "-f", "-H", "-R", "-C"]}
# WARN is what the scanner says of itself and of its OpenSSL.
HARMLESS = {"OK", "INFO", "LOW", "WARN", "DEBUG"}
EXPLAINED = {
    "cert_expirationStatus": "the test's own certificate lives for weeks",
    "cert_notAfter": "the same",
    "cert_revocation": "the signed key bundle revokes, and nobody may be asked from a site (DESIGN §4.7)",
}
SECONDS_MAX = 600


@pytest.fixture(scope="module")
def site(programs: str, scratch: Path) -> Iterator[SiteAlone]:
    site = SiteAlone(scratch / "tls-scanned", "edit", programs)
    site.appliance.start()
    yield site
    site.appliance.stop()


def port(site: SiteAlone, listener: str) -> int:
    return site.appliance.port if listener == "api" else site.appliance.probe_port


@pytest.mark.parametrize("listener", ["api", "probe"])
def test_testssl_finds_nothing_above_low(site: SiteAlone, scratch: Path, listener: str) -> None:
    report = scratch / f"testssl-{listener}.json"
    command = [paths.tool("testssl"), "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none"]
    command += ["--openssl", "/usr/bin/openssl", "--add-ca", str(site.authority.certificate)]
    command += ["--full"] if os.environ.get("TLS_SCAN") == "full" else CHECKS[listener]
    command += ["--jsonfile", str(report), f"127.0.0.1:{port(site, listener)}"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS_MAX, cwd=scratch, check=False
    )
    findings = json.loads(report.read_text())
    by_name = {finding["id"]: finding for finding in findings}
    assert by_name["TLS1_3"]["finding"].startswith("offered"), done.stdout[-3000:]
    assert by_name["TLS1_2"]["finding"] == "not offered"
    assert by_name["cert_trust" if listener == "api" else "heartbleed"]["severity"] == "OK", done.stdout[-3000:]
    bad = [finding for finding in findings if finding["severity"] not in HARMLESS and finding["id"] not in EXPLAINED]
    above = [f"{finding['severity']} {finding['id']}: {finding['finding']}" for finding in bad]
    assert not above, "\n".join(above)


@pytest.mark.parametrize("listener", ["api", "probe"])
def test_sslscan_sees_one_protocol_and_strong_ciphers(site: SiteAlone, scratch: Path, listener: str) -> None:
    report = scratch / f"sslscan-{listener}.xml"
    command = [paths.tool("sslscan"), f"--xml={report}", f"127.0.0.1:{port(site, listener)}"]
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=True)
    found = ElementTree.parse(report)
    offered = {f"{p.get('type')} {p.get('version')}" for p in found.iter("protocol") if p.get("enabled") == "1"}
    assert offered == {"tls 1.3"}
    ciphers = {str(cipher.get("cipher")): int(cipher.get("bits") or 0) for cipher in found.iter("cipher")}
    assert ciphers and all(bits >= 128 and name.startswith("TLS_") for name, bits in ciphers.items()), ciphers
    assert all(beat.get("vulnerable") == "0" for beat in found.iter("heartbleed"))
    assert all(entry.get("supported") == "0" for entry in found.iter("compression"))
