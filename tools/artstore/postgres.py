"""A PostgreSQL of our own: its own directory, password and free port on loopback; the system's is not touched."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from .processes import Process, ProcessFailed

SYSTEM_USER = "postgres"


def binaries() -> Path:
    """The folder of the newest installed server, at least 15."""
    found = sorted(
        (path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "postgres").exists()),
        key=lambda path: int(path.parent.name),
    )
    if not found or int(found[-1].parent.name) < 15:
        raise FileNotFoundError("PostgreSQL 15 or newer is not installed; tools/setup run installs it")
    return found[-1]


def free_port() -> int:
    """A port nobody listens on, below the range that outgoing connections use: it stays ours over a restart."""
    for _ in range(200):
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port between 20000 and 32000 on 127.0.0.1")


class PrivatePostgres:
    """Runs in `directory`, which root's other users must be able to reach: PostgreSQL refuses to run as root."""

    def __init__(self, directory: Path, log: Path) -> None:
        self.directory = directory
        self.log = log
        self.password = secrets.token_hex(16)
        self.port = 0
        self._process: Process | None = None
        self._user = SYSTEM_USER if os.geteuid() == 0 else None

    def start(self) -> None:
        self._create_cluster()
        for _ in range(5):
            self.port = free_port()
            try:
                self._start_on_port()
                return
            except ProcessFailed:
                if "could not bind" not in self.tail():
                    raise
        raise ProcessFailed(f"PostgreSQL found no free port:\n{self.tail()}")

    def url(self, database: str = "artstore") -> str:
        return f"postgresql://artstore:{self.password}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """Makes an empty database and returns its URL."""
        self.sql(f'CREATE DATABASE "{name}"', "postgres")
        return self.url(name)

    def sql(self, statement: str, database: str) -> str:
        """Runs one statement as the superuser and returns psql's unaligned output."""
        done = subprocess.run(
            [str(binaries() / "psql"), "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", self.url(database), "-c", statement],
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode != 0:
            raise ProcessFailed(f"psql failed on {statement!r}: {done.stderr.strip()}")
        return done.stdout.strip()

    def copy_out(self, statement: str, database: str, target: Path) -> None:
        """Runs one `COPY … TO STDOUT` into a file."""
        with target.open("wb") as output:
            command = [str(binaries() / "psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-d", self.url(database)]
            done = subprocess.run(
                [*command, "-c", statement], stdout=output, stderr=subprocess.PIPE, text=True, timeout=600, check=False
            )
        if done.returncode != 0:
            raise ProcessFailed(f"psql failed on {statement!r}: {done.stderr.strip()}")

    def tail(self) -> str:
        return self._process.tail() if self._process else ""

    def stop(self) -> None:
        if self._process:
            self._process.stop(signal.SIGINT)
            self._process = None

    def kill(self) -> None:
        """SIGKILL, as a crash: no checkpoint, connections broken. `restart` brings it back on the same port."""
        if self._process:
            self._process.kill()

    def restart(self, seconds: float = 30) -> None:
        """After `kill`. Its children need a moment to notice and to let go of what they share."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self._start_on_port()
                return
            except ProcessFailed:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _create_cluster(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        password_file = self.directory / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self.password)
        if self._user:
            shutil.chown(self.directory, self._user, self._user)
            shutil.chown(password_file, self._user, self._user)
        done = subprocess.run(
            [
                *(str(binaries() / "initdb"), "-D", str(self.directory / "data"), "-U", "artstore", "-E", "UTF8"),
                *("--locale=C.UTF-8", "--no-sync", "-A", "scram-sha-256", f"--pwfile={password_file}"),
            ],
            user=self._user,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=120,
        )
        password_file.unlink()
        if done.returncode != 0:
            raise ProcessFailed(f"initdb failed in {self.directory}: {done.stderr.strip()}")

    def _start_on_port(self) -> None:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",
            "shared_buffers": "64MB",
            "max_connections": "60",
            "log_min_messages": "warning",
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        command = [str(binaries() / "postgres"), "-D", str(self.directory / "data"), *options]
        self._process = Process("PostgreSQL", command, self.log, user=self._user, death_signal=signal.SIGINT)
        self._process.wait_until(self._accepts, "accepting connections")
        if not self.sql("SELECT datname FROM pg_database WHERE datname = 'artstore'", "postgres"):
            self.create_database("artstore")

    def _accepts(self) -> bool:
        done = subprocess.run(
            [str(binaries() / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)], timeout=10, check=False
        )
        return done.returncode == 0
