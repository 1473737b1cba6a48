"""Where the console listens, and which names it answers to."""

import pytest

from edgevla.console.address import LOCAL_NAMES, Address, allowed_names, host_name, parse_address
from edgevla.console.errors import AddressRefused


@pytest.mark.parametrize(
    ("text", "address", "loopback"),
    [
        ("127.0.0.1:8321", Address("127.0.0.1", 8321), True),
        ("127.8.9.10:1", Address("127.8.9.10", 1), True),
        ("localhost:0", Address("127.0.0.1", 0), True),
        ("[::1]:8321", Address("::1", 8321), True),
        ("192.168.1.5:443", Address("192.168.1.5", 443), False),
        ("0.0.0.0:8321", Address("0.0.0.0", 8321), False),
        ("[::]:8321", Address("::", 8321), False),
    ],
)
def test_an_address_is_an_ip_address_and_a_port(text, address, loopback):
    assert parse_address(text) == address
    assert parse_address(text).loopback is loopback


@pytest.mark.parametrize(
    "text", ["", "8321", "127.0.0.1", "robot.local:8321", "::1:8321", "127.0.0.1:65536", "127.1:80"]
)
def test_what_is_none_is_refused_with_an_example(text):
    with pytest.raises(AddressRefused, match=r"127\.0\.0\.1:8321"):
        parse_address(text)


def test_it_answers_to_its_address_to_local_names_and_to_what_is_added():
    assert allowed_names(parse_address("10.0.0.2:443"), ["Robot.Local"]) == {"10.0.0.2", "robot.local", *LOCAL_NAMES}


@pytest.mark.parametrize("name", ["http://robot", "robot:8321", "", "*", "a b"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(AddressRefused, match="--allow-host"):
        allowed_names(parse_address("127.0.0.1:1"), [name])


def test_listening_everywhere_needs_a_name():
    with pytest.raises(AddressRefused, match=r"--allow-host robot\.local"):
        allowed_names(parse_address("0.0.0.0:8321"), [])
    assert "0.0.0.0" not in allowed_names(parse_address("0.0.0.0:8321"), ["robot.local"])


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("localhost", "localhost"),
        ("LOCALHOST:8321", "localhost"),
        ("[::1]:8321", "::1"),
        ("evil.example", "evil.example"),
        ("", ""),
        ("localhost:8321:1", ""),
        ("localhost@evil.example", ""),
        ("localhost, evil.example", ""),
        ("[::1", ""),
    ],
)
def test_the_name_in_a_host_header(header, name):
    assert host_name(header) == name
