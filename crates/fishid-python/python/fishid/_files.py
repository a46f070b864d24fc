"""Files of a folder or `s3://bucket/prefix`: listed, and carried both ways."""

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
