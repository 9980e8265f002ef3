"""The MUST cases about heads and bodies: RFC 9112 and what of RFC 9110 binds a server."""

from __future__ import annotations

from http11_case import CLOSES, CONTENT, HEX, KEEPS, SIZE, WHOLE, Case, chunked, ended, get, patch, request, upload

START = b"GET /api/v1/info HTTP/1.1"
HOST = b"Host: localhost"


def must(name: str, section: str, send: bytes, *expect: int, closes: bool = CLOSES) -> Case:
    return Case(name, "MUST", section, send, expect or (400,), closes)


def version(text: bytes) -> bytes:
    return request(b"GET /api/v1/info " + text)


def length(value: bytes) -> bytes:
    return patch(b"Content-Length: " + value)


def coding(value: bytes, *more: bytes) -> bytes:
    """A transfer coding spelled in a way of its own, with a length that says otherwise."""
    return patch(b"Transfer-Encoding:" + value, *more, content=WHOLE)


def chunk(line: bytes, content: bytes = CONTENT + b"\r\n") -> bytes:
    return chunked(ended(line + content))


HEADS = [
    must("RFC9110-5.6.2-SP-BEFORE-COLON", "9112 §5.1", get(b"X-Test : a")),
    must("RFC9112-5.1-OBS-FOLD", "9112 §5.2", get(b"X-Test: a\r\n b")),
    must("RFC9112-7.1-MISSING-HOST", "9112 §3.2", get(host=None)),
    must("RFC9110-5.4-DUPLICATE-HOST", "9112 §3.2", get(b"Host: other")),
    must("COMP-DUPLICATE-HOST-SAME", "9112 §3.2", get(HOST)),
    must("RFC9112-3-CR-ONLY-LINE-ENDING", "9112 §2.2", get().replace(b"\r\n", b"\r")),
    must("RFC9112-5-EMPTY-HEADER-NAME", "9112 §5", get(b": a")),
    must("RFC9112-5-INVALID-HEADER-NAME", "9112 §5", get(b"X[1]: a")),
    must("RFC9112-5-HEADER-NO-COLON", "9112 §5", get(b"X-Test")),
    must("COMP-WHITESPACE-BEFORE-HEADERS", "9112 §2.2", START + b"\r\n Host: localhost\r\n\r\n"),
    must("RFC9112-3-MISSING-TARGET", "9112 §3", request(b"GET HTTP/1.1")),
    must("COMP-ASTERISK-WITH-GET", "9112 §3.2.4", get(target=b"*")),
    must("COMP-HOST-WITH-USERINFO", "9112 §3.2", get(host=b"Host: user@localhost")),
    must("COMP-HOST-WITH-PATH", "9112 §3.2", get(host=b"Host: localhost/path")),
    must("COMP-HOST-EMPTY-VALUE", "9112 §3.2", get(host=b"Host:")),
    must("SMUG-MULTIPLE-HOST-COMMA", "9110 §7.2", get(host=b"Host: localhost, other")),
    must("COMP-VERSION-MISSING-MINOR", "9112 §2.3", version(b"HTTP/1")),
    must("COMP-VERSION-LEADING-ZEROS", "9112 §2.3", version(b"HTTP/01.01")),
    must("COMP-VERSION-WHITESPACE", "9112 §2.3", version(b"HTTP/ 1.1")),
    must("COMP-VERSION-CASE", "9112 §2.3", version(b"http/1.1")),
    must("COMP-SPACE-IN-TARGET", "9112 §3.2", get(target=b"/api v1/info")),
    must("SMUG-BARE-CR-HEADER-VALUE", "9112 §2.2", get(b"X-Test: a\rb")),
    must("MAL-NUL-IN-URL", "9112 §2.2", get(target=b"/api/v1/in\x00fo")),
    must("MAL-CONTROL-CHARS-HEADER", "9110 §5.5", get(b"X-Test: a\x01\x08\x1bb")),
    must("MAL-NON-ASCII-HEADER-NAME", "9112 §5", get("X-Tëst: a".encode())),
    must("MAL-NON-ASCII-URL", "9112 §3", get(target="/äpi".encode())),
    must("MAL-NUL-IN-HEADER-VALUE", "9110 §5.5", get(b"X-Test: a\x00b")),
    must("MAL-URL-OVERLONG-UTF8", "3629 §3", get(target=b"/api/v1/\xc0\xafinfo")),
    must("MAL-URL-OVERLONG-UTF8 escaped", "3629 §3", get(target=b"/api/v1/%c0%afinfo")),
    must("NORM-SP-BEFORE-COLON-CL", "9112 §5.1", patch(b"Content-Length : " + SIZE)),
    must("NORM-TAB-IN-NAME", "9112 §5", get(b"X\tTest: a")),
]

