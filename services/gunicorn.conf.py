"""gunicorn's settings, the same for every service; `PORT` and `WEB_CONCURRENCY` differ."""

import os

from stack.web.gunicorn import *  # noqa: F403

bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "gthread"
threads = 4
# One copy of the code and of read-only data in memory for all workers.
preload_app = True
# The heartbeat of a worker is a file; memory never blocks as a disk may.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108
graceful_timeout = 10
timeout = 60
keepalive = 5
control_socket_disable = True
