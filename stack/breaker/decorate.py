"""A breaker around every kind of function, each of which stays of its kind."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable
from contextlib import aclosing
from functools import wraps
from typing import TYPE_CHECKING, Any

from stack.breaker.guard import Steps

if TYPE_CHECKING:
    from stack.breaker.breaker import CircuitBreaker


def decorated(breaker: CircuitBreaker, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function guarded: plain or coroutine function, generator or async generator."""
    for is_kind, decorate in (
        (inspect.isasyncgenfunction, _async_generator),
        (inspect.iscoroutinefunction, _coroutine),
        (inspect.isgeneratorfunction, _generator),
    ):
        # An object is of the kind of its `__call__`.
        if is_kind(function) or is_kind(type(function).__call__):
            return decorate(breaker, function)
    return _plain(breaker, function)


def _plain(breaker: CircuitBreaker, function: Callable[..., Any]) -> Callable[..., Any]:
    call = breaker.call

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return call(function, *args, **kwargs)

    return wrapper


def _coroutine(breaker: CircuitBreaker, function: Callable[..., Any]) -> Callable[..., Any]:
    call = breaker.acall

    @wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await call(function, *args, **kwargs)

    return wrapper


def _generator(breaker: CircuitBreaker, function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        steps = Steps(breaker)
        try:
            with steps:
                return (yield from _timed(steps, function(*args, **kwargs)))
        except Exception as error:
            if breaker.fallback is None or steps.begun or not steps.failed:
                raise
            instead = breaker.fallback(error)
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


def _async_generator(breaker: CircuitBreaker, function: Callable[..., Any]) -> Callable[..., Any]:
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
            if breaker.fallback is None or steps.begun or not steps.failed:
                raise
            instead = breaker.fallback(error)
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
