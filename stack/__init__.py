"""The services around fishid on one machine, without containers: PostgreSQL, S3, MLflow, Redis,
`fishid serve`.

`python3 scripts/stack.py up` starts them for a person, the end-to-end tests start them through the
same `LocalStack`. Standard library only. Start reading in local.py; process.py knows what a process
is, and each service has a file of its own.
"""

from stack.local import LocalStack, Settings
from stack.process import MissingPrerequisiteError, StackError

__all__ = ["LocalStack", "MissingPrerequisiteError", "Settings", "StackError"]
