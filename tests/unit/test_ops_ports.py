"""Ports come from the environment, `.env` or the default, and a taken one is named."""

import socket
from pathlib import Path

import pytest

from stack.errors import ConfigurationError, OpsError
from stack.ops.ports import DEFAULTS, check_free, free_ports, read_ports


def test_the_environment_wins_over_the_file_and_that_over_the_default(tmp_path: Path) -> None:
    """As Docker Compose reads `.env`."""
    (tmp_path / ".env").write_text("# mine\nGATEWAY_PORT=18000\nexport LLM_PORT='18002'\n")
    ports = read_ports(tmp_path, {"GATEWAY_PORT": "28000", "INBOX_PORT": ""})
    assert (ports["GATEWAY_PORT"], ports["LLM_PORT"]) == (28000, 18002)
    assert ports["INBOX_PORT"] == DEFAULTS["INBOX_PORT"]


@pytest.mark.parametrize("raw", ["0", "65536", "-1", "http", "8000.5", "٣"])
def test_what_is_no_port_is_named(raw: str, tmp_path: Path) -> None:
    """The message says the variable, its value and what is allowed."""
    with pytest.raises(ConfigurationError, match=r"LLM_PORT.*from 1 to 65535"):
        read_ports(tmp_path, {"LLM_PORT": raw})


def test_two_components_on_one_port_are_named(tmp_path: Path) -> None:
    """Both variables are in the message."""
    with pytest.raises(ConfigurationError, match=r"RETRIEVAL_PORT=8000.*GATEWAY_PORT"):
        read_ports(tmp_path, {"RETRIEVAL_PORT": "8000"})


def test_a_taken_port_is_named_with_its_mend() -> None:
    """The message says which variable to set, and proposes a value."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OpsError, match=rf"{port} \(INBOX_PORT\).*INBOX_PORT=\d+"):
            check_free({"INBOX_PORT": port})
    check_free({"INBOX_PORT": port})


def test_free_ports_are_free_and_different() -> None:
    """One for each name."""
    names = [f"{number}_PORT" for number in range(50)]
    found = free_ports(names)
    assert list(found) == names
    assert len(set(found.values())) == len(names)
    check_free(found)
