"""A service for the tests of several workers: it counts, hangs, collects garbage and dies."""

import gc
import os
import signal
import time
from typing import NoReturn

from flask import Flask
from prometheus_client import Counter, Gauge
from prometheus_client.samples import Exemplar

import stack
from stack.metrics import instruments, multiprocess
from stack.metrics.multiprocess.exemplars import pack
from stack.metrics.multiprocess.series import encode

WORK = Counter("work", "Requests that did something.", ["worker"])
ALIVE = Gauge("worker_alive", "1 of each worker that lives.", multiprocess_mode="liveall")

app = stack.instrument(Flask(__name__), service="workers")
breaker = stack.get_circuit_breaker("peer", failure_ratio=0.5)


@app.get("/work")
def work() -> dict[str, int]:
    """Do something that is counted in several ways."""
    WORK.labels(str(os.getpid())).inc(exemplar=instruments.exemplar())
    ALIVE.set(1)
    breaker.call(time.sleep, 0.001)
    return {"pid": os.getpid()}


@app.get("/collect")
def collect() -> str:
    """Collect garbage."""
    gc.collect()
    return "collected"


@app.get("/die")
def die() -> NoReturn:
    """Be killed halfway through the writes of a new series and of an exemplar."""
    WORK.labels(str(os.getpid())).inc()
    store = multiprocess._installed()
    store._tell(encode(4000, '["counter","torn"')[:-9])
    value = WORK.labels(str(os.getpid()))._value
    slot = pack(Exemplar({"trace_id": "torn"}, 1.0, time.time()))
    assert slot is not None
    store.write_slot(value._cell, slot[: len(slot) // 2] + b"\xff")
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("not reached")
