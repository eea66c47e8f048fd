"""Hooks of MkDocs: the guides as a site, with what they link to outside of `docs/`.

The guides are written to be read in a repository. Here the README and other Markdown files that
they link to become pages of the site, links to other files become plain text, the navigation is
taken from the index `docs/README.md`, and the reference of the library has all public names.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
INDEX = "docs/README.md"
# Pages made of files that lie elsewhere, by their path in the repository.
_ELSEWHERE = "project"
_API = "api.md"

_FENCE = re.compile(r"(^(`{3,})[^\n]*\n.*?^\2$)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^()\s]+)\)")
_HEADING = re.compile(r"^## (?P<title>.+)$|^\| \[(?P<text>.+?)\]\((?P<page>[^)#]+\.md)\)", re.M)

# The public names, in the order in which a reader meets them.
GROUPS = {
    "Start": ["instrument", "setup", "Settings", "Runtime", "export_debug_state"],
    "Calls": ["HttpClient", "AsyncHttpClient"],
    "Circuit breakers": [
        *("CircuitBreaker", "LLMCircuitBreaker", "CircuitState", "get_circuit_breaker"),
        *("get_all_circuit_breaker_stats", "reset_all_circuit_breakers"),
    ],
    "Metrics": ["get_prometheus_collector", "PrometheusMetricsCollector"],
    "Traces": ["get_otel_tracer", "setup_otel_tracer"],
    "Logs": [
        *("get_logger", "LogContext", "set_context", "get_current_context", "clear_context"),
        *("log_event", "log_error", "log_performance", "LogPerformance", "log_mcp_tool"),
        *("parse_json_log_file", "filter_logs"),
    ],
    "Errors": [
        *("StackError", "ConfigurationError", "CircuitBreakerConfigError"),
        *("CircuitBreakerOpenError", "CallBudgetExceededError"),
    ],
}
# What functions of `stack` return, and a reader wants to look up.
FURTHER = {
    "Metrics": ["stack.metrics.MetricsSummary"],
    "Traces": ["stack.tracing.tracer.OTelTracer", "stack.tracing.span.Span"],
    "Logs": ["stack.logs.Logger"],
}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Take the navigation from the index."""
    config.nav = navigation((ROOT / INDEX).read_text(encoding="utf-8"))
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the reference, and the Markdown files elsewhere that pages link to."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, _API, content=reference()))
    for path in sorted(linked()):
        content = (ROOT / path).read_text(encoding="utf-8")
        files.append(File.generated(config, place(path), content=content))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links lead to where things are on the site."""
    del config, files
    uri = page.file.src_uri
    return markdown if uri == _API else relinked(markdown, repository_path(uri))


def navigation(index: str) -> list[Any]:
    """Return the index's sections with the pages that their tables link to."""
    found: list[Any] = [{"Guides": "README.md"}]
    for match in _HEADING.finditer(index):
        if match["title"]:
            found.append({match["title"]: []})
        elif isinstance(found[-1], dict):
            (pages,) = found[-1].values()
            path = posixpath.normpath(posixpath.join("docs", match["page"]))
            if isinstance(pages, list):
                pages.append({match["text"]: place(path)})
    filled = [each for each in found if all(each.values())]
    return [*filled, {"Reference of the library": _API}]


def reference() -> str:
    """Return the page from which mkdocstrings makes the reference."""
    lines = ["# The library", "", "All that `import stack` gives, from its docstrings.", ""]
    for title, names in GROUPS.items():
        paths = [*(f"stack.{name}" for name in names), *FURTHER.get(title, ())]
        lines += [f"## {title}", "", *(f"::: {path}\n" for path in paths)]
    return "\n".join(lines)


def linked() -> set[str]:
    """Return the Markdown files outside of `docs/` that its pages, and they themselves, link to."""
    waiting = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
    found: set[str] = set()
    while waiting:
        path = waiting.pop()
        for target in _targets((ROOT / path).read_text(encoding="utf-8")):
            page = _page(_resolved(target, path))
            if page and not page.startswith("docs/") and page not in found:
                found.add(page)
                waiting.append(page)
    return found


def relinked(markdown: str, path: str) -> str:
    """Return a page with links that hold on the site.

    Args:
        markdown: the page.
        path: where it lies in the repository.
    """
    here = posixpath.dirname(place(path))

    def replace(match: re.Match[str]) -> str:
        target = match["target"]
        if _is_address(target) or target.startswith("#"):
            return match[0]
        resolved, hash_sign, anchor = _resolved(target, path).partition("#")
        page = _page(resolved)
        if page is None and not resolved.startswith("docs/"):
            return match["text"]
        aim = posixpath.relpath(place(page or resolved), here or ".")
        return f"{match['image']}[{match['text']}]({aim}{hash_sign}{anchor})"

    return "".join(
        part if part.startswith("```") else _LINK.sub(replace, part) for part in _parts(markdown)
    )


def place(path: str) -> str:
    """Return where a file of the repository is on the site."""
    return path.removeprefix("docs/") if path.startswith("docs/") else f"{_ELSEWHERE}/{path}"


def repository_path(uri: str) -> str:
    """Return where a page of the site lies in the repository."""
    elsewhere = uri.startswith(f"{_ELSEWHERE}/")
    return uri.removeprefix(f"{_ELSEWHERE}/") if elsewhere else f"docs/{uri}"


def _parts(markdown: str) -> Iterator[str]:
    """Split into fenced blocks and what is between them."""
    at = 0
    for fence in _FENCE.finditer(markdown):
        yield markdown[at : fence.start()]
        yield fence[0]
        at = fence.end()
    yield markdown[at:]


def _targets(markdown: str) -> Iterator[str]:
    for part in _parts(markdown):
        if not part.startswith("```"):
            for match in _LINK.finditer(part):
                if not _is_address(match["target"]):
                    yield match["target"]


def _is_address(target: str) -> bool:
    return re.match(r"[a-z]+:", target) is not None


def _resolved(target: str, path: str) -> str:
    """Return a link's target, seen from the repository's root."""
    if target.startswith("#"):
        return f"{path}{target}"
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), target))


def _page(target: str) -> str | None:
    """Return the Markdown file that a target is, or that stands for a folder; None for others."""
    path = target.partition("#")[0]
    if (ROOT / path).is_dir():
        path = posixpath.join(path, "README.md")
    is_page = path.endswith(".md") and (ROOT / path).is_file()
    return path if is_page else None
