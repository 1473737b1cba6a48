"""Spreads jobs over the processes of this machine, or over a Ray cluster. What jobs are, and which are done already,
is the caller's to know: a job that was finished is not in the list.
"""

from __future__ import annotations

import signal
import socket
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import active_children, get_context
from typing import TYPE_CHECKING, Any, TypeVar

from edgevla.errors import EdgeVLAError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Job = TypeVar("Job")
Result = TypeVar("Result")

_KNOCK_S = 5.0
_QUEUED = 2  # jobs in flight for each worker, so that none waits for the next


class SpreadFailed(EdgeVLAError):
    """The cluster cannot be reached, or lost a job."""


def spread(
    work: Callable[[Job], Result], jobs: Sequence[Job], *, workers: int = 2, ray: str = ""
) -> Iterator[tuple[Job, Result]]:
    """Do `work(job)` for each job, and yield each with its result as it is done, in any order.

    `work` is a function of a module, jobs and results travel between processes. With the first job that raises, jobs
    that have not begun are dropped and its exception comes out here. When the caller leaves, or at Ctrl-C, those that
    have begun end too.

    Args:
        workers: processes on this machine; on a cluster as many run as it has processors.
        ray: address of a Ray cluster, "auto" for the one this machine belongs to, "local" for one that is started here
            with `workers` processors and ends with the last job. Every machine of it needs this package, and the files
            that jobs name. Empty for none.

    Raises:
        SpreadFailed: Ray is not installed, or no cluster answers at `ray`, or a machine is lost.
    """
    if not jobs:
        return iter(())
    return _over_ray(work, jobs, workers, ray) if ray else _over_processes(work, jobs, workers)


def _over_processes(work: Callable[[Job], Result], jobs: Sequence[Job], workers: int) -> Iterator[tuple[Job, Result]]:
    others = set(active_children())
    # Ctrl-C reaches every process of a terminal; a worker that it tears out of a queue would hold the queue's lock.
    pool = ProcessPoolExecutor(
        min(workers, len(jobs)), get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN)
    )
    try:
        running = {pool.submit(work, job): job for job in jobs}
        for done in as_completed(list(running)):
            # A result may be large: it is given away, not kept.
            yield running.pop(done), done.result()
            del done
    except (KeyboardInterrupt, GeneratorExit):
        for worker in set(active_children()) - others:
            worker.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _over_ray(
    work: Callable[[Job], Result], jobs: Sequence[Job], workers: int, address: str
) -> Iterator[tuple[Job, Result]]:
    try:
        import ray
    except ImportError as error:
        raise SpreadFailed(f"ray is not installed ({error})", fix="pip install 'edgevla[ray]'") from error
    cluster: Any = ray
    _knock(address)
    local = {"num_cpus": workers, "include_dashboard": False} if address == "local" else {}
    try:
        cluster.init(address=address, log_to_driver=False, **local)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _unanswered(address, error) from error
    try:
        remote = cluster.remote(num_cpus=1)(work)
        waiting = list(reversed(jobs))
        running: dict[Any, Job] = {}
        most = _QUEUED * max(1, int(cluster.cluster_resources().get("CPU", workers)))
        while waiting or running:
            while waiting and len(running) < most:
                job = waiting.pop()
                running[remote.remote(job)] = job
            (done, *_), _ = cluster.wait(list(running))
            job = running.pop(done)
            try:
                result = cluster.get(done)
            except cluster.exceptions.RayTaskError as error:
                raise error.cause from None
            except cluster.exceptions.RayError as error:
                raise SpreadFailed(
                    f"ray: {error}", fix="look at `ray status`, then run the same command again"
                ) from error
            yield job, result
    finally:
        cluster.shutdown()


def _knock(address: str) -> None:
    """Ask whether somebody listens there: Ray itself would wait for minutes."""
    host, colon, port = address.rpartition("/")[2].rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), _KNOCK_S).close()
    except (OSError, OverflowError) as error:
        raise _unanswered(address, error) from error


def _unanswered(address: str, error: Exception) -> SpreadFailed:
    return SpreadFailed(
        f"no Ray cluster answers at {address!r} ({str(error).partition(chr(10))[0]})",
        fix="start one with `ray start --head` and give its address, or use --ray local; if it asks for tokens, "
        "set RAY_AUTH_MODE=token",
    )
