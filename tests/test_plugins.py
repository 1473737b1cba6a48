"""Finding a part by name: ours first, then what other packages offer, and a clear word when there is none."""

from importlib.metadata import EntryPoint

import pytest

from edgevla import plugins
from edgevla.plugins import PluginBroken, PluginUnknown, find

OURS = {"opencv": "ours"}


@pytest.fixture
def installed(monkeypatch):
    """Pretend that packages offer these entry points."""

    def offer(**points):
        def entry_points(*, group):
            return [EntryPoint(name, value, group) for name, value in points.items()]

        monkeypatch.setattr(plugins, "entry_points", entry_points)

    return offer


def test_ours_is_found():
    assert find("edgevla.cameras", OURS, "opencv") == "ours"


def test_another_packages_part_is_found(installed):
    installed(sep="os.path:sep")
    assert find("edgevla.cameras", OURS, "sep") == "/"


def test_ours_cannot_be_replaced(installed):
    installed(opencv="os.path:sep")
    assert find("edgevla.cameras", OURS, "opencv") == "ours"


def test_an_unknown_name_lists_what_exists(installed):
    installed(sep="os.path:sep")
    with pytest.raises(PluginUnknown, match=r'edgevla\.cameras: there is no "webcam" - use one of: opencv, sep'):
        find("edgevla.cameras", OURS, "webcam")


@pytest.mark.parametrize("value", ["no_such_package:part", "os.path:no_such_part"])
def test_a_part_that_cannot_be_imported_is_named(installed, value):
    installed(broken=value)
    with pytest.raises(PluginBroken, match=r'edgevla.cameras: "broken" .* cannot be imported: '):
        find("edgevla.cameras", OURS, "broken")
