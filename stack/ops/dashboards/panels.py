"""The kinds of panels: each with few options, and those the same on every dashboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    dashboardlist,
    gauge,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    text,
    timeseries,
)
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import heatmap as heatmap_models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from stack.ops.dashboards import look

DATASOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
TAG = "stack"
UNKNOWN = "no data yet"
_DATA: TypeAlias = (
    bargauge.Panel
    | gauge.Panel
    | heatmap.Panel
    | stat.Panel
    | statetimeline.Panel
    | table.Panel
    | timeseries.Panel
)
_Kind = TypeVar("_Kind", bound=_DATA)
Panel: TypeAlias = _DATA | dashboard.Panel | dashboardlist.Panel | text.Panel


@dataclass(frozen=True, slots=True)
class Query:
    """One question to Prometheus.

    Args:
        expr: PromQL, with the dashboard's variables.
        legend: of its series; labels in double braces.
        exemplar: ask for exemplars, too.
        instant: ask for the last value alone.
    """

    expr: str
    legend: str = ""
    exemplar: bool = False
    instant: bool = False


@dataclass(frozen=True, slots=True)
class Meaning:
    """What is the same for every kind: what a panel says to a person.

    Args:
        title: short, without the unit.
        description: what it shows, and what to do about it.
        unit: one of `look`'s.
        empty: what stands there when there is no series, and what that means.
        link: where a click on a value leads, as (title, address).
        decimals: those of the unit if not given.
    """

    title: str
    description: str
    unit: str
    empty: str = UNKNOWN
    link: tuple[str, str] | None = None
    decimals: int | None = None


def tile(
    meaning: Meaning,
    *queries: Query,
    thresholds: dashboard.ThresholdsConfig,
    names: Mapping[str, tuple[str, str]] | None = None,
) -> stat.Panel:
    """A number on a ground of its colour, with its course behind it."""
    panel = stat.Panel().color_mode(options.BigValueColorMode.BACKGROUND)
    panel.graph_mode(options.BigValueGraphMode.AREA).reduce_options(_last())
    panel.thresholds(thresholds).mappings([*look.mapping(names or {}), *_unknown(meaning)])
    return _filled(panel, meaning, [replace(query, exemplar=False) for query in queries])


def fact(meaning: Meaning, query: Query) -> stat.Panel:
    """A tile that is neither good nor bad."""
    return tile(meaning, query, thresholds=look.steps(base=look.NEUTRAL))


def dial(meaning: Meaning, *queries: Query, thresholds: dashboard.ThresholdsConfig) -> gauge.Panel:
    """A share of a whole, from nothing to all of it."""
    panel = gauge.Panel().min(0).max(1).thresholds(thresholds).reduce_options(_last())
    panel.show_threshold_markers(True).show_threshold_labels(False).mappings(_unknown(meaning))
    return _filled(panel, meaning, queries)


def bars(
    meaning: Meaning, *queries: Query, thresholds: dashboard.ThresholdsConfig
) -> bargauge.Panel:
    """One bar a series, each a share of a whole."""
    panel = bargauge.Panel().min(0).max(1).thresholds(thresholds).reduce_options(_last())
    panel.orientation(options.VizOrientation.HORIZONTAL).mappings(_unknown(meaning))
    panel.display_mode(options.BarGaugeDisplayMode.BASIC)
    return _filled(panel, meaning, [replace(query, instant=True) for query in queries])


def lines(
    meaning: Meaning,
    *queries: Query,
    limits: Sequence[tuple[float, str]] = (),
    stacked: bool = False,
    negative: bool = False,
    maximum: float | None = None,
) -> timeseries.Panel:
    """Courses over time; a dashed line for each limit, in its colour.

    Their axis begins at 0, or lower where values may be `negative`.
    """
    panel = timeseries.Panel().line_width(1).fill_opacity(40 if stacked else 10)
    panel = panel.axis_soft_min(0) if negative else panel.min(0)
    panel.show_points(options.VisibilityMode.NEVER).span_nulls(False)
    panel.color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
    panel.tooltip(
        common.VizTooltipOptions()
        .mode(options.TooltipDisplayMode.MULTI)
        .sort(options.SortOrder.DESCENDING)
    )
    panel.legend(
        common.VizLegendOptions()
        .display_mode(options.LegendDisplayMode.TABLE)
        .placement(options.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs(["lastNotNull", "max"])
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL).group("A"))
    if maximum is not None:
        panel.max(maximum)
    if limits:
        panel.thresholds(look.steps(*limits, base="transparent"))
        dashed = options.GraphThresholdsStyleMode.DASHED
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(dashed))
    for name, color in look.colored(query.legend for query in queries):
        panel.override_by_name(name, [look.fixed(color)])
    return _filled(panel, meaning, queries)


def states(
    meaning: Meaning, *queries: Query, names: Mapping[str, tuple[str, str]]
) -> statetimeline.Panel:
    """One band a series, coloured by its state."""
    panel = statetimeline.Panel().mappings(look.mapping(names)).fill_opacity(80)
    panel.show_value(options.VisibilityMode.NEVER).merge_values(True).row_height(0.8)
    panel.color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
    panel.thresholds(look.steps(base=look.GREY))
    panel.legend(
        common.VizLegendOptions()
        .display_mode(options.LegendDisplayMode.LIST)
        .placement(options.LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    return _filled(panel, meaning, queries)


def spread(meaning: Meaning, buckets: str) -> heatmap.Panel:
    """How values spread over time, from a histogram's buckets; dots are exemplars.

    Args:
        meaning: its unit is that of the buckets' bounds.
        buckets: PromQL of events by `le`.
    """
    panel = heatmap.Panel().calculate(False).show_legend().exemplars_color(look.PINK)
    panel.y_axis(heatmap.YAxisConfig().unit(meaning.unit))
    panel.cell_values(heatmap.CellValues().unit(look.COUNT).decimals(0))
    panel.color(
        heatmap.HeatmapColorOptions()
        .mode(heatmap_models.HeatmapColorMode.SCHEME)
        .scheme("Blues")
        .scale(heatmap_models.HeatmapColorScale.EXPONENTIAL)
        .exponent(0.5)
        .steps(64)
    )
    panel.max_data_points(60)
    query = Query(buckets, "{{le}}", exemplar=True)
    return _filled(panel, meaning, [query], PromQueryFormat.HEATMAP)


def rows(
    meaning: Meaning,
    query: Query,
    *,
    columns: Mapping[str, str],
    links: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    value: str,
    thresholds: dashboard.ThresholdsConfig | None = None,
) -> table.Panel:
    """A table with a row for each series.

    Args:
        meaning: its unit is that of the value.
        query: what is asked.
        columns: labels, in order, and their headings.
        links: by heading, where a click leads, as (title, address).
        value: the heading of the value, which comes last.
        thresholds: colour the value.
    """
    order = {name: index for index, name in enumerate((*columns, "Value"))}
    panel = table.Panel().with_transformation(
        models.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": {"Time": True},
                "indexByName": order,
                "renameByName": {**columns, "Value": value},
            },
        )
    )
    panel.show_header(True).filterable(False)
    panel.sort_by([common.TableSortByFieldState().display_name(value).desc(True)])
    for heading in columns.values():
        panel.override_by_name(heading, [models.DynamicConfigValue(id_val="unit", value="string")])
    for heading, targets in (links or {}).items():
        found = [
            {"title": title, "url": url, "targetBlank": not url.startswith("/")}
            for title, url in targets
        ]
        panel.override_by_name(heading, [models.DynamicConfigValue(id_val="links", value=found)])
    if thresholds is not None:
        panel.thresholds(thresholds)
    return _filled(panel, meaning, [replace(query, instant=True)], PromQueryFormat.TABLE)


def _unknown(meaning: Meaning) -> list[models.ValueMapping]:
    return [look.unknown()] if meaning.empty == UNKNOWN else []


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields("")


def _filled(
    panel: _Kind,
    meaning: Meaning,
    queries: Sequence[Query],
    form: PromQueryFormat = PromQueryFormat.TIME_SERIES,
) -> _Kind:
    """Put what every kind has into a panel."""
    panel.title(meaning.title).description(meaning.description).datasource(DATASOURCE)
    panel.unit(meaning.unit).no_value(meaning.empty)
    panel.decimals(look.DECIMALS[meaning.unit] if meaning.decimals is None else meaning.decimals)
    if meaning.link:
        title, url = meaning.link
        link = dashboard.DashboardLink(title).url(url).target_blank(not url.startswith("/"))
        panel.data_links([link])
    for ref, query in zip("ABCDEFGH"[: len(queries)], queries, strict=True):
        target = prometheus.Dataquery().expr(query.expr).format(form).ref_id(ref)
        target.legend_format(query.legend or "__auto").datasource(DATASOURCE)
        target.exemplar(query.exemplar)
        panel.with_target(target.instant() if query.instant else target.range())
    return panel
