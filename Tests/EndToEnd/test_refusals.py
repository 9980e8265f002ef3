"""Who may not: no certificate, a foreign one, a client's own token, no token, a token without the scope."""

from __future__ import annotations

import http.client
import ssl
from pathlib import Path

import pytest
from artstore.certificates import Authority
from artstore.client import Answer, Document
from artstore.programs import Appliance
from conftest import WholeFleet
from site_alone import SiteAlone

TEXT = Document("note.txt", b"a note", "text/plain")


def test_a_claimed_appliance_refuses_a_client_without_certificate(fleet: WholeFleet) -> None:
    for appliance in fleet.appliances.values():
        with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
            appliance.client().call("GET", "/api/v1/info")


def test_a_claimed_appliance_refuses_a_certificate_of_another_authority(fleet: WholeFleet, directory: Path) -> None:
    stranger = Authority(directory).client("ingester", "stranger")
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
        fleet.appliances["edit"].client(stranger).call("GET", "/api/v1/info")


def test_a_clients_own_token_is_refused_even_with_a_valid_certificate(
    fleet: WholeFleet, programs: str, directory: Path
) -> None:
    """The appliance knows the real keys and the certificate is of its own authority: only `aud` is wrong."""
    site = SiteAlone(directory, "edit", programs)
    key_set = fleet.plane.client("admin").call("GET", "/api/v1/auth/jwks").expect(200).body
    Path(site.appliance.settings["SE_JWKS_FILE"]).write_bytes(key_set)
    site.appliance.start()
    try:
        answer = site.client(fleet.account.token()).call("GET", "/api/v1/files").expect(401)
        assert answer.code == "UNAUTHORIZED"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        upload = site.client(fleet.account.token()).upload("/api/v1/files/upload", TEXT).expect(401)
        assert upload.code == "UNAUTHORIZED"
        assert site.appliance.documents() == []
    finally:
        site.appliance.stop()


def test_an_appliance_takes_only_tokens_of_its_own_audience(site: SiteAlone) -> None:
    def ask(token: str) -> Answer:
        return site.client(token).call("GET", "/api/v1/files")

    ask(site.token()).expect(200)
    for audience in ("artstore", "storage:another", "storage:"):
        assert ask(site.issuer.token(audience)).expect(401).code == "UNAUTHORIZED"
    expired = site.token(seconds=-120)
    assert ask(expired).expect(401).code == "UNAUTHORIZED"
    header, payload, signature = site.token().split(".")
    assert ask(f"{header}.{payload}.{signature[:-4]}AAAA").expect(401).code == "UNAUTHORIZED"
    assert ask("").expect(401).code == "UNAUTHORIZED"


@pytest.mark.parametrize(
    ("method", "path", "scopes"),
    [
        ("POST", "/api/v1/files/upload", ["files:read", "storage:write"]),
        ("GET", "/api/v1/files", ["files:write"]),
        ("POST", "/api/v1/mode/transition", ["files:read", "files:write", "storage:read"]),
        ("POST", "/api/v1/maintenance/reconcile", ["files:write", "storage:read"]),
    ],
)
def test_a_token_without_the_scope_is_forbidden(site: SiteAlone, method: str, path: str, scopes: list[str]) -> None:
    answer = site.client(site.token(scopes)).call(method, path, {} if method == "POST" else None)
    assert answer.expect(403).code == "FORBIDDEN"


def test_central_roles_refuse_an_appliances_token_and_none_at_all(fleet: WholeFleet, site: SiteAlone) -> None:
    for role, method, path in (
        ("ingester", "POST", "/api/v1/files/upload"),
        ("query", "POST", "/api/v1/search"),
        ("admin", "GET", "/api/v1/storage-elements"),
    ):
        for token in (None, site.token(), "not.a.token"):
            answer = fleet.plane.client(role, token).call(method, path, {} if method == "POST" else None)
            assert answer.expect(401).code == "UNAUTHORIZED", (role, token)


def test_a_service_account_may_do_only_what_its_scopes_say(fleet: WholeFleet) -> None:
    reader = fleet.fleet.service_account("reader", "files:read")
    refused = fleet.plane.client("ingester", reader.token()).upload("/api/v1/files/upload", TEXT).expect(403)
    assert refused.code == "FORBIDDEN"
    assert fleet.plane.client("admin", reader.token()).call("GET", "/api/v1/storage-elements").expect(403)


def test_an_unclaimed_appliance_serves_nothing_but_the_claim(programs: str, directory: Path) -> None:
    appliance = Appliance(directory, "edit", "unclaimed", programs)
    appliance.start()
    try:
        wrong = {"step": "prove", "proof": "00" * 32}
        assert appliance.client().call("POST", "/api/v1/claim", wrong).status in (400, 403, 409)
        for path in ("/api/v1/files", "/api/v1/changes"):
            assert appliance.client().call("GET", path).status in (401, 403)
    finally:
        appliance.stop()


def test_the_wrong_claim_code_is_refused(fleet: WholeFleet, programs: str, directory: Path) -> None:
    appliance = Appliance(directory, "edit", "another", programs)
    appliance.start()
    try:
        code = appliance.claim_code()
        swapped = code[:-1] + ("A" if code[-1] != "A" else "B")
        request = {"name": "another", "url": appliance.url, "claim_code": swapped, "priority": 1}
        answer = fleet.admin.call("POST", "/api/v1/storage-elements", request)
        assert answer.status in (400, 403, 409, 422), answer.body
        assert answer.message
    finally:
        appliance.stop()
