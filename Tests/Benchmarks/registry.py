"""The rows of `make bench`. Each module in rows/ has a list ROWS; a new row is a new module, or a line in one."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

import rows
from bed import Bed
from comparison import Figure


@dataclass(frozen=True)
class Row:
    """A work by name; `measure` gives the table's lines. `prepare` builds what it needs before anything is measured."""

    name: str
    measure: Callable[[Bed], list[Figure]]
    prepare: Callable[[], object] | None = None
    # Runs only when ONLY names it: for what takes minutes.
    on_demand: bool = False


def all_rows() -> list[Row]:
    found: list[Row] = []
    for module in sorted(pkgutil.iter_modules(rows.__path__), key=lambda module: module.name):
        found += importlib.import_module(f"rows.{module.name}").ROWS
    names = [row.name for row in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"benchmarks with one name: {', '.join(sorted(twice))}")
    return found
