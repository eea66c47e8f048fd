"""A log line is one JSON object with the right ids, whatever it is given."""

import asyncio
import json
import logging
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

import stack
from stack import logs
from stack.logs import events
from stack.logs.output import output
from stack.logs.repeats import Repeats
from stack.logs.stdlib import JsonHandler

TRACE, SPAN = 0xABC, 0xDEF


@pytest.fixture(autouse=True)
def configured() -> None:
    logs.configure("tested", "info")
    stack.clear_context()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_core_fields_come_first(capsys: pytest.CaptureFixture[str]) -> None:
    """Time, level, logger, message and service are in every line, in that order."""
    stack.get_logger("orders").info("paid", event_type="order_paid", amount=12)
    (line,) = lines(capsys)
    assert list(line)[:3] == ["timestamp", "level", "logger"]
    assert line["timestamp"].endswith("Z")
    assert (line["service"], line["event_type"], line["amount"]) == ("tested", "order_paid", 12)


def test_the_current_span_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """The ids of the span lead from the line to the trace."""
    span = NonRecordingSpan(SpanContext(TRACE, SPAN, is_remote=False, trace_flags=TraceFlags(1)))
    with trace.use_span(span):
        stack.log_event("inside")
    stack.log_event("outside")
    inside, outside = lines(capsys)
    assert (inside["trace_id"], inside["span_id"]) == (f"{TRACE:032x}", f"{SPAN:016x}")
    assert "trace_id" not in outside


def test_core_fields_cannot_be_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    """A clash is kept beside them."""
    stack.get_logger("x").info("m", service="forged", timestamp="never", trace_id="zero")
    (line,) = lines(capsys)
    assert line["service"] == "tested"
    assert (line["extra.service"], line["extra.trace_id"]) == ("forged", "zero")


def test_context_nests_and_is_restored(capsys: pytest.CaptureFixture[str]) -> None:
    """Leaving a block restores what was before, also after an exception."""
    with stack.LogContext(request_id="r1", a=1):
        with suppress(ValueError), stack.LogContext(a=2):
            stack.log_event("inner")
            raise ValueError
        stack.log_event("outer")
    stack.log_event("after")
    inner, outer, after = lines(capsys)
    assert (inner["a"], inner["request_id"], outer["a"]) == (2, "r1", 1)
    assert "a" not in after


