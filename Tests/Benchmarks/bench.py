"""make bench: each work on ArtStore and on its peer, rounds interleaved, into build/bench/results.ndjson.

ONLY=name,… runs a subset; ROUNDS=n (default 5) and DURATION=s (default 3, seconds) bound it. The exit status says
whether it could be measured, never whether it was fast: the machine is shared and noisy."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import storage
from artstore import paths, swiftpackage
from servers import ArtStore, Credentials, Nginx, Server

BUILD = paths.BUILD / "bench"
ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS = float(os.environ.get("DURATION", "3"))


@dataclass
class Sample:
    """One round on one server. `work` is requests or bytes done; errors make the whole benchmark fail."""

    work: float
    seconds: float
    cpu: float
    p99_ms: float


@dataclass
class Target:
    """Where a server answers with one document."""

    server: Server
    path: str
    credentials: Credentials
    token_file: Callable[[], Path] | None = None


def run_load(target: Target, arguments: list[str]) -> dict[str, float]:
    given = target.credentials
    command = [str(BUILD / "load"), "--port", str(target.server.port), "--path", target.path, *arguments]
    command += ["--ca", str(given.authority.certificate), "--cert", str(given.client.certificate)]
    command += ["--key", str(given.client.key)]
    if target.token_file:
        command += ["--token-file", str(target.token_file())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{target.server.name}: {' '.join(command)}\n{done.stdout}{done.stderr}")
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def sample(target: Target, arguments: list[str], work: str) -> Sample:
    before = target.server.cpu_seconds()
    answer = run_load(target, arguments)
    cpu = target.server.cpu_seconds() - before
    return Sample(float(answer[work]), float(answer["seconds"]), cpu, float(answer["p99_ms"]))


@dataclass
class Work:
    """A named work: which document, which load, and in what its rate and CPU time are told."""

    name: str
    document: str
    arguments: list[str]
    unit_of_work: str = "requests"
    scale: float = 1.0
    rate_unit: str = "1/s"
    cpu_unit: str = "s per 1000 requests"
    cpu_scale: float = 1000.0


def works() -> list[Work]:
    timed = ["--seconds", str(SECONDS)]
    gib = 1 << 30
    return [
        Work("get-1k", "1k.bin", ["--connections", "64", "--file-bytes", "1024", *timed]),
        Work(
            "range-64k",
            "256m.bin",
            ["--connections", "64", "--range-bytes", "65536", "--file-bytes", str(256 << 20), *timed],
        ),
        Work(
            "download-256m",
            "256m.bin",
            ["--connections", "1", "--requests", "4", "--seconds", "120", "--file-bytes", str(256 << 20)],
            unit_of_work="bytes",
            scale=1 / (1 << 20),
            rate_unit="MiB/s",
            cpu_unit="s per GiB",
            cpu_scale=gib,
        ),
        Work(
            "handshake-full", "1k.bin", ["--mode", "handshake", "--connections", "16", "--file-bytes", "1024", *timed]
        ),
        Work(
            "handshake-resumed", "1k.bin", ["--mode", "resume", "--connections", "16", "--file-bytes", "1024", *timed]
        ),
    ]


def measure(work: Work, ours: Target, peer: Target) -> list[dict[str, object]]:
    pairs: list[tuple[Sample, Sample]] = []
    for target in (ours, peer):
        sample(target, work.arguments, work.unit_of_work)
    for number in range(ROUNDS):
        first, second = (ours, peer) if number % 2 == 0 else (peer, ours)
        results = {t.server.name: sample(t, work.arguments, work.unit_of_work) for t in (first, second)}
        pairs.append((results[ours.server.name], results[peer.server.name]))
        print(f"  {work.name}: round {number + 1} of {ROUNDS}", flush=True)

    def row(metric: str, unit: str, figure: Callable[[Sample], float]) -> dict[str, object]:
        ratios = [figure(a) / figure(b) for a, b in pairs if figure(b) > 0]
        return {
            "name": work.name,
            "metric": metric,
            "unit": unit,
            "ours": round(median(figure(a) for a, _ in pairs), 4),
            "peer": round(median(figure(b) for _, b in pairs), 4),
            "peer_name": "nginx",
            "ratio": round(median(ratios), 3) if ratios else None,
            "rounds": ROUNDS,
            "command": f"make bench ONLY={work.name}",
        }

    return [
        row("rate", work.rate_unit, lambda s: s.work * work.scale / s.seconds),
        row("cpu", work.cpu_unit, lambda s: s.cpu / s.work * work.cpu_scale),
        row("latency_p99", "ms", lambda s: s.p99_ms),
    ]


def build() -> None:
    print("building the appliance (release) and the load client", flush=True)
    BUILD.mkdir(parents=True, exist_ok=True)
    swiftpackage.build("appliance", "release", ["--product", "artstore-appliance"], BUILD / "build.log")
    source = Path(__file__).with_name("load.c")
    libraries = ["-lssl", "-lcrypto"]
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-o", str(BUILD / "load"), str(source), *libraries], check=True)


def make_document(path: Path, size: int) -> Path:
    with path.open("wb") as output:
        for _ in range(0, size, 1 << 20):
            output.write(os.urandom(min(size, 1 << 20)))
    return path


def print_table(rows: list[dict[str, object]]) -> None:
    print(f"\n{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}; medians of {ROUNDS} rounds")
    print(f"{'name':<20}{'metric':<13}{'ours':>12}{'peer':>12}{'ratio':>8}  unit (peer)")
    for row in rows:
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.3f}"
        figures = f"{row['ours']:>12}{row['peer']:>12}{ratio:>8}"
        print(f"{row['name']:<20}{row['metric']:<13}{figures}  {row['unit']} ({row['peer_name']})")


def run(chosen: list[Work]) -> list[dict[str, object]]:
    folder = BUILD / "run"
    shutil.rmtree(folder, ignore_errors=True)
    documents = folder / "www"
    documents.mkdir(parents=True)
    sizes = {"1k.bin": 1024, "256m.bin": 256 << 20}
    for name in {work.document for work in chosen}:
        make_document(documents / name, sizes[name])
    credentials = Credentials.make(folder / "credentials")
    rows: list[dict[str, object]] = []
    with ExitStack() as cleaning:
        cleaning.callback(shutil.rmtree, folder, ignore_errors=True)
        artstore = ArtStore(folder / "appliance", credentials)
        cleaning.callback(artstore.appliance.stop)
        nginx = Nginx(folder / "nginx", credentials, documents)
        cleaning.callback(nginx.process.stop)
        ids = {name: artstore.upload(documents / name) for name in {work.document for work in chosen}}
        for work in chosen:
            ours = Target(artstore, f"/api/v1/files/{ids[work.document]}/download", credentials, artstore.token_file)
            rows += measure(work, ours, Target(nginx, f"/{work.document}", credentials))
    return rows


def main() -> int:
    known = works()
    names = [name for name in os.environ.get("ONLY", "").split(",") if name]
    unknown = set(names) - {work.name for work in known} - set(storage.NAMES)
    if unknown:
        known_names = ", ".join([*(work.name for work in known), *storage.NAMES])
        print(f"no benchmark named {', '.join(sorted(unknown))}; known: {known_names}", file=sys.stderr)
        return 2
    build()
    storage.build(BUILD / "build.log")
    rows = run(chosen) if (chosen := [work for work in known if not names or work.name in names]) else []
    rows += storage.measure(set(names or storage.NAMES))
    with (BUILD / "results.ndjson").open("w") as output:
        output.writelines(json.dumps(row) + "\n" for row in rows)
    print_table(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
