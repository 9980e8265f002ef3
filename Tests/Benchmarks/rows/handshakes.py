"""A connection for each request: with a full handshake, and with a session's ticket."""

from __future__ import annotations

from bed import Bed
from comparison import REQUESTS, SECONDS, Figure, compare_load
from registry import Row


def _row(name: str, mode: str) -> Row:
    arguments = ["--mode", mode, "--connections", "16", "--file-bytes", "1024", "--seconds", str(SECONDS)]

    def measure(bed: Bed) -> list[Figure]:
        return compare_load(name, REQUESTS, arguments, bed.ours(1024), bed.peer(1024))

    return Row(name, measure)


ROWS = [_row("handshake-full", "handshake"), _row("handshake-resumed", "resume")]
