"""A forger who knows the journal's format: records, and whole chains, changed so that every checksum is right."""

from __future__ import annotations

import hashlib
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

_HEADER_BYTES = 128
_HEADER_PREVIOUS = 56
_HEADER_CRC = 124
_CASTAGNOLI = 0x82F63B78


def crc32c(data: bytes, crc: int = 0) -> int:
    """RFC 3720 appendix B.4, a bit at a time."""
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (_CASTAGNOLI if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def unpack(archive: bytes) -> bytes:
    return subprocess.run(["lz4", "-dc"], input=archive, capture_output=True, check=True).stdout


def pack(segment: bytes) -> bytes:
    return subprocess.run(["lz4", "-c"], input=segment, capture_output=True, check=True).stdout


def _records(segment: bytes) -> Iterator[tuple[int, int]]:
    """Where each record begins and ends, padding excluded; a segment may end with zeros that are none."""
    offset = _HEADER_BYTES
    while offset + 24 <= len(segment):
        (size, crc) = struct.unpack_from("<II", segment, offset)
        if size == crc == 0:
            return
        yield offset, offset + 24 + size
        offset = (offset + 24 + size + 7) & ~7


def _sign(segment: bytearray, offset: int, end: int) -> None:
    (salt,) = struct.unpack_from("<I", segment, _HEADER_CRC)
    crc = crc32c(bytes(segment[offset : offset + 4]), crc32c(bytes(segment[offset + 8 : end]), salt))
    struct.pack_into("<I", segment, offset + 4, crc)


def forge(segment: bytes, old: bytes, new: bytes) -> bytes:
    """The segment with `new` for the first `old`, every checksum right: only the chain can tell."""
    assert len(old) == len(new)
    place = segment.index(old)
    changed = bytearray(segment)
    changed[place : place + len(new)] = new
    _sign(changed, *next((start, end) for start, end in _records(segment) if place < end))
    return bytes(changed)


def _follow(segment: bytes, previous: bytes) -> bytes:
    """The segment behind another one: its header names the other's hash, and all that hangs on the header is right."""
    changed = bytearray(segment)
    changed[_HEADER_PREVIOUS : _HEADER_PREVIOUS + 32] = previous
    struct.pack_into("<I", changed, _HEADER_CRC, crc32c(bytes(changed[:_HEADER_CRC])))
    for start, end in _records(segment):
        _sign(changed, start, end)
    return bytes(changed)


def _whole(segment: bytes) -> bytes:
    """Without the zeros behind the last record, as its hash means it."""
    end = max((end for _, end in _records(segment)), default=_HEADER_BYTES)
    return segment[: (end + 7) & ~7]


def rewrite(journal: Path, old: bytes, new: bytes) -> None:
    """Rewrites the oldest segment, which is archived, and every hash after it: the journal is sound by itself."""
    oldest, *archived = sorted((journal / "archive").glob("*.wal.lz4"))
    segment = forge(unpack(oldest.read_bytes()), old, new)
    oldest.write_bytes(pack(segment))
    for path in archived:
        segment = _follow(unpack(path.read_bytes()), hashlib.sha256(_whole(segment)).digest())
        path.write_bytes(pack(segment))
    for path in sorted(journal.glob("*.wal")):
        raw = path.read_bytes()
        if not any(raw[:_HEADER_BYTES]):
            continue  # named ahead, not begun
        segment = _follow(raw, hashlib.sha256(_whole(segment)).digest())
        path.write_bytes(segment)
