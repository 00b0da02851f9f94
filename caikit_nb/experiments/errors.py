"""What this room raises; the classes are on the package's page of errors."""

from caikit_nb.errors import (
    DatabaseError,
    ExperimentError,
    JobPruned,
    NoJobError,
    NotInDatabaseError,
    ResourceExistsError,
    ResourceMissingError,
    UnsafeUpdateError,
    UnstorableValueError,
)

__all__ = [
    "DatabaseError",
    "ExperimentError",
    "JobPruned",
    "NoJobError",
    "NotInDatabaseError",
    "ResourceExistsError",
    "ResourceMissingError",
    "UnsafeUpdateError",
    "UnstorableValueError",
]
