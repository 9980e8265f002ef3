"""HTTP/1.1 as RFC 9112 and 9110 want it, over TLS against the real appliance, byte for byte (issue 4)."""

from __future__ import annotations

import collections
import json
import ssl
from collections.abc import Callable, Iterator

import http11_meaning
import http11_must
import http11_should
import pytest
from artstore.client import Document
from http11_case import CONTENT, Case, get, patch, request, upload
from http11_wire import Wire, WireAnswer
from site_alone import SiteAlone

ALL = http11_must.CASES + http11_meaning.CASES + http11_should.CASES
CANARY = b"GET /api/v1/info HTTP/1.1\r\nHost: localhost\r\nX-Canary: 1\r\nConnection: close\r\n\r\n"


class Server:
    """The appliance, a file in it, and what fills the cases' placeholders."""

    def __init__(self, site: SiteAlone) -> None:
        self.site = site
        self.file_id = str(self.upload("wire.txt", b"the wire's own").json["file_id"])
        self.context = ssl.create_default_context(cafile=str(site.authority.certificate))
        self.context.load_cert_chain(site.ingester.certificate, site.ingester.key)
        self._bearer = f"Authorization: Bearer {site.token(seconds=3000)}\r\n".encode()

    def upload(self, name: str, content: bytes):  # type: ignore[no-untyped-def]
        return self.site.client().upload("/api/v1/files/upload", Document(name, content, "text/plain")).expect(201)

    def connect(self, seconds: float = 10) -> Wire:
        return Wire(self.site.appliance.port, self.context, seconds)

    def fill(self, data: bytes) -> bytes:
        data = data.replace(b"<file>", f"/api/v1/files/{self.file_id}".encode())
        data = data.replace(b"<auth>", self._bearer + b"Content-Type: application/json\r\n")
        data = data.replace(b"<bearer>", self._bearer)
        head, _, body = data.partition(b"\r\n\r\n")
        return data.replace(b"<length>", b"%d" % len(body)) if b"<length>" in head else data

    def description(self) -> object:
        record = self.site.client().call("GET", f"/api/v1/files/{self.file_id}").expect(200).json
        return record.get("description")


@pytest.fixture(scope="module")
def server(site: SiteAlone) -> Iterator[Server]:
    one = Server(site)
    yield one
    site.client().call("DELETE", f"/api/v1/files/{one.file_id}").expect(204)


def test_the_tables_hold_the_whole_catalogue() -> None:
    """113 MUST and 29 SHOULD cases, each once; those that need a conversation are tests of their own below."""
    names = collections.Counter(case.name for case in ALL)
    assert [name for name, count in names.items() if count > 1] == []
    catalogue = [
        case for case in ALL if case.name.split("-")[0] in ("RFC9110", "RFC9112", "COMP", "SMUG", "MAL", "NORM")
    ]
    levels = collections.Counter(case.level for case in catalogue if " " not in case.name)
    assert (levels["MUST"] + len(CONVERSED_MUSTS), levels["SHOULD"]) == (113, 29)


CONVERSED_MUSTS = ("COMP-HEAD-NO-BODY",)


@pytest.mark.parametrize("case", ALL, ids=[f"{case.level} {case.name}" for case in ALL])
def test_case(server: Server, case: Case) -> None:
    with server.connect() as wire:
        wire.send(server.fill(case.send))
        if case.is_cut:
            wire.finish_sending()
            answers = wire.rest()
            if not (case.may_be_silent and not answers):
                judge(case, answers)
            return
        if case.closes:
            # Whatever comes after a request that ends the connection must fall on deaf ears.
            wire.send(CANARY)
            judge(case, wire.rest())
        else:
            first = wire.answer()
            judge(case, [] if first is None else [first])
            assert first is not None and first.one("connection") is None
            wire.send(CANARY)
            rest = wire.rest()
            assert [answer.status for answer in rest] == [200], "the next request is not read from where it begins"
            assert rest[0].one("content-type") == "application/json"
    if b"smuggled" in server.fill(case.send):
        assert server.description() != "smuggled", "a hidden request was executed"


