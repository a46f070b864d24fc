"""Small looks into S3 or a folder: how many photographs there are, a report, whether a file is there.

The photographs themselves are read by the job.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

from fish_airflow.errors import RefusedError

PHOTOGRAPHS = (".jpg", ".jpeg", ".png", ".webp")
SPLITS = {"train", "val", "test"}
# Data Processing has the same place under Hadoop's name of it.
S3_SCHEMES = ("s3", "s3a")


class Storage:
    """With the keys of an Airflow connection (login, password; extra: endpoint_url, region_name)."""

    def __init__(self, connection):
        self.connection = connection

    def settings(self) -> dict[str, str]:
        """As a job's environment has them; `http://` is taken at its word."""
        extra = self.connection.extra_dejson
        known = {
            "AWS_ACCESS_KEY_ID": self.connection.login,
            "AWS_SECRET_ACCESS_KEY": self.connection.password,
            "AWS_ENDPOINT_URL": extra.get("endpoint_url"),
            "AWS_REGION": extra.get("region_name"),
        }
        return {name: value for name, value in known.items() if value}

    def client(self):
        import boto3

        extra = self.connection.extra_dejson
        return boto3.client(
            "s3",
            endpoint_url=extra.get("endpoint_url"),
            region_name=extra.get("region_name"),
            aws_access_key_id=self.connection.login,
            aws_secret_access_key=self.connection.password,
        )

    def names(self, place: str):
        """Names below a place."""
        if not is_s3(place):
            folder = Path(place)
            yield from (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
            return
        bucket, prefix = split_s3(place)
        prefix = prefix.rstrip("/") + "/" if prefix else ""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for page in pages:
            yield from (row["Key"][len(prefix) :] for row in page.get("Contents", ()))

    def exists(self, place: str) -> bool:
        if not is_s3(place):
            return Path(place).is_file()
        from botocore.exceptions import ClientError

        bucket, key = split_s3(place)
        try:
            self.client().head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return False
            raise
        return True

    def read(self, place: str) -> bytes:
        if not is_s3(place):
            return Path(place).read_bytes()
        bucket, key = split_s3(place)
        return self.client().get_object(Bucket=bucket, Key=key)["Body"].read()

    def write(self, place: str, text: str) -> None:
        if not is_s3(place):
            Path(place).parent.mkdir(parents=True, exist_ok=True)
            Path(place).write_text(text, encoding="utf-8")
            return
        bucket, key = split_s3(place)
        self.client().put_object(Bucket=bucket, Key=key, Body=text.encode())

    def report(self, place: str) -> dict:
        return json.loads(self.read(place))

    def photographs(self, place: str) -> Counter:
        """Photographs of each class, by the names alone."""
        classes = Counter()
        for name in self.names(place):
            *folders, file = name.split("/")
            if folders and folders[0] in SPLITS:
                folders = folders[1:]
            if folders and file.lower().endswith(PHOTOGRAPHS):
                classes[folders[0]] += 1
        return classes


def is_s3(place: str) -> bool:
    return urlsplit(place).scheme in S3_SCHEMES


def split_s3(place: str) -> tuple[str, str]:
    parts = urlsplit(place)
    if not parts.netloc:
        raise RefusedError(f"{place}: name a bucket, s3://bucket/prefix")
    # Not `parts.path` alone: a key may have `?` or `#` in it.
    return parts.netloc, place.split("://", 1)[1].partition("/")[2]


def is_below(place: str, other: str) -> bool:
    return place.rstrip("/") == other.rstrip("/") or place.startswith(other.rstrip("/") + "/")
