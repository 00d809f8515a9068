"""A sweep in parts as a Kubernetes job: the text of its manifest."""

import json
import re
from dataclasses import dataclass
from typing import Any

from jaxvis.sweep.plan import Plan
from jaxvis.sweep.plan_file import encode_plan

MOST_BYTES = 900_000
"""Of a plan: Kubernetes keeps at most 1 MiB with a job."""
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?")
MEMORY = re.compile(r"[0-9]+(\.[0-9]+)?([KMGT]i?)?")
FOLDER = "/etc/jaxvis"
"""Where containers find the plan."""
RETRIES = 20
"""How often a part is started again that failed; losing its node does not count."""
PART = "$((JOB_COMPLETION_INDEX+1))"
"""The number of a container's part, as its shell computes it."""


@dataclass(frozen=True)
class Cluster:
    """How a sweep is run on Kubernetes.

    Attributes:
      image: of the containers.
      parts: how many containers.
      name: of the job.
      gpus: of each container.
      claim: the PersistentVolumeClaim of a volume that all nodes may write, or None.
      memory: that each container asks for, such as "16Gi", or None.
    """

    image: str
    parts: int
    name: str = "jaxvis-sweep"
    gpus: int = 0
    claim: str | None = None
    memory: str | None = None


def make_manifest(plan: Plan, url: str, cluster: Cluster) -> str:
    """Makes the YAML of an indexed job that makes a plan, and of the plan itself.

    Args:
      plan: what is made.
      url: where the pictures go: s3://..., gs://..., or a folder of the volume.
      cluster: how it is run.

    Raises:
      ValueError: for a place that containers cannot reach, a large plan, or a name or a
        number that Kubernetes refuses.
    """
    _check(plan, cluster)
    mount = _find_mount(url, cluster)
    text = encode_plan(plan).decode()
    if len(text) > MOST_BYTES:
        raise ValueError(
            f"the plan has {len(text)} bytes, and a job may hold {MOST_BYTES}: copy it to the "
            "volume, begin the sweep there, and let the job call jaxvis sweep resume"
        )
    config: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"{cluster.name}-plan"},
        "data": {"plan.json": text},
    }
    return f"{to_yaml(config)}---\n{to_yaml(_describe_job(url, cluster, mount))}"


def _describe_job(url: str, cluster: Cluster, mount: str | None) -> dict[str, Any]:
    container, volumes = _describe_container(url, cluster, mount)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": cluster.name},
        "spec": {
            "completionMode": "Indexed",
            "completions": cluster.parts,
            "parallelism": cluster.parts,
            "backoffLimitPerIndex": RETRIES,
            # A part whose node is drained or lost has not failed.
            "podFailurePolicy": {
                "rules": [
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
                ]
            },
            "template": {
                "spec": {
                    "restartPolicy": "Never",
                    "terminationGracePeriodSeconds": 120,
                    "containers": [container],
                    "volumes": volumes,
                }
            },
        },
    }


def _describe_container(
    url: str, cluster: Cluster, mount: str | None
) -> tuple[dict[str, Any], list[Any]]:
    """Describes the container of a part, and the volumes that it sees."""
    command = f'exec jaxvis sweep run "$0" "$1" --part {PART}/{cluster.parts}'
    volumes: list[Any] = [{"name": "plan", "configMap": {"name": f"{cluster.name}-plan"}}]
    mounts: list[Any] = [{"name": "plan", "mountPath": FOLDER, "readOnly": True}]
    if mount is not None:
        claim = {"claimName": cluster.claim}
        volumes.append({"name": "sweep", "persistentVolumeClaim": claim})
        mounts.append({"name": "sweep", "mountPath": mount})
    container: dict[str, Any] = {
        "name": "sweep",
        "image": cluster.image,
        # The shell computes the part; Kubernetes would replace what looks like $(NAME).
        "command": ["sh", "-c", command, f"{FOLDER}/plan.json", url.replace("$", "$$")],
        "volumeMounts": mounts,
    }
    limits = {"nvidia.com/gpu": cluster.gpus} if cluster.gpus else {}
    asked = {"memory": cluster.memory} if cluster.memory else {}
    if limits or asked:
        container["resources"] = {"requests": {**asked, **limits}, "limits": {**asked, **limits}}
    return container, volumes


def _check(plan: Plan, cluster: Cluster) -> None:
    if not NAME.fullmatch(cluster.name):
        raise ValueError(
            f"--name {cluster.name!r} is no name of a job: use a-z, 0-9 and hyphens inside"
        )
    if not cluster.image.strip():
        raise ValueError("--image is empty: name the image of the containers")
    if not 1 <= cluster.parts <= len(plan.shards):
        raise ValueError(
            f"--parts goes from 1 to {len(plan.shards)}, the shards of the plan, not "
            f"{cluster.parts}"
        )
    if cluster.memory is not None and not MEMORY.fullmatch(cluster.memory):
        raise ValueError(f"--memory {cluster.memory!r} is no size: write such as 16Gi")


def _find_mount(url: str, cluster: Cluster) -> str | None:
    """Finds where the volume is mounted; None for a store that needs none."""
    if "://" in url:
        if url.startswith(("memory://", "file://")):
            raise ValueError(f"{url} is no place that all containers reach: name s3:// or gs://")
        return None
    if cluster.claim is None:
        raise ValueError(
            f"{url} is a folder: name the PersistentVolumeClaim of its volume with --claim, or "
            "an s3:// or gs:// address"
        )
    above = url.rstrip("/").rpartition("/")[0]
    if not url.startswith("/") or not above:
        raise ValueError(
            f"{url}: name a folder of the volume from the root on, such as /data/sweep"
        )
    return above


def to_yaml(value: Any, *, depth: int = 0) -> str:
    """Writes JSON values as YAML, which keeps the order and quotes every text.

    Args:
      value: a dictionary with plain names, whose values are dictionaries, lists, texts and
        numbers.
      depth: how deep it is inside others.

    >>> from jaxvis.sweep.manifest import to_yaml
    >>> print(to_yaml({"kind": "Job", "parts": [{"name": "a"}, "b"]}), end="")
    kind: "Job"
    parts:
      - name: "a"
      - "b"
    """
    lines = []
    pad = "  " * depth
    for name, one in value.items():
        shown = name if re.fullmatch(r"[A-Za-z]+", name) else json.dumps(name)
        if isinstance(one, dict):
            lines.append(f"{pad}{shown}:\n{to_yaml(one, depth=depth + 1)}")
        elif isinstance(one, list):
            items = "".join(_to_item(item, depth + 1) for item in one)
            lines.append(f"{pad}{shown}:\n{items}")
        else:
            lines.append(f"{pad}{shown}: {json.dumps(one)}\n")
    return "".join(lines)


def _to_item(item: Any, depth: int) -> str:
    """Writes an item of a list: a dash, and a dictionary's first name behind it."""
    pad = "  " * depth
    if not isinstance(item, dict):
        return f"{pad}- {json.dumps(item)}\n"
    text = to_yaml(item, depth=depth + 1)
    return f"{pad}- {text[2 * depth + 2 :]}"
