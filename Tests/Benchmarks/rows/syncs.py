"""The catalogue follows four sites: everything new, nothing new, nothing to follow, a thousand changes.

ROWS=n (default 1,000,000) are the documents of all four sites together. SITES=made (the default) serves made-up
documents from site.py, so that the control plane and PostgreSQL have the machine for themselves; SITES=real puts that
many into the real appliances, whose work then counts too. What PostgreSQL can do is measured with psql: four sessions
COPY the same rows page by page and run the same statement (sync_page.sql).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from artstore import paths, swiftpackage
from artstore.client import Client
from artstore.postgres import PrivatePostgres, binaries
from artstore.programs import Appliance, ControlPlane, Fleet
from bed import Bed
from comparison import BUILD, ROUNDS, Figure, figure
from registry import Row
from storage import build_engine, engine, fresh_disk

_ROWS = int(os.environ.get("ROWS", "1000000"))
_SITES = 4
_PAGE = 5000
_REAL = os.environ.get("SITES", "made") == "real"
_FOLDER = Path(__file__).parent.parent


def _prepare() -> None:
    if _REAL:
        build_engine()
    if not paths.given_program("controlplane"):
        swiftpackage.build("controlplane", "release", ["--product", "artstore-controlplane"], BUILD / "build.log")


class Sites:
    """PostgreSQL, the control plane and four sites; made when a row first asks, kept for the others."""

    made: Sites | None = None

    @classmethod
    def of(cls, bed: Bed) -> Sites:
        if cls.made is None:
            cls.made = cls(bed)
        return cls.made

    def __init__(self, bed: Bed) -> None:
        self.scratch = Path(tempfile.mkdtemp(prefix="artstore-bench-", dir="/var/tmp"))
        self.scratch.chmod(0o711)  # PostgreSQL's own user has to get through
        bed.cleaning.callback(paths.remove_tree, self.scratch)
        # Millions of files are made faster on an empty file system, and are gone with it.
        place = bed.cleaning.enter_context(fresh_disk("sites", _ROWS)) if _REAL else self.scratch
        self.postgres = PrivatePostgres(self.scratch / "postgres", self.scratch / "postgres.log")
        bed.cleaning.callback(self.postgres.stop)
        self.postgres.start()
        settings = {"CP_LOG_LEVEL": "warning"}
        self.plane = ControlPlane(self.scratch, self.postgres.url(), "release", settings=settings)
        bed.cleaning.callback(self.plane.stop)
        self.plane.start()
        fleet = Fleet(self.plane)
        self.elements: list[str] = []
        self.served: list[subprocess.Popen[str]] = []
        self.appliances: list[Appliance] = []
        self.storage_ids: list[str] = []
        for number in range(_SITES):
            appliance = Appliance(place / f"a{number}", "rw", f"site-{number}", "release")
            bed.cleaning.callback(appliance.stop)
            appliance.start()
            element = fleet.claim(appliance)
            self.elements.append(str(element["id"]))
            if _REAL:
                self.appliances.append(appliance)
                self.storage_ids.append(str(element["storage_id"]))
                self._put(number, _ROWS // _SITES)
                continue
            appliance.stop()
            command = [sys.executable, str(_FOLDER / "site.py"), str(appliance.port), str(appliance.data / "state")]
            command += [str(element["storage_id"]), str(_ROWS // _SITES), str(number)]
            site = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            bed.cleaning.callback(site.kill)
            self.served.append(site)
        for site in self.served:
            self._told(site, "ready")
        if not _REAL:
            # Another epoch than the claimed appliance's: not a loss here.
            self.sql("UPDATE storage_elements SET epoch = 7, loss_hold = false")
        self.admin = self.plane.login()
        print(f"  four sites serve {_ROWS} documents", flush=True)

    @staticmethod
    def _told(site: subprocess.Popen[str], word: str) -> None:
        assert site.stdout is not None
        if site.stdout.readline().strip() != word:
            raise RuntimeError("a site ended; see above")

    def _put(self, number: int, count: int) -> None:
        """Documents by the engine itself, while the appliance is away."""
        appliance = self.appliances[number]
        appliance.stop()
        engine("fill", appliance.data, "--documents", count, "--bytes", 64, "--storage-id", self.storage_ids[number])
        appliance.start()

    def change(self, count: int) -> None:
        for number in range(len(self.appliances)):
            self._put(number, count // _SITES)
        for site in self.served:
            assert site.stdin is not None
            site.stdin.write(f"{count // _SITES}\n")
            site.stdin.flush()
            self._told(site, "changed")

    def sql(self, statement: str, database: str = "artstore") -> str:
        return self.postgres.sql(statement, database)

    def sync(self, full: bool) -> tuple[float, int]:
        """All four at once: seconds, and how many rows the syncs looked at."""

        def one(element: str) -> dict[str, object]:
            path = f"/api/v1/storage-elements/{element}/sync{'?full=true' if full else ''}"
            client = Client(self.admin.base, self.admin.token, timeout=3600)
            # The periodic job may be at it.
            while (answer := client.call("POST", path)).code == "CONFLICT":
                time.sleep(0.05)
            done: dict[str, object] = answer.expect(200).json["file_sync"]
            if done["rejected"] or done["held"] or done["missing"]:
                raise RuntimeError(f"a sync did not end well: {done}")
            return done

        began = time.monotonic()
        with ThreadPoolExecutor(_SITES) as pool:
            reports = list(pool.map(one, self.elements))
        seconds = time.monotonic() - began
        if full and any(report["digest"] != "equal" for report in reports):
            raise RuntimeError(f"the catalogue was not proven equal: {reports}")
        return seconds, sum(int(str(report[name])) for report in reports for name in ("added", "updated", "unchanged"))

    def empty(self, database: str = "artstore") -> None:
        self.sql("TRUNCATE files, file_counts", database)
        self.sql("VACUUM ANALYZE files", database)
        self.sql("CHECKPOINT", database)

    def fill(self) -> None:
        """Everything is in the catalogue."""
        if int(self.sql("SELECT count(*) FROM files")) < _ROWS // _SITES * _SITES:
            self.sync(full=True)
        self.sql("VACUUM ANALYZE files")
        self.sql("CHECKPOINT")


def _scripts(sites: Sites) -> list[Path]:
    """psql's work, a script a site: COPY and statement page by page, as the sync does, the rows taken from `files`."""
    table, statement = (_FOLDER / "sync_page.sql").read_text().split("-- statement\n")
    scripts: list[Path] = []
    for number, element in enumerate(sites.elements):
        rows = sites.scratch / f"rows-{number}"
        rows.mkdir(exist_ok=True)
        source = (
            "COPY (SELECT (row_number() OVER (ORDER BY file_id) - 1) % 5000, 'f', lsn, file_id, digest_high,"
            " digest_low, json_build_object('file_id', file_id, 'original_filename', original_filename, 'content_type',"
            " content_type, 'size', size, 'checksum', encode(checksum, 'hex'), 'uploaded_by', uploaded_by,"
            " 'uploaded_at', uploaded_at, 'status', status, 'retention_policy', retention_policy, 'description',"
            " description, 'tags', tags, 'ttl_days', ttl_days, 'expires_at', expires_at)::text FROM files"
            f" WHERE appliance_id = '{element}' ORDER BY file_id) TO STDOUT"
        )
        whole = rows / "all"
        sites.postgres.copy_out(source, "artstore", whole)
        script = [table, "SET statement_timeout = 0;"]
        with whole.open("rb") as lines:
            page, last, number_of_page = [], "00000000-0000-0000-0000-000000000000", 0
            for line in lines:
                page.append(line)
                if len(page) == _PAGE:
                    last, number_of_page = _add(script, statement, element, rows, page, last, number_of_page)
                    page = []
            if page:
                _add(script, statement, element, rows, page, last, number_of_page)
        path = sites.scratch / f"peer-{number}.sql"
        path.write_text("\n".join(script))
        scripts.append(path)
    return scripts


