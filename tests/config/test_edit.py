"""New values in a YAML text, in place."""

from __future__ import annotations

import pytest

from edgevla.config.edit import replace_scalars
from edgevla.config.problems import ConfigError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [1, 2]  # two\n", "a: [1, 30]  # two\n"),
        ("a:\n  - 1  # one\n  - 2  # two\n", "a:\n  - 1  # one\n  - 30  # two\n"),
        ('a: ["1", "2"]\n', 'a: ["1", 30]\n'),
        ("{a: [1, 2], b: 3}", "{a: [1, 30], b: 3}"),
    ],
)
def test_any_way_of_writing_yaml_will_do(text, expected):
    assert replace_scalars(text, {("a", 1): "30"}) == expected


def test_a_value_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match=r"no value at a\.2"):
        replace_scalars("a: [1, 2]\n", {("a", 2): "30"})
