"""The estimate against what others measured: fitted on two rows, tested on the rest."""

from pathlib import Path

import pytest

from edgevla.plan.published import EFFICIENCY, WITHIN, compare, fit, published
from edgevla.plan.report import published_markdown, published_summary

ENGINES = Path(__file__).parents[2] / "engines"


def test_two_rows_are_fitted_and_no_more():
    assert sorted(row.fits for row in published().rows if row.fits) == ["fp16", "int8"]


def test_the_efficiencies_are_those_that_meet_the_two_fitted_rows():
    found = fit()
    assert (round(found.fp16, 3), round(found.int8, 3)) == (EFFICIENCY.fp16, EFFICIENCY.int8)
    for verdict in compare(found):
        if verdict.row.fits:
            assert verdict.error == pytest.approx(0.0, abs=1e-6)


def test_at_least_five_rows_with_shapes_of_their_own_are_within_35_percent():
    tested = [verdict for verdict in compare() if not verdict.row.fits and not verdict.same_shapes]
    hits = [verdict for verdict in tested if abs(verdict.error) <= 0.35]
    assert len(hits) >= 5
    assert len({verdict.row.policy for verdict in hits}) >= 5
    assert {verdict.kind for verdict in hits} == {"hit"}


def test_a_row_beyond_that_is_called_a_miss():
    missed = [verdict for verdict in compare() if verdict.kind == "miss"]
    assert missed
    assert all(abs(verdict.error) > WITHIN for verdict in missed)


def test_the_summary_counts_no_fitted_shape():
    text = published_summary(compare())
    tested = sum(not verdict.row.fits and not verdict.same_shapes for verdict in compare())
    assert f"of {tested} rows" in text


def test_the_table_in_engines_is_the_one_that_the_model_gives_now():
    table = published_markdown(compare())
    assert table.count("\n") == 2 + len(published().rows)
    assert any(table in path.read_text(encoding="utf-8") for path in ENGINES.glob("*.md"))
