"""What the gateway says itself: every refusal, in a form that the clients of all providers read.

Knows no provider and no token.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not passed on. `wait_s` is when to ask again (0: not said)."""

    status: int
    kind: str
    message: str
    wait_s: int = 0

    def body(self) -> bytes:
        """Both forms at once: what Anthropic's clients look for and what OpenAI's do."""
        error = {"type": self.kind, "message": self.message, "code": self.kind, "param": None}
        return msgspec.json.encode({"type": "error", "error": error})

    def headers(self) -> list[tuple[bytes, bytes]]:
        """With when to ask again, where that is known."""
        found = [(b"content-type", b"application/json")]
        return found + [(b"retry-after", b"%d" % self.wait_s)] * (self.wait_s > 0)


UNKNOWN_TOKEN = Refusal(
    401,
    "authentication_error",
    "This token is not that of a running attempt: each ends with its attempt.",
)
NOT_HERE = Refusal(
    404,
    "not_found_error",
    "The gateway of oya-vcs passes on requests for answers, token counts and lists of models, to"
    " the providers that gateway.keys names, and nothing else.",
)
NO_SUCH_METHOD = Refusal(405, "invalid_request_error", "This is not asked with this method.")
TOO_LARGE = Refusal(413, "request_too_large", "The request is larger than 32 MiB.")
UNREADABLE = Refusal(400, "invalid_request_error", "The request is not a JSON object.")
IN_BACKGROUND = Refusal(
    400, "invalid_request_error", "What runs in the background cannot be metered: leave it out."
)
TOO_MANY = Refusal(
    429, "rate_limit_error", "Too many requests of this attempt are under way.", wait_s=1
)
UNREACHABLE = Refusal(502, "api_error", "The provider cannot be reached, or its answer broke off.")
KEY_REFUSED = Refusal(
    502, "api_error", "The provider does not take the key that the gateway has for it."
)
TOO_LATE = Refusal(504, "timeout_error", "The provider did not answer in time.")


def spent(why: str) -> Refusal:
    """A budget is spent."""
    return Refusal(402, "billing_error", why)


def unpriced(model: str) -> Refusal:
    """Costs are counted, and nobody says what this model costs."""
    return Refusal(
        403, "permission_error", f"gateway.prices says nothing of the model {model[:100]!r}."
    )


def too_fast(provider: str, wait_s: int) -> Refusal:
    """The provider was asked as often as it may be."""
    message = f"The provider {provider} may be asked again in {wait_s} s."
    return Refusal(429, "rate_limit_error", message, wait_s=wait_s)
