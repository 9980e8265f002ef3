"""What the control plane pays to check a token it has seen before, and whether logins delay such checks."""

from __future__ import annotations

import http.client
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

from artstore import paths, swiftpackage
from artstore.postgres import PrivatePostgres
from artstore.programs import ControlPlane, Fleet
from bed import Bed
from comparison import BUILD, ROUNDS, SECONDS, Figure, figure
from registry import Row
from servers import Server

REQUESTS = 8_000
STORM_CLIENTS = 16
# Both answer 404 without the database: the one after it has checked the token, the other because no route fits.
CHECKED, UNCHECKED = "/api/v1/files/none", "/api/v1/paths/none"


def prepare() -> None:
    if not paths.given_program("controlplane"):
        log = BUILD / "controlplane-build.log"
        swiftpackage.build("controlplane", "release", ["--product", "artstore-controlplane"], log)


class Place:
    """A control plane with admin and query roles on a PostgreSQL of its own, and a client's token."""

    def __init__(self, bed: Bed) -> None:
        # PostgreSQL's user has to reach it.
        folder = Path(tempfile.mkdtemp(prefix="artstore-bench-", dir="/var/tmp"))
        folder.chmod(0o711)
        bed.cleaning.callback(paths.remove_tree, folder)
        postgres = PrivatePostgres(folder / "postgres", folder / "postgres.log")
        postgres.start()
        bed.cleaning.callback(postgres.stop)
        url = postgres.create_database("tokens")
        self.plane = ControlPlane(folder / "plane", url, "release", ("admin", "query"))
        self.plane.start()
        bed.cleaning.callback(self.plane.stop)
        self.server = Server("control plane", self.plane.ports["query"], self.plane.process.pid)
        token = Fleet(self.plane).service_account("bench", "files:read").token()
        self.headers = {"Authorization": f"Bearer {token}"}

    def client(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.plane.ports["query"], timeout=30)

    def ask(self, client: http.client.HTTPConnection, path: str) -> float:
        """Seconds until the answer is there."""
        start = time.perf_counter()
        client.request("GET", path, headers=self.headers)
        answer = client.getresponse()
        answer.read()
        if answer.status != 404:
            raise RuntimeError(f"{path} answered {answer.status}")
        return time.perf_counter() - start

    def cpu_per_request(self, path: str) -> float:
        client = self.client()
        self.ask(client, path)
        before = self.server.cpu_seconds()
        for _ in range(REQUESTS):
            self.ask(client, path)
        return (self.server.cpu_seconds() - before) / REQUESTS * 1e6

    def p99(self) -> float:
        client, end, times = self.client(), time.monotonic() + SECONDS, []
        while time.monotonic() < end:
            times.append(self.ask(client, CHECKED))
        return sorted(times)[len(times) * 99 // 100] * 1000


class Storm:
    """Administrators who log in as fast as they are answered."""

    def __init__(self, place: Place) -> None:
        self._plane = place.plane
        self._over = threading.Event()
        self.logins = 0
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(STORM_CLIENTS)]

    def __enter__(self) -> Storm:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        question = {"login": self._plane.administrator, "password": self._plane.password}
        while not self._over.is_set():
            answer = self._plane.client("admin").call("POST", "/api/v1/auth/login", question)
            with self._lock:
                self.logins += answer.status == 200


def token_check(bed: Bed) -> list[Figure]:
    place = Place(bed)
    place.cpu_per_request(CHECKED)
    pairs = []
    for number in range(ROUNDS):
        pairs.append((place.cpu_per_request(CHECKED), place.cpu_per_request(UNCHECKED)))
        print(f"  token-check: round {number + 1} of {ROUNDS}", flush=True)
    both, without = median(a for a, _ in pairs), median(b for _, b in pairs)
    return [
        figure("token-check", "cpu", "µs per check", median(a - b for a, b in pairs), 20, "goal: at most"),
        figure("token-check", "request_cpu", "µs per request", both, without, "no route, no check"),
    ]


def login_storm(bed: Bed) -> list[Figure]:
    place = Place(bed)
    calm, stormy, logins = [], [], []
    place.p99()
    for number in range(ROUNDS):
        calm.append(place.p99())
        with Storm(place) as storm:
            stormy.append(place.p99())
        logins.append(storm.logins / SECONDS)
        print(f"  login-storm: round {number + 1} of {ROUNDS}", flush=True)
    ratio = median(b / a for a, b in zip(calm, stormy, strict=True))
    return [
        figure("login-storm", "check_p99", "ms", median(stormy), median(calm), "without logins", ratio),
        figure("login-storm", "logins", "1/s", median(logins)),
    ]


ROWS = [Row("token-check", token_check, prepare), Row("login-storm", login_storm, prepare)]
