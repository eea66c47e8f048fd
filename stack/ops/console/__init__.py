"""The console: Grafana's dashboards, traces and alerts where Grafana is missing; a reader of them.

What it shows is what Grafana would: the same files, provisioning included, tell it where
Prometheus is, how often it scrapes, and what each panel asks.
"""
