"""What schemathesis is told of the control plane beside the OpenAPI files: who asks, and what is there to be found.

Nothing is left out because it would end the session that tries it: what ends sessions (logout, own password, second
factor) is asked by administrators made for it, what removes things removes things made for it. Every second request
that fits its schema is given ids and secrets that exist, so that the answers to success are checked too; how often each
operation answered with which status is written down for the test to look at.
"""

from __future__ import annotations

import atexit
import base64
import hashlib
import hmac
import http.client
import json
import os
import secrets
import struct
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import schemathesis
from artstore.certificates import openssl
from artstore.client import Client, Document

PASSWORD = "a password for the contract"
SITE: dict[str, Any] = json.loads(Path(os.environ["ARTSTORE_CONTRACT_SITE"]).read_text())


def login(login: str, password: str) -> dict[str, Any]:
    """From an address of its own: made-up logins drain the budget of the one they come from."""
    host, port = SITE["admin"].removeprefix("http://").split(":")
    source = f"127.{1 + secrets.randbelow(200)}.{secrets.randbelow(250)}.{1 + secrets.randbelow(250)}"
    connection = http.client.HTTPConnection(host, int(port), timeout=30, source_address=(source, 0))
    try:
        body = json.dumps({"login": login, "password": password})
        connection.request("POST", "/api/v1/auth/login", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        found: dict[str, Any] = json.loads(answer.read())
        assert answer.status == 200, found
        return found
    finally:
        connection.close()


def token_of(account: dict[str, str]) -> str:
    form = {"grant_type": "client_credentials", **account}
    return str(Client(SITE["admin"]).call("POST", "/api/v1/auth/token", form=form).expect(200).json["access_token"])


def certificate_request() -> str:
    """For a key of its own."""
    key = openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout")
    return openssl("req", "-new", "-key", "/dev/stdin", "-subj", "/CN=contract", stdin=key).decode()


class Person:
    """An administrator made to be locked out. A new one comes when this one is used up."""

    def __init__(self, world: World) -> None:
        self.login, self.password = f"contract-{secrets.token_hex(4)}", PASSWORD
        draft = {"login": self.login, "role": "admin", "password": PASSWORD + " once"}
        self.id = str(world.call("POST", "/api/v1/admin-users", draft)["id"])
        first = Client(SITE["admin"], login(self.login, PASSWORD + " once")["access_token"])
        change = {"old_password": PASSWORD + " once", "new_password": PASSWORD}
        first.call("POST", "/api/v1/admin-users/me/change-password", change).expect(204)
        session = login(self.login, self.password)
        self.token, self.refresh = str(session["access_token"]), str(session["refresh_token"])
        self.secret, self.recovery = "", ""

    def code(self) -> str:
        """Of the second factor that was offered (RFC 6238)."""
        key = base64.b32decode(self.secret + "=" * (-len(self.secret) % 8))
        digest = hmac.new(key, struct.pack(">Q", int(time.time()) // 30), hashlib.sha1).digest()
        at = digest[-1] & 15
        return f"{(struct.unpack('>I', digest[at : at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


class World:
    """The fleet as the administrator who asks sees it."""

    def __init__(self) -> None:
        self._token, self._program = "", ""
        self._people: dict[str, Person] = {}
        self._made: dict[str, Any] = {}

    @property
    def token(self) -> str:
        """The administrator's."""
        if not self._token:
            self._token = str(login(SITE["login"], SITE["password"])["access_token"])
        return self._token

    @property
    def program(self) -> str:
        """The client system's."""
        if not self._program:
            self._program = token_of(SITE["account"])
        return self._program

    def forget_sessions(self) -> None:
        self._token, self._program, self._people = "", "", {}

    def person(self, purpose: str) -> Person:
        if purpose not in self._people:
            self._people[purpose] = Person(self)
        return self._people[purpose]

    def forget(self, purpose: str) -> None:
        self._people.pop(purpose, None)

    def call(self, method: str, path: str, value: object = None) -> Any:
        return Client(SITE["admin"], self.token).call(method, path, value).expect(200, 201, 204).json

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def account(self) -> dict[str, Any]:
        draft = {"name": f"contract-{secrets.token_hex(3)}", "scopes": ["files:read"]}
        return dict(self.call("POST", "/api/v1/service-accounts", draft))

    def local_client(self) -> str:
        draft = {"name": f"c-{secrets.token_hex(4)}", "scopes": ["files:read"], "days": 3}
        draft |= {"csr": certificate_request(), "storage_element_ids": [SITE["kept"]]}
        return str(self.call("POST", "/api/v1/local-clients", draft)["id"])

    def document(self) -> str:
        client = Client(SITE["ingester"], self.program)
        document = Document(f"{secrets.token_hex(3)}.txt", b"contract", "text/plain")
        return str(client.upload("/api/v1/files/upload", document, {"ttl_days": "3"}).expect(201).json["file_id"])

    def spare(self, is_registered: bool) -> str:
        """The storage element that comes and goes, registered or not as it is asked for."""
        every = self.call("GET", "/api/v1/storage-elements")["items"]
        found = [str(one["id"]) for one in every if one["url"] == SITE["spare_url"]]
        if found and not is_registered:
            self.call("DELETE", f"/api/v1/storage-elements/{found[0]}?force=true")
        if not found and is_registered:
            draft = {"name": "spare", "url": SITE["spare_url"]}
            return str(self.call("POST", "/api/v1/storage-elements", draft)["id"])
        return found[0] if found else ""

    def living(self) -> set[str]:
        """The storage elements whose certificates are not to be revoked."""
        return {SITE["kept"], self.spare(is_registered=True)}


WORLD = World()


def credentials() -> dict[str, str]:
    account = WORLD.once("account", WORLD.account)
    return {"client_id": account["client_id"], "client_secret": account["client_secret"]}


def own_token() -> str:
    return token_of(credentials())


def body(**members: Any) -> Callable[[Any], None]:
    """Members whose values exist; those that are functions are asked for each time, those that are None go."""

    def fill(case: Any) -> None:
        found = {name: value() if callable(value) else value for name, value in members.items()}
        case.body = {**(case.body if isinstance(case.body, dict) else {}), **found}
        for name in [name for name, value in found.items() if value is None]:
            del case.body[name]

    return fill


def path(**parameters: Callable[[], str]) -> Callable[[Any], None]:
    def fill(case: Any) -> None:
        case.path_parameters = {**case.path_parameters, **{name: make() for name, make in parameters.items()}}

    return fill


def both(*fillers: Callable[[Any], None]) -> Callable[[Any], None]:
    def fill(case: Any) -> None:
        for filler in fillers:
            filler(case)

    return fill


def own_session() -> str:
    client = Client(SITE["admin"], WORLD.person("session").token)
    return str(client.call("GET", "/api/v1/auth/sessions").expect(200).json["items"][0]["id"])


def offered() -> str:
    """A code that turns the second factor on, offered before when it was not."""
    person = WORLD.person("second factor")
    if not person.secret:
        answer = Client(SITE["admin"], person.token).call("POST", "/api/v1/auth/totp").expect(201)
        person.secret = str(answer.json["secret"])
    return person.code()


def confirmed() -> str:
    """A code that takes it away again."""
    person = WORLD.person("second factor")
    if not person.recovery:
        client, value = Client(SITE["admin"], person.token), {"code": offered()}
        answer = client.call("POST", "/api/v1/auth/totp/confirm", value).expect(200)
        person.recovery = str(answer.json["recovery_codes"][0])
    return person.recovery


def claim(case: Any) -> None:
    WORLD.spare(is_registered=False)
    case.body = {"name": "spare", "url": SITE["spare_url"]}


VICTIM = path(id=lambda: WORLD.once("victim", lambda: Person(WORLD)).id)
NEW_VICTIM = path(id=lambda: Person(WORLD).id)
ACCOUNT = path(id=lambda: str(WORLD.once("account", WORLD.account)["id"]))
KEPT = path(id=lambda: str(SITE["kept"]))
SPARE = path(id=lambda: WORLD.spare(is_registered=True))
LOCAL = path(id=lambda: str(WORLD.once("local", WORLD.local_client)))
FILE = path(id=lambda: str(WORLD.once("file", WORLD.document)))

PROOF = {"client_id": lambda: credentials()["client_id"], "client_secret": lambda: credentials()["client_secret"]}
ADMIN: dict[str, Callable[[Any], None]] = {
    "issueToken": body(scope=None, **PROOF),
    "introspectToken": body(token=lambda: WORLD.token, **PROOF),
    "revokeToken": body(token=own_token, **PROOF),
    "login": body(login=SITE["login"], password=SITE["password"], totp_code=None),
    "refresh": body(refresh_token=lambda: WORLD.person("refresh").refresh),
    "confirmSecondFactor": body(code=offered),
    "removeSecondFactor": body(code=confirmed),
    "endOwnSession": path(id=own_session),
    "getAdministrator": VICTIM,
    "updateAdministrator": VICTIM,
    "deleteAdministrator": NEW_VICTIM,
    "resetPassword": VICTIM,
    "unlock": VICTIM,
    "listSessions": VICTIM,
    "endSessions": VICTIM,
    "changePassword": body(old_password=PASSWORD, new_password=lambda: f"{PASSWORD} {secrets.token_hex(4)}"),
    "createAdministrator": body(login=lambda: f"c-{secrets.token_hex(4)}", password=None),
    "createServiceAccount": body(name=lambda: f"c-{secrets.token_hex(4)}"),
    "getServiceAccount": ACCOUNT,
    "updateServiceAccount": path(id=lambda: str(WORLD.account()["id"])),
    "deleteServiceAccount": path(id=lambda: str(WORLD.account()["id"])),
    "rotateSecret": path(id=lambda: str(WORLD.account()["id"])),
    "claimStorageElement": claim,
    "discoverStorageElement": body(url=lambda: secrets.choice([SITE["kept_url"], SITE["spare_url"]])),
    "getStorageElement": KEPT,
    "updateStorageElement": both(KEPT, body(url=None, name=lambda: f"kept {secrets.token_hex(2)}")),
    "removeStorageElement": SPARE,
    "syncStorageElement": KEPT,
    "changeMode": both(SPARE, body(target_mode="ro", confirm=True)),
    "acceptLoss": KEPT,
    "storageElementHealth": KEPT,
    "revokeStorageElement": path(id=lambda: str(SITE["lost"])),
    "addLocalClient": body(
        name=lambda: f"c-{secrets.token_hex(4)}",
        csr=certificate_request,
        scopes=["files:read"],
        storage_element_ids=[SITE["kept"]],
    ),
    "getLocalClient": LOCAL,
    "renewLocalClient": LOCAL,
    "removeLocalClient": path(id=WORLD.local_client),
    "revokeKey": body(certificate=None, key_sha256=lambda: secrets.token_hex(32)),
    "registerFile": body(file_id=lambda: WORLD.once("file", WORLD.document), storage_element_id=SITE["kept"]),
    "getFile": FILE,
    "updateFile": FILE,
    "deleteFile": path(id=WORLD.document),
    "pokeTask": path(name=lambda: "sync"),
}
SEARCH = body(cursor=None, max_size=None)
QUERY: dict[str, Callable[[Any], None]] = {"getFile": FILE, "downloadFile": FILE, "search": SEARCH}
INGESTER: dict[str, Callable[[Any], None]] = {"deleteFile": path(id=WORLD.document)}
FILLERS = {"admin": ADMIN, "query": QUERY, "ingester": INGESTER}[SITE["role"]]

# Who asks what ends the session that asks.
ASKED_BY = {
    "logout": "logout",
    "changePassword": "password",
    "endOwnSession": "session",
    "offerSecondFactor": "second factor",
    "confirmSecondFactor": "second factor",
    "removeSecondFactor": "second factor",
}
# Of these no schema can say which bodies are right (passwords, PKCS #10 requests, codes, cursors, addresses
# where somebody answers): each that fits its schema is given what is.
ALWAYS = {"createAdministrator", "confirmSecondFactor", "addLocalClient", "revokeKey", "updateStorageElement"}
ALWAYS |= {"claimStorageElement", "discoverStorageElement", "search"}
# Would end the tester's session or take the storage element away that the others look at, were they to meet it.
GUARDED = {"updateAdministrator", "deleteAdministrator", "resetPassword", "endSessions"}
GUARDED |= {"removeStorageElement", "changeMode"}

answers: dict[str, Counter[str]] = defaultdict(Counter)
tries: Counter[str] = Counter()


def name_of(case: Any) -> str:
    name = str(case.operation.definition.raw.get("operationId", ""))
    return name if case.method.upper() == case.operation.method.upper() else ""


@schemathesis.auth(refresh_interval=None)
class Session:
    """A token for what asks for one, always a living one."""

    def get(self, case: Any, _: Any) -> str | None:
        name = name_of(case)
        if case.operation.definition.raw.get("security") == []:
            return None
        if SITE["role"] != "admin":
            return WORLD.program
        return WORLD.person(ASKED_BY[name]).token if name in ASKED_BY else WORLD.token

    def set(self, case: Any, token: str, _: Any) -> None:
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {token}"}


@schemathesis.hook
def before_call(_: Any, case: Any, __: dict[str, Any]) -> None:
    name = name_of(case)
    if name == "revokeStorageElement" and case.path_parameters.get("id") in WORLD.living():
        FILLERS[name](case)
        return
    if name in GUARDED and case.path_parameters.get("id") in (SITE["kept"], SITE["administrator"]):
        FILLERS[name](case)
        return
    meta = case.meta
    if meta is None or not meta.generation.mode.is_positive:
        return
    if "cursor" in (case.query or {}):
        case.query = {**case.query, "cursor": cursor_of(case)}
        if not case.query["cursor"]:
            del case.query["cursor"]
    if name in ALWAYS:
        FILLERS[name](case)
    elif name in FILLERS and meta.phase.name.value != "stateful":
        tries[name] += 1
        if tries[name] % 2 == 1:
            FILLERS[name](case)


def cursor_of(case: Any) -> str:
    """One that the list gave; nothing where it has no second page."""
    answer = Client(SITE["admin"], WORLD.token).call("GET", f"{case.formatted_path}?limit=1")
    return str((answer.json or {}).get("next_cursor", "")) if answer.status == 200 else ""


@schemathesis.hook
def after_call(_: Any, case: Any, response: Any) -> None:
    name = name_of(case)
    answers[name][str(response.status_code)] += 1
    if response.status_code >= 300:
        return
    if name in ("logout", "changePassword", "endOwnSession"):
        WORLD.forget(ASKED_BY[name])
    elif name == "refresh":
        WORLD.forget("refresh")
    elif name == "offerSecondFactor":
        WORLD.person("second factor").secret = str(response.json()["secret"])
    elif name == "confirmSecondFactor":
        WORLD.person("second factor").recovery = str(response.json()["recovery_codes"][0])
    elif name == "removeSecondFactor":
        WORLD.forget("second factor")
    elif name == "rotateKeys":
        WORLD.forget_sessions()


@atexit.register
def write_down() -> None:
    Path(SITE["answers"]).write_text(json.dumps(answers, indent=1, sort_keys=True))
