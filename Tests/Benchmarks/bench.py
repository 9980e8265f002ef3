"""make bench: each work on ArtStore and on its peer, rounds interleaved, into build/bench/results.ndjson.

ONLY=name,… runs a subset; ROUNDS=n (default 5) and DURATION=s (default 3, seconds) bound it. The exit status says
whether it could be measured, never whether it was fast: the machine is shared and noisy. A row is added in rows/."""

from __future__ import annotations

import json
import os
import platform
import sys

from artstore import swiftpackage
from bed import Bed, compile_client
from comparison import BUILD, ROUNDS, Figure
from registry import Row, all_rows


def build(chosen: list[Row]) -> None:
    print("building the appliance (release) and the load client", flush=True)
    BUILD.mkdir(parents=True, exist_ok=True)
    swiftpackage.build("appliance", "release", ["--product", "artstore-appliance"], BUILD / "build.log")
    compile_client("load")
    for row in chosen:
        if row.prepare:
            row.prepare()


def print_table(figures: list[Figure]) -> None:
    print(f"\n{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}; medians of {ROUNDS} rounds")
    print(f"{'name':<20}{'metric':<16}{'ours':>12}{'peer':>12}{'ratio':>8}  unit (peer)")
    for figure in figures:
        peer = "" if figure["peer"] is None else figure["peer"]
        ratio = "" if figure["ratio"] is None else f"{figure['ratio']:.3f}"
        told = f"{figure['ours']:>12}{peer:>12}{ratio:>8}"
        print(f"{figure['name']:<20}{figure['metric']:<16}{told}  {figure['unit']} ({figure['peer_name']})")


def main() -> int:
    known = all_rows()
    names = [name for name in os.environ.get("ONLY", "").split(",") if name]
    if unknown := set(names) - {row.name for row in known}:
        known_names = ", ".join(row.name for row in known)
        print(f"no benchmark named {', '.join(sorted(unknown))}; known: {known_names}", file=sys.stderr)
        return 2
    chosen = [row for row in known if row.name in names or (not names and not row.on_demand)]
    build(chosen)
    figures: list[Figure] = []
    with Bed() as bed, (BUILD / "results.ndjson").open("w") as output:
        for row in chosen:
            for figure in row.measure(bed):
                figures.append(figure)
                output.write(json.dumps(figure) + "\n")
            output.flush()
    print_table(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
