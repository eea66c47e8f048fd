"""Panels that ask nothing themselves: a text, all dashboards, Grafana's list of alerts."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard, dashboardlist, text

from stack.ops.dashboards.panels import TAG

# The name under which the alert list finds the rules; it takes no variable.
DATASOURCE_NAME = "Prometheus"


def alerts(title: str, description: str, severities: str) -> dashboard.Panel:
    """Grafana's list of alerts that fire or wait to, by the rules of Prometheus."""
    return (
        dashboard.Panel()
        .type("alertlist")
        .title(title)
        .description(description)
        .options(
            {
                "viewMode": "list",
                "groupMode": "default",
                "groupBy": [],
                "maxItems": 20,
                "sortOrder": 3,
                "dashboardAlerts": False,
                "alertName": "",
                "alertInstanceLabelFilter": f'{{severity=~"{severities}"}}',
                "datasource": DATASOURCE_NAME,
                "showInactiveAlerts": False,
                "stateFilter": {
                    "firing": True,
                    "pending": True,
                    "recovering": True,
                    "noData": False,
                    "normal": False,
                    "error": True,
                },
            }
        )
    )


def words(title: str, description: str, markdown: str) -> text.Panel:
    """A few lines for a person; addresses of other dashboards in them are their paths."""
    return text.Panel().title(title).description(description).content(markdown)


def boards(title: str, description: str) -> dashboardlist.Panel:
    """All of these dashboards; they open with the same time."""
    panel = dashboardlist.Panel().title(title).description(description).tags([TAG])
    panel.show_search(True).show_starred(False).show_headings(False).show_folder_names(False)
    return panel.keep_time(True)
