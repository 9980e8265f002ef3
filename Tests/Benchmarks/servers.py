"""The two servers that the benchmarks compare, and the CPU time and memory that the kernel charged them with."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from credentials import TokenIssuer

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
START_SECONDS_MAX = 30


def free_port() -> int:
    """A port that was free a moment ago: nginx cannot bind port 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _children(pid: int) -> list[int]:
    listing = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listing.read_text().split()] if listing.exists() else []


@dataclass
class Server:
    """A running server process: stopped by pid, never by name."""

    name: str
    port: int
    process: subprocess.Popen[bytes]

    def cpu_seconds(self) -> float:
        """User and system time of the process and its workers so far."""
        total = 0
        for pid in [self.process.pid, *_children(self.process.pid)]:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS_PER_SECOND

    def resident_mebibytes(self) -> float:
        total = 0
        for pid in [self.process.pid, *_children(self.process.pid)]:
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1])
        return total / 1024

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def _wait_for(server: Server, log: Path) -> Server:
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", server.port)) == 0:
                return server
        time.sleep(0.05)
    server.stop()
    raise RuntimeError(f"{server.name} did not start:\n{log.read_text(errors='replace')[-2000:]}")


def start_nginx(folder: Path, certificates: Path, root: Path) -> Server:
    """nginx as an operator would tune it for this work: two workers, sendfile, TLS 1.3 with client certificates."""
    port = free_port()
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    (folder / "put").mkdir(exist_ok=True)
    configuration = folder / "nginx.conf"
    configuration.write_text(f"""
daemon off; user root; worker_processes 2; pid {folder}/nginx.pid; error_log {folder}/error.log warn;
worker_rlimit_nofile 20000;
events {{ worker_connections 12000; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_timeout 3600s; keepalive_requests 100000000;
  client_header_timeout 3600s; default_type application/octet-stream;
  client_body_temp_path {folder}/tmp; client_max_body_size 0;
  proxy_temp_path {folder}/tmp; fastcgi_temp_path {folder}/tmp; uwsgi_temp_path {folder}/tmp; scgi_temp_path {folder}/tmp;
  server {{
    listen 127.0.0.1:{port} ssl reuseport backlog=4096;
    ssl_certificate {certificates}/server.crt; ssl_certificate_key {certificates}/server.key;
    ssl_client_certificate {certificates}/ca.crt; ssl_verify_client on;
    ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
    ssl_session_tickets on; ssl_session_cache none;
    root {root};
    location /put/ {{ alias {folder}/put/; dav_methods PUT DELETE; create_full_put_path on; }}
  }}
}}
""")
    log = folder / "nginx.log"
    with log.open("wb") as output:
        process = subprocess.Popen(["nginx", "-p", str(folder), "-c", str(configuration)], stdout=output, stderr=output)
    return _wait_for(Server("nginx", port, process), log)


@dataclass
class Appliance:
    """The storage element under test, with certificates and JWKS from files (DESIGN §4.7 point 7)."""

    server: Server
    storage_id: str
    issuer: TokenIssuer
    certificates: Path

    def token_file(self) -> Path:
        """Minted anew for each round: internal tokens live five minutes at most."""
        path = self.certificates / "token"
        path.touch(mode=0o600)
        path.write_text(self.issuer.token(f"storage:{self.storage_id}"))
        return path

    def curl(self, *arguments: str) -> bytes:
        header = self.certificates / "authorization"
        header.touch(mode=0o600)
        header.write_text(f"Authorization: Bearer {self.token_file().read_text()}")
        done = subprocess.run(
            [
                "curl",
                "-sS",
                "--fail-with-body",
                "--cacert",
                str(self.certificates / "ca.crt"),
                "--cert",
                str(self.certificates / "client.crt"),
                "--key",
                str(self.certificates / "client.key"),
                "-H",
                f"@{header}",
                *arguments,
            ],
            capture_output=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"curl {arguments[-1]}: {done.stderr.decode()} {done.stdout.decode()[:500]}")
        return done.stdout

    def upload(self, document: Path) -> str:
        """Stores the document and answers its id."""
        address = f"https://127.0.0.1:{self.server.port}/api/v1/files/upload"
        answer = self.curl("-F", f"file=@{document};type=application/octet-stream", address)
        return str(json.loads(answer)["file_id"])


def start_appliance(program: Path, folder: Path, certificates: Path, issuer: TokenIssuer) -> Appliance:
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    environment = {
        "PATH": os.environ["PATH"],
        "SE_DATA_DIR": str(data),
        "SE_WAL_DIR": str(folder / "wal"),
        "SE_INDEX_DIR": str(folder / "index"),
        "SE_MODE": "edit",
        "SE_API_ADDRESS": "127.0.0.1:0",
        "SE_PROBE_ADDRESS": "127.0.0.1:0",
        "SE_TLS_CERT": str(certificates / "server.crt"),
        "SE_TLS_KEY": str(certificates / "server.key"),
        "SE_CLIENT_CA": str(certificates / "ca.crt"),
        "SE_JWKS_FILE": str(issuer.jwks),
        "SE_LOG_LEVEL": "warning",
    }
    log = folder / "appliance.log"
    with log.open("wb") as output:
        process = subprocess.Popen([str(program), "serve"], env=environment, stdout=output, stderr=output)
    addresses = data / "state" / "addresses.json"
    deadline = time.monotonic() + START_SECONDS_MAX
    while not addresses.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise RuntimeError(f"the appliance did not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.05)
    bound = json.loads(addresses.read_text())
    server = _wait_for(Server("artstore", int(str(bound["api"]).rpartition(":")[2]), process), log)
    status = subprocess.run([str(program), "status", "--json"], env=environment, capture_output=True, check=True)
    return Appliance(server, json.loads(status.stdout)["storage_id"], issuer, certificates)
