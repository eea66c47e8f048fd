"""Every address that an alert carries can be opened on the running stack."""

from typing import TYPE_CHECKING, Any

import pytest

from stack.ops.rule_files import FOLDER, rules_in

if TYPE_CHECKING:
    from tests.integration.conftest import Pipeline

pytestmark = pytest.mark.timeout(120)


def test_every_link_of_every_alert_is_live(pipeline: "Pipeline") -> None:
    """As Prometheus has it here, with this stack's ports: it answers, and speaks of the alert."""
    alerts = list(_alerts(pipeline))
    assert len({alert["alert"] for alert in alerts}) > 20
    for alert in alerts:
        links = [v for v in alert["annotations"].values() if v.startswith("http")]
        assert links, alert["alert"]
        for link in set(links):
            answer = pipeline.http.get(link)
            assert answer.status_code == 200, link
            assert alert["alert"] in answer.text, link


def _alerts(pipeline: "Pipeline") -> list[dict[str, Any]]:
    folder = pipeline.run_dir / "config" / FOLDER
    return [rule for _, rule in rules_in(folder) if "alert" in rule]
