"""Errors with their causes: one log line tells the whole story.

Shows: `log_error` and `logger.exception` write type, message and stack; `raise … from …` keeps the
cause, so that the stack goes from what the customer saw down to what broke.

Look for: the same failure three times. `from error` says "direct cause", a bare `raise` says that
one error happened while another was handled, and `from None` hides what is no help to anybody.

You want it when you translate errors between layers and still need to find the first one.
"""

import json
from contextlib import redirect_stdout
from io import StringIO

import stack

stack.setup("shop", settings=stack.Settings(traces_exporter="none"))
log = stack.get_logger("shop.orders")

STOCK = {"cable": 3}


class StockError(Exception):
    """The stock cannot say how many there are."""


class OrderError(Exception):
    """What the customer is told."""


def in_stock(item: str) -> int:
    """Return how many there are; the cause is kept on purpose."""
    try:
        return STOCK[item]
    except KeyError as error:
        raise StockError(f"no such item: {item}") from error


def order(item: str, keep: str) -> None:
    """Order an item; a failure becomes an `OrderError` in one of three ways."""
    try:
        in_stock(item)
    except StockError as error:
        if keep == "cause":
            raise OrderError("order refused") from error
        if keep == "context":
            raise OrderError("order refused")  # noqa: B904  # shown to be avoided
        raise OrderError("order refused") from None


def told(stack_text: str) -> list[str]:
    """Return the lines of a stack that name an error or join two of them."""
    return [line for line in stack_text.splitlines() if line and not line.startswith((" ", "Tr"))]


if __name__ == "__main__":
    print("The stack of one failure, logged in three ways (first cause first):")
    for keep in ("cause", "context", "none"):
        # Only to show them one below the other; a service lets its lines go to standard output.
        with redirect_stdout(StringIO()) as written:
            try:
                order("lamp", keep)
            except OrderError as error:
                stack.log_error(error, order=1001, error_code="E_ORDER", keep=keep)
        line = json.loads(written.getvalue())
        print(f"\n{keep}: {line['level']} {line['error_code']} {line['error_type']}", end="")
        print("", *told(line["error_stack"]), sep="\n    ")

    print("\nA whole line, as `log.exception` writes it in an `except` block:\n")
    try:
        in_stock("chair")
    except StockError:
        log.exception("stock unknown", item="chair")
