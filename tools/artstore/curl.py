"""The command a user would type: curl, with the token in a file that only we can read."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CurlAnswer:
    status: int
    body: bytes
    headers: dict[str, str]


class Curl:
    """Runs curl against one base URL with one bearer token."""

    def __init__(self, base: str, token: str, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._base = base
        self._directory = directory
        self._header = directory / "authorization"
        self._header.touch(mode=0o600)
        self._header.write_text(f"Authorization: Bearer {token}\n")

    def get(self, path: str, *options: str) -> CurlAnswer:
        """Fetches a small answer with its status and headers (names in lower case)."""
        head = self._directory / "headers"
        done = self._run("-D", str(head), *options, self._base + path)
        if done.returncode != 0:
            raise RuntimeError(f"curl {path} ended with {done.returncode}: {done.stderr.decode(errors='replace')}")
        lines = head.read_text(errors="replace").splitlines()
        statuses = [int(match[1]) for line in lines if (match := re.match(r"HTTP/\S+ (\d+)", line))]
        headers = dict(line.split(": ", 1) for line in lines if ": " in line)
        return CurlAnswer(statuses[-1], done.stdout, {name.lower(): value for name, value in headers.items()})

    def interrupted_download(self, path: str, target: Path, cut_after: int, rate: str = "200M") -> int:
        """Starts a download and kills curl once `cut_after` bytes have arrived; returns how many are there."""
        command = self._command("--fail", "--limit-rate", rate, "-o", str(target), self._base + path)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
            while child.poll() is None and (not target.exists() or target.stat().st_size < cut_after):
                time.sleep(0.005)
            child.kill()
        return target.stat().st_size if target.exists() else 0

    def resume_download(self, path: str, target: Path, status: Callable[[str], None] | None = None) -> None:
        """Continues where the file ends, by a range request."""
        command = self._command("--fail", "-C", "-", "-o", str(target), self._base + path)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
            while child.poll() is None:
                if status:
                    status(f"{target.stat().st_size >> 20} MiB")
                time.sleep(0.1)
            error = child.stderr.read().decode(errors="replace") if child.stderr else ""
        if child.returncode != 0:
            raise RuntimeError(f"curl -C - {path} ended with {child.returncode}: {error}")

    def _command(self, *options: str) -> list[str]:
        return ["curl", "-sS", "--noproxy", "*", "-H", f"@{self._header}", *options]

    def _run(self, *options: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(self._command(*options), capture_output=True, timeout=300, check=False)
