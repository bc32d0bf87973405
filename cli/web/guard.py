"""What stands before every request: only this machine's own page, with the key, gets an answer.

The page is reachable by whatever runs in the user's browser. So a name that was pointed at this
machine (DNS rebinding) fails at Host, a foreign page at Origin and Sec-Fetch-Site and at the key
that it cannot know, and nothing that is served can be framed, sniffed or cached.
"""

import hmac
import json

from starlette.types import ASGIApp, Message, Receive, Scope, Send

KEY_HEADER = "x-turing-key"
API = "/api/"
LARGEST_BODY = 16_384  # bytes; an answer has about 100
HEADERS = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' blob:; object-src 'none'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Guard:
    """ASGI middleware.

    Args:
        app: behind it.
        port: that the server listens on, at 127.0.0.1.
        key: that requests below /api/ must carry in the header X-Turing-Key.
    """

    def __init__(self, app: ASGIApp, port: int, key: str) -> None:
        self.app = app
        suffix = "" if port == 80 else f":{port}"
        self.hosts = {f"127.0.0.1{suffix}", f"localhost{suffix}"}
        self.key = key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http", scope["type"]
        refusal = self._refusal(scope)
        if refusal is None:
            body = await _body(receive)
            refusal = (413, "the request is too large") if body is None else None
        if refusal is not None:
            await _refuse(*refusal, send)
            return
        await self.app(scope, _replay(body or b"", receive), _with_headers(send))

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Status and sentence for what is not let through, or None."""
        headers: dict[str, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value)
        hosts = [host.decode("latin-1").lower() for host in headers.get("host", [])]
        if len(hosts) != 1 or hosts[0] not in self.hosts:
            return 400, "unknown host"
        for origin in headers.get("origin", []):
            if origin.decode("latin-1").removeprefix("http://") != hosts[0]:
                return 403, "foreign origin"
        if not scope["path"].startswith(API):
            return None
        if any(site not in (b"same-origin", b"none") for site in headers.get("sec-fetch-site", [])):
            return 403, "foreign page"
        keys = headers.get(KEY_HEADER, [])
        if len(keys) != 1 or not hmac.compare_digest(keys[0], self.key):
            return 403, "the key is missing or wrong: open the link that the command printed"
        if scope["method"] == "POST" and headers.get("content-type") != [b"application/json"]:
            return 415, "JSON is expected"
        return None


async def _body(receive: Receive) -> bytes | None:
    """The whole body, or None where it is too large.

    The rest of a large one is read, not kept: a connection that is closed before its end is reset,
    and the refusal may be lost.
    """
    body, size = b"", 0
    while True:
        message = await receive()
        more: bytes = message.get("body", b"")
        size += len(more)
        if size <= LARGEST_BODY:
            body += more
        if message["type"] != "http.request" or not message.get("more_body", False):
            return body if size <= LARGEST_BODY else None


def _replay(body: bytes, receive: Receive) -> Receive:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


def _with_headers(send: Send) -> Send:
    async def sender(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            message = {**message, "headers": [*message["headers"], *own]}
        await send(message)

    return sender


async def _refuse(status: int, sentence: str, send: Send) -> None:
    body = json.dumps({"error": sentence}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    sender = _with_headers(send)
    await sender({"type": "http.response.start", "status": status, "headers": headers})
    await sender({"type": "http.response.body", "body": body})
