"""Labels a folder or an S3 prefix of photographs of any size with a model, into Parquet, as a Spark job.

    spark-submit score_photos.py --data s3://bucket/photographs --out s3://bucket/predictions --registry https://mlflow

The columns are those of `fishid predict --out`, a row for each photograph; one that cannot be answered has
`error_kind` and `error`, and fails nothing. OUT becomes a folder of Parquet files with `_SUCCESS` when it is
whole. Started again, the job answers what is not answered yet; a photograph that came or went costs the file
that it belongs to. A folder that holds answers of another model, language or data is refused.
"""

import argparse
import functools
import hashlib
import json
import re
import sys

import fishid
from fishid import spark

DONE = "_SUCCESS"
# Spark reads no files whose names begin so.
OURS = "_fishid-"
PART = re.compile(r"part-[0-9a-f]{24}\.parquet")
OTHERS_SHOWN = 3


def arguments(line=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", required=True, help="folder or s3://bucket/prefix, photographs at any depth"
    )
    parser.add_argument("--out", required=True, help="folder or prefix of the answers")
    parser.add_argument("--bundle", help="a bundle folder of the driver's, instead of the registry")
    parser.add_argument("--registry", help="address of the registry, as of fishid")
    parser.add_argument("--model", help="name of the model in the registry")
    parser.add_argument("--version", default="production", help="its version or alias (%(default)s)")
    parser.add_argument(
        "--lang", default="ru", choices=["ru", "en", "la"], help="language of the labels (%(default)s)"
    )
    parser.add_argument("--executors", type=int, help="the most executors (without it the master decides)")
    return parser.parse_args(line)


def score(args):
    # Executors have folders of their own to start from.
    args.data, args.out = spark.absolute(args.data), spark.absolute(args.out)
    bundle = args.bundle or fishid.fetch_bundle(args.registry, args.model, args.version)["bundle"]
    # A broken bundle is refused here, once, and not on every executor.
    model_digest = fishid.load_bundle(bundle, threads=1).model_digest
    photographs = fishid.list_photographs(args.data)
    if photographs.num_rows == 0:
        raise fishid.InputError(f"{args.data}: there are no photographs (jpg, jpeg, png, webp)")
    spark.say(f"{photographs.num_rows} photographs in {args.data}")

    chunks = spark.chunks_by_content(photographs)
    mark, there = claim(args, model_digest)
    named = {spark.part_name(chunk, ["path", "version"], mark): chunk for chunk in chunks}
    missing = [spark.with_part(chunk, name) for name, chunk in named.items() if name not in there]
    with spark.Cluster("fishid-scoring", args.executors) as cluster:
        application = cluster.application
        if missing:
            cluster.send_folder(bundle, "bundle")
        work = functools.partial(spark.label_into, args.out, args.data, args.lang)
        answers = cluster.each("answering", missing, work)
    finish(args.out, mark, named)
    n_answered = sum(answer["n"] for answer in answers)
    return {
        "application": application,
        "out": args.out,
        "photographs": photographs.num_rows,
        "answered_now": n_answered,
        "answered_before": photographs.num_rows - n_answered,
        "refused_now": sum(answer["n_refused"] for answer in answers),
        "model_version": model_digest[:12],
    }


def claim(args, model_digest):
    """The mark of this model, language and data, and the files in OUT, which is for them alone."""
    about = {"data": args.data, "lang": args.lang, "model_digest": model_digest}
    text = json.dumps(about, ensure_ascii=False, sort_keys=True)
    mark = OURS + hashlib.sha256(text.encode()).hexdigest()[:16] + ".json"
    there = spark.names_in(args.out)
    refuse_strangers(args.out, there, mark, is_new=mark not in there)
    # Whoever reads meanwhile sees that it is not whole.
    fishid.remove_files(args.out, [DONE])
    fishid.write_file(args.out, mark, text.encode())
    return mark, there


def refuse_strangers(out, there, mark, is_new=False):
    strange = sorted(name for name in there - {mark, DONE} if is_new or not PART.fullmatch(name))
    if strange:
        raise fishid.InputError(
            f"{out} holds {len(strange)} files of another model, language or data, or of something else "
            f"({', '.join(strange[:OTHERS_SHOWN])}): name another --out, or empty this one"
        )


def finish(out, mark, named):
    """Removes what belongs to photographs that have gone or changed, and says that OUT is whole."""
    there = spark.names_in(out)
    refuse_strangers(out, there, mark)
    lost = sorted(named.keys() - there)
    if lost:
        raise fishid.FishidError(
            f"{len(lost)} files that executors wrote are not in {out} ({', '.join(lost[:OTHERS_SHOWN])}): "
            "name a folder that all machines share, or a prefix in S3"
        )
    fishid.remove_files(out, [name for name in there if PART.fullmatch(name) and name not in named])
    fishid.write_file(out, DONE, b"")


def main():
    args = arguments()
    try:
        result = score(args)
    except fishid.FishidError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 2 if isinstance(error, fishid.InputError) else 1
    print(json.dumps(result, ensure_ascii=False), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
