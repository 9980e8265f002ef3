"""The storage engine's rows of `make bench`: durable uploads against nginx, and stores of a million documents.

DOCUMENTS=n (default 20,000) bounds a round of uploads, STORE_DOCUMENTS=n (default 20,000) the large store; the goals
are told for 1,000,000 of each. STORE=folder keeps the large store for the next run instead of making it anew.
Uploads go to a file system of their own, made fresh for each round in a file (loop-mounted ext4): needs root."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from artstore import paths, swiftpackage
from artstore.postgres import free_port
from servers import ArtStore, Credentials, Nginx, Server

BUILD = paths.BUILD / "bench"
ROUNDS = int(os.environ.get("ROUNDS", "5"))
DOCUMENTS = int(os.environ.get("DOCUMENTS", "20000"))
STORE_DOCUMENTS = int(os.environ.get("STORE_DOCUMENTS", "20000"))
STORE = os.environ.get("STORE", "")
BODY_BYTES = 4096
UPLOAD = "/api/v1/files/upload"

Row = dict[str, object]
Figures = dict[str, float]


class UploadNginx(Nginx):
    """nginx that takes documents by PUT: under a temporary name, then renamed; no sync, no hash, no index."""

    @staticmethod
    def _configuration(folder: Path, credentials: Credentials, documents: Path, port: int) -> str:
        text = Nginx._configuration(folder, credentials, documents, port)
        location = "location /put/ { dav_methods PUT; create_full_put_path on; client_body_buffer_size 64k; }"
        return text.replace(f"    root {documents};", f"    root {documents};\n    {location}")


@contextmanager
def fresh_disk(name: str, documents: int) -> Iterator[Path]:
    """An empty ext4 with room for so many documents of two files each."""
    image, mount = BUILD / f"{name}.img", BUILD / f"{name}.mnt"
    mount.mkdir(parents=True, exist_ok=True)
    with image.open("wb") as output:
        output.truncate((3 << 30) + documents * 16384)
    quiet = {"check": True, "capture_output": True}
    subprocess.run(["mkfs.ext4", "-q", "-F", "-N", str(documents * 2 + 100_000), image], **quiet)  # type: ignore[call-overload]
    subprocess.run(["mount", "-o", "loop", image, mount], **quiet)  # type: ignore[call-overload]
    try:
        yield mount
    finally:
        subprocess.run(["umount", mount], check=False)
        image.unlink()


def load(server: Server, credentials: Credentials, path: str, arguments: list[str]) -> Figures:
    command = [str(BUILD / "load"), "--port", str(server.port), "--path", path, *arguments]
    command += ["--ca", str(credentials.authority.certificate), "--cert", str(credentials.client.certificate)]
    command += ["--key", str(credentials.client.key)]
    if isinstance(server, ArtStore):
        command += ["--token-file", str(server.token_file())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{server.name}: {' '.join(command)}\n{done.stdout}{done.stderr}")
    figures: Figures = json.loads(done.stdout)
    return figures


def engine(command: str, directory: Path, *options: str | int) -> Figures:
    """Runs artstore-store-bench: the engine alone."""
    program = paths.SWIFT / "release" / "artstore-store-bench"
    line = [str(program), command, str(directory), *map(str, options)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=3600, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(line)}\n{done.stdout}{done.stderr}")
    figures: Figures = json.loads(done.stdout)
    return figures


def row(name: str, metric: str, unit: str, ours: float, peer: float | None, peer_name: str, ratio: float | None) -> Row:
    return {
        "name": name,
        "metric": metric,
        "unit": unit,
        "ours": round(ours, 4),
        "peer": "" if peer is None else round(peer, 4),
        "peer_name": peer_name,
        "ratio": None if ratio is None else round(ratio, 3),
        "rounds": ROUNDS,
        "command": f"make bench ONLY={name}",
    }


def limit(name: str, metric: str, unit: str, ours: float, goal: float, *, most: bool) -> Row:
    """A figure with a goal instead of a peer: `ratio` ≥ 1 when it is reached."""
    ratio = goal / ours if most else ours / goal
    return row(name, metric, unit, ours, goal, "at most" if most else "at least", ratio)


# MARK: uploads

MANY = ["--connections", "64", "--body-bytes", str(BODY_BYTES)]
THOUSAND = [*MANY, "--requests", "1000", "--seconds", "60"]
TEN_THOUSAND = [*MANY, "--requests", "10000", "--seconds", "60"]


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
            return uploads(server, credentials, UPLOAD, raw_upload())
        finally:
            server.appliance.stop()


def raw_upload() -> list[str]:
    return ["--mode", "post", "--field", "Content-Disposition: attachment; filename=report.bin"]


def one_of_nginx(credentials: Credentials) -> Figures:
    with fresh_disk("upload-nginx", DOCUMENTS) as disk:
        (disk / "www").mkdir()
        server = UploadNginx(disk / "nginx", credentials, disk / "www")
        try:
            return uploads(server, credentials, "/put/", ["--mode", "put"])
        finally:
            server.process.stop()


def upload_4k() -> list[Row]:
    with credentials_of("upload-4k") as credentials:
        pairs: list[tuple[Figures, Figures]] = []
        for number in range(ROUNDS):
            if number % 2 == 0:
                ours, peer = one_of_ours(credentials), one_of_nginx(credentials)
            else:
                peer, ours = one_of_nginx(credentials), one_of_ours(credentials)
            pairs.append((ours, peer))
            print(f"  upload-4k: round {number + 1} of {ROUNDS}: {ours['rate']:.0f}/{peer['rate']:.0f}", flush=True)

    def compared(metric: str, unit: str, name: str) -> Row:
        ratio = median(ours[name] / peer[name] for ours, peer in pairs)
        ours, peer = median(o[name] for o, _ in pairs), median(p[name] for _, p in pairs)
        return row("upload-4k", metric, unit, ours, peer, "nginx, no sync", ratio)

    kept = median(ours["last_tenth_rate"] / ours["first_tenth_rate"] for ours, _ in pairs)
    return [
        compared("rate", "1/s", "rate"),
        compared("cpu", "s per 1000 requests", "cpu"),
        compared("latency_p99", "ms", "p99_ms"),
        limit("upload-4k", "last_tenth", "of first's rate", kept, 0.9, most=False),
    ]


def upload_fsync_each() -> list[Row]:
    pairs: list[tuple[float, float]] = []
    few = max(1000, DOCUMENTS // 10)
    for _ in range(ROUNDS):
        with fresh_disk("fsync-each", DOCUMENTS * 2) as disk:
            peer = engine("fsync-each", disk / "each", "--documents", few)["rate"]
            (disk / "data").mkdir()
            pairs.append((engine("fill", disk / "data", "--documents", DOCUMENTS)["rate"], peer))
    ratio = median(a / b for a, b in pairs)
    ours, each = median(a for a, _ in pairs), median(b for _, b in pairs)
    return [row("upload-4k-fsync-each", "rate", "1/s", ours, each, "sync of each file", ratio)]


def upload_1g() -> list[Row]:
    gib = 1 << 30
    rates: list[float] = []
    limits: list[float] = []
    with credentials_of("upload-1g") as credentials:
        for _ in range(ROUNDS):
            with fresh_disk("upload-1g", 600_000) as disk:
                limits.append(min(disk_rate(disk), hash_rate()))
                server = ArtStore(disk / "appliance", credentials)
                try:
                    many = ["--connections", "1", "--requests", "1", "--seconds", "120", "--body-bytes", str(gib)]
                    figures = load(server, credentials, UPLOAD, raw_upload() + many)
                finally:
                    server.appliance.stop()
                rates.append(1024 / figures["seconds"])
    ratio = median(a / b for a, b in zip(rates, limits, strict=True))
    return [row("upload-1g-limit", "rate", "MiB/s", median(rates), median(limits), "slower of dd, sha256", ratio)]


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


# MARK: a store of a million


@contextmanager
def credentials_of(name: str) -> Iterator[Credentials]:
    folder = BUILD / name
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield Credentials.make(folder / "credentials")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def large_store() -> Path:
    """A store of STORE_DOCUMENTS documents, made by the engine unless STORE names a folder that has it."""
    folder = Path(STORE) if STORE else BUILD / "store"
    data = folder / "appliance" / "data"
    if not STORE:
        shutil.rmtree(folder, ignore_errors=True)
    if not (folder / "filled").exists():
        data.mkdir(parents=True, exist_ok=True)
        engine("fill", data, "--documents", STORE_DOCUMENTS, "--bytes", 512)
        (folder / "filled").touch()
    return folder


def until_ready(server_of: Callable[[], ArtStore]) -> tuple[ArtStore, float]:
    began = time.monotonic()
    server = server_of()
    while server.appliance.probe().call("GET", "/health/ready").status != 200:
        time.sleep(0.05)
    return server, time.monotonic() - began


def million() -> list[Row]:
    """Start, memory, reads and the cost of uploads on the large store; its documents are kept, its tail grows."""
    folder = large_store()
    rows: list[Row] = []
    with credentials_of("million") as credentials, ExitStack() as cleaning:
        server: ArtStore | None = None

        def start() -> tuple[ArtStore, float]:
            return until_ready(lambda: ArtStore(folder / "appliance", credentials))

        clean: list[float] = []
        killed: list[float] = []
        memory: list[float] = []
        growth: list[float] = []
        for _ in range(ROUNDS):
            server, seconds = start()
            clean.append(seconds)
            first = load(server, credentials, UPLOAD, [*raw_upload(), *THOUSAND])
            load(server, credentials, "/api/v1/files?limit=1000", ["--connections", "8", "--requests", "400"])
            memory.append(server.resident_mebibytes())
            growth.append(first["seconds"] / small_cost(credentials))
            load(server, credentials, UPLOAD, [*raw_upload(), *TEN_THOUSAND])
            server.appliance.kill()
            server, seconds = start()
            killed.append(seconds)
            server.appliance.stop()
        cleaning.close()
    rows.append(limit("start-clean-1m", "ready", "s", median(clean), 0.5, most=True))
    rows.append(limit("start-killed-1m", "ready", "s", median(killed), 5, most=True))
    rows.append(limit("rss-1m", "resident", "MiB", median(memory), 200, most=True))
    rows.append(limit("upload-growth", "1000 uploads", "of the cost when small", median(growth), 1.2, most=True))
    return rows


def small_cost(credentials: Credentials) -> float:
    """Seconds of 1,000 uploads on a store that holds 1,000."""
    folder = BUILD / "million" / "small"
    shutil.rmtree(folder, ignore_errors=True)
    server, _ = until_ready(lambda: ArtStore(folder, credentials))
    try:
        load(server, credentials, UPLOAD, [*raw_upload(), *THOUSAND])
        return load(server, credentials, UPLOAD, [*raw_upload(), *THOUSAND])["seconds"]
    finally:
        server.appliance.stop()


def reads() -> list[Row]:
    figures = engine("reads", large_store() / "appliance" / "data")
    return [
        limit("list-page-1m", "page of 1000", "ms", figures["page_ms"], 5, most=True),
        limit("list-walk-1m", "rate", "records/s", figures["walk_rate"], 200_000, most=False),
        limit("feed-1k-changes", "page", "ms", figures["feed_ms"], 100, most=True),
    ]


def rebuild() -> list[Row]:
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


# Each runner measures the rows named before it.
ROWS: dict[tuple[str, ...], Callable[[], list[Row]]] = {
    ("upload-4k",): upload_4k,
    ("upload-4k-fsync-each",): upload_fsync_each,
    ("upload-1g-limit",): upload_1g,
    ("start-clean-1m", "start-killed-1m", "rss-1m", "upload-growth"): million,
    ("list-page-1m", "list-walk-1m", "feed-1k-changes"): reads,
    ("rebuild-1m",): rebuild,
}
NAMES = [name for names in ROWS for name in names]


def build(log: Path) -> None:
    swiftpackage.build("appliance", "release", ["--product", "artstore-store-bench"], log)


def measure(names: set[str]) -> list[Row]:
    """The rows of the given names."""
    found: list[Row] = []
    for own, runner in ROWS.items():
        if names & set(own):
            found += [row for row in runner() if row["name"] in names]
    return found
