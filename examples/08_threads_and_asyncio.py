"""Ten threads, and ten asyncio tasks: counts are exact, and no context gets into another's lines.

Shows: a breaker, the collector and `LogContext` used by ten workers at once: by threads, then by
tasks of one event loop. Each worker makes a hundred calls, of which every tenth fails.

Look for: 900 successes and 100 failures, from the breaker and from the collector, and no call
that saw another worker's context, though the workers take turns within every call.

You want it when you choose between threads and asyncio: nothing here depends on it. A new thread
begins with an empty context, a new task with a copy of its maker's.
"""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import stack

WORKERS, CALLS = 10, 100

# Without a running stack there is nobody to send spans to; a service leaves `settings` out.
stack.setup("shop", settings=stack.Settings(traces_exporter="none"))
mixed: dict[str, int] = {"threads": 0, "tasks": 0}


def finish(kind: str, worker: int, call: int) -> None:
    """End a call: look whose context this is, and fail every tenth time."""
    if stack.get_current_context() != {"worker": worker}:
        mixed[kind] += 1
    if call % 10 == 9:
        raise ConnectionError


def ask(worker: int, call: int) -> None:
    """Let other threads run, then end the call."""
    time.sleep(0.0001)
    finish("threads", worker, call)


async def ask_async(worker: int, call: int) -> None:
    """Let other tasks run, then end the call."""
    await asyncio.sleep(0)
    finish("tasks", worker, call)


def work(breaker: stack.CircuitBreaker, worker: int) -> None:
    """Make a worker's calls, one after the other."""
    with stack.LogContext(worker=worker):
        for call in range(CALLS):
            with suppress(ConnectionError):
                breaker.call(ask, worker, call)


async def work_async(breaker: stack.CircuitBreaker, worker: int) -> None:
    """Make a worker's calls, one after the other."""
    with stack.LogContext(worker=worker):
        for call in range(CALLS):
            with suppress(ConnectionError):
                await breaker.acall(ask_async, worker, call)


async def all_tasks(breaker: stack.CircuitBreaker) -> None:
    """Let all workers run at once, each in its task."""
    await asyncio.gather(*(work_async(breaker, worker) for worker in range(WORKERS)))


if __name__ == "__main__":
    # Workers in step fail ten times in a row; these breakers are to count, not to open.
    threads = stack.get_circuit_breaker("threads", failure_threshold=WORKERS * CALLS)
    tasks = stack.get_circuit_breaker("tasks", failure_threshold=WORKERS * CALLS)
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, [threads] * WORKERS, range(WORKERS)))
    asyncio.run(all_tasks(tasks))

    print("ten      source     succeeded  failed  mixed contexts")
    for breaker in (threads, tasks):
        name, stats = breaker.name, breaker.stats()
        found = stack.get_prometheus_collector().get_metrics_summary(name)
        print(f"{name:<7}  breaker    {stats.successes:>9}  {stats.failures:>6}  {mixed[name]:>14}")
        print(f"{'':7}  collector  {found['successful_calls']:>9}  {found['failed_calls']:>6}")
