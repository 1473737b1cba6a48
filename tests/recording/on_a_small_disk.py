"""A recorder on a disk of a megabyte that somebody else fills and clears again; prints what it said, as JSON."""

import json
import sys
import time
from pathlib import Path

from edgevla.messages import TickRecord
from edgevla.runtime.recording.limits import Limits
from edgevla.runtime.recording.log import find_logs, read
from edgevla.runtime.recording.recorder import Recorder
from tests.disks import fill
from tests.recording.test_recorder import tick

PATIENCE_S = 20.0


def main():
    folder = Path(sys.argv[1])
    limits = Limits(quota_bytes=10**9, reserve_bytes=0, flush_s=0.05, retry_s=0.2)
    facts = {"robot": "arm", "started": "", "monotonic_to_unix_ns": "0"}
    recorder = Recorder(folder, "arm", ("a", "b"), limits, 0, facts, time.monotonic)
    number, details = 0, []

    def until(condition):
        nonlocal number
        ends_s = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < ends_s, recorder.status
            number += 1
            recorder.tick(tick(number))
            time.sleep(0.002)
        details.append(recorder.status.detail)

    until(lambda: number > 100 and recorder.status.written_mb > 0)
    ballast = fill(folder)
    until(lambda: not recorder.status.recording)
    ballast.unlink()
    until(lambda: recorder.status.recording)
    until(lambda: number % 200 == 0)
    broken, status = recorder.broken, recorder.status
    recorder.close()
    logs = find_logs([folder])
    ticks = [record.tick for record in read(logs) if isinstance(record, TickRecord)]
    said = {"details": details, "given": number, "dropped": status.dropped, "broken": str(broken)}
    print(json.dumps({**said, "logs": len(logs), "ticks": ticks}))


if __name__ == "__main__":
    main()