def test_one_context_serves_several_threads() -> None:
    """An object that two threads are inside of restores each one's own fields."""
    shared = stack.LogContext(a=1)
    both_inside = threading.Barrier(2)
    seen: list[dict[str, Any]] = []

    def work(name: str) -> None:
        stack.set_context(who=name)
        with shared, shared:
            both_inside.wait(10)
            seen.append(stack.get_current_context())
        seen.append(stack.get_current_context())

    threads = [threading.Thread(target=work, args=(name,)) for name in "xy"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in "xy":
        assert [each for each in seen if each["who"] == name] == [
            {"who": name, "a": 1},
            {"who": name},
        ]


def test_context_stays_in_its_thread_and_task(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither threads nor tasks see each other's fields."""

    def in_thread() -> None:
        assert stack.get_current_context() == {}
        stack.set_context(who="thread")

    async def task(name: str) -> str:
        stack.set_context(who=name)
        await asyncio.sleep(0)
        return str(stack.get_current_context()["who"])

    async def both() -> list[str]:
        return list(await asyncio.gather(task("one"), task("two")))

    stack.set_context(who="main")
    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join()
    assert asyncio.run(both()) == ["one", "two"]
    assert stack.get_current_context() == {"who": "main"}


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "pwd",
        "API_KEY",
        "accessKeyId",
        "Authorization",
        "basic_auth",
        "bearer",
        "jwt",
        "user_token",
        "refresh_tokens",
        "client-secret",
        "cookie",
        "dsn",
    ],
)
def test_secrets_are_redacted_at_any_depth(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The key stays, the value does not."""
    stack.log_event("login", body={"list": [{name: "hunter2"}]}, **{name: "hunter2"})
    text = capsys.readouterr().out
    assert "hunter2" not in text
    assert text.count("[redacted]") == 2


def test_counts_of_tokens_are_no_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    """`tokens` and `token_count` are numbers people look for, and an author is no authorization."""
    stack.log_event("llm", tokens=3, token_count=4, author="Ada")
    (line,) = lines(capsys)
    assert (line["tokens"], line["token_count"], line["author"]) == (3, 4, "Ada")


def test_urls_lose_their_credentials(capsys: pytest.CaptureFixture[str]) -> None:
    """User and password before a host are not written, whatever the field is called."""
    stack.log_event("connected", to="postgres://ada:hunter2@db:5432/x", mail="ada@example.org")
    (line,) = lines(capsys)
    assert line["to"] == "postgres://[redacted]@db:5432/x"
    assert line["mail"] == "ada@example.org"


def test_an_exception_is_written_with_its_causes(capsys: pytest.CaptureFixture[str]) -> None:
    """Type, message and stack, the chain included."""
    try:
        try:
            raise KeyError("deep")
        except KeyError as cause:
            raise RuntimeError("shallow") from cause
    except RuntimeError as error:
        stack.log_error(error, component="payments", error_code="E7")
    (line,) = lines(capsys)
    assert (line["level"], line["error_type"], line["error_message"]) == (
        "error",
        "RuntimeError",
        "shallow",
    )
    assert "KeyError" in line["error_stack"]
    assert (line["component"], line["error_code"]) == ("payments", "E7")


def test_the_standard_library_writes_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    """Third-party records come out as JSON, with their extra fields and wrong arguments."""
    logging.getLogger("other").warning("%s of %s", "a", "b", extra={"shard": 3})
    wrong_arguments = logging.makeLogRecord(
        {"name": "other", "levelno": 30, "msg": "%d", "args": ("not a number",)}
    )
    JsonHandler().handle(wrong_arguments)
    good, wrong = lines(capsys)
    assert (good["message"], good["level"], good["shard"]) == ("a of b", "warning", 3)
    assert "not a number" in wrong["message"]


def test_a_clients_log_line_does_not_show_its_address(capsys: pytest.CaptureFixture[str]) -> None:
    """Httpx would write the query, whatever is in it."""
    transport = httpx.MockTransport(lambda _: httpx.Response(200))
    with httpx.Client(transport=transport) as client:
        client.get("http://peer/search?password=hunter2")
    assert "hunter2" not in capsys.readouterr().out


def test_stacks_that_are_texts_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    """A record that comes from a queue has its exception as text; a stack may be asked for."""
    queued = logging.makeLogRecord({"levelno": 40, "msg": "m", "exc_text": "Traceback: boom"})
    JsonHandler().handle(queued)
    logging.getLogger("other").warning("here", stack_info=True)
    from_queue, with_stack = lines(capsys)
    assert from_queue["error_stack"] == "Traceback: boom"
    assert "test_stacks_that_are_texts_are_written" in with_stack["stack_info"]


def test_levels_below_the_threshold_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    """And cost no record."""
    stack.get_logger("x").debug("hidden")
    stack.get_logger("x").log("DEBUG", "hidden")
    assert lines(capsys) == []


def test_a_logger_with_its_own_level_does_not_pass_the_threshold(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What writes at info whatever the root logger says, as werkzeug does, is held back too."""
    talkative = logging.getLogger("talkative")
    monkeypatch.setattr(talkative, "level", logging.DEBUG)
    talkative.debug("hidden")
    talkative.info("shown")
    assert [line["message"] for line in lines(capsys)] == ["shown"]


def test_levels_are_known_in_any_case(capsys: pytest.CaptureFixture[str]) -> None:
    """One that is not known is written as an error rather than lost."""
    stack.get_logger("x").log("INFO", "m")
    stack.log_event("e", level="Warning")
    stack.get_logger("x").log("loud", "m")
    assert [line["level"] for line in lines(capsys)] == ["info", "warning", "error"]


def test_both_ends_of_a_long_stack_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """The end says where it broke."""

    def deep(calls: int) -> None:
        if not calls:
            raise KeyError("the end")
        deep_again(calls - 1)

    def deep_again(calls: int) -> None:
        # A stack of one function that calls itself would be shortened by Python.
        deep(calls)

    with pytest.raises(KeyError) as caught:
        deep(150)
    stack.log_error(caught.value)
    (line,) = lines(capsys)
    assert line["error_stack"].startswith("Traceback")
    assert line["error_stack"].endswith("KeyError: 'the end'\n")
    assert len(line["error_stack"]) < 8300


def test_every_line_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """Listeners hear of each line; a failing one loses none."""
    heard: list[tuple[str, str]] = []

    def listen(component: str, level: str) -> None:
        heard.append((component, level))
        raise RuntimeError

    unsubscribe = events.subscribe(listen)
    try:
        stack.log_event("one", component="db")
        stack.get_logger("x").error("two")
        stack.get_logger("x").info("three", component=3)
    finally:
        unsubscribe()
    assert heard == [("db", "info"), ("tested", "error"), ("3", "info")]
    assert len(lines(capsys)) == 3


def test_times_are_written_also_when_the_block_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """`LogPerformance` says how long it took and how it ended."""
    with stack.LogPerformance("good"):
        pass
    with pytest.raises(ValueError, match="no"), stack.LogPerformance("bad"):
        raise ValueError("no")
    with stack.LogPerformance("own", outcome="mine", duration_ms=-1):
        pass
    good, bad, own = lines(capsys)
    assert [line["outcome"] for line in (good, bad, own)] == ["success", "failure", "success"]
    assert good["duration_ms"] >= 0
    assert own["duration_ms"] >= 0


def test_lines_are_read_back_and_filtered(tmp_path: Path) -> None:
    """Lines that are no JSON objects are left out."""
    path = tmp_path / "service.log"
    path.write_text('{"level":"info","component":"a"}\nnoise\n[1]\n{"level":"error"}\n')
    records = stack.parse_json_log_file(path)
    assert len(records) == 2
    assert stack.filter_logs(records, level="ERROR") == [{"level": "error"}]
    assert len(stack.filter_logs(records, component="a")) == 1


def test_repeated_lines_are_held_back_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """Past the limit lines of one kind are only counted; the next one says how many were."""
    now = [100.0]
    output.repeats = Repeats(2, clock=lambda: now[0])
    counted: list[str] = []
    held: list[str] = []
    ends = [
        events.subscribe(lambda _, level: counted.append(level)),
        events.subscribe_held(held.append),
    ]
    log = stack.get_logger("noisy")
    for _ in range(5):
        log.warning("disk is slow")
    for number in range(3):
        logging.getLogger("third.party").warning("retry %d", number)
    log.warning("something else")
    now[0] += 1
    log.warning("disk is slow")
    for end in ends:
        end()
    written = [(line["message"], line.get("repeats_held_back")) for line in lines(capsys)]
    assert written == [
        ("disk is slow", None),
        ("disk is slow", None),
        ("retry 0", None),
        ("retry 1", None),
        ("something else", None),
        ("disk is slow", 3),
    ]
    assert (len(counted), held) == (10, ["warning"] * 4)


def test_kinds_of_repeated_lines_are_bounded() -> None:
    """However many kinds there are, what is remembered of them is limited."""
    repeats = Repeats(1)
    for number in range(5000):
        assert repeats.passes(f"kind {number}") == 0
    assert len(repeats._kinds) == 1024


def test_what_is_no_exception_is_a_field(capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake in a call to the log costs neither the line nor the caller."""
    stack.get_logger("x").info("m", exc="text")
    (line,) = lines(capsys)
    assert line["extra.exc"] == "text"
