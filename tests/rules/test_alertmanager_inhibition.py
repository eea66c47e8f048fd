"""What one alert explains is kept back, and nothing else: held against a real Alertmanager."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stack.testing import eventually
from tests.alerting import Alertmanager, alert, running
from tests.rules.test_alertmanager import ALERTS

Labels = dict[str, str]

SEVERITIES = {labels["alertname"]: labels["severity"] for labels in ALERTS}
# What a service's own metrics say, and so what is no news while it is down.
SYMPTOMS = (
    *("HighErrorRatio", "HighLatency", "RetriesHigh", "WorkersBusy", "MemoryGrowing", "SpansLost"),
    *("CircuitBreakerOpen", "CircuitBreakerFlapping", "CircuitBreakerRejecting"),
    *("ErrorBudgetBurnFast", "ErrorBudgetBurnMedium", "ErrorBudgetBurnSlow"),
    *("ErrorBudgetBurnSteady", "SliMissing", "JaegerSpansRefused", "GrafanaErrors"),
    *("BalancerErrors",),
    *("AlertmanagerConfigReloadFailed", "AlertmanagerNotificationsFailing"),
)
# What says why a target is down, or what Prometheus sees without it.
CAUSES = (
    *("TargetMissing", "ScrapeLimitExceeded", "SeriesBudgetExceeded"),
    *("PrometheusConfigReloadFailed", "PrometheusRuleFailing", "PrometheusNotificationsFailing"),
    *("PrometheusStorageFailing", "Watchdog"),
    # That one of Thanos' parts is down says nothing of the others, which have the same `service`;
    # and what waits in a collector waits all the more while the other is away.
    "JaegerSpansWaiting",
    *("ThanosQueryIncomplete", "ThanosUploadFailing", "ThanosBucketFailing"),
    *("ThanosCompactionHalted", "ThanosAlertsLost"),
)
HERE = {"service": "gateway"}
TARGET = {**HERE, "job": "services", "instance": "gateway:8000"}
SLO = {**HERE, "slo": "gateway-availability"}

# First what fires, then what would be sent but for it. `service` is made each case's own.
KEPT_BACK: dict[str, tuple[Labels, Labels]] = {
    **{
        f"TargetDown, {name}": (
            {"alertname": "TargetDown", **TARGET},
            {"alertname": name, **HERE, "component": "llm", "slo": "gateway-latency"},
        )
        for name in SYMPTOMS
    },
    "TargetDown, TargetFlapping": (
        {"alertname": "TargetDown", **TARGET},
        {"alertname": "TargetFlapping", **TARGET},
    ),
    "page, ticket of the service": (
        {"alertname": "HighErrorRatio", **HERE},
        {"alertname": "MemoryGrowing", **HERE},
    ),
    "page, ticket of the component": (
        {"alertname": "CircuitBreakerOpen", **HERE, "component": "llm"},
        {"alertname": "CircuitBreakerRejecting", **HERE, "component": "llm"},
    ),
    "page, ticket of the objective": (
        {"alertname": "ErrorBudgetBurnFast", **SLO},
        {"alertname": "ErrorBudgetBurnSlow", **SLO},
    ),
    "an empty label is an absent one": (
        {"alertname": "HighErrorRatio", **HERE},
        {"alertname": "HighLatency", **HERE, "component": "", "slo": ""},
    ),
}
SENT: dict[str, tuple[Labels, Labels]] = {
    **{
        f"TargetDown, {name}": (
            {"alertname": "TargetDown", **TARGET},
            {"alertname": name, **TARGET},
        )
        for name in CAUSES
    },
    "TargetDown, symptom of another service": (
        {"alertname": "TargetDown", **TARGET},
        {"alertname": "HighErrorRatio", "service": "llm"},
    ),
    "TargetDown, symptom in who calls it": (
        {"alertname": "TargetDown", "service": "llm", "instance": "llm:8002"},
        {"alertname": "CircuitBreakerOpen", "service": "gateway", "component": "llm"},
    ),
    "TargetDown, symptom without a service": (
        {"alertname": "TargetDown", "instance": "x:1"},
        {"alertname": "HighErrorRatio"},
    ),
    "TargetDown, another target flapping": (
        {"alertname": "TargetDown", **TARGET},
        {"alertname": "TargetFlapping", **TARGET, "instance": "gateway-2:8000"},
    ),
    "TargetDown without instance, TargetFlapping": (
        {"alertname": "TargetDown", **HERE},
        {"alertname": "TargetFlapping", **HERE},
    ),
    "page, TargetDown": (
        {"alertname": "HighErrorRatio", **HERE},
        {"alertname": "TargetDown", **TARGET},
    ),
    "page, page": (
        {"alertname": "HighErrorRatio", **HERE},
        {"alertname": "AlertmanagerNotificationsFailing", **HERE},
    ),
    "page, ticket of another component": (
        {"alertname": "CircuitBreakerOpen", **HERE, "component": "llm"},
        {"alertname": "RetriesHigh", **HERE, "component": "retrieval"},
    ),
    "page of the service, ticket of a component": (
        {"alertname": "HighErrorRatio", **HERE},
        {"alertname": "RetriesHigh", **HERE, "component": "llm"},
    ),
    "page of the service, ticket of an objective": (
        {"alertname": "HighErrorRatio", **HERE},
        {"alertname": "ErrorBudgetBurnSlow", **SLO},
    ),
    "page of an objective, ticket of another": (
        {"alertname": "ErrorBudgetBurnFast", **SLO},
        {"alertname": "ErrorBudgetBurnSlow", **HERE, "slo": "gateway-latency"},
    ),
    "page of an objective, ticket of the service": (
        {"alertname": "ErrorBudgetBurnFast", **SLO},
        {"alertname": "HighLatency", **HERE},
    ),
    "page, ticket, both without a service": (
        {"alertname": "HighErrorRatio"},
        {"alertname": "HighLatency"},
    ),
    "ticket, page": (
        {"alertname": "HighLatency", **HERE},
        {"alertname": "HighErrorRatio", **HERE},
    ),
    "ticket, ticket": (
        {"alertname": "HighLatency", **HERE},
        {"alertname": "MemoryGrowing", **HERE},
    ),
    "page, info": ({"alertname": "HighErrorRatio", **HERE}, {"alertname": "Watchdog", **HERE}),
}


def test_every_alert_has_a_case() -> None:
    """The tables know each alert of the rules, and no other."""
    cases = [*KEPT_BACK.values(), *SENT.values()]
    assert {each["alertname"] for case in cases for each in case} == set(SEVERITIES)


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    with running(tmp_path_factory.mktemp("alertmanager")) as started:
        yield started


def inhibitors(alertmanager: Alertmanager, first: Labels, second: Labels, case: str) -> list[str]:
    """Send the two, and after them a pair that inhibits; return what inhibits the second."""
    pair = [
        {**each, "severity": SEVERITIES[each["alertname"]], "case": case}
        for each in (first, second)
    ]
    for each in pair:
        if "service" in each:
            each["service"] += f" in {case}"
    control = f"control of {case}"
    last = [
        {"alertname": "TargetDown", "service": control, "severity": "page"},
        {"alertname": "HighErrorRatio", "service": control, "severity": "page"},
    ]
    alertmanager.post(*(alert(each["alertname"], each) for each in pair))
    alertmanager.post(*(alert(each["alertname"], each) for each in last))

    def status(labels: Labels) -> list[str] | None:
        known = {name: value for name, value in labels.items() if value}
        for each in alertmanager.alerts():
            if each["labels"] == known:
                found: list[str] = each["status"]["inhibitedBy"]
                return found
        return None

    eventually(lambda: status(last[1]), "the control is inhibited")
    found = status(pair[1])
    assert found is not None, "Alertmanager has the alert"
    return found


@pytest.mark.parametrize("case", KEPT_BACK)
def test_what_is_explained_is_kept_back(alertmanager: Alertmanager, case: str) -> None:
    """The second is inhibited by the first, and by it alone."""
    assert len(inhibitors(alertmanager, *KEPT_BACK[case], case)) == 1


@pytest.mark.parametrize("case", SENT)
def test_what_is_not_explained_is_sent(alertmanager: Alertmanager, case: str) -> None:
    """Another service, component, objective or target, or a label that is not there."""
    assert inhibitors(alertmanager, *SENT[case], case) == []
