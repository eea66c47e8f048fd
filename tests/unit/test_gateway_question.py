"""A bad request to the gateway gets an error that says what to mend."""

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

import stack
from services.gateway.app import create_app
from services.gateway.question import MAX_BODY_BYTES
from services.gateway.settings import Settings
from stack.errors import ConfigurationError


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    stack.setup("test", settings=stack.Settings(traces_exporter="none"))
    nobody = stack.HttpClient("nobody", base_url="http://127.0.0.1:1", retries=0, breaker=None)
    return create_app(Settings(), retrieval=nobody, llm=nobody).test_client()


@pytest.mark.parametrize(
    ("body", "field", "value", "message"),
    [
        ('{"question": "cut', "body", None, "not valid JSON"),
        ("", "body", None, "not valid JSON"),
        ("[" * 20_000, "body", None, "not valid JSON"),
        ('{"question": ' + "[" * 900 + "]" * 900 + "}", "question", "a list", "1 to 2000"),
        ('"text"', "body", "text", "JSON object"),
        ("[1]", "body", "a list", "JSON object"),
        ("null", "body", None, "JSON object"),
        ("{}", "question", None, "missing"),
        ('{"question": 7}', "question", 7, "1 to 2000"),
        ('{"question": null}', "question", None, "1 to 2000"),
        ('{"question": " \\n "}', "question", "", "not blank"),
        ('{"question": {"a": 1}}', "question", "an object", "1 to 2000"),
        ('{"question": "a", "k": 3}', "k", 3, "only field allowed"),
        (json.dumps({"question": "a" * 2001}), "question", "a" * 100, "1 to 2000"),
        (b'{"question": "\xff"}', "body", None, "not valid JSON"),
        ('{"question": "\\ud800"}', "body", None, "not valid JSON"),
        ('{"question": NaN}', "body", None, "not valid JSON"),
    ],
)
def test_a_bad_body_is_explained(
    client: FlaskClient, body: str | bytes, field: str, value: Any, message: str
) -> None:
    """The error names the field, a bounded form of its value, and what is allowed."""
    response = client.post("/ask", data=body, content_type="application/json")
    error = response.get_json()["error"]
    assert (response.status_code, error["field"]) == (400, field)
    assert str(error["value"] or "").strip() == str(value or "")
    assert message in error["message"]


def test_a_large_body_is_refused(client: FlaskClient) -> None:
    """More than 64 KB is a 413 with the limit in it."""
    body = json.dumps({"question": "a" * MAX_BODY_BYTES})
    response = client.post("/ask", data=body, content_type="application/json")
    assert response.status_code == 413
    assert "65536 bytes" in response.get_json()["error"]["message"]


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_another_content_type_is_refused(client: FlaskClient, content_type: str | None) -> None:
    """Only JSON is read; the error shows the type that came and the one that is needed."""
    response = client.post("/ask", data='{"question": "a"}', content_type=content_type)
    error = response.get_json()["error"]
    assert (response.status_code, error["value"]) == (415, content_type)
    assert "application/json" in error["message"]


def test_other_paths_and_methods_answer_in_json(client: FlaskClient) -> None:
    """Even what does not exist is answered in the one form that errors have."""
    assert client.get("/nothing").get_json()["error"]["message"]
    response = client.get("/ask")
    assert response.status_code == 405
    assert response.get_json()["error"]["message"]


def test_the_page_loads_nothing_from_elsewhere(client: FlaskClient) -> None:
    """Page, style and script come from the gateway, under a policy that allows nothing else."""
    page = client.get("/")
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert "http" not in page.text.replace("http://127.0.0.1:16686", "")
    assert "style=" not in page.text
    assert "onclick" not in page.text
    for asset in ("ask.css", "ask.js", "icon.svg"):
        assert f"/static/{asset}" in page.text
        with client.get(f"/static/{asset}") as response:
            assert response.status_code == 200


def test_settings_are_read(tmp_path: Path) -> None:
    """Addresses lose their trailing parts, and the key comes from its file."""
    key = tmp_path / "key"
    key.write_text("k-1\n")
    read = Settings.from_env(
        {"LLM_BASE_URL": "https://llm.test/v1/", "LLM_API_KEY_FILE": str(key), "LLM_MODEL": "m"}
    )
    assert (read.llm_base_url, read.llm_api_key, read.llm_model) == ("https://llm.test", "k-1", "m")
    assert "k-1" not in repr(read)
    assert Settings.from_env({}) == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RETRIEVAL_URL", "retrieval:8001"),
        ("LLM_BASE_URL", "ftp://llm"),
        ("JAEGER_URL", "http://:16686"),
        ("JAEGER_URL", "http://host:port"),
        ("LLM_MODEL", "m\nx"),
        ("LLM_TIMEOUT_SECONDS", "0"),
        ("LLM_TIMEOUT_SECONDS", "nan"),
        ("LLM_API_KEY_FILE", "/nowhere/key"),
    ],
)
def test_a_bad_setting_stops_the_start(name: str, value: str) -> None:
    """The error names the variable, its value and what is allowed."""
    with pytest.raises(ConfigurationError, match=rf"^{name}=.* must be ") as raised:
        Settings.from_env({name: value})
    assert raised.value.value == value


def test_an_empty_key_file_is_no_key(tmp_path: Path) -> None:
    """A file without a key is an error, not a gateway that calls the model without one."""
    (tmp_path / "key").write_text("\n")
    with pytest.raises(ConfigurationError, match="holds one line"):
        Settings.from_env({"LLM_API_KEY_FILE": str(tmp_path / "key")})
