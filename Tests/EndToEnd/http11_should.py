"""The SHOULD cases, and those of the catalogue that bind nobody: what we chose is written down here all the same."""

from __future__ import annotations

from http11_case import (
    AUTH,
    CLOSES,
    CONTENT,
    HEX,
    KEEPS,
    SIZE,
    SMUGGLED,
    WHOLE,
    Case,
    Check,
    chunked,
    get,
    patch,
    request,
    upload,
)
from http11_meaning import DATE, allows_get, covering
from http11_wire import WireAnswer

INFO = b"/api/v1/info"


def should(
    name: str, section: str, send: bytes, *expect: int, closes: bool = CLOSES, check: Check | None = None
) -> Case:
    return Case(name, "SHOULD", section, send, expect or (400,), closes, check)


def may(name: str, section: str, send: bytes, *expect: int, closes: bool = CLOSES, check: Check | None = None) -> Case:
    return Case(name, "MAY", section, send, expect or (400,), closes, check)


def free(name: str, section: str, send: bytes, *expect: int, closes: bool = CLOSES, check: Check | None = None) -> Case:
    return Case(name, "none", section, send, expect or (400,), closes, check)


def is_json(answer: WireAnswer) -> bool:
    return answer.one("content-type") == "application/json"


def length(value: bytes) -> bytes:
    return patch(b"Content-Length:" + value)


def coding(value: bytes, *more: bytes) -> bytes:
    return patch(b"Transfer-Encoding:" + value, *more, content=WHOLE)


def method(name: bytes, *lines: bytes, content: bytes = b"") -> bytes:
    return request(name + b" " + INFO + b" HTTP/1.1", *lines, content=content)


SHOULD = [
    should("COMP-HTTP10-DEFAULT-CLOSE", "9112 §9.3", request(b"GET " + INFO + b" HTTP/1.0"), 200),
    should("COMP-LEADING-CRLF", "9112 §2.2", b"\r\n" + get(), 200, closes=KEEPS),
    should("RFC9112-3-MULTI-SP-REQUEST-LINE", "9112 §3", get().replace(b"GET ", b"GET  ")),
    should("RFC9112-3.2-FRAGMENT-IN-TARGET", "9112 §3.2", get(target=INFO + b"#part")),
    should("RFC9112-3.2-FRAGMENT-IN-TARGET of a query", "9112 §3.2", get(target=INFO + b"?a=b#part")),
    should("RFC9112-2.3-HTTP09-REQUEST", "9112 §2.3", b"GET " + INFO + b"\r\n"),
    should("RFC9112-2.3-INVALID-VERSION", "9112 §2.3", request(b"GET " + INFO + b" HTTP/9.9"), 400, 505),
    should("COMP-REQUEST-LINE-TAB", "9112 §3", get().replace(b"GET ", b"GET\t")),
    should("COMP-METHOD-TRACE", "9110 §9.3.8", method(b"TRACE"), 405, closes=KEEPS, check=allows_get),
    should(
        "COMP-TRACE-WITH-BODY",
        "9110 §9.3.8",
        method(b"TRACE", b"Content-Length: 5", content=b"hello"),
        405,
        closes=KEEPS,
    ),
    should("COMP-METHOD-CONNECT", "9110 §9.3.6", request(b"CONNECT localhost:443 HTTP/1.1"), 400, 405, 501),
    should("SMUG-CL-LEADING-ZEROS", "9110 §8.6", length(b" 00" + SIZE)),
    should("SMUG-CL-DOUBLE-ZERO", "9110 §8.6", patch(b"Content-Length: 00", content=b"")),
    should("SMUG-CL-LEADING-ZEROS-OCTAL", "9110 §8.6", length(b" 0200")),
    should("SMUG-CL-TRAILING-SPACE", "9110 §5.5", length(b" " + SIZE + b"  "), 200, closes=KEEPS),
    should("SMUG-CL-EXTRA-LEADING-SP", "9110 §5.5", length(b"  " + SIZE), 200, closes=KEEPS),
    should("SMUG-TE-DOUBLE-CHUNKED", "9112 §6.1", coding(b" chunked, chunked")),
    should(
        "SMUG-TE-DOUBLE-CHUNKED with a length", "9112 §6.1", coding(b" chunked, chunked", b"Content-Length: " + SIZE)
    ),
    should("SMUG-TE-CASE-MISMATCH", "9112 §7", coding(b" Chunked"), 200, closes=KEEPS),
    # Not met on purpose: docs/decisions/0030.
    should("SMUG-TE-TRAILING-COMMA", "9110 §5.6.1", coding(b" chunked,")),
    should("SMUG-TE-LEADING-COMMA", "9110 §5.6.1", coding(b" , chunked")),
    should("MAL-BINARY-GARBAGE", "9112 §2.2", bytes(range(128, 256)) + b"\x00\x01\r\n\r\n"),
    should("MAL-LONG-URL", "9112 §3", get(target=b"/" + b"a" * 100_000), 414),
    should("MAL-LONG-METHOD", "9112 §3", request(b"M" * 100_000 + b" / HTTP/1.1"), 501),
    should("MAL-LONG-HEADER-VALUE", "9110 §5.4", get(b"X-Test: " + b"a" * 100_000), 431),
    should("MAL-LONG-HEADER-NAME", "9110 §5.4", get(b"X" * 100_000 + b": a"), 431),
    should("COMP-UNKNOWN-METHOD", "9110 §9.1", method(b"BREW"), 501, closes=KEEPS),
    should("COMP-OPTIONS-ALLOW", "9110 §9.3.7", method(b"OPTIONS"), 204, closes=KEEPS, check=allows_get),
    should("COMP-CONTENT-TYPE", "9110 §8.3", get(), 200, closes=KEEPS, check=is_json),
    should("COMP-CONTENT-TYPE of an error", "9110 §8.3", get(host=None), check=is_json),
    should("COMP-LONG-URL-OK", "9112 §3", get(target=INFO + b"?a=" + b"b" * 7900), 200, closes=KEEPS),
    should("COMP-DUPLICATE-CT", "9110 §5.3", patch(b"Content-Length: " + SIZE, b"Content-Type: text/plain")),
]

