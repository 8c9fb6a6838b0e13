# SPDX-License-Identifier: Apache-2.0
"""Every exception that fastae raises on purpose."""


class FastaeError(Exception):
    """Base of fastae's own exceptions: its message is one sentence fit for a user."""


class FormatError(FastaeError, ValueError):
    """Bytes that are not what they should be: not an archive, truncated, or corrupt."""


class VersionError(FormatError):
    """A file of a version that this release does not read."""


class ChecksumError(FormatError):
    """Bytes that changed since they were written."""


class InputError(FastaeError, ValueError):
    """An input file or cohort that cannot be read, or holds what an archive cannot."""


class DivergenceError(FastaeError, ValueError):
    """A training whose loss or gradient has gone out of bounds; the step that found it has changed nothing."""


class NotFittedError(FastaeError, ValueError):
    """A model used before it was trained or loaded."""


class LossWarning(UserWarning):
    """Names what a file could not hold and was left out of it, since the caller asked for that."""
