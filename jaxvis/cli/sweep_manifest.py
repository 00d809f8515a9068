"""jaxvis sweep manifest: what tells a scheduler to make a sweep in parts."""

from pathlib import Path
from typing import Literal

from jaxvis.cli.flags import Count, Text
from jaxvis.sweep.manifest import Cluster, make_manifest
from jaxvis.sweep.plan_file import read_plan


def manifest(
    plan: Path,
    dir: str,
    /,
    *,
    image: str,
    parts: int = 8,
    kind: Literal["kubernetes"] = "kubernetes",
    name: str = "jaxvis-sweep",
    gpus: Count = None,
    claim: Text = None,
    memory: Text = None,
) -> None:
    """Prints a Kubernetes job that makes a sweep in parts, a container each.

    The plan is inside it. A container that is lost is started again, and goes on with what
    is missing. Weights and photographs must be where the plan names them, in the image or on
    the volume. For example: jaxvis sweep manifest plan.json s3://bucket/sweep --parts 8
    --image jaxvis:latest --gpus 1 | kubectl apply -f -

    Args:
      plan: a file that jaxvis sweep --plan wrote.
      dir: where the pictures go: s3://bucket/path, gs://bucket/path, or a folder of the
        volume that --claim names.
      image: of the containers; the command jaxvis is in it.
      parts: how many containers.
      kind: of the scheduler.
      name: of the job.
      gpus: of each container; none if left out.
      claim: the PersistentVolumeClaim of a volume that all nodes may write; it is mounted
        at the folder above DIR.
      memory: that each container asks for, such as 16Gi.

    Raises:
      OSError: if the plan cannot be read.
      ValueError: if it is no plan or a large one, or DIR cannot be reached by containers.
    """
    del kind
    cluster = Cluster(
        image=image, parts=parts, name=name, gpus=gpus or 0, claim=claim, memory=memory
    )
    print(make_manifest(read_plan(plan), dir, cluster), end="")
