"""The two servers that the benchmarks compare, and the CPU time and memory that the kernel charged them with."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from pathlib import Path

from artstore import paths
from artstore.certificates import Authority, KeyPair
from artstore.client import Document
from artstore.postgres import free_port
from artstore.processes import Process
from artstore.programs import Appliance
from artstore.tokens import TokenIssuer

_STORAGE_ID = "00000000-0000-4000-8000-00000000bec4"


@dataclass
class Credentials:
    """One CA, one server certificate that both servers show, one client certificate, one token key."""

    authority: Authority
    server: KeyPair
    client: KeyPair
    tokens: TokenIssuer
    key_set: Path

    @staticmethod
    def make(folder: Path) -> Credentials:
        authority = Authority(folder)
        tokens = TokenIssuer(folder)
        key_set = tokens.write_key_set(folder / "jwks.json")
        return Credentials(
            authority, authority.server(_STORAGE_ID), authority.client("ingester", "bench"), tokens, key_set
        )


def _family(pid: int) -> list[int]:
    listing = Path(f"/proc/{pid}/task/{pid}/children")
    return [pid, *(int(child) for child in listing.read_text().split())]


def _cpu_clock(pid: int) -> int:
    """The clock that clock_getcpuclockid(3) names for a process."""
    return ~pid << 3 | 2


class Server:
    """What is measured: a server's processes and where it listens."""

    def __init__(self, name: str, port: int, pid: int) -> None:
        self.name = name
        self.port = port
        self._pid = pid

    def cpu_seconds(self) -> float:
        """User and system time of the process and its workers so far, by the kernel's own clock of each."""
        return sum(time.clock_gettime(_cpu_clock(pid)) for pid in _family(self._pid))

    def resident_mebibytes(self) -> float:
        total = 0
        for pid in _family(self._pid):
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
        return total / 1024

    def proportional_mebibytes(self) -> float:
        """The same, but a page that several processes share is shared out among them."""
        total = 0
        for pid in _family(self._pid):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total / 1024


class Nginx(Server):
    """nginx as an operator would tune it for this work: two workers, sendfile, TLS 1.3 with client certificates."""

    def __init__(self, folder: Path, credentials: Credentials, documents: Path) -> None:
        port = free_port()
        (folder / "tmp").mkdir(parents=True)
        configuration = folder / "nginx.conf"
        configuration.write_text(self._configuration(folder, credentials, documents, port))
        command: list[str | Path] = [paths.tool("nginx"), "-p", folder, "-c", configuration]
        self.process = Process("nginx", command, folder / "nginx.log")
        self.process.wait_until(lambda: _accepts(port), "accepting connections")
        super().__init__("nginx", port, self.process.pid)

    @staticmethod
    def _configuration(folder: Path, credentials: Credentials, documents: Path, port: int) -> str:
        temporary = "".join(
            f"{kind}_temp_path {folder}/tmp; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        return f"""
daemon off; user root; worker_processes 2; pid {folder}/nginx.pid; error_log {folder}/error.log warn;
worker_rlimit_nofile 20000;
events {{ worker_connections 12000; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_timeout 3600s; keepalive_requests 100000000;
  client_header_timeout 3600s; default_type application/octet-stream; client_max_body_size 0;
  {temporary}
  server {{
    listen 127.0.0.1:{port} ssl reuseport backlog=4096;
    ssl_certificate {credentials.server.certificate}; ssl_certificate_key {credentials.server.key};
    ssl_client_certificate {credentials.authority.certificate}; ssl_verify_client on;
    ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
    ssl_session_tickets on; ssl_session_cache none;
    root {documents};
    location /upload/ {{ dav_methods PUT; client_body_buffer_size 256k; }}
  }}
}}
"""


class ArtStore(Server):
    """The appliance with certificates and keys from files instead of claiming (DESIGN §4.7 point 7)."""

    def __init__(self, folder: Path, credentials: Credentials, limits: dict[str, str] | None = None) -> None:
        self._credentials = credentials
        self._folder = folder
        settings = {
            "SE_STORAGE_ID": _STORAGE_ID,
            "SE_TLS_CERT": str(credentials.server.certificate),
            "SE_TLS_KEY": str(credentials.server.key),
            "SE_CLIENT_CA": str(credentials.authority.certificate),
            "SE_JWKS_FILE": str(credentials.key_set),
            "SE_LOG_LEVEL": "warning",
            **(limits or {}),
        }
        self.appliance = Appliance(folder, "edit", settings=settings)
        self.appliance.start()
        super().__init__("artstore", self.appliance.port, self.appliance.process.pid)

    def token(self) -> str:
        """Minted anew for each round: internal tokens live five minutes at most."""
        return self._credentials.tokens.token(f"storage:{_STORAGE_ID}", subject="bench")

    def token_file(self) -> Path:
        path = self._folder / "token"
        path.touch(mode=0o600)
        path.write_text(self.token())
        return path

    def upload(self, document: Path) -> str:
        """Stores the document and answers its id."""
        credentials = self._credentials
        client = self.appliance.client(credentials.client, credentials.authority.certificate, self.token())
        answer = client.upload("/api/v1/files/upload", Document(document.name, document))
        return str(answer.expect(201).json["file_id"])


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
