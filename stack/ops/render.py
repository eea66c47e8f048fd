"""The components' own files with only host names, paths and, for drills, durations changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from stack.errors import OpsError
from stack.ops.durations import divided, divided_in_expression

SECRETS = "/run/secrets/"
_HEADER = "# Generated from {source} by `stack up`; do not edit.\n"
# Nothing is scraped or sent more often, and a range holds at least four scrapes.
_SHORTEST_INTERVAL = 1.0
_SHORTEST_RANGE = 4.0
# A drill does not wait until hours and days, though divided, have gone by.
_LONGEST_RANGE = 900.0

_FILES = {
    "prometheus": ("prometheus.yml", "targets/*.yaml", "rules/*.rules.yml"),
    "alertmanager": ("alertmanager.yml", "templates/*.tmpl"),
    "grafana": ("provisioning/*/*.yaml", "dashboards/*.json"),
    "thanos": ("rules/*.rules.yml", "generated/*.yml", "generated/rules/*.rules.yml"),
}
_INTERVALS = {
    "scrape_interval",
    "scrape_timeout",
    "evaluation_interval",
    "interval",
    "refresh_interval",
    "group_wait",
    "group_interval",
    "repeat_interval",
}
_WAITS = {"for", "keep_firing_for"}


def render(
    root: Path,
    dest: Path,
    *,
    addresses: Mapping[str, str],
    secrets_dir: Path,
    speed: float = 1.0,
    left_out: Collection[str] = (),
    changes: Mapping[str, Callable[[Any], Any]] = MappingProxyType({}),
) -> None:
    """Write the files of Prometheus, Alertmanager, Grafana and Thanos that the components read.

    Args:
        root: the checkout.
        dest: where they are written, in a folder each; what else is in those is deleted.
        addresses: `host:port` in the files → where it is here.
        secrets_dir: takes the place of `/run/secrets`.
        speed: all durations are divided by it; ranges count as 15 minutes at most before that.
        left_out: files of Prometheus that are not written: the targets of what does not run.
        changes: what is made of a file first, by its path in the checkout.

    Raises:
        OpsError: a file cannot be read or understood; the message names it.
    """
    for name, patterns in _FILES.items():
        _Rendering(
            root / name,
            dest / name,
            addresses,
            secrets_dir,
            speed=speed,
            left_out=left_out if name == "prometheus" else (),
            changes=changes,
        ).run(*patterns)


class _Rendering:
    """One folder on its way into the run folder."""

    def __init__(
        self,
        source: Path,
        dest: Path,
        addresses: Mapping[str, str],
        secrets_dir: Path,
        *,
        speed: float,
        left_out: Collection[str],
        changes: Mapping[str, Callable[[Any], Any]],
    ) -> None:
        self._source = source
        self._changes = changes
        self._left_out = left_out
        self._dest = dest
        self._speed = speed
        self._secrets = f"{secrets_dir}/"
        self._addresses = addresses
        names = "|".join(sorted(map(re.escape, addresses), key=len, reverse=True))
        self._pattern = re.compile(rf"(?<![\w.-])(?:{names})(?!\d)") if names else None

    def run(self, *patterns: str) -> None:
        written = {self._write(path) for pattern in patterns for path in self._source.glob(pattern)}
        # Folders stay what they are: a container goes on seeing the one that it was given.
        for stale in {path for path in self._dest.rglob("*") if path.is_file()} - written:
            stale.unlink()

    def _write(self, path: Path) -> Path:
        relative = path.relative_to(self._source)
        target = self._dest / relative
        if str(relative) in self._left_out:
            return path
        render = self._yaml if path.suffix in {".yml", ".yaml"} else self._text
        text = render(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f"{target.name}.new")
        draft.write_text(text, encoding="utf-8")
        draft.replace(target)
        return target

    def _yaml(self, path: Path) -> str:
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            change = self._changes.get(
                str(path.relative_to(self._source.parent)), lambda same: same
            )
            changed = self._changed(change(content), "")
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise OpsError(f"{path}: {error}") from error
        header = _HEADER.format(source=path.relative_to(self._source.parent))
        return header + yaml.safe_dump(changed, sort_keys=False, allow_unicode=True, width=1000)

    def _text(self, path: Path) -> str:
        return self._located(path.read_text(encoding="utf-8"))

    def _changed(self, value: Any, key: str) -> Any:
        """Return a copy with every text in its form for this machine."""
        if isinstance(value, dict):
            return {name: self._changed(each, name) for name, each in value.items()}
        if isinstance(value, list):
            return [self._changed(each, key) for each in value]
        if not isinstance(value, str):
            return value
        change: Callable[[str], str] = self._located
        if self._speed != 1:
            change = self._faster(key) or change
        return change(value)

    def _faster(self, key: str) -> Callable[[str], str] | None:
        if key in _INTERVALS:
            return lambda text: divided(text, self._speed, _SHORTEST_INTERVAL)
        if key in _WAITS:
            return lambda text: divided(text, self._speed)
        if key == "expr":
            return lambda text: divided_in_expression(
                text, self._speed, _SHORTEST_RANGE, _LONGEST_RANGE
            )
        return None

    def _located(self, text: str) -> str:
        text = text.replace(SECRETS, self._secrets)
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda match: self._addresses[match[0]], text)