MAY = [
    may("RFC9112-2.2-BARE-LF-REQUEST-LINE", "9112 §2.2", get().replace(b" HTTP/1.1\r\n", b" HTTP/1.1\n")),
    may("RFC9112-2.2-BARE-LF-HEADER", "9112 §2.2", get(b"X-Test: a").replace(b"a\r\n", b"a\n")),
    may("COMP-EXPECT-UNKNOWN", "9110 §10.1.1", get(b"Expect: the-unexpected"), 417),
    may("COMP-GET-WITH-CL-BODY", "9110 §9.3.1", get(b"Content-Length: 5") + b"hello", 200, closes=KEEPS),
    may("SMUG-CHUNK-EXT-LF", "9112 §2.2", chunked(HEX + b";a\n" + CONTENT + b"\r\n0\r\n\r\n")),
    may("SMUG-CHUNK-LF-TERM", "9112 §2.2", chunked(HEX + b"\r\n" + CONTENT + b"\n0\r\n\r\n")),
    may("SMUG-CHUNK-LF-TRAILER", "9112 §2.2", chunked(HEX + b"\r\n" + CONTENT + b"\r\n0\r\n\n")),
    may("COMP-HTTP10-NO-HOST", "9112 §3.2", request(b"GET " + INFO + b" HTTP/1.0", host=None), 200),
    may("COMP-HTTP12-VERSION", "9112 §2.3", request(b"GET " + INFO + b" HTTP/1.2"), 200, closes=KEEPS),
    may("MAL-CL-TAB-BEFORE-VALUE", "9110 §5.6.3", length(b"\t" + SIZE), 200, closes=KEEPS),
    may("SMUG-CL-TE-BOTH", "9112 §6.3", coding(b" chunked", b"Content-Length: " + SIZE)),
]


def trailer(line: bytes) -> bytes:
    return chunked(WHOLE[:-2] + line + b"\r\n\r\n")


