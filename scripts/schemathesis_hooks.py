"""Signs what schemathesis sends, as docs/signing.md says, and tells the gateway's unusual words to its checks.

Loaded by scripts/schemathesis.sh through SCHEMATHESIS_HOOKS. Without HONGYAN_CLIENT_SECRET nothing is signed.
"""

import hashlib
import hmac
import os
import secrets
import time
from urllib.parse import parse_qsl, quote, urlsplit

import schemathesis
from requests.auth import AuthBase

CLIENT = os.environ.get("HONGYAN_CLIENT_ID", "")
SECRET = os.environ.get("HONGYAN_CLIENT_SECRET", "")


def canonical_query(query):
    pairs = parse_qsl(query, keep_blank_values=True)
    encoded = sorted((quote(name, safe="-._~"), quote(value, safe="-._~")) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


class Signature(AuthBase):
    """Signs the request as it will go out, body and all."""

    def __call__(self, request):
        url = urlsplit(request.url)
        body = request.body or b""
        if hasattr(body, "read"):
            body = body.read()
            request.body = body
        if isinstance(body, str):
            body = body.encode()
        timestamp, nonce = str(int(time.time())), secrets.token_hex(16)
        lines = [
            "HONGYAN-HMAC-SHA256-V1",
            request.method,
            url.path,
            canonical_query(url.query),
            timestamp,
            nonce,
            hashlib.sha256(body).hexdigest(),
        ]
        text = "".join(line + "\n" for line in lines).encode()
        request.headers["X-Client-Id"] = CLIENT
        request.headers["X-Timestamp"] = timestamp
        request.headers["X-Nonce"] = nonce
        request.headers["X-Signature"] = hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()
        return request


if SECRET:
    schemathesis.auth.set_from_requests(Signature())