LENGTHS = [
    must("RFC9112-6.1-CL-NON-NUMERIC", "9112 §6.3", length(b"abc")),
    must("RFC9112-6.1-CL-PLUS-SIGN", "9112 §6.3", length(b"+" + SIZE)),
    must("SMUG-DUPLICATE-CL", "9110 §8.6", patch(b"Content-Length: " + SIZE, b"Content-Length: 5")),
    must("SMUG-CL-COMMA-DIFFERENT", "9110 §8.6", length(SIZE + b", 5")),
    must("SMUG-CL-NEGATIVE", "9110 §8.6", length(b"-1")),
    must("SMUG-CL-NEGATIVE-ZERO", "9110 §8.6", length(b"-0")),
    must("SMUG-CL-UNDERSCORE", "9110 §8.6", length(b"2_3")),
    must("SMUG-CL-OCTAL", "9110 §8.6", length(b"0o27")),
    must("SMUG-CL-HEX-PREFIX", "9110 §8.6", length(b"0x17")),
    must("SMUG-CL-INTERNAL-SPACE", "9110 §8.6", length(b"2 3")),
    must("MAL-CL-OVERFLOW", "9110 §8.6", length(b"18446744073709551639")),
    must("MAL-CL-EMPTY", "9110 §8.6", length(b"")),
    must("MAL-POST-CL-HUGE-NO-BODY", "9112 §6.2", patch(b"Content-Length: 99999999999", content=b""), 400, 413),
]

CODINGS = [
    must("SMUG-TE-SP-BEFORE-COLON", "9112 §5.1", patch(b"Transfer-Encoding : chunked", content=WHOLE)),
    must("SMUG-TE-NOT-FINAL-CHUNKED", "9112 §6.3", coding(b" chunked, gzip")),
    must("SMUG-TE-HTTP10", "9112 §6.1", patch(b"Transfer-Encoding: chunked", content=WHOLE, version=b"HTTP/1.0")),
    must("SMUG-TE-EMPTY-VALUE", "9112 §6.1", coding(b"", b"Content-Length: " + SIZE)),
    must(
        "SMUG-TE-DUPLICATE-HEADERS",
        "9112 §6.1",
        coding(b" chunked", b"Transfer-Encoding: identity", b"Content-Length: " + SIZE),
    ),
    must("SMUG-TE-IDENTITY", "9112 §7", coding(b" identity", b"Content-Length: " + SIZE)),
    must("SMUG-TE-VTAB", "9112 §6.1", coding(b" chunked\x0b")),
    must("SMUG-TE-FORMFEED", "9112 §6.1", coding(b" chunked\x0c")),
    must("SMUG-TE-NULL", "9110 §5.5", coding(b" chunked\x00")),
    must("SMUG-TE-OBS-FOLD", "9112 §5.2", coding(b"\r\n chunked", b"Content-Length: " + SIZE)),
    must("SMUG-TE-XCHUNKED", "9112 §6.1", coding(b" xchunked", b"Content-Length: " + SIZE)),
    must("SMUG-TE-TRAILING-SPACE", "9112 §6.1", coding(b" chunked ", b"Content-Length: " + SIZE)),
    must("COMP-UNKNOWN-TE-501", "9112 §6.1", coding(b" gzip"), 501),
    must(
        "SMUG-OPTIONS-TE-OBS-FOLD",
        "9112 §5.2",
        request(b"OPTIONS /api/v1/info HTTP/1.1", b"Transfer-Encoding:\r\n chunked", content=b"0\r\n\r\n"),
    ),
]

