"""The merging of the simulation's reports: it must be able to fail."""

from __future__ import annotations

from artstore.simulate import PART, Merged, parts


def test_every_seed_is_in_exactly_one_part() -> None:
    ranges = parts(7, 2 * PART + 3)
    seeds = [seed for first, count in ranges for seed in range(first, first + count)]
    assert seeds == list(range(7, 7 + 2 * PART + 3))
    assert max(count for _, count in ranges) <= PART


def test_counts_add_up_and_a_zero_fails() -> None:
    merged = Merged()
    merged.add({"seeds": 2, "failures": {}, "counts": {"point a": 1, "fault b": 0}})
    assert merged.never_met == ["fault b"]
    assert not merged.is_well
    merged.add({"seeds": 3, "failures": {}, "counts": {"point a": 2, "fault b": 4}})
    assert merged.counts == {"point a": 3, "fault b": 4}
    assert merged.is_well
    assert merged.text().endswith("5 seeds, 0 failures")


def test_a_failure_says_how_to_see_it_again() -> None:
    merged = Merged()
    merged.add({"seeds": 1, "failures": {"42": "seed 42: lost"}, "counts": {"point a": 1}})
    assert not merged.is_well
    assert "make simulate SEED=42" in merged.text()


def test_nothing_run_is_no_success() -> None:
    assert not Merged().is_well
