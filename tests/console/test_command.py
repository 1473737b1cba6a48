"""`edgevla console` from the outside: what it prints, and how it ends when it cannot be served as asked."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from edgevla.console.serve import ConsoleOptions, serve_console
from edgevla.errors import EdgeVLAError
from tests.console.client import Client
from tests.console.conftest import wait_for

ROBOT_YAML = Path(__file__).parents[2] / "engines" / "so101-tabletop" / "robot.yaml"
CERTIFICATES = Path(__file__).parent / "certificates"
TLS = {"certificate": CERTIFICATES / "certificate.pem", "key": CERTIFICATES / "key.pem"}
LIMIT_S = 60.0


def command(*arguments):
    return [sys.executable, "-m", "edgevla", "console", *map(str, arguments)]


def run(environment, *arguments):
    """Run it to its end."""
    return subprocess.run(
        command(*arguments), check=False, env=environment, capture_output=True, text=True, timeout=LIMIT_S
    )


@pytest.fixture
def environment():
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are too long for a socket's address
        yield {
            **os.environ,
            "XDG_STATE_HOME": folder,
            "EDGEVLA_RUNTIME_DIR": str(Path(folder, "run")),
            "COLUMNS": "200",
        }


@pytest.fixture
def start(environment):
    """A function that starts a console and reads what it prints up to its link."""
    started = []

    def start(*arguments, until="key=", around=list, **more):
        process = subprocess.Popen(
            around(command(*arguments)), env={**environment, **more}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        started.append(process)
        text = ""
        while until not in text:
            assert select.select([process.stdout], [], [], LIMIT_S)[0]
            line = process.stdout.readline().decode()
            assert line, process.stderr.read().decode()
            text += line
        return process, text

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def port_of(text):
    return int(re.search(r":(\d+)", text)[1])


def test_it_prints_a_link_that_works_and_ends_with_a_signal(start, environment):
    process, text = start(ROBOT_YAML, "--address", "127.0.0.1:0")
    client = Client(port_of(text))
    assert client.log_in(re.search(r"http\S+key=\S+", text)[0]).status == 303
    assert client.get("/api/session").json["who"]["name"] == "operator"
    asked = subprocess.run(
        command("link", ROBOT_YAML, "--name", "Ann"),
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    ann = Client(client.port)
    assert ann.log_in(asked.stdout.strip()).status == 303
    assert ann.get("/api/session").json["who"]["name"] == "Ann"
    folder = Path(environment["XDG_STATE_HOME"], "edgevla", "console", "so101-tabletop")
    assert {path.name for path in folder.iterdir()} >= {"audit.jsonl", "metrics.key", "console.sock"}
    assert (folder / "metrics.key").stat().st_mode & 0o077 == 0
    assert (
        ann.get("/metrics", Cookie=None, Authorization=f"Bearer {(folder / 'metrics.key').read_text().strip()}").status
        == 200
    )
    again = run(environment, ROBOT_YAML, "--address", f"127.0.0.1:{client.port}")
    assert (again.returncode, again.stderr.count("\n")) == (3, 1)
    assert "another program listens there" in again.stderr
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, errors) == (0, b"")
    assert not (folder / "console.sock").exists()


@pytest.mark.parametrize("words", [(), ("nohup",)])
def test_the_end_of_its_terminal_ends_it_unless_it_was_started_with_nohup(environment, words):
    with subprocess.Popen(
        [*words, *command(ROBOT_YAML, "--address", "127.0.0.1:0")], env=environment, stdout=subprocess.PIPE
    ) as process:
        assert Client(port_of(process.stdout.readline().decode())).get("/").status == 401
        process.send_signal(signal.SIGHUP)
        if words:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.5)
            process.terminate()
        assert process.wait(LIMIT_S) == 0


def test_no_link_is_printed_into_the_journal(environment, tmp_path):
    """What is printed there is kept, and others may read it."""
    output = tmp_path / "journal"
    with output.open("wb") as file:
        found = os.fstat(file.fileno())
        process = subprocess.Popen(
            command(ROBOT_YAML, "--address", "127.0.0.1:0"),
            env={**environment, "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"},
            stdout=file,
        )
        try:
            wait_for(lambda: b"edgevla console link" in output.read_bytes(), LIMIT_S)
        finally:
            process.terminate()
            process.wait(LIMIT_S)
    assert b"key=" not in output.read_bytes()


WRONG = {
    "no such robot": ({"robot_path": Path("missing.yaml")}, "missing.yaml"),
    "a name for an address": ({"address": "robot:1"}, "no IP address"),
    "everywhere without TLS": ({"address": "0.0.0.0:0", "allow_hosts": ["robot.local"]}, "only with TLS"),
    "beyond loopback without TLS": ({"address": "192.0.2.1:0"}, "only with TLS"),
    "everywhere without a name": ({"address": "0.0.0.0:0", **TLS}, "--allow-host robot.local"),
    "another machine's address": ({"address": "192.0.2.1:0", **TLS}, "192.0.2.1:0"),
    "half of TLS": ({"certificate": TLS["certificate"]}, "belong together"),
    "no such certificate": ({"certificate": Path("missing.pem"), "key": TLS["key"]}, "missing.pem: No such file"),
    "no place for its state": ({"state": Path("/proc/edgevla")}, "/proc/edgevla"),
}


@pytest.mark.parametrize(("options", "why"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_is_said_in_one_line_before_a_link_is_given(options, why):
    said = []
    given = {"robot_path": ROBOT_YAML, "overrides": {}, "address": "127.0.0.1:0", **options}
    with pytest.raises(EdgeVLAError, match=re.escape(why)) as refused:
        serve_console(ConsoleOptions(**given), said.append)
    assert refused.value.exit_code == 2
    assert "\n" not in str(refused.value)
    assert said == []


def test_the_command_line_says_it_in_one_line(environment):
    ended = run(environment, ROBOT_YAML, "--address", "0.0.0.0:8321")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "only with TLS" not in ended.stdout


def test_with_a_certificate_it_serves_beyond_loopback(start):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            own = probe.getsockname()[0]
        except OSError:
            pytest.skip("this machine has no address but loopback")
    _, text = start(ROBOT_YAML, "--address", f"{own}:0", "--tls-cert", TLS["certificate"], "--tls-key", TLS["key"])
    assert f"https://{own}:" in text
