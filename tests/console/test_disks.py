"""The console on disks that are really full or read-only: an operator is told, and can stop the robot all the same."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edgevla.console.audit import AuditLog
from edgevla.messages import Event, Request
from tests.console.client import Client
from tests.console.conftest import wait_for
from tests.console.fake_supervisor import FakeSupervisor
from tests.console.test_command import ROBOT_YAML, command, environment, start
from tests.disks import fill, needs_disks, seeing, seen_by

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures(needs_disks.__name__)
__all__ = ["environment", "start"]  # fixtures


@pytest.fixture
def disk(environment):
    folder = Path(environment["XDG_STATE_HOME"], "disk")
    folder.mkdir()
    return folder


def test_a_state_folder_that_is_read_only_is_one_line(environment, disk):
    words = seeing(disk, "ro", command(ROBOT_YAML, "--address", "127.0.0.1:0", "--state", disk))
    ended = subprocess.run(words, check=False, env=environment, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert f"{disk}/console.sock: Read-only file system" in ended.stderr


@pytest.fixture
def supervisor(environment):
    supervisor = FakeSupervisor(Path(environment["EDGEVLA_RUNTIME_DIR"], "so101-tabletop.sock"), 6)
    yield supervisor
    supervisor.close()


def test_on_a_full_disk_the_page_is_served_and_the_stop_passes(start, supervisor, disk):
    def around(words):
        full = 'head -c 4M /dev/zero >"$0/ballast" 2>/dev/null || :; exec "$@"'
        return seeing(disk, "size=1m", ["sh", "-c", full, disk, *words])

    process, text = start(ROBOT_YAML, "--address", "127.0.0.1:0", "--state", disk, around=around)
    ann = Client(int(re.search(r":(\d+)", text)[1]))
    assert ann.log_in(re.search(r"http\S+key=\S+", text)[0]).status == 303
    wait_for(lambda: ann.post("/api/stop").status == 200)
    wait_for(lambda: supervisor.count(Request, Event.STOP) > 0)
    inside = seen_by(process, disk)
    assert (inside / "audit.jsonl").stat().st_size == (inside / "audit.jsonl").read_bytes().count(b"\n") == 0

    def told(words):
        return any(words in event["text"] for event in ann.get("/api/events").json["events"])

    wait_for(lambda: told("the audit log is not written"))
    assert told("/metrics cannot be read by its key")
    (inside / "ballast").unlink()
    assert ann.post("/api/stop").status == 200
    wait_for(lambda: told("the audit log is written again"))
    assert json.loads((inside / "audit.jsonl").read_text().splitlines()[-1])["who"] == "operator"


LOG = """
import sys
from pathlib import Path
from tests.console.test_disks import log_until_full
log_until_full(Path(sys.argv[1]))
"""


def log_until_full(folder):
    """On a disk of a megabyte: every line is there whole or not at all, and it says which is the case."""
    log = AuditLog(folder / "audit.jsonl")
    log.write(1, "Ann", "", "before")
    wait_for(lambda: any(path.stat().st_size for path in folder.iterdir()))
    ballast = fill(folder)
    news = []
    wait_for(lambda: log.write(1, "Ann", "", "full", text="x" * 100) or news.extend(log.news()) or news)
    ballast.unlink()
    log.write(1, "Ann", "", "after")
    wait_for(lambda: news.extend(log.news()) or len(news) == 2)
    log.close()
    what = [json.loads(line)["what"] for line in (folder / "audit.jsonl").read_text().splitlines()]
    print(json.dumps({"news": news, "what": [what[0], what[-1]]}))


def test_the_audit_log_says_that_it_is_full_and_has_no_half_lines(disk):
    words = seeing(disk, "size=1m", [sys.executable, "-c", LOG, disk])
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["what"] == ["before", "after"]
    lost, again = said["news"]
    assert lost == f"the audit log is not written: {disk}/audit.jsonl: the disk is full" or "No space" in lost
    assert "written again" in again
