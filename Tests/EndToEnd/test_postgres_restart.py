"""PostgreSQL dies and comes back in the middle of a full sync: the registry says why the sync ended, the audit has it,
the next sync goes on, and nothing is marked missing or deleted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from artstore.client import Answer, Client
from artstore.drill import Batches
from artstore.postgres import PrivatePostgres
from artstore.programs import Appliance, ControlPlane, Fleet


def test_a_sync_survives_a_restart_of_postgresql(programs: str, scratch: Path, directory: Path) -> None:
    # Of its own: it is killed. PostgreSQL's user reaches only what lies directly in the scratch directory.
    postgres = PrivatePostgres(scratch / "postgres-restart", directory / "postgres.log")
    postgres.start()
    plane = ControlPlane(directory / "plane", postgres.create_database("restart"), programs)
    appliance = Appliance(directory / "a", "edit", "site", programs)
    answers: list[Answer | OSError] = []
    try:
        plane.start()
        appliance.start()
        fleet = Fleet(plane)
        element = str(fleet.claim(appliance)["id"])
        batches = Batches(plane.url("ingester"), fleet.service_account("restart", "files:write"))
        for start in range(0, 300, 100):
            batches.upload(range(start, start + 100))
        path = f"/api/v1/storage-elements/{element}"
        # About 160 KiB of listing at 8 KiB a second: there is time to die in.
        fleet.admin.call("PUT", path, {"sync_bytes_per_second": 8192}).expect(200)

        def sync() -> None:
            try:
                client = Client(fleet.admin.base, fleet.admin.token, timeout=120)
                answers.append(client.call("POST", f"{path}/sync?full=true"))
            except OSError as error:
                answers.append(error)

        asking = threading.Thread(target=sync)
        asking.start()
        ranges = "SELECT count(*) FROM fleet_full_sync_ranges"
        _wait(lambda: int(postgres.sql(ranges, "restart")) > 0, 60, "the full sync being under way")
        postgres.kill()
        postgres.restart()
        asking.join()
        answer = answers[0]
        assert isinstance(answer, Answer) and answer.status == 503 and answer.code == "OVERLOADED", answer
        _wait(lambda: plane.client("admin").call("GET", "/health/ready").status == 200, 30, "readiness")
        admin = plane.login()
        state = admin.call("GET", path).expect(200).json
        assert state["sync_fault"] == "database" and state["sync_error"]
        assert state["loss_found"] == 0
        admin.call("PUT", path, {"sync_bytes_per_second": 0}).expect(200)
        report = admin.call("POST", f"{path}/sync?full=true").expect(200).json
        assert report["storage_element"]["sync_fault"] is None
        assert report["file_sync"]["deleted"] == 0 and report["file_sync"]["digest"] == "equal"
        lost = "SELECT count(*) FROM files WHERE missing_since IS NOT NULL OR status <> 'active'"
        assert (postgres.sql("SELECT count(*) FROM files", "restart"), postgres.sql(lost, "restart")) == ("300", "0")
        audit = admin.call("GET", f"/api/v1/audit?target={element}").expect(200).json["items"]
        told = [(one["action"], one["details"].get("fault")) for one in audit if ".sync_" in one["action"]]
        assert told == [("storage_element.sync_recovered", None), ("storage_element.sync_fault", "database")]
    finally:
        appliance.stop()
        plane.stop()
        postgres.stop()


def _wait(is_so: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.1f} s"
        time.sleep(0.1)
