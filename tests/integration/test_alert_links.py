"""Every address that an alert carries can be opened on the running stack."""

from typing import TYPE_CHECKING, Any

import pytest
import yaml

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
    rules = pipeline.run_dir / "config" / "prometheus" / "rules"
    return [
        rule
        for path in rules.glob("*.rules.yml")
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