FREE = [
    free("SMUG-TRANSFER_ENCODING", "9112 §6.1", get(b"Transfer_Encoding: chunked"), 200, closes=KEEPS),
    free("SMUG-CL-COMMA-SAME", "9110 §8.6", length(b" " + SIZE + b", " + SIZE)),
    free("SMUG-CL-COMMA-TRIPLE", "9110 §8.6", length(b" " + b",".join([SIZE] * 3))),
    free("SMUG-CHUNKED-WITH-PARAMS", "9112 §7", coding(b" chunked;a=b")),
    # The interim answer comes first; test_http11.py looks at it.
    free("SMUG-TRAILER-CL", "9110 §6.5.1", trailer(b"Content-Length: 5"), 200, closes=KEEPS),
    free("SMUG-TRAILER-TE", "9110 §6.5.1", trailer(b"Transfer-Encoding: chunked"), 200, closes=KEEPS),
    free("SMUG-TRAILER-HOST", "9110 §6.5.2", trailer(b"Host: other"), 200, closes=KEEPS),
    free("SMUG-TRAILER-AUTH", "9110 §6.5.1", trailer(b"Authorization: Bearer x"), 200, closes=KEEPS),
    free("SMUG-TRAILER-CONTENT-TYPE", "9110 §6.5.1", trailer(b"Content-Type: text/plain"), 200, closes=KEEPS),
    free(
        "SMUG-OPTIONS-CL-BODY",
        "9110 §9.3.7",
        method(b"OPTIONS", b"Content-Length: 5", content=b"hello"),
        204,
        closes=KEEPS,
    ),
    free("SMUG-TE-TAB-BEFORE-VALUE", "9110 §5.5", coding(b"\tchunked"), 200, closes=KEEPS),
    free("SMUG-ABSOLUTE-URI-HOST-MISMATCH", "9112 §3.2.2", get(target=b"https://other" + INFO)),
    free("COMP-ABSOLUTE-FORM", "9112 §3.2.2", get(target=b"https://localhost" + INFO), 200, closes=KEEPS),
    free("COMP-METHOD-CASE", "9110 §9.1", method(b"get"), 501, closes=KEEPS),
    free("MAL-URL-BACKSLASH", "3986 §2", get(target=b"\\api\\v1\\info")),
    free("NORM-CASE-TE", "9112 §7", patch(b"TRANSFER-ENCODING: chunked", content=WHOLE), 200, closes=KEEPS),
    free(
        "COMP-TRACE-SENSITIVE",
        "9110 §9.3.8",
        method(b"TRACE", b"Authorization: Bearer secret-of-a-client"),
        405,
        closes=KEEPS,
        check=lambda answer: b"secret" not in answer.body,
    ),
    free("COMP-ACCEPT-NONSENSE", "9110 §12.5.1", get(b"Accept: brew/coffee"), 200, closes=KEEPS),
    free(
        "COMP-DATE-FORMAT",
        "9110 §5.6.7",
        get(),
        200,
        closes=KEEPS,
        check=lambda answer: DATE.fullmatch(answer.one("date") or "") is not None,
    ),
    free("SMUG-CL0-BODY-POISON", "9112 §6.2", method(b"OPTIONS", b"Content-Length: 0"), 204, closes=KEEPS),
    free("SMUG-GET-CL-BODY-DESYNC", "9110 §9.3.1", get(b"Content-Length: <length>") + SMUGGLED, 200, closes=KEEPS),
    free(
        "SMUG-OPTIONS-CL-BODY-DESYNC",
        "9110 §9.3.7",
        method(b"OPTIONS", b"Content-Length: <length>", content=SMUGGLED),
        204,
        closes=KEEPS,
    ),
    free("MAL-MANY-HEADERS", "6585 §5", get(*[b"X-%d: a" % number for number in range(1000)]), 431),
    Case("MAL-INCOMPLETE-REQUEST", "none", "9112 §2.2", get()[:-2], may_be_silent=True, is_cut=True),
    Case("MAL-EMPTY-REQUEST", "none", "9112 §2.2", b"", may_be_silent=True, is_cut=True),
    free("MAL-WHITESPACE-ONLY-LINE", "9112 §2.2", b"   \r\n\r\n"),
    free("MAL-H2-PREFACE", "9113 §3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, 505),
    free("MAL-URL-PERCENT-NULL", "9110 §5.5", get(target=b"/api/v1/%00info")),
    free("MAL-URL-PERCENT-CRLF", "9110 §5.5", get(target=b"/api/v1/info%0d%0aX-Test:a")),
    free(
        "MAL-CHUNK-EXT-64K", "9112 §7.1.1", chunked(HEX + b";a=" + b"b" * 65_536 + b"\r\n" + CONTENT + b"\r\n0\r\n\r\n")
    ),
    free("NORM-UNDERSCORE-CL", "9110 §8.6", get(b"Content_Length: 50"), 200, closes=KEEPS),
    free("NORM-UNDERSCORE-TE", "9112 §6.1", get(b"Transfer_Encoding: chunked"), 200, closes=KEEPS),
    # Ours.
    free(
        "two credentials",
        "9110 §5.3",
        patch(b"Content-Length: " + SIZE, AUTH.replace(b"auth", b"bearer")[:-2] + b"X: y"),
    ),
    free("an absolute target with a user", "9110 §4.2.4", get(target=b"https://user@localhost" + INFO)),
    free("an absolute target with another port", "9112 §3.2.2", get(target=b"https://localhost:1" + INFO)),
    free("an absolute target of another scheme", "9112 §3.2.2", get(target=b"ftp://localhost" + INFO)),
    free("a dot segment", "3986 §5.2.4", get(target=b"/api/v1/x/../info")),
    free("an escaped slash", "3986 §2.2", get(target=b"/api%2fv1/info")),
    free(
        "a chunk extension with blanks around",
        "9112 §7.1.1",
        chunked(HEX + b" ; a = b\r\n" + CONTENT + b"\r\n0\r\n\r\n"),
        200,
        closes=KEEPS,
    ),
    free("trailers without end", "9112 §7.1.2", chunked(WHOLE[:-2] + b"X: y\r\n" * 3000)),
    free("extensions in every chunk", "9112 §7.1.1", chunked((b"1;" + b"e" * 200 + b"\r\n \r\n") * 60)),
    free("a version with a tail", "9112 §2.3", request(b"GET " + INFO + b" HTTP/1.1x")),
    free("a length behind an unknown coding", "9112 §6.1", covering(b"Transfer-Encoding: gzip")),
    free("an upload with two lengths", "9110 §8.6", upload(b"Content-Length: 5", b"Content-Length: 5")),
]

CASES = SHOULD + MAY + FREE
