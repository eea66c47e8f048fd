"""What a service has in files that it shares with others: put in, and taken out again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from stack.errors import OpsError
from stack.ops.added import module_of, variable_of

_COMPOSE = """\
  {name}:
    <<: *service
    command: [gunicorn, -c, services/gunicorn.conf.py, "services.{module}.app:create_app()"]
    environment:
      <<: *service-environment
      PORT: "{port}"
    ports: ["127.0.0.1:${{{variable}:-{port}}}:{port}"]
    healthcheck:
      <<: *health
      test: [CMD, python3, -SE, services/healthcheck.py]
    deploy: {{resources: {{limits: {{memory: 256M, cpus: "1.0", pids: 64}}}}}}

"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of one file.

    Args:
        path: the file, in the checkout.
        text: the entry, whole lines.
        before: the line before which it is put; at the end if nothing is said.
        pattern: what it is by the time that it is taken out, whatever was changed in it.
    """

    path: Path
    text: str
    before: str
    pattern: str

    def put_in(self, content: str) -> str:
        """Return a file's content with the entry.

        Raises:
            OpsError: the line before which it is put is not there, or more than once.
        """
        if not self.before:
            return content + self.text
        found = re.findall(f"^{re.escape(self.before)}", content, re.MULTILINE)
        if len(found) != 1:
            raise OpsError(
                f"{self.path}: {len(found)} lines begin with {self.before!r}; one has to, "
                "for new services go before it"
            )
        start = f"\n{content}".index(f"\n{self.before}")
        return content[:start] + self.text + content[start:]

    def taken_out(self, content: str) -> str:
        """Return a file's content without the entry, or as it was where there is none."""
        return re.sub(self.pattern, "", content, flags=re.MULTILINE)


def entries(name: str, port: int) -> list[Entry]:
    """List the entries that a service needs."""
    variable = variable_of(name)
    compose = _COMPOSE.format(name=name, module=module_of(name), variable=variable, port=port)
    return [
        Entry(
            Path("compose.yaml"),
            compose,
            "  prometheus:\n",
            # Up to the next service, or the comment above it; a network has other lines.
            rf"^  {name}:\n    <<: \*service\n(?: {{3,}}.*\n|\n)*",
        ),
        Entry(
            Path(".env.example"),
            f"#{variable}={port}\n",
            "#PROMETHEUS_PORT=",
            rf"^#{variable}=.*\n",
        ),
        Entry(
            Path("prometheus") / "targets" / "services.yaml",
            f"- targets: [{name}:{port}]\n  labels: {{service: {name}}}\n",
            "",
            rf"^- targets: \[{name}:\d+\]\n(?: .*\n)*",
        ),
        Entry(
            Path("docs") / "compose.md",
            f"| {name}, not measured | – | – | 256 | – | 1.0 | 64 |\n",
            "| secrets, for a second |",
            # A row of limits, whatever was measured.
            rf"^\| {name}(?:,[^|]*)? \|(?: [–\d.]+ \|){{6}}\n",
        ),
    ]
