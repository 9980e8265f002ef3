"""The control plane against its own OpenAPI files, with requests that schemathesis makes up (issue 5). The seed is
fixed; ARTSTORE_CONTRACT_EXAMPLES and ARTSTORE_CONTRACT_SEED make it look further."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from artstore import paths
from artstore.postgres import PrivatePostgres
from artstore.programs import Appliance, ControlPlane, Fleet

EXAMPLES = os.environ.get("ARTSTORE_CONTRACT_EXAMPLES", "5")
SEED = os.environ.get("ARTSTORE_CONTRACT_SEED", "4")
HERE = Path(__file__).parent


@dataclass
class ContractFleet:
    """A fleet of its own: what is made up here removes, revokes and locks."""

    plane: ControlPlane
    site: dict[str, Any]
    directory: Path


@pytest.fixture(scope="module")
def central(programs: str, postgres: PrivatePostgres, scratch: Path) -> Iterator[ContractFleet]:
    directory = scratch / "admin-contract"
    plane = ControlPlane(directory, postgres.create_database("contract"), programs)
    modes = {"kept": "edit", "spare": "rw", "lost": "rw"}
    appliances = {name: Appliance(directory / name, mode, name, programs) for name, mode in modes.items()}
    try:
        plane.start()
        for appliance in appliances.values():
            appliance.start()
        fleet = Fleet(plane)
        elements = {name: fleet.claim(appliance)["id"] for name, appliance in appliances.items()}
        draft = {"name": "contract", "scopes": ["files:read", "files:write"]}
        account = fleet.admin.call("POST", "/api/v1/service-accounts", draft).expect(201).json
        site: dict[str, Any] = {
            "admin": plane.url("admin"),
            "ingester": plane.url("ingester"),
            "login": plane.administrator,
            "password": plane.password,
            "administrator": fleet.admin.call("GET", "/api/v1/auth/me").expect(200).json["administrator"]["id"],
            "account": {name: account[name] for name in ("client_id", "client_secret")},
            "kept": elements["kept"],
            "kept_url": appliances["kept"].url,
            "lost": elements["lost"],
            "spare_url": appliances["spare"].url,
        }
        yield ContractFleet(plane, site, directory)
    finally:
        for appliance in appliances.values():
            appliance.stop()
        plane.stop()


@pytest.mark.parametrize("role", ["admin", "ingester", "query"])
def test_every_answer_is_what_the_contract_says(central: ContractFleet, role: str) -> None:
    answers = central.directory / f"{role}-answers.json"
    site = central.directory / f"{role}-site.json"
    site.write_text(json.dumps({**central.site, "role": role, "answers": str(answers)}))
    specification = paths.ROOT / f"controlplane/api/{role}.yaml"
    command = [str(paths.ROOT / ".venv/bin/st"), "--config-file", str(HERE / "schemathesis-central.toml")]
    command += ["run", str(specification), "--url", central.plane.url(role)]
    command += ["--seed", SEED, "--max-examples", EXAMPLES, "--continue-on-failure"]
    environment = {
        **os.environ,
        "PYTHONPATH": f"{HERE}:{paths.ROOT / 'tools'}",
        "SCHEMATHESIS_HOOKS": "schemathesis_central",
        "ARTSTORE_CONTRACT_SITE": str(site),
    }
    print(f"seed {SEED}, {EXAMPLES} examples an operation")
    done = subprocess.run(
        command,
        cwd=central.directory,  # it keeps what it has seen in the directory it runs in
        env=environment,
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    told = "\n".join(line[:400] for line in done.stdout.splitlines()[-1200:])
    assert done.returncode == 0, told + done.stderr[-2000:]
    faults = [line for line in central.plane.log.read_text().splitlines() if '"level":"error"' in line]
    assert faults == [], "\n".join(faults[:20])
    assert central.plane.process.exit_status is None, "the control plane did not survive"
    seen = json.loads(answers.read_text())
    operations = [
        str(operation["operationId"])
        for methods in yaml.safe_load(specification.read_text())["paths"].values()
        for operation in methods.values()
        if isinstance(operation, dict)
    ]
    never = [name for name in operations if not any(status.startswith("2") for status in seen.get(name, {}))]
    assert never == [], {name: seen.get(name) for name in never}
