"""The two programs as this machine runs them: their configuration, start, readiness and end."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Mapping
from pathlib import Path

from . import paths
from .certificates import KeyPair
from .client import Client
from .postgres import free_port
from .processes import Process, ProcessFailed

ROLES = ("admin", "ingester", "query", "console")


def _run(
    program: Path, arguments: tuple[str, ...], settings: Mapping[str, str], check: bool
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(program), *arguments],
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **settings},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if check and done.returncode != 0:
        raise ProcessFailed(f"{program.name} {' '.join(arguments)} failed: {done.stderr.strip()}")
    return done


class Appliance:
    """One storage appliance in `directory`. It keeps its address and its data over `start` and `kill`."""

    def __init__(
        self,
        directory: Path,
        mode: str,
        name: str = "appliance",
        configuration: str = "release",
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.mode = mode
        self.name = name
        self.data = directory / "data"
        self.log = directory / f"{name}.log"
        self.port, self.probe_port = free_port(), free_port()
        self._program = paths.program("appliance", configuration)
        self._process: Process | None = None
        # What starts the program instead: strace, a profiler.
        self.wrapper: list[str] = []
        directory.mkdir(parents=True, exist_ok=True)
        self.settings = {
            "SE_DATA_DIR": str(self.data),
            "SE_MODE": mode,
            "SE_API_ADDRESS": f"127.0.0.1:{self.port}",
            "SE_PROBE_ADDRESS": f"127.0.0.1:{self.probe_port}",
            **(settings or {}),
        }

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def process(self) -> Process:
        assert self._process is not None, f"{self.name} was not started"
        return self._process

    def start(self, seconds: float = 60) -> None:
        """Starts the daemon and waits until its probe listener says it is alive and ready to be asked."""
        self._process = Process(self.name, [*self.wrapper, self._program, "serve"], self.log, environment=self.settings)
        self._process.wait_until(self._is_live, "answering on its probe listener", seconds)

    def claim_code(self) -> str:
        """What the site's operator reads off the terminal."""
        done = self.command("claim-code", "--json")
        return str(json.loads(done.stdout)["claim_code"])

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs a subcommand with this appliance's configuration."""
        return _run(self._program, arguments, self.settings, check)

    def client(
        self, identity: KeyPair | None = None, authority: Path | None = None, token: str | None = None
    ) -> Client:
        """Talks to the API listener directly; the certificate is checked only if an authority is given."""
        return Client(self.url, token, authority, identity, verify=authority is not None)

    def probe(self) -> Client:
        return Client(f"https://127.0.0.1:{self.probe_port}", verify=False, timeout=5)

    def documents(self) -> list[Path]:
        """The stored documents on disk, without their attributes."""
        return [p for p in (self.data / "files").rglob("*") if p.is_file() and not p.name.endswith(".attr.json")]

    def kill(self) -> None:
        self.process.kill()

    def stop(self) -> int:
        status = self._process.stop() if self._process else 0
        self._process = None
        return status

    def _is_live(self) -> bool:
        try:
            return self.probe().call("GET", "/health/live").status == 200
        except OSError:
            return False


def gather_console_assets() -> Path:
    """Style sheets and scripts of the console, out of pinned packages; quick when they are there."""
    done = subprocess.run([str(paths.ROOT / "tools/console-assets")], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ProcessFailed(f"tools/console-assets failed: {done.stderr.strip()}")
    return paths.ASSETS


class ControlPlane:
    """All four roles in one process."""

    def __init__(
        self,
        directory: Path,
        database_url: str,
        configuration: str = "release",
        roles: tuple[str, ...] = ROLES,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.log = directory / "controlplane.log"
        self.roles = roles
        self.administrator = "admin"
        self.password = secrets.token_urlsafe(15)
        self.ports = {role: free_port() for role in roles}
        self._program = paths.program("controlplane", configuration)
        self._process: Process | None = None
        directory.mkdir(parents=True, exist_ok=True)
        self.settings = {
            "CP_DATABASE_URL": database_url,
            "CP_MASTER_KEY": secrets.token_hex(32),
            "CP_FIRST_ADMIN_LOGIN": self.administrator,
            "CP_FIRST_ADMIN_PASSWORD": self.password,
            "CP_ASSETS_DIR": str(paths.ASSETS),
            "CP_ISSUER": f"http://127.0.0.1:{self.ports.get('admin', 8000)}",
            **{f"CP_{role.upper()}_ADDRESS": f"127.0.0.1:{port}" for role, port in self.ports.items()},
            **(settings or {}),
        }

    @property
    def process(self) -> Process:
        assert self._process is not None, "the control plane was not started"
        return self._process

    def start(self, seconds: float = 60) -> None:
        command: list[str | Path] = [self._program, "serve", "--roles", ",".join(self.roles)]
        self._process = Process("control plane", command, self.log, environment=self.settings)
        self._process.wait_until(self._is_ready, "every role being ready", seconds)

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs a subcommand with this control plane's configuration."""
        return _run(self._program, arguments, self.settings, check)

    def url(self, role: str) -> str:
        return f"http://127.0.0.1:{self.ports[role]}"

    def client(self, role: str, token: str | None = None) -> Client:
        return Client(self.url(role), token)

    def login(self) -> Client:
        """The admin API as the first administrator."""
        answer = self.client("admin").call(
            "POST", "/api/v1/auth/login", {"login": self.administrator, "password": self.password}
        )
        return self.client("admin", answer.expect(200).json["access_token"])

    def stop(self) -> int:
        status = self._process.stop() if self._process else 0
        self._process = None
        return status

    def kill(self) -> None:
        self.process.kill()

    def _is_ready(self) -> bool:
        try:
            return all(self.client(role).call("GET", "/health/ready").status == 200 for role in self.roles)
        except OSError:
            return False


class Fleet:
    """What an administrator does to get going: claim appliances, make a service account, get its token."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self.admin = plane.login()

    def claim(self, appliance: Appliance, priority: int = 100) -> dict[str, object]:
        """Registers the appliance with its claim code; returns the storage element."""
        request = {
            "name": appliance.name,
            "url": appliance.url,
            "claim_code": appliance.claim_code(),
            "priority": priority,
        }
        element = self.admin.call("POST", "/api/v1/storage-elements", request).expect(201).json
        assert isinstance(element, dict)
        return element

    def service_account(self, name: str, *scopes: str) -> ServiceAccount:
        request = {"name": name, "description": "made by tools", "scopes": list(scopes)}
        made = self.admin.call("POST", "/api/v1/service-accounts", request).expect(201).json
        return ServiceAccount(self.plane, str(made["client_id"]), str(made["client_secret"]))


class ServiceAccount:
    """A client system with OAuth 2.0 client credentials."""

    def __init__(self, plane: ControlPlane, client_id: str, secret: str) -> None:
        self.client_id = client_id
        self._secret = secret
        self._plane = plane

    def token(self, *scopes: str) -> str:
        form = {"grant_type": "client_credentials", "client_id": self.client_id, "client_secret": self._secret}
        if scopes:
            form["scope"] = " ".join(scopes)
        answer = self._plane.client("admin").call("POST", "/api/v1/auth/token", form=form)
        return str(answer.expect(200).json["access_token"])
