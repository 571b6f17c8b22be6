"""How asking a language model can fail."""

from __future__ import annotations

from labeler.errors import InputError, LabelerError


class LLMError(LabelerError):
    """A call that gave no usable answer."""

    retryable = False

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        usage: object = None,
        maybe_billed: bool = False,
        limits: object = None,
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds that the provider asked us to wait, where it said so."""
        self.usage = usage
        """The ``Usage`` of a call that was paid although its answer was of no use; None where nothing was billed."""
        self.maybe_billed = maybe_billed
        """Whether the outcome is unknown: the request may have reached the provider, no answer came back."""
        self.limits = limits
        """The ``Limits`` that the provider told on the way; None where it told none."""


class BusyError(LLMError):
    """The provider is limiting or overloaded: 429, 500, 502, 503, 529, a reset connection."""

    kind = "busy"
    retryable = True


class TimedOutError(LLMError):
    """No answer in time."""

    kind = "timed-out"
    retryable = True


class MalformedError(LLMError):
    """An answer that is not of the form that was asked for, or empty."""

    kind = "malformed"
    retryable = True


class OversizedError(MalformedError):
    """An answer that goes on beyond any that could be of use; nobody reads it to its end, or asks for it again."""

    retryable = False


class TruncatedError(LLMError):
    """The answer was cut at ``max_tokens``: asking the same again would not help, asking with more room may."""

    kind = "cut"


class RefusedError(LLMError):
    """The model declined to answer."""

    kind = "refusal"
    retryable = True


class RejectedError(LLMError):
    """The provider will not take this request, now or later: 400, 404, 413, 422."""

    kind = "rejected"


class TooLongError(RejectedError):
    """The request is too long for the model: asking about fewer things at once may help."""

    kind = "too-long"


class UnrecordedError(RejectedError):
    """A recording has no answer to this question: nobody is there to be asked, and another try finds no more."""

    kind = "unrecorded"


class AccessError(InputError):
    """The key is missing or not accepted (401, 403): nothing can be asked of this provider."""

    kind = "access"


INTERNAL = "internal"
"""The kind of a failure that is a mistake of ours."""

KINDS = (
    RefusedError.kind,
    TooLongError.kind,
    TruncatedError.kind,
    MalformedError.kind,
    TimedOutError.kind,
    BusyError.kind,
    RejectedError.kind,
    UnrecordedError.kind,
    AccessError.kind,
    INTERNAL,
    LabelerError.kind,
)
"""The kinds of failures, as features that failed are counted and tried again by."""

NO_ROOM = "the budget has no room to finish another feature, with a call's worst case to spare"


class SpentError(LabelerError):
    """The budget has no room for another call; the run stops here and can go on with more."""

    def __init__(self) -> None:
        super().__init__(NO_ROOM)
