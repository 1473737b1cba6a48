"""The list of known survivors fits the code, and what mutmut says is read as it is meant."""

import textwrap

import pytest

from tests.mutants.by_hand import ROOT
from tests.mutants.survivors import Survivor, described, listed


def test_every_listed_line_still_holds_what_the_mutant_changes():
    for survivor in listed():
        lines = (ROOT / survivor.file).read_text(encoding="utf-8").splitlines()
        assert survivor.was in lines[survivor.line - 1], survivor


@pytest.mark.parametrize(
    ("name", "diff", "survivor"),
    [
        (
            "edgevla.toy.x_half__mutmut_1",
            "@@ -1,2 +1,2 @@\n def half(x):\n-    return x / 2\n+    return x * 2\n",
            Survivor("edgevla/toy.py", 7, "/", "*"),
        ),
        (
            "edgevla.toy.xǁToyǁadd__mutmut_7",
            "@@ -2,2 +2,2 @@\n     total = 0\n-    return sum(xs, strict=True)\n+    return sum(xs, )\n",
            Survivor("edgevla/toy.py", 4, "strict=True", ""),
        ),
    ],
)
def test_a_survivor_is_told_by_file_line_and_change(tmp_path, name, diff, survivor):
    (tmp_path / "edgevla").mkdir()
    (tmp_path / "edgevla" / "toy.py").write_text(
        textwrap.dedent(
            """\
            class Toy:
                def add(self, xs):
                    total = 0
                    return sum(xs, strict=True)

            def half(x):
                return x / 2
            """
        )
    )
    assert described(name, f"# {name}: survived\n--- edgevla/toy.py\n+++ edgevla/toy.py\n{diff}", tmp_path) == survivor


def test_a_diff_that_does_not_fit_the_source_is_refused(tmp_path):
    (tmp_path / "edgevla").mkdir()
    (tmp_path / "edgevla" / "toy.py").write_text("def half(x):\n    return x / 3\n")
    with pytest.raises(ValueError, match=r"edgevla/toy\.py:2 is not where"):
        described(
            "edgevla.toy.x_half__mutmut_1",
            "@@ -1,2 +1,2 @@\n def half(x):\n-    return x / 2\n+    return 2\n",
            tmp_path,
        )
