"""The two ways in which a task ends that is not to be tried again."""

from airflow.exceptions import AirflowFailException, AirflowSkipException

__all__ = ["AirflowSkipException", "RefusedError"]


class RefusedError(AirflowFailException):
    """Something given is not acceptable: its text names the thing and the remedy, and no retry follows."""
