"""The control plane behind a gateway: whose failed attempts are counted together, and what is said when it does not
know its gateway."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from artstore.client import Answer, Client
from artstore.postgres import PrivatePostgres
from artstore.programs import ControlPlane

ATTEMPTS = 60  # the budget of one address


@pytest.fixture(scope="module")
def behind(programs: str, postgres: PrivatePostgres, scratch: Path) -> Iterator[ControlPlane]:
    """It believes what the gateway on this machine says."""
    url = postgres.create_database("gateway")
    settings = {"CP_TRUSTED_PROXIES": "192.0.2.0/24, 127.0.0.1"}
    plane = ControlPlane(scratch / "gateway", url, programs, roles=("admin",), settings=settings)
    plane.start()
    yield plane
    plane.stop()


def guess(client: Client, asking_for: str, asked_for_before: str = "") -> Answer:
    """A wrong secret for an account that nobody has guessed before."""
    form = {"grant_type": "client_credentials", "client_id": f"sa_{secrets.token_hex(8)}", "client_secret": "x"}
    said = f"{asked_for_before}, {asking_for}" if asked_for_before else asking_for
    return client.call("POST", "/api/v1/auth/token", form=form, headers={"X-Forwarded-For": said})


def test_each_client_behind_a_known_gateway_has_its_own_budget(behind: ControlPlane) -> None:
    client = behind.client("admin")
    # What the guesser writes into the header itself changes nothing.
    answers = [guess(client, "203.0.113.7", f"198.51.100.{number}").status for number in range(ATTEMPTS + 5)]
    assert answers[0] == 401 and answers[-1] == 429
    assert guess(client, "203.0.113.8").status == 401
    login = {"login": "admin", "password": "surely not this one"}
    refused = client.call("POST", "/api/v1/auth/login", login, headers={"X-Forwarded-For": "203.0.113.9"})
    assert refused.status == 401
    records = behind.login().call("GET", "/api/v1/audit?action=login").expect(200).json["items"]
    assert "203.0.113.9" in {record["source"] for record in records}
    ready = client.call("GET", "/health/ready").expect(200).json
    assert "CP_TRUSTED_PROXIES" not in ready["checks"]["client_addresses"]["message"]


def test_an_unknown_gateway_is_noticed_and_not_believed(
    programs: str, postgres: PrivatePostgres, directory: Path
) -> None:
    plane = ControlPlane(directory, postgres.create_database("no-gateway"), programs, roles=("admin",))
    plane.start()
    try:
        client = plane.client("admin")
        answers = [guess(client, f"203.0.113.{number}").status for number in range(ATTEMPTS + 5)]
        assert answers[0] == 401 and answers[-1] == 429
        ready = client.call("GET", "/health/ready").expect(200).json
        assert "CP_TRUSTED_PROXIES" in ready["checks"]["client_addresses"]["message"]
        metrics = client.call("GET", "/metrics").expect(200).body.decode()
        figures = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if not line.startswith("#"))
        assert float(figures["cp_forwarded_ignored_total"]) >= ATTEMPTS
        told = [line for line in plane.log.read_text().splitlines() if "X-Forwarded-For is not believed" in line]
        assert len(told) == 1 and "127.0.0.1" in told[0]
    finally:
        plane.stop()


def test_a_network_that_is_none_is_refused_by_name(programs: str, postgres: PrivatePostgres, directory: Path) -> None:
    settings = {"CP_TRUSTED_PROXIES": "10.0.0.0/8, gateway.example"}
    plane = ControlPlane(directory, postgres.create_database("bad-gateway"), programs, ("admin",), settings)
    with pytest.raises(RuntimeError, match=r"CP_TRUSTED_PROXIES: 'gateway\.example'"):
        plane.start()
