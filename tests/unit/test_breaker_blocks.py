"""Blocks, generators and coroutines that a breaker guards, wherever they are left."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextvars import copy_context
from functools import partial
from typing import Any

import pytest

from stack.breaker import CircuitBreaker, CircuitState
from stack.errors import CircuitBreakerOpenError
from tests.unit.breaker_parts import Clock, DownError, break_it, fail, make


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def probing(clock: Clock) -> CircuitBreaker:
    """A breaker whose next call is the only probe."""
    breaker = make(clock, failure_threshold=1, success_threshold=1)
    break_it(breaker, 1)
    clock.now += 10
    return breaker


@pytest.mark.parametrize("own_guard", [False, True])
def test_a_block_may_be_left_in_another_context(probing: CircuitBreaker, own_guard: bool) -> None:
    """As a streamed response that the server closes; the probe's place is free again."""

    def stream() -> Iterator[int]:
        with probing.guard() if own_guard else probing:
            yield 1
            yield 2

    items = stream()
    assert copy_context().run(next, items) == 1
    items.close()  # type: ignore[attr-defined]
    assert list(stream()) == [1, 2]
    assert probing.state is CircuitState.CLOSED


def test_an_async_block_may_be_left_in_another_task(probing: CircuitBreaker) -> None:
    """Its success closes the breaker all the same."""

    async def main() -> None:
        await asyncio.create_task(probing.__aenter__())
        await probing.__aexit__(None, None, None)

    asyncio.run(main())
    assert probing.state is CircuitState.CLOSED


def test_a_block_left_elsewhere_leaves_the_others_their_own(clock: Clock) -> None:
    """Who ends it here afterwards finds the block that began here before it."""
    breaker = make(clock)
    context = copy_context()
    context.run(breaker.__enter__)
    context.run(breaker.__enter__)
    breaker.__exit__(None, None, None)
    context.run(breaker.__exit__, None, None, None)
    assert breaker.stats().successes == 2
    assert not breaker._under_way


def test_a_slow_consumer_is_not_a_slow_call(clock: Clock) -> None:
    """A generator's time is the time inside it, for both kinds."""
    breaker = make(clock, slow_call_seconds=3.0, slow_call_ratio=0.5, minimum_calls=1)

    @breaker
    def items() -> Iterator[int]:
        for number in range(3):
            clock.now += 0.5
            yield number

    @breaker
    async def async_items() -> AsyncIterator[int]:
        for number in range(3):
            clock.now += 1.5
            yield number

    async def consume() -> None:
        async for _ in async_items():
            clock.now += 60

    for _ in items():
        clock.now += 60
    assert breaker.state == CircuitState.CLOSED.value
    asyncio.run(consume())
    assert breaker.state == CircuitState.OPEN.value, "its own 4.5 seconds are slow"


def conversation(told: list[object]) -> Generator[object, object, str]:
    try:
        told.append((yield "first"))
        try:
            yield "second"
        except KeyError:
            told.append("caught")
            yield "third"
    finally:
        told.append("closed")
    return "result"


def test_a_generator_hears_all_that_its_consumer_does(clock: Clock) -> None:
    """What is sent, thrown, returned and closed goes through."""
    told: list[object] = []
    items = make(clock)(conversation)(told)
    assert next(items) == "first"
    assert items.send("sent") == "second"
    assert items.throw(KeyError()) == "third"
    with pytest.raises(StopIteration, match="result"):
        next(items)
    items = make(clock)(conversation)(told)
    next(items)
    items.close()
    assert told == ["sent", "caught", "closed", "closed"]


def test_an_async_generator_hears_all_that_its_consumer_does(clock: Clock) -> None:
    """`aclose` comes back when the inner `finally` has run."""
    told: list[object] = []
    breaker = make(clock)

    @breaker
    async def talk() -> AsyncGenerator[object, object]:
        inner = conversation(told)
        try:
            item: object = next(inner)
            while True:
                try:
                    sent = yield item
                except KeyError as error:
                    item = inner.throw(error)
                else:
                    item = inner.send(sent)
        except StopIteration:
            return
        finally:
            await asyncio.sleep(0)
            inner.close()

    async def main() -> None:
        items = talk()
        assert await anext(items) == "first"
        assert await items.asend("sent") == "second"
        assert await items.athrow(KeyError()) == "third"
        with pytest.raises(StopAsyncIteration):
            await anext(items)
        items = talk()
        await anext(items)
        await items.aclose()
        assert told == ["sent", "caught", "closed", "closed"]

    asyncio.run(main())
    assert breaker.stats().successes == 1


def test_a_generator_falls_back_before_its_first_item_only(clock: Clock) -> None:
    """Refused or failed at once it goes on with the fallback's items; later it raises."""
    breaker = make(clock, failure_threshold=2, fallback=lambda error: [type(error)])

    @breaker
    def items(good: int) -> Iterator[Any]:
        yield from range(good)
        fail()

    assert list(items(0)) == [DownError]
    late = items(1)
    assert next(late) == 0
    with pytest.raises(DownError):
        next(late)
    assert list(items(1)) == [CircuitBreakerOpenError]


@pytest.mark.parametrize("kind", ["list", "generator"])
def test_an_async_generator_falls_back_too(clock: Clock, kind: str) -> None:
    """The fallback's items may come from an async generator or any iterable."""

    async def generator(error: BaseException) -> AsyncIterator[Any]:
        yield type(error)

    fallback = generator if kind == "generator" else lambda error: [type(error)]
    breaker = make(clock, failure_threshold=2, fallback=fallback)

    @breaker
    async def items(good: int) -> AsyncIterator[Any]:
        for number in range(good):
            yield number
        fail()

    async def collect(good: int) -> list[Any]:
        return [item async for item in items(good)]

    assert asyncio.run(collect(0)) == [DownError]
    with pytest.raises(DownError):
        asyncio.run(collect(1))
    assert asyncio.run(collect(1)) == [CircuitBreakerOpenError]


def test_a_block_has_no_fallback(clock: Clock) -> None:
    """There is nothing that could be returned instead."""
    breaker = make(clock, fallback=lambda _: "instead")
    with pytest.raises(DownError), breaker:
        fail()
    breaker.force_open()
    with pytest.raises(CircuitBreakerOpenError), breaker:
        pass


class AsyncCallable:
    """An object that is called as a coroutine function is."""

    async def __call__(self) -> None:
        fail()


@pytest.mark.parametrize(
    "function", [AsyncCallable(), AsyncCallable().__call__], ids=["object", "method"]
)
def test_what_must_be_awaited_is_awaited_when_decorated(clock: Clock, function: Any) -> None:
    """Its failure counts, not the making of its coroutine."""
    breaker = make(clock)
    with pytest.raises(DownError):
        asyncio.run(breaker(function)())
    assert breaker.stats().failures == 1


def test_call_refuses_a_coroutine(probing: CircuitBreaker) -> None:
    """It names `acall`, counts nothing and gives the probe's place back."""
    function: Any = AsyncCallable()
    with pytest.raises(TypeError, match="acall"):
        probing.call(function)
    with pytest.raises(TypeError, match="acall"):
        probing(partial(function))()
    assert probing.stats().successes == 0
    probing.call(lambda: None)
    assert probing.state is CircuitState.CLOSED
