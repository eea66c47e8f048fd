"""Ryuk, which removes the containers of a killed test run, where its image can be had."""

from __future__ import annotations

import functools
import logging

from docker.errors import DockerException, ImageNotFound  # type: ignore[import-untyped]
from testcontainers.core.config import testcontainers_config as config
from testcontainers.core.docker_client import DockerClient

_log = logging.getLogger(__name__)


def without_reaper_if_missing() -> bool:
    """Do without testcontainers' reaper in this process if its image cannot be had.

    testcontainers starts it before the first container and fails where no registry can be
    reached. The containers of `stack.testing` call this themselves; call it before you start
    others. The engine is asked once; an image that is missing is pulled if it can be.

    Returns:
        True when containers start without the reaper, also because
        `TESTCONTAINERS_RYUK_DISABLED` says so.

    Raises:
        DockerException: no engine answers.
    """
    image = config.hub_image_name_prefix + config.ryuk_image
    if not config.ryuk_disabled and not _can_be_had(image):
        config.ryuk_disabled = True
        _log.warning(
            "%s can be neither found nor pulled: containers are removed when their block or this "
            "process ends, but not when it is killed",
            image,
        )
    return config.ryuk_disabled


@functools.cache
def _can_be_had(image: str) -> bool:
    engine = DockerClient().client
    try:
        engine.images.get(image)
    except ImageNotFound:
        try:
            engine.images.pull(image)
        except (DockerException, OSError):
            return False
    finally:
        engine.close()
    return True
