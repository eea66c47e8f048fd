"""A breaker around every kind of function, each of which stays of its kind."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable
from contextlib import aclosing
from functools import wraps
from typing import Any

from stack.breaker.bookkeeping import Bookkeeping
from stack.breaker.guard import Steps

# Called with the exception of a refused or failed call; what it returns takes the result's place.
Fallback = Callable[[BaseException], Any]


def decorated(
    function: Callable[..., Any],
    breaker: Bookkeeping,
    *,
    call: Callable[..., Any],
    acall: Callable[..., Any],
    fallback: Fallback | None,
) -> Callable[..., Any]:
    """Return the function guarded: plain or coroutine function, generator or async generator.

    Args:
        function: what is guarded.
        breaker: keeps the books.
        call: the breaker's own, for plain functions.
        acall: the breaker's own, for coroutine functions.
        fallback: the breaker's own, for generators.
    """
    if _is(inspect.isasyncgenfunction, function):
        return _async_generator(function, breaker, fallback)
    if _is(inspect.iscoroutinefunction, function):
        return _coroutine(function, acall)
    if _is(inspect.isgeneratorfunction, function):
        return _generator(function, breaker, fallback)
    return _plain(function, call)


def _is(kind: Callable[[Any], bool], function: Callable[..., Any]) -> bool:
    # An object is of the kind of its `__call__`.
    return kind(function) or kind(type(function).__call__)


def _plain(function: Callable[..., Any], call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return call(function, *args, **kwargs)

    return wrapper


def _coroutine(function: Callable[..., Any], acall: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await acall(function, *args, **kwargs)

    return wrapper


def _generator(
    function: Callable[..., Any], breaker: Bookkeeping, fallback: Fallback | None
) -> Callable[..., Any]:
    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        steps = Steps(breaker)
        try:
            with steps:
                return (yield from _timed(steps, function(*args, **kwargs)))
        except Exception as error:
            if fallback is None or steps.begun or not steps.failed:
                raise
            instead = fallback(error)
        return (yield from instead)

    return wrapper


def _timed(steps: Steps, inner: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Forward all that the consumer does, as `yield from`, and leave out the time it takes."""
    try:
        item = next(inner)
        while True:
            steps.pause()
            try:
                sent = yield item
            except GeneratorExit:
                inner.close()
                raise
            except BaseException as thrown:
                steps.resume()
                item = inner.throw(thrown)
            else:
                steps.resume()
                item = inner.send(sent)
    except StopIteration as end:
        return end.value


def _async_generator(
    function: Callable[..., Any], breaker: Bookkeeping, fallback: Fallback | None
) -> Callable[..., Any]:
    @wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        steps = Steps(breaker)
        try:
            with steps:
                inner = function(*args, **kwargs)
                try:
                    item = await anext(inner)
                    while True:
                        steps.pause()
                        try:
                            sent = yield item
                        except GeneratorExit:
                            await inner.aclose()
                            raise
                        except BaseException as thrown:
                            steps.resume()
                            item = await inner.athrow(thrown)
                        else:
                            steps.resume()
                            item = await inner.asend(sent)
                except StopAsyncIteration:
                    return
        except Exception as error:
            if fallback is None or steps.begun or not steps.failed:
                raise
            instead = fallback(error)
        async with aclosing(_each(instead)) as items:
            async for item in items:
                yield item

    return wrapper


async def _each(items: AsyncIterable[Any] | Iterable[Any]) -> AsyncGenerator[Any, None]:
    """Go through what a fallback of an async generator gave."""
    if inspect.isasyncgen(items):
        async with aclosing(items):
            async for item in items:
                yield item
    elif isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item
