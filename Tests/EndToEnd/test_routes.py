"""Every operation of the OpenAPI files is tried without a token, with a wrong scope, and as each role."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from artstore import paths
from artstore.client import Answer, Client
from conftest import WholeFleet
from site_alone import EVERY_SCOPE, SiteAlone

METHODS = ("get", "head", "post", "put", "patch", "delete")
ADMIN_SCOPES = ("admin:read", "admin:write")


@dataclass(frozen=True)
class Operation:
    """One method of one path, and who may call it by the OpenAPI file's own word (`x-access`)."""

    method: str
    path: str
    access: str

    @property
    def scope(self) -> str | None:
        return self.access.removeprefix("scope ") if self.access.startswith("scope ") else None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def call(self, client: Client) -> Answer:
        """With a path that fits but names nothing, so that whoever may call changes nothing."""
        path = self.path
        while "{" in path:
            path = path[: path.index("{")] + str(uuid.uuid4()) + path[path.index("}") + 1 :]
        value: Any = {} if self.method in ("POST", "PUT", "PATCH") else None
        return client.call(self.method, path, value)


def operations(file: Path) -> list[Operation]:
    if not file.exists():
        return []
    paths_ = yaml.safe_load(file.read_text())["paths"]
    return [
        Operation(method.upper(), path, str(item.get("x-access", "")))
        for path, methods in paths_.items()
        for method, item in methods.items()
        if method in METHODS
    ]


APPLIANCE = operations(paths.ROOT / "appliance/api/openapi.yaml")
CENTRAL = [
    (role, operation)
    for role in ("admin", "ingester", "query")
    for operation in operations(paths.ROOT / f"controlplane/api/{role}.yaml")
]


def test_every_operation_says_who_may_call_it() -> None:
    everything = [*APPLIANCE, *(operation for _, operation in CENTRAL)]
    assert len(APPLIANCE) >= 15
    assert len(CENTRAL) >= 20
    words = ("scope ", "certificate ", "proof", "open", "any token", "session")
    assert [str(operation) for operation in everything if not operation.access.startswith(words)] == []


@pytest.mark.parametrize("operation", [o for o in APPLIANCE if o.scope], ids=str)
def test_an_appliance_asks_for_the_scope(site: SiteAlone, operation: Operation) -> None:
    assert operation.call(site.client("")).status == 401
    others = [scope for scope in EVERY_SCOPE if scope != operation.scope]
    assert operation.call(site.client(site.token(others))).status == 403
    assert operation.scope
    if not operation.path.endswith(("/transition", "/reconcile", "/scrub")):
        assert operation.call(site.client(site.token([operation.scope]))).status not in (401, 403)


@pytest.mark.parametrize("operation", [o for o in APPLIANCE if o.access.startswith("certificate ")], ids=str)
def test_an_appliance_asks_for_the_role_in_the_certificate(site: SiteAlone, operation: Operation) -> None:
    allowed = operation.access.removeprefix("certificate ").split()
    for role in ("admin", "ingester", "query", "console", "client"):
        identity = site.authority.client(role, "walk")
        answer = operation.call(site.appliance.client(identity, site.authority.certificate))
        assert (answer.status in (401, 403)) == (role not in allowed), (role, answer.body)


@pytest.mark.parametrize(("role", "operation"), [c for c in CENTRAL if c[1].scope], ids=str)
def test_a_central_role_asks_for_the_scope(
    fleet: WholeFleet, tokens: dict[str, str], role: str, operation: Operation
) -> None:
    assert operation.scope
    assert operation.call(fleet.plane.client(role)).status == 401
    assert operation.call(fleet.plane.client(role, tokens[f"all but {operation.scope}"])).status == 403
    assert operation.call(fleet.plane.client(role, tokens[operation.scope])).status not in (401, 403)


@pytest.mark.parametrize(("role", "operation"), [c for c in CENTRAL if c[1].scope], ids=str)
def test_the_role_readonly_reads_and_writes_nothing(
    fleet: WholeFleet, readonly: str, role: str, operation: Operation
) -> None:
    assert operation.scope
    answer = operation.call(fleet.plane.client(role, readonly))
    assert (answer.status in (401, 403)) == (not operation.scope.endswith(":read")), answer.body


@pytest.fixture(scope="module")
def tokens(fleet: WholeFleet) -> dict[str, str]:
    """A token for each scope alone, and one for all others."""
    scopes = [*EVERY_SCOPE, *ADMIN_SCOPES]
    made = {}
    for scope in scopes:
        name = scope.replace(":", "-")
        made[scope] = fleet.fleet.service_account(f"only-{name}", scope).token()
        others = [other for other in scopes if other != scope]
        made[f"all but {scope}"] = fleet.fleet.service_account(f"all-but-{name}", *others).token()
    return made


@pytest.fixture(scope="module")
def readonly(fleet: WholeFleet) -> str:
    """The token of an administrator who may only read."""
    first, own = "a password of many letters", "another password of many letters"
    request = {"login": "reader", "password": first, "role": "readonly"}
    fleet.admin.call("POST", "/api/v1/admin-users", request).expect(201)

    def login(password: str) -> str:
        question = {"login": "reader", "password": password}
        answer = fleet.plane.client("admin").call("POST", "/api/v1/auth/login", question).expect(200)
        return str(answer.json["access_token"])

    # A password that someone else chose is good for changing it, and for nothing else.
    change = {"old_password": first, "new_password": own}
    fresh = fleet.plane.client("admin", login(first))
    fresh.call("GET", "/api/v1/storage-elements").expect(403)
    fresh.call("POST", "/api/v1/admin-users/me/change-password", change).expect(200, 204)
    return login(own)
