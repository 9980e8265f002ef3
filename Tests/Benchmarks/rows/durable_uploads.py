"""Durable uploads: 4 KiB against nginx, which syncs nothing, and against a sync of each file; 1 GiB against what disk
and hash allow. Each round has a fresh ext4 of its own, loop-mounted: needs root."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from statistics import median

from bed import Bed, compile_client
from comparison import BUILD, GIB, ROUNDS, Figure, Target, figure, run_load
from registry import Row
from servers import ArtStore, Credentials, Nginx, Server
from storage import DOCUMENTS, MANY, RAW, UPLOAD, Figures, build_engine, engine, fresh_disk, limit, load


class UploadNginx(Nginx):
    """nginx that takes documents by PUT: under a temporary name, then renamed; no sync, no hash, no index."""

    @staticmethod
    def _configuration(folder: Path, credentials: Credentials, documents: Path, port: int) -> str:
        text = Nginx._configuration(folder, credentials, documents, port)
        location = "location /put/ { dav_methods PUT; create_full_put_path on; client_body_buffer_size 64k; }"
        return text.replace(f"    root {documents};", f"    root {documents};\n    {location}")


def uploads(server: Server, credentials: Credentials, path: str, arguments: list[str]) -> Figures:
    """One round of 4 KiB uploads; the clock stops when everything is in place."""
    before, began = server.cpu_seconds(), time.monotonic()
    figures = load(
        server,
        credentials,
        path,
        [*arguments, *MANY, "--requests", str(DOCUMENTS), "--seconds", "900"],
    )
    while isinstance(server, ArtStore) and unplaced(server, credentials) > 0:
        time.sleep(0.01)
    waited = max(0.0, time.monotonic() - began - figures["seconds"]) if isinstance(server, ArtStore) else 0.0
    figures["rate"] = figures["requests"] / (figures["seconds"] + waited)
    figures["cpu"] = (server.cpu_seconds() - before) / figures["requests"] * 1000
    return figures


def unplaced(server: ArtStore, credentials: Credentials) -> float:
    client = server.appliance.client(credentials.client, credentials.authority.certificate, server.token())
    text = client.call("GET", "/metrics").expect(200).body.decode()
    found = re.search(r"^se_unplaced_bytes(?:\{[^}]*\})? (\S+)$", text, re.MULTILINE)
    if not found:
        raise RuntimeError("the appliance's metrics do not tell se_unplaced_bytes")
    return float(found[1])


def one_of_ours(credentials: Credentials) -> Figures:
    with fresh_disk("upload-ours", DOCUMENTS) as disk:
        server = ArtStore(disk / "appliance", credentials)
        try:
            return uploads(server, credentials, UPLOAD, RAW)
        finally:
            server.appliance.stop()


def one_of_nginx(credentials: Credentials) -> Figures:
    with fresh_disk("upload-nginx", DOCUMENTS) as disk:
        (disk / "www").mkdir()
        server = UploadNginx(disk / "nginx", credentials, disk / "www")
        try:
            return uploads(server, credentials, "/put/", ["--mode", "put"])
        finally:
            server.process.stop()


def upload_4k(bed: Bed) -> list[Figure]:
    credentials = bed.credentials
    pairs: list[tuple[Figures, Figures]] = []
    for number in range(ROUNDS):
        if number % 2 == 0:
            ours, peer = one_of_ours(credentials), one_of_nginx(credentials)
        else:
            peer, ours = one_of_nginx(credentials), one_of_ours(credentials)
        pairs.append((ours, peer))
        print(f"  upload-4k: round {number + 1} of {ROUNDS}: {ours['rate']:.0f}/{peer['rate']:.0f}", flush=True)

    def compared(metric: str, unit: str, name: str) -> Figure:
        ratio = median(ours[name] / peer[name] for ours, peer in pairs)
        ours, peer = median(o[name] for o, _ in pairs), median(p[name] for _, p in pairs)
        return figure("upload-4k", metric, unit, ours, peer, "nginx, no sync", ratio)

    kept = median(ours["last_tenth_rate"] / ours["first_tenth_rate"] for ours, _ in pairs)
    return [
        compared("rate", "1/s", "rate"),
        compared("cpu", "s per 1000 requests", "cpu"),
        compared("latency_p99", "ms", "p99_ms"),
        limit("upload-4k", "last_tenth", "of first's rate", kept, 0.9, most=False),
    ]


def upload_fsync_each(bed: Bed) -> list[Figure]:
    pairs: list[tuple[float, float]] = []
    few = max(1000, DOCUMENTS // 10)
    for _ in range(ROUNDS):
        with fresh_disk("fsync-each", DOCUMENTS * 2) as disk:
            peer = engine("fsync-each", disk / "each", "--documents", few)["rate"]
            (disk / "data").mkdir()
            pairs.append((engine("fill", disk / "data", "--documents", DOCUMENTS)["rate"], peer))
    ratio = median(a / b for a, b in pairs)
    ours, each = median(a for a, _ in pairs), median(b for _, b in pairs)
    return [figure("upload-4k-fsync-each", "rate", "1/s", ours, each, "sync of each file", ratio)]


def upload_1g(bed: Bed) -> list[Figure]:
    rates: list[float] = []
    limits: list[float] = []
    for _ in range(ROUNDS):
        with fresh_disk("upload-1g", 600_000) as disk:
            limits.append(min(disk_rate(disk), hash_rate()))
            server = ArtStore(disk / "appliance", bed.credentials)
            try:
                # Its clock runs from the first byte to the answer; `load` would first make 1 GiB, and count that.
                sender = ["--method", "POST", *RAW[2:]]
                target = Target(server, UPLOAD, bed.credentials, server.token_file, sender, BUILD / "upload")
                seconds = run_load(target, ["--body-bytes", str(GIB)])["seconds"]
            finally:
                server.appliance.stop()
            rates.append(1024 / seconds)
    ratio = median(a / b for a, b in zip(rates, limits, strict=True))
    return [figure("upload-1g-limit", "rate", "MiB/s", median(rates), median(limits), "slower of dd, sha256", ratio)]


def build_sender() -> None:
    compile_client("upload")


def disk_rate(folder: Path) -> float:
    """MiB/s of writing 1 GiB durably."""
    began = time.monotonic()
    line = ["dd", "if=/dev/zero", f"of={folder / 'dd'}", "bs=1M", "count=1024", "conv=fdatasync"]
    subprocess.run(line, check=True, capture_output=True)
    seconds = time.monotonic() - began
    (folder / "dd").unlink()
    return 1024 / seconds


def hash_rate() -> float:
    """MiB/s of SHA-256 on one core."""
    line = ["openssl", "speed", "-mr", "-seconds", "2", "-bytes", "262144", "-evp", "sha256"]
    text = subprocess.run(line, check=True, capture_output=True, text=True).stdout
    return float(text.strip().splitlines()[-1].rpartition(":")[2]) / (1 << 20)


ROWS = [
    Row("upload-4k", upload_4k),
    Row("upload-4k-fsync-each", upload_fsync_each, prepare=build_engine),
    Row("upload-1g-limit", upload_1g, prepare=build_sender),
]
