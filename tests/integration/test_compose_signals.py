"""A container whose component was told to reload is still started again when it ends."""

from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import compose_here, until

if TYPE_CHECKING:
    from tests.integration.conftest import Pipeline

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("pipeline", ["compose"], indirect=True)
@pytest.mark.parametrize("component", ["prometheus", "alertmanager"])
def test_a_container_that_was_told_to_reload_is_restarted_when_it_ends(
    pipeline: "Pipeline", component: str
) -> None:
    """SIGHUP as the runbooks and drills send it, then the end of its process."""
    engine, container = compose_here().engine, pipeline.container(component)
    before = pipeline.process(component)
    engine.run("exec", container, "sh", "-c", "kill -HUP 1")
    before.kill()

    def back() -> bool:
        row = pipeline.status().get(component, {})
        return bool(row.get("healthy")) and row["pid"] != before.pid

    until(back, f"{component} is back", deadline=60)