def judge(case: Case, answers: list[WireAnswer]) -> None:
    assert [answer.status in case.expect for answer in answers] == [True], answers
    answer = answers[0]
    if case.closes and case.expect != (200,):
        assert answer.one("connection") == "close" or case.is_cut
    if answer.status >= 400:
        assert json.loads(answer.body)["error"]["message"]
    assert case.check is None or case.check(answer), answer


# --- the same heads on the probe listener, and in pieces -----------------------------------------------------------

BROKEN_HEADS = [case for case in http11_must.HEADS if case.send.startswith(b"GET /api/v1/info")][:12]


@pytest.mark.parametrize("case", BROKEN_HEADS, ids=[case.name for case in BROKEN_HEADS])
def test_the_probe_listener_is_as_strict(server: Server, case: Case) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with Wire(server.site.appliance.probe_port, context) as wire:
        wire.send(case.send.replace(b"/api/v1/info", b"/health/live") + CANARY)
        judge(case, wire.rest())


PIECES = [case for case in ALL if len(case.send) < 400 and not case.is_cut][::9]


@pytest.mark.parametrize("case", PIECES, ids=[case.name for case in PIECES])
def test_the_verdict_does_not_depend_on_the_pieces(server: Server, case: Case) -> None:
    with server.connect() as wire:
        data = server.fill(case.send)
        # The token and what else fills the head go at once; the last hundred bytes one by one.
        wire.send(data[:-100])
        for index in range(max(0, len(data) - 100), len(data)):
            wire.send(data[index : index + 1])
        first = wire.answer()
        judge(case, [] if first is None else [first])


# --- conversations -------------------------------------------------------------------------------------------------


def statuses(answers: list[WireAnswer]) -> list[int]:
    return [answer.status for answer in answers]


def test_head_answers_what_get_would_without_its_body(server: Server) -> None:
    """COMP-HEAD-NO-BODY, 9110 §9.3.2."""
    for target in (b"/api/v1/info", b"<file>", b"<file>/download", b"/api/v1/nothing"):
        with server.connect() as wire:
            head = request(b"HEAD " + target + b" HTTP/1.1", b"<bearer>X: y")
            wire.send(server.fill(head))
            headed = wire.answer(is_head=True)
            wire.send(server.fill(request(b"GET " + target + b" HTTP/1.1", b"<bearer>X: y")))
            got = wire.answer()
            assert headed is not None and got is not None
            assert headed.status == got.status
            for name in ("content-length", "content-type", "etag", "accept-ranges", "last-modified"):
                if target != b"/api/v1/info" or name != "content-length":
                    assert headed.one(name) == got.one(name), name
            assert headed.one("content-length") is not None


def test_pipelined_requests_are_answered_in_their_order(server: Server) -> None:
    """SMUG-PIPELINE-SAFE, 9112 §9.3.2: bodies, refusals and all."""
    sent = [
        get(),
        patch(b"Content-Length: %d" % len(CONTENT)),
        request(b"BREW / HTTP/1.1"),
        patch(b"Transfer-Encoding: chunked", content=b"%x\r\n" % len(CONTENT) + CONTENT + b"\r\n0\r\n\r\n"),
        request(b"OPTIONS * HTTP/1.1"),
        get(b"Connection: close"),
        get(),
    ]
    with server.connect() as wire:
        wire.send(server.fill(b"".join(sent)))
        assert statuses(wire.rest()) == [200, 200, 501, 200, 204, 200]


@pytest.mark.parametrize("wrong", [0, 1, 3])
def test_nothing_is_read_behind_a_refusal(server: Server, wrong: int) -> None:
    sent = [get() for _ in range(5)]
    sent[wrong] = get(b"X : y")
    with server.connect() as wire:
        wire.send(b"".join(sent))
        assert statuses(wire.rest()) == [200] * wrong + [400]


def test_a_client_that_waits_for_100_gets_it_and_then_its_answer(server: Server) -> None:
    """SMUG-EXPECT-100-CL, 9110 §10.1.1."""
    expecting = patch(b"Content-Length: %d" % len(CONTENT), b"Expect: 100-Continue", content=b"")
    with server.connect() as wire:
        wire.send(server.fill(expecting))
        interim = wire.answer()
        assert interim is not None and interim.status == 100 and interim.fields == []
        wire.send(CONTENT)
        final = wire.answer()
        assert final is not None and final.status == 200
        wire.send(CANARY)
        assert statuses(wire.rest()) == [200]


