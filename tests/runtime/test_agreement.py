"""Every way to train gives the losses of the plain one; docs/benchmarks.md has the table."""

from __future__ import annotations

import importlib.util

import agreement
import pytest

ALL = agreement.every_way()
PLAIN = ALL[0]
NEEDED = {"cpu": "torch", "xla": "torch_xla"}


def test_no_way_is_missing():
    """What the agreement is promised for: 13 places and meshes, each with 4 sets of options."""
    laid_out = {(way.place, way.mesh) for way in ALL}
    assert len(ALL) == 13 * 4 == len(set(ALL))
    assert laid_out >= {
        ("cpu, 2 processes", "fsdp 2"),
        ("cpu, 4 processes", "fsdp 4"),
        ("xla 1", "one"),
        *(("xla 4", mesh) for mesh in ("data 4", "fsdp 4", "tensor 4", "fsdp 2 x tensor 2")),
    }
    assert {way.options for way in ALL} == {(), *((option,) for option in agreement.OPTIONS)}


def test_the_table_is_of_the_ways_that_agree():
    rows = agreement.known()
    told = [agreement.way_of(row) for row in rows]
    assert told == [way for way in ALL if way in told]
    assert {len(row["losses"]) for row in rows} == {agreement.STEPS}
    assert max(agreement.differences(rows)) < agreement.TOLERANCE
    page = agreement.PAGE.read_text(encoding="utf-8")
    assert f"<!-- tools/agreement.py -->\n{agreement.shown(rows)}\n<!-- end -->" in page


@pytest.fixture(scope="module")
def plain() -> dict:
    (row,) = agreement.run_place(PLAIN.place, [PLAIN], agreement.STEPS)
    return row


@pytest.mark.slow
@pytest.mark.parametrize("way", ALL[1:], ids=str)
def test_a_way_gives_the_losses_of_the_plain_one(way: agreement.Way, plain: dict) -> None:
    needed = NEEDED[agreement.PLACES[way.place].runtime]
    if importlib.util.find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed")
    (row,) = agreement.run_place(way.place, [way], agreement.STEPS)
    assert max(agreement.differences([plain, row])) < agreement.TOLERANCE
    assert plain["losses"][0] != pytest.approx(plain["losses"][-1], rel=1e-2)
