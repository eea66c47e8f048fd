"""Exits with 0 when the service of this container is ready; needs nothing but the interpreter."""

import os
import sys
from http.client import HTTPConnection, HTTPException

PATH = os.environ.get("HEALTH_PATH", "/readyz")


def main() -> int:
    """Ask the service, as its callers do.

    Returns:
        The process's exit status.
    """
    connection = HTTPConnection("127.0.0.1", int(os.environ.get("PORT", "8000")), timeout=3)
    try:
        connection.request("GET", PATH)
        answer = connection.getresponse()
        sys.stdout.write(answer.read(1000).decode("utf-8", "replace"))
    except (OSError, HTTPException) as error:
        sys.stdout.write(f"{PATH}: {error!r}")
        return 1
    return 0 if answer.status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
