"""Errors of a job that are not faults of the program. `kind` is the parent's name of the class (engine/protocol/errors.ts)."""


class JobError(Exception):
    """A job ended without a result. All ranks raise it at the same point, so they can take the next job."""

    kind = "fault"


class InputRefused(JobError):
    """Bad input: one sentence that says what is wrong, where, and what to do."""

    kind = "input"


class Aborted(JobError):
    """The parent stopped the job."""

    kind = "aborted"


class Diverged(JobError):
    """The loss or the gradient norm of a training is infinite or NaN."""

    kind = "diverged"


class OutOfMemory(Exception):
    """A GPU has too little memory for a micro-batch. It happens on any rank alone, so the ranks end."""

    kind = "input"
