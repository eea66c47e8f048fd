"""This machine's settings of pip reach the build as secrets, and stay nowhere."""

import configparser
import os
import re
import tempfile
from pathlib import Path

import pytest

from stack.errors import OpsError
from stack.ops.docker import pip_settings

VARIABLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files that nothing else uses; no settings but the test's."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    for name in [*os.environ]:
        if name.startswith("PIP_") or name in VARIABLES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return folder


def says(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """Let pip list these settings."""
    monkeypatch.setattr(pip_settings, "run", lambda *_, **__: "\n".join([*lines, ""]))


def sources(options: list[str]) -> dict[str, Path]:
    """Return the secrets' files by id."""
    found = [re.fullmatch(r"--secret=id=(\w+),src=(.+)", option) for option in options]
    assert all(found), options
    return {match[1]: Path(match[2]) for match in found if match}


def passed() -> dict[str, str]:
    """Return the settings that the build gets, as pip reads them."""
    with pip_settings.secrets() as options:
        parser = configparser.RawConfigParser()
        parser.read(sources(options)["pip_conf"], encoding="utf-8")
    return dict(parser["global"])


def test_without_settings_the_file_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The build then asks the public index."""
    says(monkeypatch)
    assert passed() == {}


def test_what_says_where_packages_come_from_is_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing else, such as folders of this machine."""
    says(
        monkeypatch,
        "global.index-url='https://here/simple'",
        "global.trusted-host='here'",
        "global.proxy='http://proxy:3128'",
        "global.timeout='30'",
        "global.find-links='/opt/wheels'",
        "install.cache-dir='/cache'",
        "no equals sign",
    )
    assert passed() == {
        "index-url": "https://here/simple",
        "trusted-host": "here",
        "proxy": "http://proxy:3128",
        "timeout": "30",
    }


def test_the_environment_wins_over_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it does for pip, which lists it first."""
    says(monkeypatch, ":env:.index-url='https://env'", "global.index-url='https://file'")
    assert passed() == {"index-url": "https://env"}


@pytest.mark.parametrize(
    "value",
    [
        "https://me:it's@here/simple",
        "https://me:'quoted'@here/simple'",
        'https://me:"@here/simple"',
        "https://me:back\\nslash\\@here",
        "https://me:100%25@here/simple",
        "https://mé:päss@here/simple",
    ],
    ids=["quote", "quotes", "double-quotes", "backslashes", "percent", "letters"],
)
def test_a_value_arrives_as_it_is(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Pip shows it as Python's `repr`; a password may hold any sign."""
    says(monkeypatch, f"global.index-url={value!r}")
    assert passed() == {"index-url": value}


@pytest.mark.parametrize(
    "value", ["https://a\nhttps://b", "\nhttps://a\nhttps://b"], ids=["same-line", "next-line"]
)
def test_a_list_arrives_as_a_list(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Several lines, of which pip makes several values."""
    says(monkeypatch, f"global.extra-index-url={value!r}", "global.timeout='9'")
    found = passed()
    assert found["extra-index-url"].split() == ["https://a", "https://b"]
    assert found["timeout"] == "9"


@pytest.mark.parametrize("name", VARIABLES)
def test_certificates_come_from_the_environment(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are a secret of their own; pip is told where the build finds them."""
    certificates = tmp_path / "ca.crt"
    certificates.write_text("certificate")
    says(monkeypatch)
    monkeypatch.setenv(name, str(certificates))
    with pip_settings.secrets() as options:
        assert sources(options)["ca_bundle"] == certificates
    assert passed() == {"cert": "/run/ca_bundle.crt"}


def test_certificates_of_pips_settings_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before those that are set for all programs."""
    for name in ("pip.crt", "all.crt"):
        (tmp_path / name).touch()
    says(monkeypatch, f"global.cert={str(tmp_path / 'pip.crt')!r}")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "all.crt"))
    with pip_settings.secrets() as options:
        assert sources(options)["ca_bundle"] == tmp_path / "pip.crt"


def test_certificates_that_are_not_there_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The build then trusts what its image trusts."""
    says(monkeypatch)
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.crt")
    with pip_settings.secrets() as options:
        assert list(sources(options)) == ["pip_conf"]
    assert passed() == {}


def test_a_password_of_pip_conf_is_in_the_secret_file_alone(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read by real pip; not in a command that others see, and in a file that its owner can read."""
    (tmp_path / "own.conf").write_text("[global]\nindex-url = https://me:s3cr't@here/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "own.conf"))
    with pip_settings.secrets() as options:
        assert "s3cr" not in "".join(options)
        file = sources(options)["pip_conf"]
        assert "index-url = https://me:s3cr't@here/simple" in file.read_text().splitlines()
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.parent.stat().st_mode & 0o777 == 0o700
        holding = [path for path in scratch.rglob("*") if path.is_file()]
        assert holding == [file]
    assert list(scratch.iterdir()) == []


def test_nothing_stays_of_a_build_that_fails(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor of one that is interrupted."""
    says(monkeypatch, "global.index-url='https://me:pw@here'")
    for error in (OpsError("no space left"), KeyboardInterrupt()):
        with pytest.raises(type(error)), pip_settings.secrets():
            raise error
    assert list(scratch.iterdir()) == []