def test_a_client_that_does_not_wait_after_all_is_understood(server: Server) -> None:
    """SMUG-EXPECT-100-CL-DESYNC."""
    with server.connect() as wire:
        wire.send(server.fill(patch(b"Content-Length: %d" % len(CONTENT), b"Expect: 100-continue")) + CANARY)
        assert [status for status in statuses(wire.rest()) if status != 100] == [200, 200]


def test_a_client_that_waits_is_refused_without_100(server: Server) -> None:
    with server.connect() as wire:
        unknown = request(b"PATCH /api/v1/files/none HTTP/1.1", b"Expect: 100-continue", b"Content-Length: 9")
        wire.send(unknown)
        refusal = wire.answer()
        assert refusal is not None and refusal.status in (400, 401, 404)
        # Whether the body still comes nobody knows: what follows must not be taken for a request.
        assert refusal.one("connection") == "close"
        wire.send(CANARY)
        assert wire.rest() == []


def test_no_100_for_an_old_client(server: Server) -> None:
    with server.connect() as wire:
        wire.send(server.fill(upload(b"Content-Length: 5", b"Expect: 100-continue", content=b"", version=b"HTTP/1.0")))
        assert wire.is_silent(0.3)
        wire.send(b"hello")
        assert statuses(wire.rest()) == [201]


def test_an_old_client_keeps_its_connection_when_it_asks(server: Server) -> None:
    """9112 §9.3, and appendix C.2.2."""
    with server.connect() as wire:
        asking = request(b"GET /api/v1/info HTTP/1.0", b"Connection: Keep-Alive")
        for _ in range(2):
            wire.send(asking)
            answer = wire.answer()
            assert answer is not None and answer.status == 200
            assert (answer.one("connection") or "").lower() == "keep-alive"
        wire.send(request(b"GET /api/v1/info HTTP/1.0", b"Connection: keep-alive, close"))
        assert statuses(wire.rest()) == [200]


def test_an_old_client_gets_no_chunks(server: Server) -> None:
    with server.connect() as wire:
        wire.send(server.fill(request(b"GET /api/v1/changes HTTP/1.0", b"<bearer>X: y")))
        answer = wire.answer()
        assert answer is not None and answer.status == 200
        assert answer.one("transfer-encoding") is None and b'"cursor"' in answer.body


def test_a_request_prefix_in_a_body_is_not_completed_by_the_next_bytes(server: Server) -> None:
    """SMUG-GET-CL-PREFIX-DESYNC."""
    prefix = b"GET /api/v1/nothing HTTP/1.1\r\nHost: localhost\r\n"
    with server.connect() as wire:
        wire.send(get(b"Content-Length: %d" % len(prefix)) + prefix)
        first = wire.answer()
        assert first is not None and first.status == 200
        wire.send(CANARY)
        assert statuses(wire.rest()) == [200]


def ranges(value: bytes) -> Callable[[Server], WireAnswer]:
    def ask(server: Server) -> WireAnswer:
        with server.connect() as wire:
            target = b"GET <file>/download HTTP/1.1"
            wire.send(server.fill(request(target, b"<bearer>Range: " + value, b"Connection: close")))
            (answer,) = wire.rest()
            return answer

    return ask


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"bytes=", {200}),
        (b"lines=0-1", {200}),
        (b"bytes=9-0", {200}),
        (b"bytes=0-1", {206}),
        (b"bytes=99999-", {416}),
        # MAL-RANGE-OVERLAPPING, COMP-RANGE-INVALID
        (b"bytes=" + b",".join([b"0-5"] * 60), {200, 206}),
        (b"bytes=" + b",".join([b"0-5"] * 600), {200}),
    ],
)
def test_odd_ranges_are_harmless(server: Server, value: bytes, expected: set[int]) -> None:
    answer = ranges(value)(server)
    assert answer.status in expected
    assert len(answer.body) <= 400
