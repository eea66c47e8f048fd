"""What the guides say of files that a test can read is what stands in them."""

from __future__ import annotations

import posixpath
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from stack.logs.record import CORE
from stack.ops.added import added
from stack.ops.binaries import find_binaries
from stack.ops.docs_site import place
from stack.ops.tracestore.settings import Settings as TraceStoreSettings
from stack.settings import Settings
from tests.config.policy import RULES
from tests.rules.contracts import known_series, rules, unknown_in

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md")), *sorted(ROOT.glob("services/*/*.md"))]
GUIDES = sorted(DOCS.glob("*.md"))
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^()\s]+)\)")
# The guides speak of the stack as it comes, without services that were added.
OF_YOURS = {each.name for each in added(ROOT)}


def text(name: str) -> str:
    """Return a guide."""
    return (DOCS / name).read_text(encoding="utf-8")


def section(name: str, title: str) -> str:
    """Return what stands below a heading of a guide."""
    (found,) = re.findall(rf"^##+ {title}\n(.*?)(?=^##|\Z)", text(name), re.M | re.S)
    return str(found)


def rows(table: str) -> list[list[str]]:
    """Return the cells of a table's rows, without its head."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def anchors(page: str) -> set[str]:
    """Return the anchors of a page's headings, as they are made where repositories are read."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_table_of_series_is_the_contract() -> None:
    """Each series with its type and labels, in the same order."""
    contract = yaml.safe_load((ROOT / "stack" / "telemetry.yaml").read_text(encoding="utf-8"))
    expected = [
        (
            f"`{each['name']}`",
            each["type"],
            ", ".join(f"`{label}`" for label in each["labels"]) or "–",
        )
        for each in contract["metrics"]
    ]
    found = rows(section("prometheus.md", "The series of a service"))
    assert [tuple(row[:3]) for row in found] == expected


def test_the_table_of_jobs_has_every_job() -> None:
    """With the files that its targets are in."""
    config = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    table = section("prometheus.md", "What is scraped")
    named = set(re.findall(r"`([\w]+)`", " ".join(row[0] for row in rows(table))))
    assert named == {job["job_name"] for job in config["scrape_configs"]}
    for job in config["scrape_configs"]:
        for path in (path for sd in job.get("file_sd_configs", ()) for path in sd["files"]):
            assert posixpath.basename(path) in table
    assert f"every {config['global']['scrape_interval'].rstrip('s')} s" in table


def test_the_limits_of_a_scrape_are_those_of_the_file() -> None:
    """And so is the budget of series."""
    limits = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())["global"]
    table = section("prometheus.md", "The budget of series")
    for name in ("sample_limit", "label_limit", "label_name_length_limit"):
        assert f"{limits[name]:,}" in table, name
    assert f"{limits['label_value_length_limit']:,}" in table
    assert "vector(5000)" in (ROOT / "prometheus/rules/thresholds.rules.yml").read_text()
    assert "5,000 samples" in table


QUESTIONS = [
    question
    for row in rows(section("prometheus.md", "The usual questions"))
    for question in re.findall(r"`([^`]+)`", row[1])
]


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_is_asked_can_be_there(question: str) -> None:
    """Metrics and labels are those of a contract."""
    assert list(unknown_in(question, known_series([rule for _, rule in rules()]))) == []


def test_what_is_asked_is_promql(tmp_path: Path) -> None:
    """Prometheus' own parser takes each of them."""
    group = {"name": "guide", "rules": [{"record": "a:b", "expr": each} for each in QUESTIONS]}
    file = tmp_path / "guide.yml"
    file.write_text(yaml.safe_dump({"groups": [group]}), encoding="utf-8")
    promtool = find_binaries(ROOT / ".run", print).promtool
    ended = subprocess.run(
        [promtool, "check", "rules", "--lint=none", file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert len(QUESTIONS) >= 10


def test_the_table_of_container_rules_is_the_policy() -> None:
    """Each rule of tests/config, and none that is no more."""
    found = {row[0].strip("`") for row in rows(section("security.md", "Containers"))}
    assert found == set(RULES)


def test_the_table_of_ports_is_that_of_compose() -> None:
    """Every port that is published, and no other."""
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    published = {
        port.rpartition(":")[2]
        for name, service in compose["services"].items()
        for port in service.get("ports", ())
        if name not in OF_YOURS
    }
    named = re.findall(r"^\| ([\d, ]+) \|", section("security.md", "What is open where"), re.M)
    assert {port for ports in named for port in ports.split(", ")} == published


def test_the_sums_of_limits_are_right() -> None:
    """Of all containers that go on running, with Grafana or with the console."""
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    limits = {
        name: int(service["deploy"]["resources"]["limits"]["memory"].removesuffix("M"))
        for name, service in compose["services"].items()
        if name not in {"secrets", *OF_YOURS}
    }
    both = sum(limits.values())
    memory = section("production.md", "Memory")
    assert f"{(both - limits['grafana']) / 1000:.1f} GB with the console" in memory
    assert f"{(both - limits['console']) / 1000:.1f} GB with Grafana" in memory


def test_the_room_that_samples_take_is_right() -> None:
    """Series / 5 s × a day × 1.6 bytes, and 32 times that."""
    for series, day, month in rows(section("production.md", "Disk")):
        count = int(re.sub(r"[,:].*|\D", "", series.replace(",", "")))
        a_day = count / 5 * 86_400 * 1.6
        assert day == f"{a_day / 1e6:.0f} MB"
        assert month == f"{32 * a_day / 1e9:.1f} GB"


def test_every_guide_is_in_the_index() -> None:
    """A page that nobody finds is not read; the site takes its navigation from there."""
    found = {link.partition("#")[0] for link in _LINK.findall(text("README.md"))}
    assert [
        path.name for path in GUIDES if path.name != "README.md" and path.name not in found
    ] == []


@pytest.mark.parametrize("path", PAGES, ids=[p.relative_to(ROOT).as_posix() for p in PAGES])
def test_links_lead_somewhere(path: Path) -> None:
    """To a file or folder that is there, and to a heading that it has."""
    page = path.read_text(encoding="utf-8")
    for link in _LINK.findall(_FENCE.sub("", page)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


def test_pages_lie_where_links_lead() -> None:
    """Of the site: the guides at its top, others below."""
    assert place("docs/slo.md") == "slo.md"
    assert place("services/inbox/README.md") == "project/services/inbox/README.md"


def test_the_fields_of_a_line_are_the_core_ones() -> None:
    """In the order in which they are written."""
    table = section("logging.md", "A line")
    named = re.findall(r"`(\w+)`", " ".join(row[0] for row in rows(table)))
    assert named == list(CORE)


DEFAULTS = {
    "OTEL_TRACES_SAMPLER": ("traces_sampler", 1),
    "OTEL_TRACES_SAMPLER_ARG": ("traces_sampler_ratio", 1),
    "OTEL_EXPORTER_OTLP_TIMEOUT": ("traces_timeout", 1000),
    "OTEL_BSP_MAX_QUEUE_SIZE": ("span_queue_size", 1),
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": ("span_batch_size", 1),
    "OTEL_BSP_SCHEDULE_DELAY": ("span_schedule_delay", 1000),
    "OTEL_TRACES_EXPORTER": ("traces_exporter", 1),
    "STACK_LOG_LEVEL": ("log_level", 1),
    "STACK_LOG_MAX_REPEATS": ("log_max_repeats", 1),
}


@pytest.mark.parametrize("variable", DEFAULTS)
def test_defaults_are_those_of_the_settings(variable: str) -> None:
    """Times are in milliseconds there, in seconds here."""
    name, factor = DEFAULTS[variable]
    value = getattr(Settings.from_env({}), name)
    tables = text("tracing.md") + text("logging.md")
    (shown,) = re.findall(rf"^\| `{variable}` \| `([^`]+)`", tables, re.MULTILINE)
    assert shown == str(value if factor == 1 else round(value * factor))


def test_how_long_things_are_kept_is_what_the_files_say() -> None:
    """Samples, exemplars, traces of either store."""
    table = section("production.md", "Retention")
    compose = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    assert "RETENTION_TIME:-32d" in compose
    assert "RETENTION_SIZE:-2GB" in compose
    assert "| metrics | 32 d or 2 GB |" in table
    config = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    assert f"| exemplars | {config['storage']['exemplars']['max_exemplars']:,} |" in table
    assert "JAEGER_TTL:-72h" in (ROOT / "jaeger" / "config.yaml").read_text(encoding="utf-8")
    assert "| traces, Jaeger | 72 h |" in table
    store = TraceStoreSettings(database_path=Path("any"))
    assert f"{store.max_age / 3600:.0f} h or {store.max_bytes / 1e6:.0f} MB" in table
