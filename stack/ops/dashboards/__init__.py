"""Dashboards as code: one module a dashboard, written to `grafana/dashboards/`, `stack dashboards`.

`panels` has the kinds of panels that ask Prometheus, `lists` the others, `look` colours and units;
`judged` shows what an alert judges, `parts` what else several dashboards share; `board` puts panels
on the grid. Thresholds and the expressions of alerts come from the rules.
"""
