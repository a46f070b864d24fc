"""What Spark jobs over photographs have in common: one task a chunk of paths, one engine a process.

Start at `Cluster`. A chunk is an Arrow table of paths, never of pixels: executors read their photographs by
the Rust client. What is computed lies in a place that all machines reach, under names made of what went in,
so that a task that runs twice leaves one file and a second run finds it. Needs pyspark 3.3 or newer, which
the wheel does not bring.
"""

from fishid.spark._cluster import Cluster
from fishid.spark._parts import (
    absolute,
    below,
    chunks_by_content,
    chunks_of,
    names_in,
    part_name,
    put_table,
    read_parts,
    with_part,
)
from fishid.spark._progress import say
from fishid.spark._work import embed_into_work, inspect_into, label_into

__all__ = [
    "Cluster",
    "absolute",
    "below",
    "chunks_by_content",
    "chunks_of",
    "embed_into_work",
    "inspect_into",
    "label_into",
    "names_in",
    "part_name",
    "put_table",
    "read_parts",
    "say",
    "with_part",
]