CHUNKS = [
    must("SMUG-CHUNK-BARE-SEMICOLON", "9112 §7.1.1", chunk(HEX + b";\r\n")),
    must("SMUG-CHUNK-HEX-PREFIX", "9112 §7.1", chunk(b"0x" + HEX + b"\r\n")),
    must("SMUG-CHUNK-UNDERSCORE", "9112 §7.1", chunk(b"1_7\r\n")),
    must("SMUG-CHUNK-LEADING-SP", "9112 §7.1", chunk(b" " + HEX + b"\r\n")),
    must("SMUG-CHUNK-MISSING-TRAILING-CRLF", "9112 §7.1", chunk(HEX + b"\r\n", CONTENT)),
    must("SMUG-CHUNK-SPILL", "9112 §7.1", chunk(b"5\r\n")),
    must("SMUG-CHUNK-NEGATIVE", "9112 §7.1", chunk(b"-" + HEX + b"\r\n")),
    must("SMUG-CHUNK-EXT-CTRL", "9112 §7.1.1", chunk(HEX + b";a\x00b\r\n")),
    must("SMUG-CHUNK-EXT-CR", "9112 §2.2", chunk(HEX + b";a\rb\r\n")),
    must("SMUG-CHUNK-BARE-CR-TERM", "9112 §2.2", chunk(HEX + b"\r")),
    must("SMUG-CHUNK-SIZE-PLUS", "9112 §7.1", chunk(b"+" + HEX + b"\r\n")),
    must("SMUG-CHUNK-SIZE-TRAILING-OWS", "9112 §7.1", chunk(HEX + b" \r\n")),
    must("SMUG-CHUNK-EXT-INVALID-TOKEN", "9112 §7.1.1", chunk(HEX + b";[a]=b\r\n")),
    must("SMUG-CHUNK-INVALID-SIZE-DESYNC", "9112 §7.1", chunked(b"+0\r\n\r\nX")),
    must("MAL-CHUNK-SIZE-OVERFLOW", "9112 §7.1", chunk(b"fffffffffffffffff\r\n")),
    Case("COMP-CHUNKED-NO-FINAL", "MUST", "9112 §7.1", chunked(HEX + b"\r\n" + CONTENT + b"\r\n"), is_cut=True),
    must("COMP-CHUNKED-BODY", "9112 §7.1", chunked(WHOLE), 200, closes=KEEPS),
    must(
        "COMP-CHUNKED-MULTI",
        "9112 §7.1",
        chunked(ended(b"5\r\n" + CONTENT[:5] + b"\r\n12\r\n" + CONTENT[5:] + b"\r\n")),
        200,
        closes=KEEPS,
    ),
    must(
        "COMP-CHUNKED-EMPTY", "9112 §7.1", upload(b"Transfer-Encoding: chunked", content=ended(b"")), 201, closes=KEEPS
    ),
    must(
        "COMP-CHUNKED-HEX-UPPERCASE",
        "9112 §7.1",
        upload(b"Transfer-Encoding: chunked", content=ended(b"A\r\n0123456789\r\n")),
        201,
        closes=KEEPS,
    ),
    must(
        "COMP-CHUNKED-TRAILER-VALID",
        "9112 §7.1.2",
        chunked(HEX + b"\r\n" + CONTENT + b"\r\n0\r\nX-Sum: 1\r\n\r\n"),
        200,
        closes=KEEPS,
    ),
    must("COMP-CHUNKED-EXTENSION", "9112 §7.1.1", chunk(HEX + b';a;b=c;d="e;f"\r\n'), 200, closes=KEEPS),
]

CASES = HEADS + LENGTHS + CODINGS + CHUNKS
