"""The MUST cases about what is answered, and those that try to get a second request executed."""

from __future__ import annotations

import re

from http11_case import (
    CLOSES,
    CONTENT,
    HEX,
    KEEPS,
    SIZE,
    SMUGGLED,
    SMUGGLED_BODY,
    WHOLE,
    Case,
    Check,
    chunked,
    get,
    patch,
    request,
    upload,
)
from http11_wire import WireAnswer

DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")


def must(name: str, section: str, send: bytes, *expect: int, closes: bool = CLOSES, check: Check | None = None) -> Case:
    return Case(name, "MUST", section, send, expect or (400,), closes, check)


def dated(answer: WireAnswer) -> bool:
    return DATE.fullmatch(answer.one("date") or "") is not None


def allows_get(answer: WireAnswer) -> bool:
    return "GET" in (answer.one("allow") or "").split(", ")


UPGRADE = (b"Upgrade: websocket", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")

MEANING = [
    must(
        "COMP-CONNECTION-CLOSE",
        "9112 §9.6",
        get(b"Connection: close"),
        200,
        check=lambda answer: answer.one("connection") == "close",
    ),
    must("COMP-OPTIONS-STAR", "9112 §3.2.4", request(b"OPTIONS * HTTP/1.1"), 204, closes=KEEPS, check=allows_get),
    must("COMP-POST-CL-BODY", "9112 §6.2", upload(b"Content-Length: 5"), 201, closes=KEEPS),
    must("COMP-POST-CL-ZERO", "9112 §6.2", upload(b"Content-Length: 0", content=b""), 201, closes=KEEPS),
    must("COMP-POST-NO-CL-NO-TE", "9112 §6.3", upload(content=b""), 201, closes=KEEPS),
    must("COMP-RANGE-POST", "9110 §14.2", upload(b"Content-Length: 5", b"Range: bytes=0-1"), 201, closes=KEEPS),
    must(
        "COMP-UPGRADE-HTTP10", "9110 §7.8", request(b"GET /api/v1/info HTTP/1.0", *UPGRADE, b"Connection: upgrade"), 200
    ),
    must(
        "COMP-UPGRADE-POST",
        "6455 §4.1",
        upload(b"Content-Length: 5", *UPGRADE, b"Connection: upgrade"),
        201,
        closes=KEEPS,
    ),
    must("COMP-UPGRADE-MISSING-CONN", "9110 §7.8", get(*UPGRADE, b"Sec-WebSocket-Version: 13"), 200, closes=KEEPS),
    must("COMP-UPGRADE-UNKNOWN", "9110 §7.8", get(b"Upgrade: brew/2", b"Connection: upgrade"), 200, closes=KEEPS),
    must(
        "COMP-UPGRADE-INVALID-VER",
        "6455 §4.4",
        get(*UPGRADE, b"Sec-WebSocket-Version: 99", b"Connection: upgrade"),
        200,
        closes=KEEPS,
    ),
    Case("COMP-POST-CL-UNDERSEND", "MUST", "9112 §6.2", upload(b"Content-Length: 50"), is_cut=True),
    must(
        "COMP-405-ALLOW", "9110 §15.5.6", request(b"DELETE /api/v1/info HTTP/1.1"), 405, closes=KEEPS, check=allows_get
    ),
    must("COMP-DATE-HEADER", "9110 §6.6.1", get(), 200, closes=KEEPS, check=dated),
    must("COMP-DATE-HEADER of an error", "9110 §6.6.1", get(host=None), check=dated),
    must(
        "COMP-NO-1XX-HTTP10",
        "9110 §15.2",
        upload(b"Content-Length: 5", b"Expect: 100-continue", version=b"HTTP/1.0"),
        201,
    ),
    must(
        "COMP-NO-CL-IN-204",
        "9110 §8.6",
        request(b"OPTIONS /api/v1/info HTTP/1.1"),
        204,
        closes=KEEPS,
        check=lambda answer: answer.one("content-length") is None and answer.one("transfer-encoding") is None,
    ),
]

BOTH = b"Transfer-Encoding: chunked"
# A body that a reader of chunks takes for over, with a whole request after it; the length covers all of it.
POISONED = b"0\r\n\r\n" + SMUGGLED
HEAD_BEHIND = b"0\r\n\r\nHEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def covering(*lines: bytes, content: bytes = POISONED, length: bytes = b"Content-Length: <length>") -> bytes:
    """`<length>` is the body's, filled in by the test, which knows how long the placeholders become."""
    return patch(length, *lines, content=content)


SMUGGLING = [
    must("SMUG-CLTE-PIPELINE", "9112 §6.1", patch(b"Content-Length: 4", BOTH, content=WHOLE)),
    must("SMUG-TECL-PIPELINE", "9112 §6.1", patch(BOTH, b"Content-Length: 4", content=WHOLE)),
    must("SMUG-CLTE-CONN-CLOSE", "9112 §6.1", patch(b"Content-Length: " + SIZE, BOTH, content=WHOLE)),
    must("SMUG-TECL-CONN-CLOSE", "9112 §6.1", patch(BOTH, b"Content-Length: " + SIZE, content=WHOLE)),
    must("SMUG-CLTE-DESYNC", "9112 §6.1", patch(b"Content-Length: 6", BOTH, content=b"0\r\n\r\nX")),
    must("SMUG-TECL-DESYNC", "9112 §6.1", patch(BOTH, b"Content-Length: 30", content=b"0\r\n\r\nX")),
    must("SMUG-CLTE-SMUGGLED-GET", "9112 §6.1", covering(BOTH)),
    must("SMUG-CLTE-SMUGGLED-GET-CL-PLUS", "9112 §6.1", covering(BOTH, length=b"Content-Length: +<length>")),
    must("SMUG-CLTE-SMUGGLED-GET-CL-NON-NUMERIC", "9112 §6.1", covering(BOTH, length=b"Content-Length: <length>x")),
    must("SMUG-CLTE-SMUGGLED-GET-TE-OBS-FOLD", "9112 §5.2", covering(b"Transfer-Encoding:\r\n chunked")),
    must("SMUG-CLTE-SMUGGLED-HEAD", "9112 §6.1", covering(BOTH, content=HEAD_BEHIND)),
    must("SMUG-CLTE-SMUGGLED-GET-TE-TRAILING-SPACE", "9112 §6.1", covering(b"Transfer-Encoding: chunked ")),
    must("SMUG-CLTE-SMUGGLED-GET-TE-LEADING-COMMA", "9112 §6.1", covering(b"Transfer-Encoding: , chunked")),
    must("SMUG-CLTE-SMUGGLED-GET-TE-CASE-MISMATCH", "9112 §6.1", covering(b"Transfer-Encoding: Chunked")),
    must("SMUG-TE-DUPLICATE-HEADERS-SMUGGLED-GET", "9112 §6.1", covering(BOTH, b"Transfer-Encoding: identity")),
    must(
        "SMUG-TECL-SMUGGLED-GET",
        "9112 §6.1",
        patch(BOTH, b"Content-Length: 5", content=b"fff\r\n" + SMUGGLED + b"\r\n0\r\n\r\n"),
    ),
    must(
        "SMUG-DUPLICATE-CL-SMUGGLED-GET",
        "9110 §8.6",
        covering(b"Content-Length: " + SIZE, content=CONTENT + SMUGGLED),
    ),
    # Ours: the same idea where the catalogue has no case.
    must("a request behind a broken chunk", "9112 §7.1", chunked(HEX + b"\r\n" + CONTENT + b"XX" + SMUGGLED)),
    must("a request behind a last chunk that is none", "9112 §7.1", chunked(b"0 \r\n\r\n" + SMUGGLED)),
    must("a request behind a broken trailer", "9112 §7.1.2", chunked(WHOLE[:-2] + b"X : y\r\n\r\n" + SMUGGLED)),
    must("a request behind a bare LF", "9112 §2.2", get()[:-2] + b"\n" + SMUGGLED),
    must("a request behind a head without Host", "9112 §3.2", get(host=None) + SMUGGLED),
    must("a request behind a body too long", "9110 §15.5.14", patch(b"Content-Length: 9999999") + SMUGGLED, 413),
]

assert len(SMUGGLED_BODY) != len(CONTENT), "the tests tell them apart"
CASES = MEANING + SMUGGLING
