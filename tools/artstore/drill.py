"""`make drill`: destroys the catalogue, rebuilds it from the appliances, and proves it equal record by record.

FILES=n (default 2000) and APPLIANCES=n (default 4) in the environment bound it. The catalogue is what
DESIGN calls derived: this shows that it is. Of very many documents only a part comes through the ingester: the rest
is put into the stopped appliances by the engine itself and reaches the catalogue by the feed.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import paths, progress, rehearsal, swiftpackage
from .client import Client
from .postgres import PrivatePostgres
from .processes import interruptible
from .programs import Appliance, ControlPlane, Fleet, ServiceAccount

# What a record says, in an order of its own: neither when the catalogue heard of it nor the generated columns.
_COLUMNS = (
    "file_id, e.storage_id, f.epoch, f.lsn, f.status, original_filename, content_type, size, checksum, uploaded_by,"
    " uploaded_at, retention_policy, description, tags, ttl_days, expires_at, metadata"
)
_RECORDS = (
    f"SELECT {_COLUMNS} FROM files f JOIN storage_elements e ON e.id = f.appliance_id"
    " WHERE f.status <> 'deleted' ORDER BY file_id"
)
_TOTALS = (
    "SELECT appliance_id, status, retention_policy, sum(files), sum(bytes) FROM file_counts"
    " WHERE status <> 'deleted' GROUP BY 1, 2, 3 HAVING sum(files) <> 0 ORDER BY 1, 2, 3"
)
STORE_BENCH = "artstore-store-bench"
_BATCH = 100
_TOKEN_SECONDS = 600
_UPLOADED_MAX = 20_000
_PAUSES = (1.0, 5.0, 15.0, 30.0)


class DrillFailed(RuntimeError):
    """The rebuilt catalogue is not the one that was destroyed, or the drill could not be carried out."""


@dataclass(frozen=True)
class Difference:
    """A record that the two catalogues do not agree on."""

    file_id: str
    what: str


def compare(before: Path, after: Path, most: int = 20) -> tuple[int, list[Difference]]:
    """Two CSV files with a header line, both sorted by `file_id`: how many records are in the first, and at most `most`
    differences."""
    count = 0
    differences: list[Difference] = []
    with before.open(newline="") as first, after.open(newline="") as second:
        old, new = csv.DictReader(first), csv.DictReader(second)
        left, right = next(old, None), next(new, None)
        while (left is not None or right is not None) and len(differences) < most:
            if right is None or (left is not None and left["file_id"] < right["file_id"]):
                assert left is not None
                differences.append(Difference(left["file_id"], "is missing"))
                left, count = next(old, None), count + 1
            elif left is None or right["file_id"] < left["file_id"]:
                differences.append(Difference(right["file_id"], "was not there before"))
                right = next(new, None)
            else:
                changed = [f"{name} {left[name]!r} → {right[name]!r}" for name in left if left[name] != right.get(name)]
                if changed:
                    differences.append(Difference(left["file_id"], ", ".join(changed)))
                left, right, count = next(old, None), next(new, None), count + 1
    return count, differences


class Batches:
    """Many small documents through the ingester, a hundred a request; ids of what was acknowledged."""

    def __init__(self, base: str, account: ServiceAccount) -> None:
        self._base, self._account = base, account
        self._local = threading.local()

    def upload(self, numbers: Sequence[int]) -> list[str]:
        """As a patient client: what was refused because there is too much to do is sent again. A document whose answer
        was lost is then there twice, which is no fault: both are in the catalogue."""
        ids: list[str] = []
        left = list(numbers)
        for pause in (*_PAUSES, None):
            results, told = self._send(left)
            taken = [result["status"] == "success" for result in results]
            ids += [str(result["file_id"]) for result in results if result["status"] == "success"]
            left = [number for number, is_taken in zip(left, taken, strict=True) if not is_taken] if results else left
            if not left:
                break
            if pause is None:
                raise DrillFailed(f"{len(left)} of {len(numbers)} documents of a batch were refused: {told}")
            time.sleep(pause)
        return ids

    def _send(self, numbers: Sequence[int]) -> tuple[list[dict[str, Any]], str]:
        """What became of each; nothing when the whole request was refused for now."""
        boundary = f"drill-{secrets.token_hex(8)}"
        body = b"".join(self._part(boundary, number) for number in numbers) + f"--{boundary}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        answer = self._client().call("POST", "/api/v1/files/batch/upload", headers=headers, body=body)
        answer.expect(207, 503)
        if answer.status == 503:
            return [], answer.message
        results: list[dict[str, Any]] = answer.json["results"]
        return results, str([result for result in results if result["status"] != "success"][:2])

    def _client(self) -> Client:
        client: Client | None = getattr(self._local, "client", None)
        if client is None or time.monotonic() > self._local.renewal:
            client = self._local.client = Client(self._base, self._account.token("files:write"), timeout=600)
            self._local.renewal = time.monotonic() + _TOKEN_SECONDS
        return client

    @staticmethod
    def _part(boundary: str, number: int) -> bytes:
        content = hashlib.sha256(number.to_bytes(8, "big")).digest() * (1 + number % 40)
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="Документ {number}.bin"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        return head.encode() + content + b"\r\n"


class Drill:
    """The steps in order; `cleanup` stops what they started, in reverse order."""

    def __init__(
        self, files: int, appliances: int, configuration: str, report: progress.Report, cleanup: contextlib.ExitStack
    ) -> None:
        self.files, self.count, self.configuration = files, appliances, configuration
        self.report, self.cleanup = report, cleanup
        self.logs = paths.BUILD / "drill"
        self.logs.mkdir(parents=True, exist_ok=True)
        for old in self.logs.glob("*.log"):
            old.unlink()
        self.scratch = Path(tempfile.mkdtemp(prefix="artstore-drill-", dir="/var/tmp"))
        self.scratch.chmod(0o711)  # PostgreSQL's own user has to get through
        cleanup.callback(paths.remove_tree, self.scratch)
        self.appliances: list[Appliance] = []
        self.elements: list[str] = []
        self.storage_ids: list[str] = []
        self.uploaded = min(files, _UPLOADED_MAX)
        self.rebuilding = 0.0

    def run(self) -> None:
        self.start()
        self.fill()
        if self.uploaded < self.files:
            self.put()
        self.change()
        before, totals = self.snapshot("before")
        self.destroy()
        self.rebuild()
        after, totals_after = self.snapshot("after")
        self.prove(before, after, totals, totals_after)

    def start(self) -> None:
        with self.report.step(f"start PostgreSQL, the control plane and {self.count} appliances") as step:
            self.postgres = PrivatePostgres(self.scratch / "postgres", self.logs / "postgres.log")
            self.cleanup.callback(self.postgres.stop)
            self.postgres.start()
            self.plane = ControlPlane(self.logs, self.postgres.url(), self.configuration)
            self.cleanup.callback(self.plane.stop)
            self.plane.start()
            self.fleet = Fleet(self.plane)
            for number in range(self.count):
                # Only one takes permanent documents and deletions; they lie where the drill wants them by priority.
                appliance = Appliance(self.scratch / f"a{number}", "edit", f"appliance-{number}", self.configuration)
                appliance.log = self.logs / f"{appliance.name}.log"
                self.cleanup.callback(appliance.stop)
                appliance.start()
                self.appliances.append(appliance)
                element = self.fleet.claim(appliance)
                self.elements.append(str(element["id"]))
                self.storage_ids.append(str(element["storage_id"]))
            step.result = f"{len(self.elements)} claimed"
        self.account = self.fleet.service_account("drill", "files:read", "files:write")

    def fill(self) -> None:
        with self.report.step(f"upload {self.uploaded} documents through the ingester") as step:
            batches = Batches(self.plane.url("ingester"), self.account)
            self.ids: list[str] = []
            share = -(-self.uploaded // self.count)
            for turn, element in enumerate(self.elements):
                self._prefer(element)
                numbers = range(turn * share, min((turn + 1) * share, self.uploaded))
                chunks = [numbers[i : i + _BATCH] for i in range(0, len(numbers), _BATCH)]
                with ThreadPoolExecutor(24) as pool:
                    for ids in pool.map(batches.upload, chunks):
                        self.ids += ids
                        step.status = f"{len(self.ids)} of {self.uploaded}"
            step.result = f"{len(self.ids)} acknowledged, {len(self.ids) / step.seconds:.0f} a second"

    def put(self) -> None:
        """The rest, by the program that fills stores for the bench: the engine without its server."""
        share = -(-(self.files - self.uploaded) // self.count)
        program = str(paths.given_program("store_bench") or paths.SWIFT / self.configuration / STORE_BENCH)

        def one(number: int) -> None:
            appliance = self.appliances[number]
            line = [program, "fill", str(appliance.data), "--documents", str(share), "--bytes", "512"]
            line += ["--storage-id", self.storage_ids[number]]
            done = subprocess.run(line, capture_output=True, text=True, timeout=3600, check=False)
            if done.returncode != 0:
                raise DrillFailed(f"{' '.join(line)}\n{done.stdout}{done.stderr}")

        with self.report.step(f"put {share * self.count} documents into the stopped appliances by the engine") as step:
            for appliance in self.appliances:
                appliance.stop()
            with ThreadPoolExecutor(self.count) as pool:
                list(pool.map(one, range(self.count)))
            step.result = f"{share * self.count / step.seconds:.0f} a second"
            # Here: a program ends with the thread that started it.
            for appliance in self.appliances:
                appliance.start()

    def change(self) -> None:
        """Some documents get other words, some are deleted: what the first registration said is not what counts."""
        with self.report.step("change and delete some of them") as step:
            some = self.ids[:: max(1, len(self.ids) // 200)]
            admin = self.plane.login()
            for index, file_id in enumerate(some):
                path = f"/api/v1/files/{file_id}"
                if index % 2:
                    self._patiently(admin, "DELETE", path, None)
                else:
                    self._patiently(admin, "PUT", path, {"description": f"изменено {index}", "tags": ["drill"]})
            step.result = f"{len(some)} touched"
        with self.report.step("bring the catalogue up to date"):
            self._sync(full=False)

    def snapshot(self, name: str) -> tuple[Path, str]:
        with self.report.step(f"copy the catalogue ({name})") as step:
            path = self.scratch / f"{name}.csv"
            self.postgres.copy_out(f"COPY ({_RECORDS}) TO STDOUT (FORMAT csv, HEADER)", "artstore", path)
            totals = self.postgres.sql(_TOTALS, "artstore")
            step.result = f"{path.stat().st_size >> 10} KiB"
            return path, totals

    def destroy(self) -> None:
        with self.report.step("kill the control plane (SIGKILL) and destroy the catalogue"):
            self.plane.kill()
            self.plane.stop()
            statement = (
                "TRUNCATE files, file_counts; UPDATE storage_elements SET sync_cursor = NULL, full_sync_needed = true,"
                " proven_equal_at = NULL"
            )
            self.postgres.sql(statement, "artstore")
            left = self.postgres.sql("SELECT count(*) FROM files", "artstore")
            if left != "0":
                raise DrillFailed(f"{left} records are left of the catalogue that was destroyed")

    def rebuild(self) -> None:
        with self.report.step("start it again and rebuild from the appliances") as step:
            began = time.monotonic()
            self.plane.start()
            self._sync(full=True)
            self.rebuilding = time.monotonic() - began
            step.result = f"{self.files / self.rebuilding:.0f} records a second, start included"

    def prove(self, before: Path, after: Path, totals: str, totals_after: str) -> None:
        with self.report.step("compare record by record") as step:
            count, differences = compare(before, after)
            if differences:
                told = "\n  ".join(f"{difference.file_id}: {difference.what}" for difference in differences)
                raise DrillFailed(f"the rebuilt catalogue is another one:\n  {told}")
            if count < self.files - len(self.ids[:: max(1, len(self.ids) // 200)]):
                raise DrillFailed(f"only {count} records were compared; {self.files} documents were uploaded")
            if totals != totals_after:
                raise DrillFailed(f"the totals differ, before:\n{totals}\nafter:\n{totals_after}")
            step.result = f"{count} records and the totals are equal"

    @staticmethod
    def _patiently(client: Client, method: str, path: str, body: dict[str, Any] | None) -> None:
        """The appliances were started again a moment ago: connections that are kept to them may prove closed."""
        for _ in range(20):
            answer = client.call(method, path, body)
            if answer.status != 502:
                break
            time.sleep(0.2)
        answer.expect(200, 204)

    def _sync(self, full: bool) -> None:
        admin = self.plane.login()

        def one(element: str) -> None:
            path = f"/api/v1/storage-elements/{element}/sync{'?full=true' if full else ''}"
            client = Client(admin.base, admin.token, timeout=3600)
            deadline = time.monotonic() + 60
            # The periodic job may be at it: then its outcome counts, and ours comes after it.
            while (answer := client.call("POST", path)).code == "CONFLICT" and time.monotonic() < deadline:
                time.sleep(0.2)
            report = answer.expect(200).json["file_sync"]
            if full and report["digest"] != "equal":
                raise DrillFailed(f"a storage element's digest is not the catalogue's: {report}")

        with ThreadPoolExecutor(len(self.elements)) as pool:
            list(pool.map(one, self.elements))

    def _prefer(self, element: str) -> None:
        admin = self.plane.login()
        for other in self.elements:
            path = f"/api/v1/storage-elements/{other}"
            admin.call("PUT", path, {"priority": 1 if other == element else 100}).expect(200)


def main() -> int:
    report = progress.Report()
    began = time.monotonic()
    with interruptible(), rehearsal.told(report, "The drill failed") as status, contextlib.ExitStack() as cleanup:
        files = rehearsal.bound("FILES", 2000, 10_000_000)
        appliances = rehearsal.bound("APPLIANCES", 4, 20)
        rehearsal.build(report, "drill")
        if files > _UPLOADED_MAX and not paths.given_program("store_bench"):
            log = paths.BUILD / "drill" / "build-store-bench.log"
            with report.step(f"build {STORE_BENCH} (release)"):
                swiftpackage.build("appliance", "release", ["--product", STORE_BENCH], log)
        drill = Drill(files, appliances, "release", report, cleanup)
        drill.run()
        status[0] = 0
        report.line(
            f"\nThe drill holds: a catalogue of {files} documents was rebuilt from {appliances} appliances in"
            f" {progress.duration(drill.rebuilding)} (drill {progress.duration(time.monotonic() - began)})"
        )
    return status[0]


if __name__ == "__main__":
    sys.exit(main())
