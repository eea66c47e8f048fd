"""Dashboards as code: one module a dashboard, written to `grafana/dashboards/`, `stack dashboards`.

`panels` has the kinds of panels, `look` colours and units, `parts` what several dashboards share,
`board` puts panels on the grid. Thresholds and the expressions of alerts come from the rules.
"""
