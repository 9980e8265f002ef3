"""One work on two servers, rounds interleaved: medians, and the median of the rounds' ratios."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from artstore import paths
from servers import Credentials, Server

BUILD = paths.BUILD / "bench"
ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS = float(os.environ.get("DURATION", "3"))
GIB = 1 << 30

Figure = dict[str, object]


@dataclass
class Sample:
    """One round on one server. `work` is requests or bytes done; errors make the whole benchmark fail."""

    work: float
    seconds: float
    cpu: float
    p99_ms: float


@dataclass
class Target:
    """A server, and what the load client asks it for."""

    server: Server
    path: str
    credentials: Credentials
    token_file: Callable[[], Path] | None = None
    arguments: list[str] = field(default_factory=list)
    program: Path = BUILD / "load"


@dataclass
class Unit:
    """What a work is counted in: rates are told in `rate`, CPU time in seconds `cpu`."""

    counted: str
    rate: str
    rate_scale: float
    cpu: str
    cpu_scale: float


REQUESTS = Unit("requests", "1/s", 1.0, "s per 1000 requests", 1000.0)
BYTES = Unit("bytes", "MiB/s", 1 / (1 << 20), "s per GiB", GIB)


def figure(
    name: str,
    metric: str,
    unit: str,
    ours: float,
    peer: float | None = None,
    peer_name: str = "",
    ratio: float | None = None,
    rounds: int = ROUNDS,
) -> Figure:
    """One line of the table and of results.ndjson."""
    return {
        "name": name,
        "metric": metric,
        "unit": unit,
        "ours": round(ours, 4),
        "peer": None if peer is None else round(peer, 4),
        "peer_name": peer_name,
        "ratio": None if ratio is None else round(ratio, 3),
        "rounds": rounds,
        "command": f"make bench ONLY={name}",
    }


def run_load(target: Target, arguments: list[str]) -> dict[str, float]:
    """Runs the target's client against it; any error that it saw is one here."""
    given = target.credentials
    command = [str(target.program), "--port", str(target.server.port), "--path", target.path]
    command += [*target.arguments, *arguments]
    command += ["--ca", str(given.authority.certificate), "--cert", str(given.client.certificate)]
    command += ["--key", str(given.client.key)]
    if target.token_file:
        command += ["--token-file", str(target.token_file())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{target.server.name}: {' '.join(command)}\n{done.stdout}{done.stderr}")
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def sample(target: Target, arguments: list[str], unit: Unit) -> Sample:
    before = target.server.cpu_seconds()
    answer = run_load(target, arguments)
    cpu = target.server.cpu_seconds() - before
    return Sample(float(answer[unit.counted]), float(answer["seconds"]), cpu, float(answer["p99_ms"]))


def compare(
    name: str, unit: Unit, ours: Callable[[], Sample], peer: Callable[[], Sample], peer_name: str = "nginx"
) -> list[Figure]:
    """Rate, CPU time and p99 of both. One round each is thrown away first; who goes first alternates."""
    ours()
    peer()
    pairs: list[tuple[Sample, Sample]] = []
    for number in range(ROUNDS):
        if number % 2 == 0:
            first = ours()
            pairs.append((first, peer()))
        else:
            second = peer()
            pairs.append((ours(), second))
        print(f"  {name}: round {number + 1} of {ROUNDS}", flush=True)

    def row(metric: str, told: str, value: Callable[[Sample], float]) -> Figure:
        ratios = [value(a) / value(b) for a, b in pairs if value(b) > 0]
        mine, theirs = median(value(a) for a, _ in pairs), median(value(b) for _, b in pairs)
        return figure(name, metric, told, mine, theirs, peer_name, median(ratios) if ratios else None)

    return [
        row("rate", unit.rate, lambda s: s.work * unit.rate_scale / s.seconds),
        row("cpu", unit.cpu, lambda s: s.cpu / s.work * unit.cpu_scale),
        row("latency_p99", "ms", lambda s: s.p99_ms),
    ]


def compare_load(name: str, unit: Unit, arguments: list[str], ours: Target, peer: Target) -> list[Figure]:
    """The same load on both."""
    return compare(
        name, unit, lambda: sample(ours, arguments, unit), lambda: sample(peer, arguments, unit), peer.server.name
    )