def _add(
    script: list[str], statement: str, element: str, rows: Path, page: list[bytes], after: str, number: int
) -> tuple[str, int]:
    target = rows / str(number)
    target.write_bytes(b"".join(page))
    through = page[-1].split(b"\t")[3].decode()
    values = {
        "owner": f"'{element}'::uuid",
        "after": f"'{after}'::uuid",
        "through": f"'{through}'::uuid",
        "epoch": "7::bigint",
        "lsn": "9000000000::bigint",
        "first": "0",
        "behind": str(_PAGE),
    }
    told = statement
    for name, value in values.items():
        told = told.replace(f"@{name}@", value)
    script.append(
        "BEGIN; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off;"
        f" SET LOCAL jit = off;\n\\copy sync_page FROM '{target}'\n{told};\nCOMMIT;"
    )
    return through, number + 1


def _psql(sites: Sites, scripts: list[Path]) -> float:
    def one(script: Path) -> None:
        command = [str(binaries() / "psql"), "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", sites.postgres.url("peer")]
        subprocess.run([*command, "-f", str(script)], check=True, stdout=subprocess.DEVNULL, timeout=3600)

    began = time.monotonic()
    with ThreadPoolExecutor(_SITES) as pool:
        list(pool.map(one, scripts))
    return time.monotonic() - began


