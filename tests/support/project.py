"""A deployment's place in a bucket, and what lies in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from secondlook import jsonl
from secondlook.layout import Layout


@dataclass
class Project:
    """One deployment below a prefix of a bucket."""

    bucket: str
    s3: Any
    role_arn: str
    prefix: str

    @property
    def layout(self) -> Layout:
        """Its keys."""
        return Layout(self.bucket, self.prefix)

    @property
    def place(self) -> dict[str, Any]:
        """Where it is, as arguments of an operator."""
        return {"bucket": self.bucket, "prefix": self.prefix}

    def put(self, key: str, data: bytes) -> None:
        """Write an object."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=data)

    def get(self, key: str) -> bytes:
        """Read an object."""
        data: bytes = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return data

    def read(self, key: str) -> Any:
        """Read a JSON document."""
        return json.loads(self.get(key))

    def lines(self, key: str) -> list[dict[str, Any]]:
        """Read JSON Lines, compressed or not."""
        return jsonl.decode(self.get(key))

    def keys(self, prefix: str) -> list[str]:
        """Return the keys below a prefix."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", ())]
