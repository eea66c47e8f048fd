"""The files of a new service: those of `services/template` under its name, and two made for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from stack.errors import OpsError
from stack.ops.added import FILE, module_of
from stack.ops.rule_files import ENDING
from stack.ops.slo.files import RULES_FOLDERS, rules_of
from stack.ops.slo.spec import FOLDER as SPECS
from stack.ops.slo.spec import parse

TEMPLATE = Path("services") / "template"
_TEST = Path("tests") / "unit" / "test_template.py"
# What is said of copying the template is not said of a copy.
_OF_THE_TEMPLATE = "\n## Copy it\n"
_SERVICE = """\
# How `make up` runs it as a local process; compose.yaml has the same for containers.
name: {name}
port: {port}
shows: greets whoever asks
# Made once after the start, so that its series are there; empty for none.
first_request: /hello
# Variables of its own; numbers in quotes.
environment: {{}}
"""
_SLO = """\
service: {name}
slos:
  - name: {name}-availability
    description: of the requests to {name} are answered without a 5xx status
    objective: 0.99
    sli:
      total: rate(http_server_request_duration_seconds_count{{service="{name}", http_route="/hello"}}[$window])
      bad: rate(http_server_request_duration_seconds_count{{service="{name}", http_route="/hello", http_response_status_code=~"5.."}}[$window])
"""  # noqa: E501 -- a line of the file


def written(root: Path, name: str, port: int) -> dict[Path, str]:
    """Return the text of every file of a service, by its path in the checkout.

    Raises:
        OpsError: the template cannot be read.
    """
    return {**code(root, name), **made(name, port)}


def code(root: Path, name: str) -> dict[Path, str]:
    """Return the template's files as the service has them."""
    sources = [path.relative_to(root) for path in sorted((root / TEMPLATE).iterdir())]
    found: dict[Path, str] = {}
    for path in [*(path for path in sources if path.suffix in {".py", ".md", ".yaml"}), _TEST]:
        try:
            text = (root / path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise OpsError(f"{path} cannot be read ({error}); restore it") from error
        found[Path(_renamed(str(path), name))] = _renamed(text.partition(_OF_THE_TEMPLATE)[0], name)
    return found


def made(name: str, port: int) -> dict[Path, str]:
    """Return what says how a service is run, its objective, and the rules made of that."""
    spec = SPECS / f"{name}.yaml"
    text = _SLO.format(name=name)
    found, wrong = parse(text, str(spec), {})
    if found is None or wrong:
        raise OpsError("\n".join(wrong))
    return {
        folder(name) / FILE: _SERVICE.format(name=name, port=port),
        spec: text,
        **{
            rules / f"slo-{name}{ENDING}": rules_of(found, str(spec), rules)
            for rules in RULES_FOLDERS
        },
    }


def folder(name: str) -> Path:
    """Return where a service's code is."""
    return Path("services") / module_of(name)


def _renamed(text: str, name: str) -> str:
    """Put the name in: as that of a module in paths, imports and metrics, as it is elsewhere."""
    module = module_of(name)
    text = re.sub(r"(?<=services[./])template\b|(?<=test_)template\b", module, text)
    text = re.sub(r'(?<="services" / ")template\b', module, text)
    text = re.sub(r"\btemplate(?=_)", module, text)
    return re.sub(r"\btemplate\b", name, text)


def changed(root: Path, name: str, port: int) -> list[Path]:
    """List the files of a service that are not as they were written, or were put beside them."""
    known: Mapping[Path, str] = written(root, name, port)
    there = {path.relative_to(root) for path in (root / folder(name)).rglob("*") if path.is_file()}
    own = {path for path in there if "__pycache__" not in path.parts}
    return sorted(
        path
        for path in own | known.keys()
        if (root / path).is_file()
        and (path not in known or (root / path).read_bytes() != known[path].encode())
    )