def _full(bed: Bed) -> list[Figure]:
    sites = Sites.of(bed)
    sites.fill()
    scripts = _scripts(sites)
    sites.postgres.create_database("peer")
    dump = [str(binaries() / "pg_dump"), "-s", "-d", sites.postgres.url()]
    tables = subprocess.run(dump, check=True, capture_output=True, text=True).stdout
    subprocess.run(
        [str(binaries() / "psql"), "-qX", "-d", sites.postgres.url("peer")],
        input=tables, text=True, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    elements = sites.scratch / "elements"
    sites.postgres.copy_out("COPY storage_elements TO STDOUT", "artstore", elements)
    elements.chmod(0o644)
    copy = f"\\copy storage_elements FROM '{elements}'"
    subprocess.run([str(binaries() / "psql"), "-qX", "-d", sites.postgres.url("peer"), "-c", copy], check=True)
    rows = _ROWS // _SITES * _SITES
    pairs: list[tuple[float, float]] = []
    rounds = min(ROUNDS, 3)
    for number in range(rounds):
        works: list[Callable[[], float]] = [lambda: _ours(sites), lambda: _peer(sites, scripts, rows)]
        seconds = {0: 0.0, 1: 0.0}
        for which in (0, 1) if number % 2 == 0 else (1, 0):
            seconds[which] = works[which]()
        pairs.append((rows / seconds[0], rows / seconds[1]))
        print(f"  sync-full-1m: round {number + 1} of {rounds}: {pairs[-1][0]:.0f} and {pairs[-1][1]:.0f}", flush=True)
    ours, peer = median(a for a, _ in pairs), median(b for _, b in pairs)
    ratio = median(a / b for a, b in pairs)
    return [figure("sync-full-1m", "rate", "rows/s", ours, peer, "psql COPY + upsert", ratio, rounds)]


def _ours(sites: Sites) -> float:
    sites.empty()
    return sites.sync(full=True)[0]


def _peer(sites: Sites, scripts: list[Path], rows: int) -> float:
    sites.empty("peer")
    seconds = _psql(sites, scripts)
    if int(sites.sql("SELECT count(*) FROM files", "peer")) != rows:
        raise RuntimeError("psql did not write every row")
    return seconds


def _unchanged(bed: Bed) -> list[Figure]:
    sites = Sites.of(bed)
    sites.fill()
    rates, logs = [], []
    for number in range(min(ROUNDS, 3)):
        before = sites.sql("SELECT pg_current_wal_insert_lsn()")
        seconds, looked = sites.sync(full=True)
        written = int(sites.sql(f"SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '{before}')::bigint"))
        rates.append(looked / seconds)
        logs.append(written / looked * 1e6 / (1 << 20))
        print(f"  sync-nochange-1m: round {number + 1}: {rates[-1]:.0f} rows/s, {logs[-1]:.2f} MiB", flush=True)
    return [
        figure("sync-nochange-1m", "rate", "rows/s", median(rates), 100_000, "goal", median(rates) / 100_000),
        figure("sync-nochange-1m", "wal", "MiB per 10^6 rows", median(logs), 1, "goal", median(logs)),
    ]


def _followed(name: str, changes: int, goal: float) -> Callable[[Bed], list[Figure]]:
    def measure(bed: Bed) -> list[Figure]:
        sites = Sites.of(bed)
        sites.fill()
        sites.sync(full=False)
        times = []
        for _ in range(ROUNDS):
            if changes:
                sites.change(changes)
            times.append(sites.sync(full=False)[0])
        worst = max(times)
        return [
            figure(name, "median", "s", median(times), goal, "goal", median(times) / goal),
            figure(name, "worst", "s", worst, goal, "goal", worst / goal),
        ]

    return measure


ROWS = [
    Row("sync-full-1m", _full, _prepare, on_demand=True),
    Row("sync-nochange-1m", _unchanged, _prepare, on_demand=True),
    Row("sync-feed-idle", _followed("sync-feed-idle", 0, 1.0), _prepare, on_demand=True),
    Row("sync-feed-1k", _followed("sync-feed-1k", 1000, 2.0), _prepare, on_demand=True),
]
