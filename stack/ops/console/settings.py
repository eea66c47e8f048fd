"""What the console is told: where the files are that Grafana would read, and what they say."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import yaml

from stack.environment import folder, read
from stack.errors import ConfigurationError
from stack.ops.console.timerange import InvalidRangeError, seconds

_VARIABLE = "GRAFANA_CONFIG_DIR"
_UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError, yaml.YAMLError)


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the console finds what it shows.

    Args:
        dashboards: the folder of the dashboards' JSON.
        prometheus: the URL that is asked for series.
        jaeger: the URL that is asked for traces.
        alertmanager: the URL that is asked what is silenced.
        scrape_interval: seconds between two samples of a series.
    """

    dashboards: Path
    prometheus: str
    jaeger: str
    alertmanager: str
    scrape_interval: float

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read `GRAFANA_CONFIG_DIR`, a folder with `dashboards/` and `provisioning/`.

        Raises:
            ConfigurationError: it is no such folder, or a datasource is missing in it.
        """
        root = read(environ, _VARIABLE, folder, Path("grafana"))
        if not (root / "dashboards").is_dir():
            raise _wrong(root, "a folder with dashboards/ in it")
        sources = _datasources(root / "provisioning" / "datasources")
        for kind in ("prometheus", "jaeger", "alertmanager"):
            if kind not in sources:
                raise _wrong(root, f"a folder whose provisioning has a {kind} datasource")
        urls = {
            kind: _with_variables(str(source["url"]), environ).rstrip("/")
            for kind, source in sources.items()
        }
        interval = (sources["prometheus"].get("jsonData") or {}).get("timeInterval", "15s")
        try:
            scraped = seconds(str(interval))
        except InvalidRangeError as error:
            raise _wrong(root, f"a folder whose prometheus has a timeInterval: {error}") from None
        dashboards = root / "dashboards"
        return cls(dashboards, urls["prometheus"], urls["jaeger"], urls["alertmanager"], scraped)


def _datasources(path: Path) -> dict[str, dict[str, Any]]:
    """Return the first datasource of each type; one has a url."""
    found: dict[str, dict[str, Any]] = {}
    for file in sorted(path.glob("*.yaml")):
        try:
            for source in yaml.safe_load(file.read_text(encoding="utf-8"))["datasources"]:
                if source.get("url"):
                    found.setdefault(source["type"], source)
        except _UNREADABLE as error:
            raise _wrong(file, f"a datasources file ({error})") from None
    return found


def _with_variables(text: str, environ: Mapping[str, str]) -> str:
    """Put variables in as Grafana does: `${NAME}`, and `$$` for a dollar sign."""
    try:
        return Template(text).substitute(environ)
    except KeyError as error:
        raise ConfigurationError(error.args[0], "", f"set, for a datasource is at {text}") from None


def _wrong(path: Path, allowed: str) -> ConfigurationError:
    return ConfigurationError(_VARIABLE, str(path), allowed)
