"""`make run`: builds everything, starts a whole ArtStore on this machine, shows it working, and stays until Ctrl-C.

ONESHOT=1 in the environment: exit with the result instead of staying.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

from . import documents, paths, progress, swiftpackage
from .client import Client, Document
from .curl import Curl
from .postgres import PrivatePostgres
from .processes import ProcessFailed, interruptible
from .programs import Appliance, ControlPlane, Fleet, gather_console_assets
from .workload import Acknowledged, Uploader, verify

BIG_FILE_BYTES = 256 << 20
PERMANENT = {"retention_policy": "permanent"}
TEMPORARY = {"retention_policy": "temporary", "ttl_days": "30"}


class MainJobFailed(RuntimeError):
    """Something that was promised does not hold."""


def check(condition: object, message: str) -> None:
    if not condition:
        raise MainJobFailed(message)


class MainJob:
    """The steps in order. Everything that was started is stopped by `cleanup`, in reverse order, whatever happened."""

    def __init__(self, report: progress.Report, cleanup: contextlib.ExitStack) -> None:
        self.report = report
        self.cleanup = cleanup
        self.logs = paths.BUILD / "run"
        self.logs.mkdir(parents=True, exist_ok=True)
        for old in self.logs.glob("*.log"):
            old.unlink()
        self.scratch = Path(tempfile.mkdtemp(prefix="artstore-run-", dir="/var/tmp"))
        self.scratch.chmod(0o711)  # PostgreSQL's own user has to get through
        cleanup.callback(paths.remove_tree, self.scratch)
        self.uploaded: list[Acknowledged] = []

    def run(self) -> None:
        self.build()
        self.gather()
        self.start_postgres()
        self.start_control_plane()
        self.start_appliances()
        self.claim()
        self.upload_documents()
        self.upload_big_file()
        self.search()
        self.download_with_a_cut()
        self.read_a_range()
        self.kill_during_uploads()

    def build(self) -> None:
        for side in ("appliance", "controlplane"):
            if paths.given_program(side):
                continue
            with self.report.step(f"build {paths.PROGRAMS[side]} (release)") as step:

                def status(text: str, step: progress.Step = step) -> None:
                    step.status = text

                log = self.logs / f"build-{side}.log"
                swiftpackage.build(side, "release", ["--product", paths.PROGRAMS[side]], log, status)

        if not paths.given_program("controlplane"):
            with self.report.step("gather the console's style sheets and scripts"):
                gather_console_assets()

    def gather(self) -> None:
        with self.report.step("gather real documents of this machine") as step:
            self.documents = documents.find(self.scratch / "documents")
            step.status = "making the 256 MiB file"
            big = documents.big_file(self.scratch / "documents/big.bin", BIG_FILE_BYTES)
            self.big = Document("Архив чертежей.bin", big)
            total = sum(document.size for document in self.documents)
            step.result = f"{len(self.documents)} documents, {progress.size(total)}, and one of 256 MiB"

    def start_postgres(self) -> None:
        with self.report.step("start PostgreSQL in a private directory") as step:
            self.postgres = PrivatePostgres(self.scratch / "postgres", self.logs / "postgres.log")
            self.cleanup.callback(self.postgres.stop)
            self.postgres.start()
            step.result = f"port {self.postgres.port}"

    def start_control_plane(self) -> None:
        with self.report.step("start the control plane with all roles") as step:
            self.plane = ControlPlane(self.logs, self.postgres.url())
            self.cleanup.callback(self.plane.stop)
            self.plane.start()
            step.result = ", ".join(f"{role} {self.plane.ports[role]}" for role in self.plane.roles)

    def start_appliances(self) -> None:
        with self.report.step("start two appliances") as step:
            self.appliances = {
                mode: Appliance(self.scratch / mode, mode, f"appliance-{mode}") for mode in ("edit", "rw")
            }
            for appliance in self.appliances.values():
                appliance.log = self.logs / f"{appliance.name}.log"
                self.cleanup.callback(appliance.stop)
                appliance.start()
            step.result = ", ".join(f"{mode} {appliance.port}" for mode, appliance in self.appliances.items())

    def claim(self) -> None:
        with self.report.step("claim both with the codes they print") as step:
            self.fleet = Fleet(self.plane)
            elements = [self.fleet.claim(appliance) for appliance in self.appliances.values()]
            step.result = ", ".join(f"{element['name']} is {element['status']}" for element in elements)
        account = self.fleet.service_account("main-job", "files:read", "files:write")
        self.token = account.token()
        self.query = self.plane.client("query", self.token)
        self.curl = Curl(self.plane.url("query"), self.token, self.scratch / "curl")

    def upload_documents(self) -> None:
        with self.report.step("upload the documents through the ingester") as step:

            def on_progress(count: int) -> None:
                step.status = f"{count} of {len(self.documents)}"

            uploader = Uploader(self.plane.url("ingester"), self.token)
            self.uploaded = uploader.upload_all(self.documents, self._fields, on_progress)
            check(not uploader.refused, "uploads were refused:\n  " + "\n  ".join(uploader.refused[:10]))
            step.result = f"{len(self.uploaded)} acknowledged, {len(self.uploaded) / step.seconds:.0f} a second"

    def upload_big_file(self) -> None:
        with self.report.step("upload 256 MiB") as step:

            def sent(count: int) -> None:
                step.status = f"{count >> 20} MiB"

            client = Client(self.plane.url("ingester"), self.token, timeout=300)
            answer = client.upload("/api/v1/files/upload", self.big, PERMANENT, sent).expect(201).json
            check(answer["checksum"] == self.big.sha256(), "the record's checksum is not the file's")
            self.big_id = str(answer["file_id"])
            step.result = f"{BIG_FILE_BYTES / step.seconds / 1e6:.0f} MB/s"

    def search(self) -> None:
        for mode, text, expected in (
            ("fulltext", "договоры", "Договор поставки № 17.txt"),
            ("fulltext", "протокол собраний", "Протокол собрания акционеров.txt"),
            ("fulltext", "licences", "licence GPL-2.txt"),
            ("partial", "чертеж", "Архив чертежей.bin"),
            ("exact", "Licence gpl-2.TXT", "licence GPL-2.txt"),
        ):
            with self.report.step(f"search {mode} “{text}”") as step:
                question = {"query": text, "mode": mode, "limit": 100}
                answer = self.query.call("POST", "/api/v1/search", question).expect(200).json
                names = [item["original_filename"] for item in answer["items"]]
                check(expected in names, f"{expected} is not among the {len(names)} found: {names[:5]}")
                step.result = f"{answer['total']} found, among them {expected}"

    def download_with_a_cut(self) -> None:
        with self.report.step("download 256 MiB with curl, cut in the middle, continue by range, compare") as step:
            target = self.scratch / "downloaded.bin"
            path = f"/api/v1/files/{self.big_id}/download"
            there = self.curl.interrupted_download(path, target, cut_after=BIG_FILE_BYTES // 3)
            check(0 < there < BIG_FILE_BYTES, f"the cut came too late or too early: {there} bytes")

            def status(text: str) -> None:
                step.status = text

            self.curl.resume_download(path, target, status)
            check(Document("", target).sha256() == self.big.sha256(), "the downloaded bytes are not the uploaded ones")
            step.result = f"cut at {there >> 20} MiB, continued, SHA-256 equal"
            target.unlink()

    def read_a_range(self) -> None:
        with self.report.step("curl -r 1000-1999 through query") as step:
            answer = self.curl.get(f"/api/v1/files/{self.big_id}/download", "-r", "1000-1999")
            assert isinstance(self.big.source, Path)
            with self.big.source.open("rb") as file:
                file.seek(1000)
                expected = file.read(1000)
            check(answer.status == 206 and answer.body == expected, f"status {answer.status}, {len(answer.body)} bytes")
            step.result = f"206, {answer.headers.get('content-range')}"

    def kill_during_uploads(self) -> None:
        victim = self.appliances["rw"]
        with self.report.step("kill the rw appliance (SIGKILL) in the middle of uploads") as step:
            uploader = Uploader(self.plane.url("ingester"), self.token)
            copies = [
                Document(f"copy {index} of {document.name}", document.source, document.content_type)
                for index, document in enumerate(self.documents)
            ]
            worker = threading.Thread(target=uploader.upload_all, args=(copies, lambda index: PERMANENT), daemon=True)
            worker.start()
            deadline = time.monotonic() + 60
            while len(uploader.acknowledged) < 40 and worker.is_alive() and time.monotonic() < deadline:
                time.sleep(0.002)
            victim.kill()
            worker.join()
            acknowledged = list(uploader.acknowledged)
            check(uploader.refused, "the kill came after the last upload")
            step.result = f"{len(acknowledged)} were acknowledged before it, {len(uploader.refused)} refused after"
        with self.report.step("start it again and check every acknowledged document") as step:
            victim.start()
            began = time.monotonic()
            everything = acknowledged + self.uploaded

            def on_progress(count: int) -> None:
                step.status = f"{count} of {len(everything)}"

            outcome = verify(self.query, everything, on_progress)
            check(
                not outcome.wrong, "acknowledged documents are missing or wrong:\n  " + "\n  ".join(outcome.wrong[:10])
            )
            took = progress.duration(time.monotonic() - began)
            step.result = f"all {outcome.checked} are there with the right SHA-256, checked in {took}"

    def stay(self) -> None:
        """Until Ctrl-C, or until something that was started ends by itself."""
        programs = [self.plane.process, *(appliance.process for appliance in self.appliances.values())]
        while True:
            for program in programs:
                if program.exit_status is not None:
                    raise ProcessFailed(f"{program.name} ended with {program.exit_status}:\n{program.tail()}")
            time.sleep(0.5)

    def _fields(self, index: int) -> dict[str, str]:
        policy = PERMANENT if index % 2 else TEMPORARY
        return {**policy, "description": self.documents[index].about, "tags": '["main-job"]'}


def main() -> int:
    report = progress.Report()
    oneshot = os.environ.get("ONESHOT") == "1"
    began = time.monotonic()
    result = 1
    with interruptible():
        try:
            with contextlib.ExitStack() as cleanup:
                cleanup.callback(report.line, "everything is stopped; logs are in build/run")
                job = MainJob(report, cleanup)
                job.run()
                result = 0
                report.line(f"\nArtStore works: all steps held, in {progress.duration(time.monotonic() - began)}")
                report.line(f"console    {job.plane.url('console')}")
                report.line(f"login      {job.plane.administrator}")
                report.line(f"password   {job.plane.password}   (made for this run only)")
                if not oneshot:
                    report.line("Ctrl-C stops everything.")
                    job.stay()
        except KeyboardInterrupt:
            result = result if result == 0 else 130
        except Exception as error:
            result = 1
            report.line(f"\nThe main job failed: {error}")
            if not isinstance(error, RuntimeError | OSError):
                raise
    return result


if __name__ == "__main__":
    sys.exit(main())
