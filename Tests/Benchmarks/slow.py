"""`slow-10k` and `idle-10k` of make bench: what ten thousand connections that hardly move cost those that do.

SLOW_SECONDS=s (default 60): how long `slow-10k` lasts; SLOW_CONNECTIONS=n (default 10000) how many they are."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from artstore import paths, slowclients
from artstore.slowclients import Aim, Clients
from servers import ArtStore, Credentials, Nginx, Server

BUILD = paths.BUILD / "bench"
SECONDS = float(os.environ.get("SLOW_SECONDS", "60"))
CONNECTIONS = int(os.environ.get("SLOW_CONNECTIONS", "10000"))
HONEST = 50
NAMES = ("slow-10k", "idle-10k")
Row = dict[str, object]


def row(name: str, metric: str, unit: str, ours: float, peer: float | None, peer_name: str) -> Row:
    return {
        "name": name,
        "metric": metric,
        "unit": unit,
        "ours": round(ours, 3),
        "peer": None if peer is None else round(peer, 3),
        "peer_name": peer_name,
        "ratio": round(ours / peer, 3) if peer else None,
        "rounds": 1,
        "command": f"make bench ONLY={name}",
    }


@dataclass
class Watch:
    """Looks at a server once a second while something goes on: its largest memory; and keeps its clients' token new."""

    server: ArtStore
    token_file: Path
    peak_mebibytes: float = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        renewed = 0.0
        while not self._stop.is_set():
            if time.monotonic() - renewed > 60:
                slowclients.write_token(self.token_file, self.server.token())
                renewed = time.monotonic()
            self.peak_mebibytes = max(self.peak_mebibytes, self.server.resident_mebibytes())
            self._stop.wait(1)

    @contextmanager
    def looking(self) -> Iterator[Watch]:
        slowclients.write_token(self.token_file, self.server.token())
        thread = threading.Thread(target=self.look)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()


def run_slow(folder: Path) -> list[Row]:
    """The appliance with its own limits but for the number of connections, 10,000 slow clients, 50 honest ones."""
    credentials = Credentials.make(folder / "credentials")
    small, big = folder / "1k.bin", folder / "64m.bin"
    small.write_bytes(os.urandom(1024))
    big.write_bytes(os.urandom(64 << 20))
    program = slowclients.build(BUILD)
    with ExitStack() as cleaning:
        server = ArtStore(folder / "appliance", credentials, {"SE_MAX_CONNECTIONS": str(CONNECTIONS + 1000)})
        cleaning.callback(server.appliance.stop)
        ids = [server.upload(document) for document in (small, big)]
        aim = Aim(
            server.port,
            credentials.authority.certificate,
            credentials.client,
            folder / "token",
            f"/api/v1/files/{ids[0]}/download",
            1024,
            f"/api/v1/files/{ids[1]}/download",
        )
        watch = cleaning.enter_context(Watch(server, folder / "token").looking())
        honest = {"honest": HONEST, "seconds": SECONDS / 4}
        print(f"  slow-10k: {HONEST} honest clients alone, {SECONDS / 4:.0f} s", flush=True)
        alone = Clients(program, aim, honest, folder / "alone.log")
        _wait(alone)
        before = alone.end_honest()
        quarter = CONNECTIONS // 4
        slow = {"heads": quarter, "stubborn": quarter, "bodies": quarter, "reads": quarter}
        # Their machines are not ours: they get the CPU that is left.
        last = ("nice", "-n", "19")
        crowd = Clients(program, aim, {**slow, "sources": 20, "seconds": 3600}, folder / "crowd.log", last)
        cleaning.callback(lambda: crowd.is_running() and crowd.end())
        crowd.wait_until_full(300)
        print(f"  slow-10k: {CONNECTIONS} slow ones beside them, {SECONDS:.0f} s", flush=True)
        watch.peak_mebibytes = 0
        spent = server.cpu_seconds()
        beside = Clients(program, aim, {**honest, "seconds": SECONDS}, folder / "beside.log")
        _wait(beside)
        during = beside.end_honest()
        spent = server.cpu_seconds() - spent
        figures = crowd.end_slow()
    print(f"  slow-10k: {figures}\n  alone: {before}\n  beside them: {during}", flush=True)
    if before.errors:
        raise RuntimeError("the honest clients saw errors when they were alone")
    return [
        row("slow-10k", "honest_errors", "of honest requests", during.errors, None, "none"),
        row("slow-10k", "honest_p99", "ms", during.p99_ms, before.p99_ms, "alone"),
        row("slow-10k", "honest_p50", "ms", during.p50_ms, before.p50_ms, "alone"),
        row("slow-10k", "connect_p99", "ms", during.connect_p99_ms, before.connect_p99_ms, "alone"),
        row("slow-10k", "held", "slow connections", figures.held, None, "none"),
        row("slow-10k", "cpu", "cores of the server", spent / SECONDS, None, "none"),
        row("slow-10k", "peak_memory", "MiB resident", watch.peak_mebibytes, None, "none"),
    ]


def _wait(clients: Clients) -> None:
    while clients.is_running():
        time.sleep(0.2)


def run_idle(folder: Path) -> list[Row]:
    """Connections that made one request and then keep still. Shared pages are charged to each process in part."""
    credentials = Credentials.make(folder / "credentials")
    documents = folder / "www"
    documents.mkdir()
    (documents / "1k.bin").write_bytes(os.urandom(1024))
    settings = {
        "SE_MAX_CONNECTIONS": str(CONNECTIONS + 1000),
        "SE_MAX_CONNECTIONS_PER_ADDRESS": str(CONNECTIONS + 1000),
        "SE_HANDSHAKES_PER_SECOND": "0",
        "SE_IDLE_TIMEOUT": "3600s",
    }
    with ExitStack() as cleaning:
        ours = ArtStore(folder / "appliance", credentials, settings)
        cleaning.callback(ours.appliance.stop)
        peer = Nginx(folder / "nginx", credentials, documents)
        cleaning.callback(peer.process.stop)
        path = f"/api/v1/files/{ours.upload(documents / '1k.bin')}/download"
        figures = [
            held_mebibytes(ours, credentials, path, ["--token-file", str(ours.token_file())]),
            held_mebibytes(peer, credentials, "/1k.bin", []),
        ]
    return [row("idle-10k", "memory", "MiB resident", figures[0], figures[1], "nginx")]


def held_mebibytes(server: Server, credentials: Credentials, path: str, more: list[str]) -> float:
    """What the server's processes hold while the connections are open."""
    command = [str(BUILD / "load"), "--mode", "idle", "--connections", str(CONNECTIONS), "--seconds", "120"]
    command += ["--port", str(server.port), "--path", path, "--file-bytes", "1024", *more]
    command += ["--ca", str(credentials.authority.certificate), "--cert", str(credentials.client.certificate)]
    command += ["--key", str(credentials.client.key)]
    print(f"  idle-10k: {server.name}", flush=True)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as load:
        assert load.stdout is not None
        told = load.stdout.readline()
        if '"errors":0,' not in told:
            load.kill()
            raise RuntimeError(f"{server.name}: not every connection was served: {told}")
        time.sleep(2)
        return server.proportional_mebibytes()


def run(names: list[str], folder: Path) -> list[Row]:
    """The rows of those of `NAMES` that are wanted."""
    rows: list[Row] = []
    for name, work in zip(NAMES, (run_slow, run_idle), strict=True):
        if name in names:
            place = folder / name
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            rows += work(place)
    return rows
