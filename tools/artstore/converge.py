"""`make converge`: a fleet under partitions, a PostgreSQL that is killed, clocks that lie; once calm, the catalogue
holds exactly what the appliances hold.

APPLIANCES=n (default 20), PARTITIONS=n (default 1000), KILLS=n (of PostgreSQL, default 50) and SEED=n in the
environment. Every appliance is the real program; clocks are up to an hour wrong either way.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from . import paths, progress, rehearsal
from .client import APIFailure, Client, Document
from .partitions import Link, Links
from .postgres import PrivatePostgres
from .processes import interruptible
from .programs import Appliance, ControlPlane, Fleet, ServiceAccount
from .wrongclock import build_wrong_clock

_HOLDINGS = (
    "COPY (SELECT file_id, e.storage_id, f.epoch, f.lsn, f.missing_since IS NOT NULL AS missing,"
    " encode(f.checksum, 'hex'), f.description FROM files f JOIN storage_elements e ON e.id = f.appliance_id"
    " WHERE f.status <> 'deleted') TO STDOUT (FORMAT csv)"
)
_WRITERS = 6
_CUT_SECONDS = (0.02, 0.4)
_DOWN_SECONDS = (0.05, 0.5)


class NotConverged(RuntimeError):
    """The catalogue and the appliances do not agree, or something acknowledged is not there."""


@dataclass
class Expectation:
    """What a client was told about one document. A change whose answer was lost may have happened or not."""

    sha256: str
    descriptions: set[str | None] = field(default_factory=lambda: {None})
    is_deleted: bool = False
    may_be_deleted: bool = False


@dataclass(frozen=True)
class Holding:
    storage_id: str
    epoch: int
    lsn: int
    checksum: str
    description: str | None


@dataclass(frozen=True)
class Site:
    """An appliance as the registry knows it: behind a link, under its row's id."""

    appliance: Appliance
    link: Link
    element: str
    storage_id: str


class Writer(threading.Thread):
    """A client system: uploads, changes, deletes documents of its own and remembers every answer."""

    def __init__(self, converge: Converge, seed: int) -> None:
        super().__init__(name=f"writer-{seed}", daemon=True)
        self.expected: dict[str, Expectation] = {}
        self.refused = 0
        self.problem: BaseException | None = None
        self._converge = converge
        self._chance = random.Random(seed)
        self._seed = seed
        self._number = 0

    def run(self) -> None:
        try:
            while not self._converge.calm.is_set():
                try:
                    self._step()
                except (OSError, APIFailure):
                    # A refusal is an honest answer while PostgreSQL or the link is away.
                    self.refused += 1
                    time.sleep(0.02)
        except BaseException as problem:
            self.problem = problem

    def _step(self) -> None:
        mine = [file_id for file_id, known in self.expected.items() if not known.may_be_deleted]
        dice = self._chance.random()
        if dice < 0.7 or not mine:
            self._upload()
        elif dice < 0.88:
            self._change(self._chance.choice(mine))
        else:
            self._remove(self._chance.choice(mine))

    def _upload(self) -> None:
        self._number += 1
        content = hashlib.shake_256(f"{self._seed} {self._number}".encode()).digest(self._chance.randrange(1, 3000))
        document = Document(f"w{self._seed} n{self._number}.bin", content)
        client = Client(self._converge.plane.url("ingester"), self._converge.token(), timeout=30)
        answer = client.upload("/api/v1/files/upload", document).expect(201).json
        self.expected[str(answer["file_id"])] = Expectation(document.sha256())

    def _change(self, file_id: str) -> None:
        known = self.expected[file_id]
        text = f"изменено {self._chance.random()}"
        known.descriptions.add(text)
        answer = self._admin().call("PUT", f"/api/v1/files/{file_id}", {"description": text})
        answer.expect(200)
        known.descriptions = {text}

    def _remove(self, file_id: str) -> None:
        known = self.expected[file_id]
        known.may_be_deleted = True
        self._admin().call("DELETE", f"/api/v1/files/{file_id}").expect(200, 204)
        known.is_deleted = True

    def _admin(self) -> Client:
        return Client(self._converge.plane.url("admin"), self._converge.admin_token(), timeout=30)


