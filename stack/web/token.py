"""Bearer tokens, compared in constant time."""

from __future__ import annotations

import hmac

from flask import Request, Response, jsonify

SCHEME = "Bearer "


def refusal(request: Request, token: str | None) -> Response | None:
    """Return the 401 for a request without the right token; None when it may pass.

    Args:
        request: the request whose `Authorization` header is looked at.
        token: what it has to be; None lets every request pass.
    """
    if token is None:
        return None
    given = request.headers.get("Authorization", "")
    if given.startswith(SCHEME) and hmac.compare_digest(
        given[len(SCHEME) :].encode(), token.encode()
    ):
        return None
    response = jsonify(error={"message": "send the header 'Authorization: Bearer <token>'"})
    response.status_code = 401
    response.headers["WWW-Authenticate"] = "Bearer"
    return response
