"""One string says where a Triton server is; what would leave this machine in the clear is refused."""

from __future__ import annotations

import pytest

from edgevla.engine.triton_address import AddressRefused, parse


def test_every_part_may_be_left_out():
    found = parse("", "policy")
    assert (found.netloc, found.model, found.version, found.deadline_s, found.tls) == (
        "127.0.0.1:8001",
        "policy",
        "",
        0.2,
        False,
    )


def test_every_part_may_be_named(tmp_path):
    for name in ("ca", "crt", "key"):
        (tmp_path / name).touch()
    options = f"deadline_ms=80&version=3&tls=1&ca={tmp_path}/ca&certificate={tmp_path}/crt&key={tmp_path}/key"
    found = parse(f"gpu.lab:9001/pi0?{options}", "policy")
    assert (found.netloc, found.model, found.version, found.deadline_s) == ("gpu.lab:9001", "pi0", "3", 0.08)
    assert (found.tls, found.ca, found.key) == (True, tmp_path / "ca", tmp_path / "key")
    assert str(found) == "tls gpu.lab:9001/pi0"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "[::1]"])
def test_this_machine_needs_no_encryption(host):
    assert parse(f"{host}:8001/m", "m").netloc == f"{host}:8001"


@pytest.mark.parametrize("host", ["192.168.0.7", "gpu.lab", "[fe80::1]", "localhost.example"])
def test_another_machine_does_unless_told_by_name(host):
    with pytest.raises(AddressRefused, match=r"is not encrypted - add \?tls=1; \?tls=0 sends pictures"):
        parse(f"{host}/m", "m")
    assert parse(f"{host}/m?tls=0", "m").tls is False
    assert parse(f"{host}/m?tls=1", "m").tls is True


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("127.0.0.1:port/m", "Port could not be cast"),
        ("127.0.0.1:99999/m", "out of range"),
        ("127.0.0.1/m?deadline=3", 'unknown option "deadline"'),
        ("127.0.0.1/m?deadline_ms=soon", 'deadline_ms is "soon"; must be between 1 and 60000'),
        ("127.0.0.1/m?deadline_ms=0", 'deadline_ms is "0"'),
        ("127.0.0.1/m?deadline_ms=nan", 'deadline_ms is "nan"'),
        ("127.0.0.1/m?tls=yes", 'tls is "yes"; must be 0 or 1'),
        ("127.0.0.1/m?tls=1&ca=nowhere.pem", "there is no such file"),
        ("127.0.0.1/m?ca=/dev/null", "there is no such file"),
    ],
)
def test_what_cannot_be_understood_is_quoted(text, why):
    with pytest.raises(AddressRefused, match=why):
        parse(text, "m")


def test_a_certificate_without_its_key_or_without_tls_is_refused(tmp_path):
    (tmp_path / "crt").touch()
    for options in (f"tls=1&certificate={tmp_path}/crt", f"ca={tmp_path}/crt"):
        with pytest.raises(AddressRefused, match="certificate and key go together"):
            parse(f"127.0.0.1/m?{options}", "m")
