"""More than 200 client certificates with something wrong, each with a good token beside it: none gets in."""

from __future__ import annotations

import http.client
import ssl
from pathlib import Path

import certificate_cases
from artstore.certificates import KeyPair, openssl
from conftest import WholeFleet
from site_alone import SiteAlone

REFUSED = "refused in the handshake"


def ask(site: SiteAlone, pair: KeyPair) -> str:
    """The answer's status to a call with a token for everything, or that there was no connection."""
    try:
        client = site.appliance.client(pair, site.authority.certificate, site.token())
        return str(client.call("GET", "/api/v1/files").status)
    except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
        return REFUSED


def test_no_wrong_certificate_is_accepted(site: SiteAlone, directory: Path) -> None:
    issuer = certificate_cases.opened(site.authority.certificate.parent)
    for case in certificate_cases.good(issuer):
        assert ask(site, case.write(directory)) == "200", case.name
    accepted: list[str] = []
    outcomes: dict[str, int] = {}
    for case in certificate_cases.bad(issuer):
        outcome = ask(site, case.write(directory))
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        if outcome not in (REFUSED, "401", "403"):
            accepted.append(f"{case.name}: {outcome}")
    assert accepted == []
    assert sum(outcomes.values()) >= 200, outcomes
    # Some faults are the handshake's to find, others (the name) the authorizer's: both were asked.
    assert min(outcomes.get(REFUSED, 0), outcomes.get("403", 0)) >= 50, outcomes


def test_a_revoked_certificate_is_refused_in_the_handshake(fleet: WholeFleet, directory: Path) -> None:
    """A client of the site that worked a moment ago: after the next contact it does not even get a connection."""
    element, appliance = str(fleet.elements["edit"]["id"]), fleet.appliances["edit"]
    pair = KeyPair(directory / "client.crt", directory / "client.key")
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(pair.key))
    request = openssl("req", "-new", "-key", str(pair.key), "-subj", "/CN=any").decode()
    draft = {"name": "to-revoke", "csr": request, "scopes": ["files:read"], "storage_element_ids": [element]}
    made = fleet.admin.call("POST", "/api/v1/local-clients", draft).expect(201).json
    pair.certificate.write_text(made["certificate"])
    fleet.admin.call("POST", f"/api/v1/storage-elements/{element}/sync").expect(200)
    living = appliance.client(pair)
    living.call("GET", "/api/v1/files").expect(200)
    living.call("POST", "/api/v1/mode/transition", {"target_mode": "ro"}).expect(403)
    fleet.admin.call("DELETE", f"/api/v1/local-clients/{made['id']}").expect(204)
    fleet.admin.call("POST", f"/api/v1/storage-elements/{element}/sync").expect(200)
    try:
        status = appliance.client(pair).call("GET", "/api/v1/files").status
    except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
        status = 0
    assert status == 0, "a new connection"
    # The one that was open is judged at its next request.
    assert living.call("GET", "/api/v1/files").status == 403
    shown = fleet.admin.call("GET", "/api/v1/revocations").expect(200).json["items"]
    assert shown[0]["subject"] == "artstore://client/to-revoke"
