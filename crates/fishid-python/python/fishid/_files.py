"""Files of a folder or `s3://bucket/prefix`: listed, carried both ways, read and written one by one."""

from pathlib import Path

from fishid import _arrow, _native


def list_photographs(data):
    """`path`, `size` in bytes and `version` of every photograph of a folder or `s3://bucket/prefix`.

    Files whose names end like a photograph's are taken, in whatever folders.
    """
    return _arrow.table(_native.list_photographs(str(data)))


def list_files(place):
    """The same for every file but hidden ones, whatever its name ends in."""
    return _arrow.table(_native.list_files(str(place)))


def upload(folder, to):
    """Brings a folder to another or to `s3://bucket/prefix`, as `fishid data upload`.

    Gives `n_uploaded`, and `n_skipped`: what was there already, by size and digest.
    """
    n_uploaded, n_skipped = _native.upload(str(folder), str(to))
    return {"n_uploaded": n_uploaded, "n_skipped": n_skipped}


def download(place, folder):
    """Fetches every file but hidden ones of a folder or `s3://bucket/prefix` into a folder, which is made.

    Gives `n_fetched`, and `n_skipped`: what was there already, by size and digest. A file is there whole
    or not at all.
    """
    n_fetched, n_skipped = _native.download(str(place), str(folder))
    return {"n_fetched": n_fetched, "n_skipped": n_skipped}


def read_file(place, name):
    """The bytes of a file of a folder or `s3://bucket/prefix`, of at most 256 MB; None when there is none."""
    return _native.read_file(str(place), name)


def write_file(place, name, content):
    """Writes bytes as a file there; a reader sees the old content or the new, never a part.

    A folder is made where it is not there.
    """
    if "://" not in str(place):
        Path(place).mkdir(parents=True, exist_ok=True)
    _native.write_file(str(place), name, content)


def remove_files(place, names):
    """Removes files there; those that are not there are no error."""
    _native.remove_files(str(place), list(names))
