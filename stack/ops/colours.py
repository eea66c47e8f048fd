"""The colours that dashboards and the console share, and what each of them stands for.

It imports nothing: dashboards are made where the console's dependencies are missing, and the
console runs where those of the dashboards are.
"""

from __future__ import annotations

from collections.abc import Mapping

# Each can be told apart from the others and read on a light and on a dark ground.
GREEN, ORANGE, RED = "#3FA34D", "#F08C1A", "#E02F44"
BLUE, PURPLE, TEAL, PINK, GREY = "#3274D9", "#9C5FD1", "#1F9E9E", "#D6569B", "#8E8E99"
BROWN, SLATE, CYAN = "#B0753A", "#6C7FA8", "#2F93B5"

# They mean nothing: green, orange and red would say good, warning and bad.
PALETTE = (BLUE, PINK, TEAL, PURPLE, BROWN, SLATE, CYAN)
SERVICES: Mapping[str, str] = {"gateway": BLUE, "retrieval": PURPLE, "llm": TEAL, "inbox": PINK}
