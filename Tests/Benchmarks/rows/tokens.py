"""What the control plane pays to check a token it has seen before, and whether logins delay such checks."""

from __future__ import annotations

import http.client
import multiprocessing
import tempfile
import threading
import time
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import median

from artstore import paths, swiftpackage
from artstore.client import Client
from artstore.postgres import PrivatePostgres
from artstore.programs import ControlPlane, Fleet
from bed import Bed
from comparison import BUILD, ROUNDS, SECONDS, Figure, figure
from registry import Row
from servers import Server

REQUESTS = 8_000
# Each with an account of its own, for many checks of one account at a time look like guessing and lock it. Enough to
# keep every thread that checks passwords busy all the time.
STORM_CLIENTS = 6
# Both are answered without the database: the one after the token was checked, for "none" is no id; the other because
# no route fits.
CHECKED, UNCHECKED = "/api/v1/files/none", "/api/v1/paths/none"
ANSWERS = {CHECKED: 400, UNCHECKED: 404}


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
        self.storms = 0
        token = Fleet(self.plane).service_account("bench", "files:read").token()
        self.headers = {"Authorization": f"Bearer {token}"}
        stranger = self.client()
        stranger.request("GET", CHECKED)
        if stranger.getresponse().status != 401:
            raise RuntimeError(f"{CHECKED} does not check the token before all else")

    def client(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.plane.ports["query"], timeout=30)

    def ask(self, client: http.client.HTTPConnection, path: str) -> float:
        """Seconds until the answer is there."""
        start = time.perf_counter()
        client.request("GET", path, headers=self.headers)
        answer = client.getresponse()
        answer.read()
        if answer.status != ANSWERS[path]:
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
    """Administrators who log in as fast as they are answered: a process of their own, for Python's threads would wait
    for one another and not for the server."""

    def __init__(self, place: Place) -> None:
        self.logins = 0
        context = multiprocessing.get_context("spawn")
        self._over, self._count = context.Event(), context.Value("i", 0)
        plane = place.plane
        admin = plane.login()
        logins = [f"storm-{place.storms}-{number}" for number in range(STORM_CLIENTS)]
        place.storms += 1
        for login in logins:
            draft = {"login": login, "role": "readonly", "password": plane.password}
            admin.call("POST", "/api/v1/admin-users", draft).expect(201)
        arguments = (plane.url("admin"), logins, plane.password, self._over, self._count)
        self._process = context.Process(target=_storm, args=arguments)

    def __enter__(self) -> Storm:
        self._process.start()
        deadline = time.monotonic() + 30
        while not self._count.value:
            if time.monotonic() > deadline or not self._process.is_alive():
                raise RuntimeError("nobody could log in")
            time.sleep(0.01)
        self._count.value = 0
        return self

    def __exit__(self, *_: object) -> None:
        self.logins = self._count.value
        self._over.set()
        self._process.join()
        if self._process.exitcode or not self.logins:
            raise RuntimeError("administrators could not log in; see above")


def _storm(base: str, logins: list[str], password: str, over: Event, count: Synchronized[int]) -> None:
    def run(login: str) -> None:
        while not over.is_set():
            question = {"login": login, "password": password}
            Client(base).call("POST", "/api/v1/auth/login", question).expect(200)
            with count.get_lock():
                count.value += 1

    threads = [threading.Thread(target=run, args=(login,)) for login in logins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


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
