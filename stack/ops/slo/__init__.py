"""Service level objectives: specs in `prometheus/slo/`, rules made of them, `stack slo`.

The method is that of the SRE workbook, chapter "Alerting on SLOs":
https://sre.google/workbook/alerting-on-slos/
"""
