"""The libraries that client systems use against the control plane: Authlib, requests-oauthlib, PyJWT's key client; what
the specifications promise them, and that none of them notices a rotation of the signing keys (issue 5)."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jwt
import pytest
import requests
from artstore.client import Client
from artstore.postgres import PrivatePostgres
from artstore.programs import ControlPlane
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from oauthlib.oauth2 import BackendApplicationClient, InvalidClientError, InvalidScopeError
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session as RequestsOAuthSession

AUDIENCE = "artstore"
LEAD_MINUTES = 61
"""A key signs an hour after it was published."""


@dataclasses.dataclass
class Issuer:
    plane: ControlPlane
    postgres: PrivatePostgres
    admin: Client
    client_id: str
    secret: str
    metadata: dict[str, object]

    def endpoint(self, name: str) -> str:
        return str(self.metadata[name])

    def session(self, method: str = "client_secret_basic", **more: str) -> OAuth2Session:
        return OAuth2Session(self.client_id, self.secret, token_endpoint_auth_method=method, **more)

    def token(self) -> str:
        return str(self.session().fetch_token(self.endpoint("token_endpoint"))["access_token"])

    def keys(self) -> dict[str, str]:
        """Key ids and what they are for."""
        listed = self.admin.call("GET", "/api/v1/keys").expect(200).json["keys"]
        return {key["key_id"]: key["status"] for key in listed}

    def published(self) -> set[str]:
        keys = requests.get(self.endpoint("jwks_uri"), timeout=10).json()["keys"]
        return {key["kid"] for key in keys}

    def let_pass(self, minutes: int, until: Callable[[], bool]) -> None:
        """Time passes for the keys alone: each was published and begins to sign so much earlier."""
        columns = ("published_at", "activates_at", "retires_at")
        moved = ", ".join(f"{column} = {column} - interval '{minutes} minutes'" for column in columns)
        self.postgres.sql(f"UPDATE identity_signing_keys SET {moved}", "oauth")
        deadline = time.monotonic() + 60
        while not until():
            assert time.monotonic() < deadline, "the replica did not read its keys again"
            time.sleep(0.2)


@pytest.fixture(scope="module")
def issuer(programs: str, postgres: PrivatePostgres, scratch: Path) -> Iterator[Issuer]:
    plane = ControlPlane(scratch / "oauth", postgres.create_database("oauth"), programs, roles=("admin", "query"))
    with pytest.MonkeyPatch.context() as patch:
        for library in ("AUTHLIB", "OAUTHLIB"):
            patch.setenv(f"{library}_INSECURE_TRANSPORT", "1")
        try:
            plane.start()
            admin = plane.login()
            draft = {"name": "libraries", "scopes": ["files:read", "files:write"]}
            made = admin.call("POST", "/api/v1/service-accounts", draft).expect(201).json
            metadata = requests.get(f"{plane.url('admin')}/.well-known/oauth-authorization-server", timeout=10).json()
            yield Issuer(plane, postgres, admin, made["client_id"], made["client_secret"], metadata)
        finally:
            plane.stop()


def read(issuer: Issuer, keys: jwt.PyJWKClient, token: str) -> dict[str, object]:
    """As a resource server does it, without any leeway."""
    key = keys.get_signing_key_from_jwt(token)
    claims: dict[str, object] = jwt.decode(
        token, key.key, algorithms=["RS256"], audience=AUDIENCE, issuer=str(issuer.metadata["issuer"])
    )
    return claims


def test_the_metadata_is_what_rfc_8414_wants(issuer: Issuer) -> None:
    metadata = AuthorizationServerMetadata(issuer.metadata)
    metadata.validate()
    assert metadata["issuer"] == issuer.plane.url("admin")
    assert metadata["grant_types_supported"] == ["client_credentials"]
    for name in ("token_endpoint", "jwks_uri", "introspection_endpoint", "revocation_endpoint"):
        assert metadata[name].startswith(metadata["issuer"])


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_authlib_gets_asks_and_revokes(issuer: Issuer, method: str) -> None:
    session = issuer.session(method)
    token = session.fetch_token(issuer.endpoint("token_endpoint"), scope="files:read")
    assert (token["token_type"], token["scope"]) == ("Bearer", "files:read")
    claims = read(issuer, jwt.PyJWKClient(issuer.endpoint("jwks_uri")), token["access_token"])
    assert (claims["sub"], claims["scopes"]) == (issuer.client_id, ["files:read"])
    search = f"{issuer.plane.url('query')}/api/v1/search"
    assert session.post(search, json={"query": "", "mode": "partial"}, timeout=10).status_code == 200

    def introspect() -> dict[str, object]:
        answer = session.introspect_token(issuer.endpoint("introspection_endpoint"), token=token["access_token"])
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
        told: dict[str, object] = answer.json()
        return told

    alive = introspect()
    assert alive["active"] is True
    for name in ("sub", "iss", "aud", "iat", "exp", "jti"):
        assert alive[name] == claims[name], name
    assert alive["scope"] == "files:read"
    revoked = session.revoke_token(issuer.endpoint("revocation_endpoint"), token=token["access_token"])
    assert revoked.status_code == 200
    assert introspect() == {"active": False}
    assert session.post(search, json={"query": "", "mode": "partial"}, timeout=10).status_code == 401
    # Twice, and what never was a token, is no error (RFC 7009, section 2.2).
    for text in (token["access_token"], "never was"):
        assert session.revoke_token(issuer.endpoint("revocation_endpoint"), token=text).status_code == 200


def test_requests_oauthlib_gets_a_token(issuer: Issuer) -> None:
    client = BackendApplicationClient(client_id=issuer.client_id, scope=["files:read"])
    session = RequestsOAuthSession(client=client)
    basic = HTTPBasicAuth(issuer.client_id, issuer.secret)
    token = session.fetch_token(issuer.endpoint("token_endpoint"), auth=basic)
    assert token["expires_in"] == 1800
    answer = session.get(f"{issuer.plane.url('admin')}/api/v1/auth/me", timeout=10)
    assert answer.json()["subject"] == issuer.client_id
    in_body = RequestsOAuthSession(client=BackendApplicationClient(client_id=issuer.client_id))
    assert in_body.fetch_token(issuer.endpoint("token_endpoint"), client_secret=issuer.secret, include_client_id=True)[
        "scope"
    ] == ["files:read", "files:write"]


def test_errors_are_those_of_rfc_6749(issuer: Issuer) -> None:
    with pytest.raises(OAuthError, match="invalid_client"):
        OAuth2Session(issuer.client_id, "wrong").fetch_token(issuer.endpoint("token_endpoint"))
    with pytest.raises(OAuthError, match="invalid_scope"):
        issuer.session().fetch_token(issuer.endpoint("token_endpoint"), scope="admin:write")
    with pytest.raises(OAuthError, match="unsupported_grant_type"):
        issuer.session().fetch_token(issuer.endpoint("token_endpoint"), grant_type="password", username="a")
    session = RequestsOAuthSession(client=BackendApplicationClient(client_id=issuer.client_id, scope=["admin:read"]))
    with pytest.raises(InvalidClientError):
        session.fetch_token(issuer.endpoint("token_endpoint"), auth=HTTPBasicAuth(issuer.client_id, "wrong"))
    with pytest.raises(InvalidScopeError):
        session.fetch_token(issuer.endpoint("token_endpoint"), auth=HTTPBasicAuth(issuer.client_id, issuer.secret))
    # Section 5.2: 401 names the scheme the client used; nothing of a token endpoint is kept by a cache.
    for name in ("token_endpoint", "introspection_endpoint", "revocation_endpoint"):
        form = {"grant_type": "client_credentials", "token": "x"}
        answer = requests.post(issuer.endpoint(name), data=form, auth=(issuer.client_id, "wrong"), timeout=10)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.json()["error_description"]


def test_no_client_notices_a_rotation(issuer: Issuer) -> None:
    waiting = jwt.PyJWKClient(issuer.endpoint("jwks_uri"))
    aged = jwt.PyJWKClient(issuer.endpoint("jwks_uri"), cooldown_duration=0)  # its last fetch is hours ago
    first = issuer.token()
    read(issuer, aged, first)
    old = jwt.get_unverified_header(first)["kid"]
    issuer.admin.call("POST", "/api/v1/keys/rotate").expect(200)
    new = next(key for key, status in issuer.keys().items() if status == "next")

    # Published, and not yet used: whoever fetches the set now is prepared for the hour after.
    read(issuer, waiting, issuer.token())
    assert jwt.get_unverified_header(issuer.token())["kid"] == old
    assert {key.key_id for key in waiting.get_signing_keys()} == {old, new}

    issuer.let_pass(LEAD_MINUTES, lambda: issuer.keys()[new] == "active")
    second = issuer.token()
    assert jwt.get_unverified_header(second)["kid"] == new
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(waiting, "fetch_data", lambda: pytest.fail("the set had to be fetched again"))
        for token in (first, second):
            assert read(issuer, waiting, token)["sub"] == issuer.client_id
    # A client with the set of before fetches once, and goes on.
    assert read(issuer, aged, second)["sub"] == issuer.client_id
    for token in (first, second):
        issuer.plane.client("admin", token).call("GET", "/api/v1/auth/me").expect(200)

    # Two hours later no token of the old key can be alive: it leaves the set.
    issuer.let_pass(121, lambda: old not in issuer.published())
    assert issuer.published() == {new}
    with pytest.raises(jwt.PyJWKClientError):
        read(issuer, jwt.PyJWKClient(issuer.endpoint("jwks_uri")), first)
    read(issuer, jwt.PyJWKClient(issuer.endpoint("jwks_uri")), second)


def test_a_stolen_key_ends_at_once(issuer: Issuer) -> None:
    issuer.admin = issuer.plane.login()
    before = issuer.token()
    issuer.admin.call("POST", "/api/v1/keys/rotate", {"immediately": True}).expect(200)
    issuer.plane.client("admin", before).call("GET", "/api/v1/auth/me").expect(401)
    keys = jwt.PyJWKClient(issuer.endpoint("jwks_uri"))
    with pytest.raises(jwt.PyJWKClientError):
        read(issuer, keys, before)
    assert read(issuer, keys, issuer.token())["sub"] == issuer.client_id
    issuer.admin = issuer.plane.login()
    assert list(issuer.keys().values()) == ["active"]


def test_private_keys_lie_sealed(issuer: Issuer) -> None:
    """With the database alone nobody signs: no private key in any of the encodings PKCS #8 and PKCS #1 know."""
    dump = issuer.postgres.sql("SELECT encode(private_sealed, 'escape') FROM identity_signing_keys", "oauth")
    assert dump and "PRIVATE KEY" not in dump and "\\x30" not in dump[:4]
