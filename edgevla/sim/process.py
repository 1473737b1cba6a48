"""The simulated robot as a process of its own, and how to talk to it. Needs none of what the simulation needs."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

import msgspec

from edgevla.sim.child import Child, SimulatorError
from edgevla.sim.faults import FaultRequest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from edgevla.sim.faults import Fault

_REQUEST_TIMEOUT_S = 5.0

# A proxy of the environment has nothing to do with loopback.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class SimulatorProcess:
    """The running process. It ends with `close`, with the context, or with this process, however that ends.

    `port`: the servo bus. `cameras`: name -> MJPEG address. `url`: where it tells its state and takes tasks.
    `realtime`: whether its bus and its physics run under SCHED_FIFO.
    """

    def __init__(self, child: Child) -> None:
        self._child = child
        self.port: str = child.found["port"]
        self.cameras: dict[str, str] = child.found["cameras"]
        self.url: str = child.found["url"]
        self.realtime: bool = child.found["realtime"]

    def __enter__(self) -> SimulatorProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    def close(self) -> None:
        """End the process."""
        self._child.close()

    def state(self) -> dict[str, Any]:
        """Return joints, blocks, the judge's verdict and the simulated time.

        Raises:
            SimulatorError: the process is gone.
        """
        return self._request("/state", None)

    def start_task(self, instruction: str, seed: int) -> None:
        """Place the blocks anew, from `seed`, and judge `instruction` from now on. The arm stays as it is.

        Raises:
            SimulatorError: no such task, or the process is gone.
        """
        self._request("/task", {"instruction": instruction, "seed": seed})

    def reset(self, seed: int) -> None:
        """Put arm and blocks back as after power-up: torque off, no task.

        Raises:
            SimulatorError: the process is gone.
        """
        self._request("/reset", {"seed": seed})

    def break_(self, faults: Sequence[Fault]) -> None:
        """Have these faults from now on, and no others; none: everything is in order again.

        Raises:
            SimulatorError: the process is gone.
        """
        body = msgspec.to_builtins(FaultRequest(faults=tuple(faults)))
        self.port = self._request("/fault", body)["port"]
        cameras = {urllib.parse.urlsplit(address).netloc for address in self.cameras.values()}
        for server in cameras:
            self._request("/fault", body, f"http://{server}")

    def _request(self, path: str, body: dict[str, Any] | None, url: str = "") -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request((url or self.url) + path, data, {"Content-Type": "application/json"})
        try:
            with _DIRECT.open(request, timeout=_REQUEST_TIMEOUT_S) as response:
                answer: dict[str, Any] = json.load(response)
                return answer
        except urllib.error.HTTPError as error:
            raise SimulatorError(json.load(error)["error"]) from error
        except OSError as error:
            raise SimulatorError(f"the simulated robot at {self.url} does not answer: {error}") from error


def spawn_simulator(seed: int = 0, image_size: int = 288, capture: Path | None = None) -> SimulatorProcess:
    """Start the simulated robot and wait until it is ready.

    Args:
        capture: a file for everything that passes on the bus, see edgevla/sim/capture.py.

    Raises:
        SimulatorError: it did not start; the message carries its reason.
    """
    arguments = ["--until-eof", f"--seed={seed}", f"--image-size={image_size}"]
    if capture is not None:
        arguments.append(f"--capture={capture}")
    return SimulatorProcess(Child("edgevla.sim", arguments))
