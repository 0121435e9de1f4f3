"""Why a request is not served: each class has one answer."""


class Refused(Exception):  # noqa: N818 - reads as what is wrong
    """The request is turned away before any work is done for it.

    Attributes:
        retry_after: When to come again, in whole seconds, at least 1.
    """

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = max(1, retry_after)


class QueueFull(Refused):
    """As many requests as can be answered in time are admitted already, or the caller is hasty."""


class NotReady(Refused):
    """The model is being loaded, or the engine was lost."""


class Draining(Refused):
    """The service is about to stop; another instance will answer."""


class StartError(Exception):
    """The model could not be brought up; the message is one line."""


class DeadlineExceeded(Exception):  # noqa: N818 - reads as what is wrong
    """The request waited until its deadline; it was never run."""


class CallerLeft(Exception):  # noqa: N818 - reads as what is wrong
    """Nobody waits for the answer any more."""


class EngineLost(Exception):  # noqa: N818 - reads as what is wrong
    """The engine hung, died or was closed; what it held is answered with this."""
