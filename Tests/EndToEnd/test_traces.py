"""Traces: the control plane sends its spans and those it pulls from appliances to a collector, OTLP over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from artstore.client import Document
from artstore.postgres import PrivatePostgres
from artstore.programs import Appliance, ControlPlane, Fleet

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"


class Collector:
    """Takes what an OpenTelemetry collector would take."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []
        self.arrived = threading.Condition()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert (self.path, self.headers["Content-Type"]) == ("/v1/traces", "application/json")
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                collector.take(body)
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/v1/traces"

    def take(self, body: dict[str, Any]) -> None:
        with self.arrived:
            for resource in body["resourceSpans"]:
                facts = {fact["key"]: fact["value"]["stringValue"] for fact in resource["resource"]["attributes"]}
                for scope in resource["scopeSpans"]:
                    self.spans += [{**span, **facts} for span in scope["spans"]]
            self.arrived.notify_all()

    def of_trace(self, trace: str, count: int) -> list[dict[str, Any]]:
        """The trace's spans, once there are so many."""
        with self.arrived:
            found = self.arrived.wait_for(lambda: sum(span["traceId"] == trace for span in self.spans) >= count, 60)
            assert found, self.spans
            return [span for span in self.spans if span["traceId"] == trace]


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_a_trace_goes_from_the_client_to_the_appliance(
    collector: Collector, directory: Path, postgres: PrivatePostgres, programs: str
) -> None:
    plane = ControlPlane(
        directory, postgres.create_database("traced"), programs, settings={"CP_OTLP_ENDPOINT": collector.endpoint}
    )
    appliance = Appliance(directory / "site", "edit", "north", programs)
    try:
        plane.start()
        appliance.start()
        fleet = Fleet(plane)
        fleet.claim(appliance)
        ingester = plane.client("ingester", fleet.service_account("traced", "files:write").token())
        document = Document("ivanov-secret.txt", b"traced")
        headers = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
        ingester.upload("/api/v1/files/upload", document, headers=headers).expect(201)

        spans = {span["service.name"]: span for span in collector.of_trace(TRACE, 2)}
        ours, theirs = spans["artstore-controlplane"], spans["artstore-appliance"]
        assert (ours["parentSpanId"], theirs["parentSpanId"]) == (CALLER, ours["spanId"])
        assert ours["name"] == theirs["name"] == "POST /api/v1/files/upload"
        assert theirs["service.instance.id"] == "north"
        assert int(ours["startTimeUnixNano"]) <= int(ours["endTimeUnixNano"])
        assert "ivanov" not in json.dumps(collector.spans), "nothing of the document is in them"
        # A trace whose caller does not want it sampled leaves nothing.
        other = TRACE[::-1]
        headers = {"traceparent": f"00-{other}-{CALLER}-00"}
        ingester.upload("/api/v1/files/upload", document, headers=headers).expect(201)
        headers = {"traceparent": f"00-{TRACE[:-1]}7-{CALLER}-01"}
        ingester.upload("/api/v1/files/upload", document, headers=headers).expect(201)
        collector.of_trace(f"{TRACE[:-1]}7", 2)
        assert not [span for span in collector.spans if span["traceId"] == other]
    finally:
        appliance.stop()
        plane.stop()
