"""Each reference service's telemetry contract names what its code makes."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

import services.gateway.metrics as gateway
import services.llm.metrics as llm
import services.loadgen.metrics as loadgen
import services.retrieval.metrics as retrieval

ROOT = Path(__file__).parents[2]
MODULES: dict[str, Any] = {
    "gateway": gateway,
    "llm": llm,
    "loadgen": loadgen,
    "retrieval": retrieval,
}


@pytest.mark.parametrize("service", MODULES)
def test_the_contract_is_what_the_code_declares(service: str) -> None:
    """Names, types and labels of the metrics agree, except for those of the process itself."""
    path = ROOT / "services" / service / "telemetry.yaml"
    contract = yaml.safe_load(path.read_text(encoding="utf-8"))
    named = {
        entry["name"]: (entry["type"], tuple(entry["labels"]))
        for entry in contract["metrics"]
        if not entry["name"].startswith("process_")
    }
    assert named == dict(_declared(MODULES[service]))


@pytest.mark.parametrize("service", MODULES)
def test_the_contract_is_whole(service: str) -> None:
    """Every contract says its metrics, spans and log events in one form."""
    path = ROOT / "services" / service / "telemetry.yaml"
    contract = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert set(contract) - {"includes"} == {"metrics", "spans", "log_events"}
    code = "".join(p.read_text(encoding="utf-8") for p in path.parent.glob("*.py"))
    assert all(f'"{event}"' in code for event in contract["log_events"])


def _declared(module: Any) -> list[tuple[str, tuple[str, tuple[str, ...]]]]:
    found = [each for each in vars(module).values() if isinstance(each, MetricWrapperBase)]
    assert all(each in set(REGISTRY._collector_to_names) for each in found)
    return [
        (
            f"{each._name}_total" if each._type == "counter" else each._name,
            (str(each._type), tuple(each._labelnames)),
        )
        for each in found
    ]
