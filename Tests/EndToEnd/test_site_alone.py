"""The control plane is gone for a month: who was named works on by certificate alone, and the first contact afterwards
repairs everything, even a certificate that has ended meanwhile. Civil time is moved, as in `make converge`."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from artstore.certificates import KeyPair, openssl
from artstore.client import Document
from artstore.postgres import PrivatePostgres
from artstore.programs import Appliance, ControlPlane, Fleet
from artstore.wrongclock import build_wrong_clock

DAY = 86_400
DOCUMENT = Document("alone.txt", b"written while nobody answered", "text/plain")


class Site:
    """A fleet of one appliance with one local client, on a clock that the test moves."""

    def __init__(self, directory: Path, postgres: PrivatePostgres, configuration: str) -> None:
        self.directory = directory
        self.library = build_wrong_clock(directory)
        self.plane = ControlPlane(directory, postgres.create_database("alone"), configuration)
        self.appliance = Appliance(directory / "site", "edit", "site", configuration)

    def move(self, program: Appliance | ControlPlane, days: int) -> None:
        program.stop()
        program.settings |= {"LD_PRELOAD": str(self.library), "CLOCK_OFFSET_SECONDS": str(days * DAY)}
        program.start()

    def local_client(self, name: str, element: str, days: int = 45) -> tuple[KeyPair, str]:
        """A client that keeps its key and gets a certificate for it."""
        pair = KeyPair(self.directory / f"{name}.crt", self.directory / f"{name}.key")
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(pair.key))
        request = openssl("req", "-new", "-key", str(pair.key), "-subj", f"/CN={name}").decode()
        draft = {
            "name": name,
            "csr": request,
            "scopes": ["files:read", "files:write"],
            "storage_element_ids": [element],
            "days": days,
        }
        made = self.plane.login().call("POST", "/api/v1/local-clients", draft).expect(201).json
        pair.certificate.write_text(made["certificate"])
        return pair, str(made["id"])

    def renew(self, pair: KeyPair, client_id: str) -> None:
        made = self.plane.login().call("POST", f"/api/v1/local-clients/{client_id}/renew").expect(200).json
        pair.certificate.write_text(made["certificate"])

    def contact(self, element: str) -> dict[str, object]:
        """Waits for a contact that leaves nothing to mend."""
        admin = self.plane.login()
        admin.call("POST", f"/api/v1/storage-elements/{element}/sync").expect(200, 409)
        shown = admin.call("GET", f"/api/v1/storage-elements/{element}").expect(200).json
        assert isinstance(shown, dict)
        return shown

    def upload(self, pair: KeyPair) -> int:
        return self.appliance.client(pair).upload("/api/v1/files/upload", DOCUMENT).status


@pytest.fixture
def site(directory: Path, postgres: PrivatePostgres, programs: str) -> Iterator[Site]:
    made = Site(directory, postgres, programs)
    try:
        made.plane.start()
        made.appliance.start()
        yield made
    finally:
        made.appliance.stop()
        made.plane.stop()


def test_a_month_alone_and_the_first_contact_afterwards(site: Site) -> None:
    element = str(Fleet(site.plane).claim(site.appliance)["id"])
    scanner, scanner_id = site.local_client("scanner", element)
    visitor, _ = site.local_client("visitor", element, days=5)
    site.contact(element)
    assert site.upload(scanner) == 201
    site.plane.stop()

    site.move(site.appliance, 29)
    client = site.appliance.client(scanner)
    record = client.upload("/api/v1/files/upload", DOCUMENT).expect(201).json
    assert record["uploaded_by"] == "artstore://client/scanner"
    assert client.call("GET", f"/api/v1/files/{record['file_id']}/download").expect(200).body == DOCUMENT.source
    # Whose days are over is refused in the handshake already: the certificate ended with them.
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
        site.upload(visitor)

    site.move(site.appliance, 31)
    site.move(site.plane, 31)
    assert site.contact(element)["status"] == "online"
    found = site.plane.login().call("GET", f"/api/v1/files/{record['file_id']}").expect(200).json
    assert found["checksum"] == DOCUMENT.sha256(), "what was written meanwhile is in the catalogue"
    site.renew(scanner, scanner_id)
    site.contact(element)

    # Nobody came for so long that the appliance's own certificate has ended, and the renewed client works until then.
    site.plane.stop()
    site.move(site.appliance, 75)
    assert site.upload(scanner) == 201
    site.move(site.appliance, 120)
    site.move(site.plane, 120)
    deadline = time.monotonic() + 60
    while site.contact(element)["status"] != "online" and time.monotonic() < deadline:
        time.sleep(0.5)
    shown = site.contact(element)
    assert (shown["status"], shown["last_error"]) == ("online", None)
    assert str(shown["certificate_expires_at"]) > time.strftime("%Y-%m-%d", time.gmtime(time.time() + 200 * DAY))
    actions = [item["action"] for item in site.plane.login().call("GET", "/api/v1/audit").expect(200).json["items"]]
    assert "storage_element.certificate_renewed" in actions
    assert "local_client.create" in actions and "local_client.renew" in actions
