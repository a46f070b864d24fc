"""The training run as a Spark job: executors inspect and embed the photographs, the driver does the rest.

    spark-submit train_fish_model.py --data s3://bucket/photographs --work s3://bucket/work

The driver lists the photographs, splits them, trains the head, evaluates it, passes the gate, registers and
promotes: the same code as `fishid pipeline run`, and the same model. Photographs that cannot be used go to a
table under WORK/quarantine with the reason of each; with more than 5 % of them the job ends with status 2, as
for any other input that is not acceptable. Nothing is computed twice: inspections and embeddings lie in WORK
under names made of what they were computed from. Secrets come from the environment (AWS_*,
MLFLOW_TRACKING_*), never from arguments.
"""

import argparse
import functools
import json
import sys
import time
from pathlib import Path

import fishid
import pyarrow.compute as pc
from fishid import spark

# A photograph to embed has several views; a task that is lost is to cost a minute.
EMBED_PHOTOGRAPHS = 64
FAILURES_SHOWN = 3


def arguments(line=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="folder or s3://bucket/prefix of class folders")
    parser.add_argument(
        "--work", required=True, help="folder or prefix that all machines reach, for what is computed"
    )
    parser.add_argument("--report", help="where the result goes as JSON: a file, also in S3")
    parser.add_argument("--registry", help="address of the registry, as of fishid")
    parser.add_argument("--model", help="name of the model in the registry")
    parser.add_argument("--backbone", help="network by name, or an ONNX file of the driver's")
    parser.add_argument("--weights", help="auto, imagenet, random:SEED or a safetensors file of the driver's")
    parser.add_argument("--views", type=int, help="views of each training photograph")
    parser.add_argument("--epochs", type=int, help="the most epochs of the head's training")
    parser.add_argument("--seed", type=int, help="of everything that is drawn")
    parser.add_argument("--executors", type=int, help="the most executors (without it the master decides)")
    parser.add_argument("--force", action="store_true", help="repeat steps whose result is known already")
    return parser.parse_args(line)


def train(args):
    started = time.monotonic()
    # Executors have folders of their own to start from.
    args.data, args.work = spark.absolute(args.data), spark.absolute(args.work)
    run = fishid.TrainingRun(
        args.data,
        registry=args.registry,
        model=args.model,
        backbone=args.backbone,
        weights=args.weights,
        views=args.views,
        epochs=args.epochs,
        seed=args.seed,
        work=args.work,
    )
    spark.say(f"{run.n_photographs} photographs in {args.data}")
    opened = time.monotonic()
    with spark.Cluster("fishid-training", args.executors) as cluster:
        application, start_s = cluster.application, cluster.start_s
        inspections = inspect(cluster, run, args.work)
        inspected = time.monotonic()
        to_embed, quarantine = plan(run, inspections, args.work)
        n_embedded = embed(cluster, run, to_embed)
    embedded = time.monotonic()
    # The executors are given back: a head is trained in seconds, by one machine.
    result = run.finish(force=args.force)
    seconds = {
        "list": opened - started,
        "spark_start": start_s,
        "inspect": inspected - opened - start_s,
        "embed": embedded - inspected,
        "train": time.monotonic() - embedded,
    }
    result.update(
        application=application,
        photographs=run.n_photographs,
        left_out=run.quarantine().num_rows,
        quarantine=quarantine,
        views_there=run.n_views_there,
        views_embedded=n_embedded,
        seconds={step: round(took, 3) for step, took in seconds.items()},
    )
    return result


def inspect(cluster, run, work):
    place = spark.below(work, "inspections", run.listing_digest)
    chunks = spark.chunks_by_content(run.photographs().select(["path"]))
    named = {spark.part_name(chunk, ["path"], fishid.__version__): chunk for chunk in chunks}
    there = spark.names_in(place)
    missing = [spark.with_part(chunk, name) for name, chunk in named.items() if name not in there]
    done = cluster.each("inspecting", missing, functools.partial(spark.inspect_into, place, run.spec))
    inspections = spark.read_parts(place, sorted(named))
    # What could not be read now may be readable in the next run.
    fishid.remove_files(place, [answer["part"] for answer in done if answer["n_errors"]])
    return inspections


def plan(run, inspections, work):
    """What is to be embedded, and where the table of those left out is (None without any)."""
    place, name = spark.below(work, "quarantine"), run.listing_digest + ".parquet"
    try:
        to_embed = run.plan(inspections)
    except fishid.InputError as error:
        unusable = inspections.filter(pc.is_valid(inspections.column("error")))
        if unusable.num_rows == 0:
            raise
        spark.put_table(unusable.select(["path", "error"]).rename_columns(["path", "reason"]), place, name)
        where = spark.below(place, name)
        raise fishid.InputError(f"{error}\nWhy each of them cannot be used: {where}") from error
    left_out = run.quarantine()
    if left_out.num_rows == 0:
        return to_embed, None
    spark.put_table(left_out, place, name)
    where = spark.below(place, name)
    spark.say(f"{left_out.num_rows} of {run.n_photographs} photographs are left out, with reasons: {where}")
    return to_embed, where


def embed(cluster, run, to_embed):
    spark.say(f"views: {run.n_views_there} there, {run.n_views_missing} to embed")
    if to_embed.num_rows == 0:
        return 0
    cluster.send_files(run.backbone_files)
    size = max(1, min(EMBED_PHOTOGRAPHS, to_embed.num_rows // (4 * cluster.slots)))
    work = functools.partial(spark.embed_into_work, Path(run.backbone_files[0]).name, run.spec)
    done = cluster.each("embedding", spark.chunks_of(to_embed, size), work)
    failed = [failure for answer in done for failure in answer["failed"]]
    if failed:
        shown = "; ".join(f"{path}: {reason}" for path, reason in failed[:FAILURES_SHOWN])
        raise fishid.FishidError(
            f"{len(failed)} photographs could be read and cannot any more, were they changed meanwhile? "
            f"Start the job again. {shown}"
        )
    return sum(answer["n_views"] for answer in done)


def main():
    args = arguments()
    try:
        result = train(args)
        if args.report:
            place, _, name = spark.absolute(args.report).rpartition("/")
            text = json.dumps(result, ensure_ascii=False, indent=2)
            fishid.write_file(place or "/", name, text.encode())
    except fishid.FishidError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 2 if isinstance(error, fishid.InputError) else 1
    print(json.dumps(result, ensure_ascii=False), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
