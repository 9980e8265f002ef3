"""Where things lie in the checkout, and how tools are found."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
SWIFT = BUILD / "swift"
ASSETS = BUILD / "assets"
PACKAGES = {"kit": ROOT, "appliance": ROOT / "appliance", "controlplane": ROOT / "controlplane"}
PROGRAMS = {"appliance": "artstore-appliance", "controlplane": "artstore-controlplane"}

_EXTRA_FOLDERS = [
    ROOT / ".venv/bin",
    BUILD / "tools/usr/bin",
    BUILD / "tools/usr/sbin",
    Path("/usr/sbin"),
    Path("/sbin"),
]


def search_path() -> str:
    """PATH with the folders that tools/setup unpacks tools into."""
    return os.pathsep.join([os.environ.get("PATH", ""), *map(str, _EXTRA_FOLDERS)])


def tool(name: str) -> str:
    """The full path of a command; raises with the way to get it."""
    found = shutil.which(name, path=search_path())
    if found is None:
        raise FileNotFoundError(f"the command {name} is not here; tools/setup run test bench installs it")
    return found


def given_program(side: str) -> Path | None:
    """ARTSTORE_APPLIANCE or ARTSTORE_CONTROLPLANE in the environment names a program that needs no building."""
    override = os.environ.get(f"ARTSTORE_{side.upper()}")
    return Path(override) if override else None


def program(side: str, configuration: str) -> Path:
    """The program of `appliance` or `controlplane`: the given one, or where the build leaves it."""
    given = given_program(side)
    return given if given else SWIFT / configuration / PROGRAMS[side]


def remove_tree(directory: Path) -> None:
    """Removes a directory of ours; never walks into something mounted below it."""
    subprocess.run(["rm", "-rf", "--one-file-system", "--", str(directory)], check=False)
