"""Tables to Arrow IPC streams and back.

Any pyarrow will do, and nothing is shared with another Arrow library.
"""

import pyarrow as pa

from fishid._errors import InputError

TEXT = pa.string()
TEXTS = pa.list_(pa.string())


def stream(rows, columns, optional=()):
    """The bytes of these columns of a batch or table; `columns` are (name, type)."""
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_batches([rows])
    arrays, fields = [], []
    for name, kind in columns:
        if name not in table.schema.names:
            if name in optional:
                continue
            raise InputError(
                "there is no column `{}`; there are {}".format(name, ", ".join(table.schema.names))
            )
        arrays.append(table.column(name).cast(kind))
        fields.append(pa.field(name, kind))
    chosen = pa.Table.from_arrays(arrays, schema=pa.schema(fields))
    sink = pa.BufferOutputStream()
    writer = pa.RecordBatchStreamWriter(sink, chosen.schema)
    writer.write_table(chosen)
    writer.close()
    return sink.getvalue().to_pybytes()


def table(content):
    return pa.ipc.open_stream(pa.py_buffer(content)).read_all()


def batch(content):
    return pa.ipc.open_stream(pa.py_buffer(content)).read_next_batch()
