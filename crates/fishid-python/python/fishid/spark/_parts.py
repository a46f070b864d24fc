"""Chunks of a table of photographs, and the files that are made of them: `place/part-….parquet`."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

import fishid

#: Photographs of a task that only reads and decodes, or answers: seconds of work each.
CHUNK_PHOTOGRAPHS = 512
#: Fewer photographs make smaller chunks, so that every executor has some.
LEAST_CHUNK = 16
CHUNKS_AT_LEAST = 64
#: Files on their way to the driver at once.
READERS = 16


def chunks_by_content(table, n_all=None):
    """Cuts a table with a column `path` where the paths themselves say so.

    A photograph that is added or removed changes the chunk it falls into and no other, so that the files
    made of the others are found again.
    """
    n = table.num_rows if n_all is None else n_all
    size = LEAST_CHUNK
    while size < CHUNK_PHOTOGRAPHS and size * 2 * CHUNKS_AT_LEAST <= n:
        size *= 2
    chunks, start = [], 0
    for i, path in enumerate(table.column("path").to_pylist()):
        digest = hashlib.blake2b(path.encode("utf-8", "surrogateescape"), digest_size=8).digest()
        is_edge = int.from_bytes(digest, "big") % size == 0
        if i > start and (is_edge or i - start >= 4 * size):
            chunks.append(table.slice(start, i - start))
            start = i
    if start < table.num_rows:
        chunks.append(table.slice(start))
    return chunks


def chunks_of(table, size):
    return [table.slice(start, size) for start in range(0, table.num_rows, size)]


def part_name(chunk, columns, *circumstances):
    """A file's name from what its content depends on."""
    digest = hashlib.sha256()
    for text in circumstances:
        digest.update(text.encode() + b"\0")
    for name in columns:
        for value in chunk.column(name).to_pylist():
            digest.update(str(value).encode("utf-8", "surrogateescape") + b"\0")
    return f"part-{digest.hexdigest()[:24]}.parquet"


def put_table(table, place, name):
    """Writes a table as `place/name`, whole or not at all."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    fishid.write_file(place, name, sink.getvalue().to_pybytes())


def names_in(place):
    """The names of the files right in a folder or prefix; none where there is none."""
    if "://" not in place and not Path(place).is_dir():
        return set()
    return {path for path in fishid.list_files(place).column("path").to_pylist() if "/" not in path}


def read_parts(place, names):
    """The tables of these files as one."""

    def read(name):
        content = fishid.read_file(place, name)
        if content is None:
            raise fishid.FishidError(f"{below(place, name)} is gone, start the job again")
        return pq.read_table(pa.BufferReader(content))

    with ThreadPoolExecutor(READERS) as readers:
        return pa.concat_tables(readers.map(read, names))


def absolute(place):
    """A place as every machine understands it; one in S3 as it is."""
    text = str(place)
    return text.rstrip("/") if "://" in text else str(Path(text).absolute())


def below(place, *names):
    return "/".join([str(place).rstrip("/"), *names])


def with_part(chunk, name):
    return chunk.append_column("part", pa.array([name] * chunk.num_rows))
