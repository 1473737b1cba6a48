"""Spreading jobs: every job once, results as they come, errors as they are, on processes and on Ray alike."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgevla.spread import SpreadFailed, spread


class Refused(Exception):
    pass


def square(job):
    return job * job, os.getpid()


def refuse_seven(job):
    if job == 7:
        raise Refused("seven is not wanted")
    return job


def leave_a_mark(job):
    folder, number = job
    (folder / str(number)).touch()
    time.sleep(0.05)


def take_a_minute(job):
    folder, number = job
    (folder / str(number)).touch()
    time.sleep(60.0)


def test_every_job_is_done_once_and_comes_with_its_result():
    done = dict(spread(square, range(9), workers=2))
    assert {job: result for job, (result, _) in done.items()} == {job: job * job for job in range(9)}
    assert os.getpid() not in {process for _, process in done.values()}


def test_without_jobs_no_process_is_started():
    assert list(spread(square, [], ray="nowhere:1")) == []


def test_an_error_in_a_job_comes_out_as_it_is():
    with pytest.raises(Refused, match="seven"):
        list(spread(refuse_seven, range(9), workers=2))


def test_jobs_that_have_not_begun_are_dropped_when_nobody_listens(tmp_path):
    results = spread(leave_a_mark, [(tmp_path, number) for number in range(60)], workers=1)
    next(results)
    results.close()
    assert len(list(tmp_path.iterdir())) < 30


@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupt_ends_jobs_that_have_begun(tmp_path, times):
    script = (
        "from pathlib import Path; from edgevla.spread import spread; from tests.test_spread import take_a_minute\n"
        f"if __name__ == '__main__': list(spread(take_a_minute, [(Path({str(tmp_path)!r}), i) for i in range(4)]))"
    )
    (tmp_path / "jobs").mkdir()
    path = tmp_path / "jobs/many.py"
    path.write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, str(path)], env=environment, stderr=subprocess.PIPE, start_new_session=True, text=True
    )
    while not (tmp_path / "1").exists():
        assert process.poll() is None
        time.sleep(0.05)
    for _ in range(times):
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
        time.sleep(0.1)
    assert "KeyboardInterrupt" in process.communicate(timeout=30.0)[1]
    assert process.returncode


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(SpreadFailed, match="ray is not installed") as error:
        list(spread(square, [1], ray="auto"))
    assert "edgevla[ray]" in error.value.fix


class TestRay:
    @pytest.fixture(autouse=True)
    def ray(self):
        return pytest.importorskip("ray", reason="no Ray here: pip install 'edgevla[ray]'")

    def test_a_cluster_does_the_same(self):
        done = dict(spread(square, range(5), workers=2, ray="local"))
        assert {job: result for job, (result, _) in done.items()} == {job: job * job for job in range(5)}
        assert os.getpid() not in {process for _, process in done.values()}

    def test_an_error_in_a_job_comes_out_as_it_is(self):
        with pytest.raises(Refused, match="seven"):
            list(spread(refuse_seven, range(9), workers=2, ray="local"))

    def test_no_cluster_is_named_with_its_address(self):
        with pytest.raises(SpreadFailed, match=r"127\.0\.0\.1:1"):
            list(spread(square, [1], ray="127.0.0.1:1"))
