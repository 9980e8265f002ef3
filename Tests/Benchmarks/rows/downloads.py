"""Documents by GET: many small ones, ranges of a large one, large ones whole."""

from __future__ import annotations

from bed import Bed
from comparison import BYTES, GIB, REQUESTS, SECONDS, Figure, Unit, compare_load
from registry import Row

_MIB = 1 << 20


def _row(name: str, size: int, unit: Unit, *arguments: str) -> Row:
    told = [*arguments, "--file-bytes", str(size)]

    def measure(bed: Bed) -> list[Figure]:
        return compare_load(name, unit, told, bed.ours(size), bed.peer(size))

    return Row(name, measure)


_TIMED = ("--seconds", str(SECONDS))
# So many whole documents, however long that takes.
_UNTIMED = ("--seconds", "300")

ROWS = [
    _row("get-1k", 1024, REQUESTS, "--connections", "64", *_TIMED),
    _row("range-64k", 256 * _MIB, REQUESTS, "--connections", "64", "--range-bytes", "65536", *_TIMED),
    _row("download-256m", 256 * _MIB, BYTES, "--connections", "1", "--requests", "4", *_UNTIMED),
    _row("download-1g", GIB, BYTES, "--connections", "1", "--requests", "2", *_UNTIMED),
    _row("download-1g-x8", GIB, BYTES, "--connections", "8", "--requests", "8", *_UNTIMED),
]
