"""The jobs of a report on this machine: side by side in threads, no more of them than there is memory for."""

import sys
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed

from noegletal.figures.slices import Slices
from noegletal.folders import explained
from noegletal.runner.execute import Job, Outcome, run, stop_all
from noegletal.runner.memory import Room

# What runs the jobs of a report, here or elsewhere, and gives their outcomes as they end.
RunJobs = Callable[[list[Job], Slices], Generator[Outcome, None, None]]
# How long a thread that talks to a kernel waits for one that makes pages; by default ten times as long, and then
# kernels wait for their next cell.
TURN_SECONDS = 0.0005


def run_here(jobs: list[Job], slices: Slices, *, workers: int, engine: str) -> Generator[Outcome, None, None]:
    """The outcomes of the jobs as they end; what is not started yet is dropped when the caller stops listening."""
    room = Room(engine)

    def with_inputs(job: Job) -> Outcome:
        with room.for_one():
            with explained(job.staging.parent):
                slices.write(job.plan, job.area_code, job.processed)
            return run(job)

    # Threads suffice: each notebook runs in a kernel process of its own, and none changes the working folder.
    pool = ThreadPoolExecutor(max_workers=max(1, workers))
    usual = sys.getswitchinterval()
    sys.setswitchinterval(TURN_SECONDS)
    try:
        futures: list[Future[Outcome]] = [pool.submit(with_inputs, job) for job in jobs]
        for future in as_completed(futures):
            yield future.result()
    except BaseException:
        # Ctrl-C: start nothing more and take the running kernels down, so that nothing writes after the clean-up.
        pool.shutdown(wait=False, cancel_futures=True)
        room.close()
        stop_all()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        sys.setswitchinterval(usual)
