"""A store of STORE_DOCUMENTS documents: starts, memory, reads, the rebuild of its index, uploads into it."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from statistics import median

from artstore import paths
from artstore.postgres import free_port
from bed import Bed
from comparison import BUILD, ROUNDS, Figure
from registry import Row
from servers import ArtStore, Credentials
from storage import STORE, STORE_DOCUMENTS, TEN_THOUSAND, THOUSAND, UPLOAD, build_engine, engine, limit, load


@cache
def large_store() -> Path:
    """A store of STORE_DOCUMENTS documents, made by the engine once for all rows; or the one in the folder STORE."""
    folder = Path(STORE) if STORE else BUILD / "store"
    data = folder / "appliance" / "data"
    if not STORE:
        shutil.rmtree(folder, ignore_errors=True)
    if not (folder / "filled").exists():
        data.mkdir(parents=True, exist_ok=True)
        engine("fill", data, "--documents", STORE_DOCUMENTS, "--bytes", 512)
        (folder / "filled").touch()
    return folder


def until_ready(folder: Path, credentials: Credentials) -> tuple[ArtStore, float]:
    began = time.monotonic()
    server = ArtStore(folder, credentials)
    while server.appliance.probe().call("GET", "/health/ready").status != 200:
        time.sleep(0.005)
    return server, time.monotonic() - began


def life(bed: Bed) -> list[Figure]:
    """Start, memory and the cost of uploads on the large store; its documents are kept, its tail grows."""
    folder = large_store() / "appliance"
    clean: list[float] = []
    killed: list[float] = []
    memory: list[float] = []
    growth: list[float] = []
    with small_store(bed) as small:
        for _ in range(ROUNDS):
            server, seconds = until_ready(folder, bed.credentials)
            clean.append(seconds)
            growth.append(compared_cost(server, small, bed.credentials))
            load(server, bed.credentials, "/api/v1/files?limit=1000", ["--connections", "8", "--requests", "400"])
            memory.append(server.resident_mebibytes())
            load(server, bed.credentials, UPLOAD, TEN_THOUSAND)
            server.appliance.kill()
            server, seconds = until_ready(folder, bed.credentials)
            killed.append(seconds)
            server.appliance.stop()
    return [
        limit("start-clean-1m", "ready", "s", median(clean), 0.5, most=True),
        limit("start-killed-1m", "ready", "s", median(killed), 5, most=True),
        limit("rss-1m", "resident", "MiB", median(memory), 200, most=True),
        limit("upload-growth", "1000 uploads", "of the cost when small", median(growth), 1.2, most=True),
    ]


@contextmanager
def small_store(bed: Bed) -> Iterator[ArtStore]:
    """A server whose store holds a few thousand documents."""
    folder = BUILD / "small"
    shutil.rmtree(folder, ignore_errors=True)
    server, _ = until_ready(folder, bed.credentials)
    try:
        yield server
    finally:
        server.appliance.stop()
        shutil.rmtree(folder, ignore_errors=True)


def compared_cost(large: ArtStore, small: ArtStore, credentials: Credentials) -> float:
    """What 1,000 uploads take on the large store, over what they take on the small one: the median of five turns."""
    for server in (large, small):
        load(server, credentials, UPLOAD, THOUSAND)
    ratios: list[float] = []
    for turn in range(5):
        order = (large, small) if turn % 2 == 0 else (small, large)
        seconds = {server: load(server, credentials, UPLOAD, THOUSAND)["seconds"] for server in order}
        ratios.append(seconds[large] / seconds[small])
    return median(ratios)


def reads(bed: Bed) -> list[Figure]:
    figures = engine("reads", large_store() / "appliance" / "data")
    return [
        limit("list-page-1m", "page of 1000", "ms", figures["page_ms"], 5, most=True),
        limit("list-walk-1m", "rate", "records/s", figures["walk_rate"], 200_000, most=False),
        limit("feed-1k-changes", "page", "ms", figures["feed_ms"], 100, most=True),
    ]


def rebuild(bed: Bed) -> list[Figure]:
    folder = large_store()
    program = paths.SWIFT / "release" / "artstore-appliance"
    environment = {"PATH": "/usr/bin:/bin", "SE_DATA_DIR": str(folder / "appliance" / "data"), "SE_MODE": "edit"}
    environment |= {f"SE_{side}_ADDRESS": f"127.0.0.1:{free_port()}" for side in ("API", "PROBE")}
    rates: list[float] = []
    for _ in range(ROUNDS):
        began = time.monotonic()
        done = subprocess.run(
            [program, "rebuild-index", "--json"], env=environment, check=True, capture_output=True, text=True
        )
        rates.append(json.loads(done.stdout.strip().splitlines()[-1])["documents"] / (time.monotonic() - began))
    return [limit("rebuild-1m", "rate", "documents/s", median(rates), 20_000, most=False)]


class Shared:
    """Rows that are measured together: whoever is asked first measures, each row gives its own figure."""

    def __init__(self, names: tuple[str, ...], measure: Callable[[Bed], list[Figure]]) -> None:
        self._names = names
        self._measure = measure
        self._figures: list[Figure] | None = None

    def rows(self) -> list[Row]:
        return [self._row(name) for name in self._names]

    def _row(self, name: str) -> Row:
        def measure(bed: Bed) -> list[Figure]:
            if self._figures is None:
                self._figures = self._measure(bed)
            return [figure for figure in self._figures if figure["name"] == name]

        return Row(name, measure, prepare=build_engine)


ROWS = [
    *Shared(("start-clean-1m", "start-killed-1m", "rss-1m", "upload-growth"), life).rows(),
    *Shared(("list-page-1m", "list-walk-1m", "feed-1k-changes"), reads).rows(),
    Row("rebuild-1m", rebuild, prepare=build_engine),
]
