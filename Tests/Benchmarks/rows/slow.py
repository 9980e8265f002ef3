"""`slow-10k` and `idle-10k` of make bench: what ten thousand connections that hardly move cost those that do.

SLOW_SECONDS=s (default 60): how long `slow-10k` lasts; SLOW_CONNECTIONS=n (default 10000) how many they are."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from artstore import slowclients
from artstore.slowclients import Aim, Clients, Honest
from bed import Bed
from comparison import BUILD, Figure
from registry import Row
from servers import ArtStore, Credentials, Nginx, Server

SECONDS = float(os.environ.get("SLOW_SECONDS", "60"))
CONNECTIONS = int(os.environ.get("SLOW_CONNECTIONS", "10000"))
HONEST = 50
# Before the crowd comes, and when it competes for the cores.
BRIEF = min(SECONDS / 4, 15)


def told(name: str, metric: str, unit: str, ours: float, peer: float | None, peer_name: str) -> Figure:
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


def run_slow(bed: Bed) -> list[Figure]:
    """The appliance with its own limits but for the number of connections, 10,000 slow clients, 50 honest ones.

    The crowd's machines are in truth not the server's. Here they are, so the crowd's program runs in SCHED_IDLE: it has
    what the server and the honest clients leave of the two cores, and never keeps a loop that was woken waiting for the
    end of its slice. That it holds its connections and its pace all the same is told (`held`, `crowd_pace`,
    `crowd_lateness`). At the end it competes for the cores for a while: `shared_cores_p99`."""
    folder = bed.own_folder("slow-10k")
    credentials = bed.credentials
    program = BUILD / "slow"
    with ExitStack() as cleaning:
        server = ArtStore(folder / "appliance", credentials, {"SE_MAX_CONNECTIONS": str(CONNECTIONS + 1000)})
        cleaning.callback(server.appliance.stop)
        ids = [server.upload(bed.document(size)) for size in (1024, 64 << 20)]
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

        def honest(seconds: float, name: str) -> Honest:
            print(f"  slow-10k: {HONEST} honest clients {name}, {seconds:.0f} s", flush=True)
            clients = Clients(program, aim, {"honest": HONEST, "seconds": seconds}, folder / f"{name}.log")
            while clients.is_running():
                time.sleep(0.2)
            return clients.end_honest()

        alone = honest(BRIEF, "alone")
        quarter = CONNECTIONS // 4
        slow = {"heads": quarter, "stubborn": quarter, "bodies": quarter, "reads": quarter}
        # Below the server's limit of new connections. Those that it cuts off come back at 250 a second already.
        crowd_options: dict[str, float] = {**slow, "sources": 20, "seconds": 3600, "open-rate": 450}
        crowd = Clients(program, aim, crowd_options, folder / "crowd.log", slowclients.IDLE)
        cleaning.callback(lambda: crowd.is_running() and crowd.end())
        crowd.wait_until_full(300)
        watch.peak_mebibytes = 0
        spent = server.cpu_seconds()
        beside = honest(SECONDS, "beside")
        spent = server.cpu_seconds() - spent
        crowd.leave_idle_priority()
        shared = honest(BRIEF, "sharing-cores")
        figures = crowd.end_slow()
    print(f"  slow-10k: {figures}\n  alone: {alone}\n  beside: {beside}\n  sharing cores: {shared}", flush=True)
    if alone.errors:
        raise RuntimeError("the honest clients saw errors when they were alone")
    return [
        told("slow-10k", "honest_errors", "of honest requests", beside.errors + shared.errors, None, "none"),
        told("slow-10k", "honest_p99", "ms", beside.p99_ms, alone.p99_ms, "alone"),
        told("slow-10k", "honest_p50", "ms", beside.p50_ms, alone.p50_ms, "alone"),
        told("slow-10k", "connect_p99", "ms", beside.connect_p99_ms, alone.connect_p99_ms, "alone"),
        told("slow-10k", "shared_cores_p99", "ms", shared.p99_ms, alone.p99_ms, "alone"),
        told("slow-10k", "held", "slow connections", figures.held, None, "none"),
        told("slow-10k", "crowd_pace", "slow pieces a second", figures.pieces_per_second, None, "none"),
        told("slow-10k", "crowd_lateness", "ms after their time", figures.late_ms, None, "none"),
        told("slow-10k", "cpu", "cores of the server", spent / SECONDS, None, "none"),
        told("slow-10k", "peak_memory", "MiB resident", watch.peak_mebibytes, None, "none"),
    ]


def run_idle(bed: Bed) -> list[Figure]:
    """Connections that made one request and then keep still. Shared pages are charged to each process in part."""
    folder = bed.own_folder("idle-10k")
    credentials = bed.credentials
    document = bed.document(1024)
    settings = {
        "SE_MAX_CONNECTIONS": str(CONNECTIONS + 1000),
        "SE_MAX_CONNECTIONS_PER_ADDRESS": str(CONNECTIONS + 1000),
        "SE_HANDSHAKES_PER_SECOND": "0",
        "SE_IDLE_TIMEOUT": "3600s",
    }
    with ExitStack() as cleaning:
        ours = ArtStore(folder / "appliance", credentials, settings)
        cleaning.callback(ours.appliance.stop)
        peer = Nginx(folder / "nginx", credentials, bed.documents)
        cleaning.callback(peer.process.stop)
        path = f"/api/v1/files/{ours.upload(document)}/download"
        figures = [
            held_mebibytes(ours, credentials, path, ["--token-file", str(ours.token_file())]),
            held_mebibytes(peer, credentials, f"/{document.name}", []),
        ]
    return [told("idle-10k", "memory", "MiB resident", figures[0], figures[1], "nginx")]


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


ROWS = [
    Row("slow-10k", run_slow, prepare=lambda: slowclients.build(BUILD)),
    Row("idle-10k", run_idle),
]
