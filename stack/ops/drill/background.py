"""Work on threads of its own for as long as a block lasts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def in_background(work: Callable[[threading.Event], None], at_once: int = 1) -> Iterator[None]:
    """Run the same work on some threads; at the end of the block, wait for theirs.

    Args:
        work: gets what is set at the block's end, and returns soon after that.
        at_once: how many threads.
    """
    over = threading.Event()
    threads = [threading.Thread(target=work, args=(over,)) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