class Converge:
    """The fleet, what happens to it, and the comparison at the end."""

    def __init__(
        self,
        appliances: int,
        partitions: int,
        kills: int,
        seed: int,
        configuration: str,
        report: progress.Report,
        cleanup: contextlib.ExitStack,
    ) -> None:
        self.count, self.partitions, self.kills = appliances, partitions, kills
        self.seed, self.configuration, self.report, self.cleanup = seed, configuration, report, cleanup
        self.chance = random.Random(seed)
        self.calm = threading.Event()
        self.logs = paths.BUILD / "converge"
        self.logs.mkdir(parents=True, exist_ok=True)
        for old in self.logs.glob("*.log"):
            old.unlink()
        self.scratch = Path(tempfile.mkdtemp(prefix="artstore-converge-", dir="/var/tmp"))
        self.scratch.chmod(0o711)  # PostgreSQL's own user has to get through
        cleanup.callback(paths.remove_tree, self.scratch)
        self.links = Links()
        cleanup.callback(self.links.close)
        self.sites: list[Site] = []
        self._tokens: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def run(self) -> dict[str, Expectation]:
        """Everything, to the end; what clients were told. Raises `NotConverged` with what differs."""
        self.start()
        writers = [Writer(self, self.seed * 1000 + number) for number in range(_WRITERS)]
        for writer in writers:
            writer.start()
        try:
            self.disturb()
        finally:
            self.calm.set()
            for writer in writers:
                writer.join(timeout=60)
        for writer in writers:
            if writer.is_alive() or writer.problem:
                raise NotConverged(f"{writer.name} did not end well: {writer.problem!r}")
        expected = {file_id: known for writer in writers for file_id, known in writer.expected.items()}
        self.converge(expected, sum(writer.refused for writer in writers))
        return expected

    def start(self) -> None:
        with self.report.step(f"start PostgreSQL, the control plane and {self.count} appliances") as step:
            self.wrong_clock = build_wrong_clock(self.scratch)
            self.postgres = PrivatePostgres(self.scratch / "postgres", self.logs / "postgres.log")
            self.cleanup.callback(self.postgres.stop)
            self.postgres.start()
            self.plane = ControlPlane(self.logs, self.postgres.url(), self.configuration)
            self.cleanup.callback(self.plane.stop)
            self.plane.start()
            self.fleet = Fleet(self.plane)
            self.account: ServiceAccount = self.fleet.service_account("converge", "files:read", "files:write")
            offsets = []
            for number in range(self.count):
                offset = 0 if number % 3 == 0 else self.chance.randrange(-3600, 3601)
                offsets.append(offset)
                self.sites.append(self._claimed(number, offset))
                step.status = f"{number + 1} of {self.count}"
            step.result = f"clocks from {min(offsets)} s to {max(offsets):+} s"

    def _claimed(self, number: int, offset: int) -> Site:
        settings = {"SE_LOG_LEVEL": "warning"}
        if offset:
            settings |= {"LD_PRELOAD": str(self.wrong_clock), "CLOCK_OFFSET_SECONDS": str(offset)}
        appliance = Appliance(
            self.scratch / f"a{number}", "edit", f"appliance-{number:02}", self.configuration, settings
        )
        appliance.log = self.logs / f"{appliance.name}.log"
        self.cleanup.callback(appliance.stop)
        appliance.start()
        link = self.links.add(appliance.port)
        request = {
            "name": appliance.name,
            "url": f"https://127.0.0.1:{link.port}",
            "claim_code": appliance.claim_code(),
            # Equal priorities would put everything on the first.
            "priority": number % 7,
        }
        element = self.fleet.admin.call("POST", "/api/v1/storage-elements", request).expect(201).json
        return Site(appliance, link, str(element["id"]), str(element["storage_id"]))

    def disturb(self) -> None:
        with self.report.step(f"{self.partitions} partitions, PostgreSQL killed {self.kills} times, sweeps") as step:
            events = ["cut"] * self.partitions + ["kill"] * self.kills + ["sweep"] * (self.partitions // 5 + 1)
            events += ["prefer"] * (self.partitions // 10 + self.count)
            self.chance.shuffle(events)
            healing: list[threading.Timer] = []
            for done, event in enumerate(events):
                site = self.chance.choice(self.sites)
                if event == "cut":
                    self.links.cut(site.link)
                    healing.append(threading.Timer(self.chance.uniform(*_CUT_SECONDS), self.links.heal, [site.link]))
                    healing[-1].start()
                    time.sleep(0.05)
                elif event == "kill":
                    self.postgres.kill()
                    time.sleep(self.chance.uniform(*_DOWN_SECONDS))
                    self.postgres.restart()
                    time.sleep(0.5)
                elif event == "sweep":
                    self._quietly(partial(self._sync, site, full=True))
                else:
                    self._quietly(partial(self._prefer, site))
                step.status = f"{done + 1} of {len(events)} events"
            for timer in healing:
                timer.join()

    def converge(self, expected: dict[str, Expectation], refused: int) -> None:
        deleted = sum(known.is_deleted for known in expected.values())
        title = f"calm: {len(expected)} acknowledged, {deleted} of them deleted, {refused} refused"
        with self.report.step(title) as step:
            began = time.monotonic()
            deadline = began + 180
            while True:
                problems = self.difference(expected)
                if not problems:
                    break
                if time.monotonic() > deadline:
                    told = "\n  ".join(problems[:20])
                    raise NotConverged(f"seed {self.seed}: after 180 s of calm {len(problems)} differ:\n  {told}")
                step.status = f"{len(problems)} differ"
                for site in self.sites:
                    self._quietly(partial(self._sync, site, full=False))
                time.sleep(0.5)
            self.prove()
            step.result = (
                f"converged in {time.monotonic() - began:.1f} s; 0 missing, 0 doubled, 0 back, 0 wrongly deleted;"
                f" {len(self.sites)} digests equal"
            )

    def prove(self) -> None:
        """Every site's own digest, at the position where the catalogue stands."""
        for site in self.sites:
            client = Client(self.plane.url("admin"), self.admin_token(), timeout=120)
            path = f"/api/v1/storage-elements/{site.element}/sync?full=true"
            # The periodic job may be at it.
            deadline = time.monotonic() + 60
            while (answer := client.call("POST", path)).code == "CONFLICT" and time.monotonic() < deadline:
                time.sleep(0.2)
            report = answer.expect(200).json["file_sync"]
            if report["digest"] != "equal" or report["missing"] or report["rejected"]:
                raise NotConverged(f"{site.appliance.name} is not proven equal: {report}")

    def difference(self, expected: dict[str, Expectation]) -> list[str]:
        held, problems = self._held()
        catalogue, more = self._catalogue()
        problems += more
        for file_id, holding in held.items():
            if file_id not in catalogue:
                problems.append(f"{file_id} is on {holding.storage_id} and not in the catalogue")
            elif catalogue[file_id] != holding:
                problems.append(f"{file_id}: the catalogue says {catalogue[file_id]}, the appliance {holding}")
        problems += [f"{file_id} is in the catalogue only" for file_id in catalogue.keys() - held.keys()]
        for file_id, known in expected.items():
            found = held.get(file_id)
            if found is None and not known.may_be_deleted:
                problems.append(f"{file_id} was acknowledged and is on no appliance")
            elif found is not None and known.is_deleted:
                problems.append(f"{file_id} was deleted and is back")
            elif found is not None and found.checksum != known.sha256:
                problems.append(f"{file_id} was acknowledged with other bytes")
            elif found is not None and found.description not in known.descriptions:
                problems.append(f"{file_id} is described {found.description!r}, not one of {known.descriptions}")
        return problems

    def _held(self) -> tuple[dict[str, Holding], list[str]]:
        """What lies on the appliances' disks: the truth that everything else is derived from."""
        held: dict[str, Holding] = {}
        problems: list[str] = []
        for site in self.sites:
            for path in (site.appliance.data / "files").rglob("*.attr.json"):
                record = json.loads(path.read_bytes())
                if record["status"] == "deleted":
                    continue  # it lies there until its grace is over
                if record["file_id"] in held:
                    problems.append(f"{record['file_id']} is on two appliances")
                held[str(record["file_id"])] = Holding(
                    site.storage_id, record["epoch"], record["lsn"], record["checksum"], record.get("description")
                )
        return held, problems

    def _catalogue(self) -> tuple[dict[str, Holding], list[str]]:
        target = self.scratch / "holdings.csv"
        self.postgres.copy_out(_HOLDINGS, "artstore", target)
        rows: dict[str, Holding] = {}
        problems: list[str] = []
        with target.open(newline="") as lines:
            for file_id, storage_id, epoch, lsn, missing, checksum, description in csv.reader(lines):
                rows[file_id] = Holding(storage_id, int(epoch), int(lsn), checksum, description or None)
                if missing == "t":
                    problems.append(f"{file_id} is marked missing")
        return rows, problems

    def token(self) -> str:
        return self._kept("client", self.account.token)

    def admin_token(self) -> str:
        return self._kept("admin", lambda: str(self.plane.login().token))

    def _kept(self, name: str, make: Callable[[], str]) -> str:
        with self._lock:
            held = self._tokens.get(name)
            if held and time.monotonic() < held[1]:
                return held[0]
            token = make()
            self._tokens[name] = (token, time.monotonic() + 600)
            return token

    def _sync(self, site: Site, full: bool) -> None:
        client = Client(self.plane.url("admin"), self.admin_token(), timeout=120)
        client.call("POST", f"/api/v1/storage-elements/{site.element}/sync{'?full=true' if full else ''}").expect(200)

    def _prefer(self, site: Site) -> None:
        client = Client(self.plane.url("admin"), self.admin_token(), timeout=30)
        path = f"/api/v1/storage-elements/{site.element}"
        client.call("PUT", path, {"priority": self.chance.randrange(0, 100)}).expect(200)

    @staticmethod
    def _quietly(work: Callable[[], None]) -> None:
        """What fails because something is away right now is the point of the exercise."""
        with contextlib.suppress(OSError, APIFailure):
            work()


def main() -> int:
    report = progress.Report()
    began = time.monotonic()
    with (
        interruptible(),
        rehearsal.told(report, "The fleet did not converge") as status,
        contextlib.ExitStack() as cleanup,
    ):
        bounds = (rehearsal.bound("APPLIANCES", 20, 60), rehearsal.bound("PARTITIONS", 1000, 100_000))
        kills = rehearsal.bound("KILLS", 50, 10_000)
        seed = rehearsal.bound("SEED", random.SystemRandom().randrange(1, 1 << 30), 1 << 30)
        rehearsal.build(report, "converge")
        report.line(f"seed {seed}")
        Converge(*bounds, kills, seed, "release", report, cleanup).run()
        status[0] = 0
        report.line(f"\nThe fleet converged, in {progress.duration(time.monotonic() - began)} altogether")
    return status[0]


if __name__ == "__main__":
    sys.exit(main())
