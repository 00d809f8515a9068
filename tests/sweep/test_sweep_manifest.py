"""The manifest is YAML that Kubernetes takes, whatever the names are."""

import json

import pytest

from jaxvis.cli import main
from jaxvis.sweep.manifest import Cluster, make_manifest, to_yaml
from jaxvis.sweep.plan_file import decode_plan, write_plan
from tests.sweep.stores import plan_shards

WANTED = """\
apiVersion: "batch/v1"
kind: "Job"
metadata:
  name: "jaxvis-sweep"
spec:
  completionMode: "Indexed"
  completions: 2
  parallelism: 2
  backoffLimitPerIndex: 20
  podFailurePolicy:
    rules:
      - action: "Ignore"
        onPodConditions:
          - type: "DisruptionTarget"
  template:
    spec:
      restartPolicy: "Never"
      terminationGracePeriodSeconds: 120
      containers:
        - name: "sweep"
          image: "jaxvis:1"
          command:
            - "sh"
            - "-c"
            - "exec jaxvis sweep run \\"$0\\" \\"$1\\" --part $((JOB_COMPLETION_INDEX+1))/2"
            - "/etc/jaxvis/plan.json"
            - "s3://bucket/sweep"
          volumeMounts:
            - name: "plan"
              mountPath: "/etc/jaxvis"
              readOnly: true
          resources:
            requests:
              nvidia.com/gpu: 1
            limits:
              nvidia.com/gpu: 1
      volumes:
        - name: "plan"
          configMap:
            name: "jaxvis-sweep-plan"
"""


def read_yaml(text):
    yaml = pytest.importorskip("yaml")
    return list(yaml.safe_load_all(text))


def test_the_text_is_as_it_is_written_by_hand():
    text = make_manifest(plan_shards(), "s3://bucket/sweep", Cluster("jaxvis:1", 2, gpus=1))
    assert text.partition("---\n")[2].replace('"nvidia.com/gpu"', "nvidia.com/gpu") == WANTED


def test_it_is_yaml_and_holds_the_plan():
    plan = plan_shards()
    hostile = "s3://b/ü \"$(HOME)': #"
    text = make_manifest(plan, hostile, Cluster("a/b:c", 3, memory="16Gi"))
    config, job = read_yaml(text)
    assert decode_plan(config["data"]["plan.json"].encode(), "x") == plan
    pod = job["spec"]["template"]["spec"]
    command = pod["containers"][0]["command"]
    assert command[-1] == hostile.replace("$", "$$")  # which Kubernetes writes as one
    assert "--part $((JOB_COMPLETION_INDEX+1))/3" in command[2]
    assert pod["containers"][0]["resources"]["requests"] == {"memory": "16Gi"}
    assert job["spec"]["completions"] == 3 and pod["volumes"][0]["configMap"]["name"]


def test_a_folder_needs_the_claim_of_its_volume():
    cluster = Cluster("i", 2, claim="shared")
    job = read_yaml(make_manifest(plan_shards(), "/data/sweep/", cluster))[1]
    pod = job["spec"]["template"]["spec"]
    assert pod["volumes"][1]["persistentVolumeClaim"] == {"claimName": "shared"}
    assert pod["containers"][0]["volumeMounts"][1] == {"name": "sweep", "mountPath": "/data"}


@pytest.mark.parametrize(
    ("url", "changes", "message"),
    [
        ("/data/sweep", {}, "with --claim"),
        ("sweep", {"claim": "c"}, "name a folder of the volume"),
        ("/sweep", {"claim": "c"}, "name a folder of the volume"),
        ("memory://x", {}, "no place that all containers reach"),
        ("s3://x", {"name": "Not_a_name"}, "--name"),
        ("s3://x", {"parts": 4}, "--parts goes from 1 to 3"),
        ("s3://x", {"memory": "much"}, "--memory"),
        ("s3://x", {"image": " "}, "--image is empty"),
    ],
)
def test_what_cannot_be_is_refused(url, changes, message):
    given = {"image": "i", "parts": 2} | changes
    with pytest.raises(ValueError, match=message):
        make_manifest(plan_shards(), url, Cluster(**given))


def test_a_large_plan_is_refused():
    with pytest.raises(ValueError, match="jaxvis sweep resume"):
        make_manifest(plan_shards(6000), "s3://x", Cluster("i", 2))


def test_texts_and_numbers():
    value = {"a": {"b": [1, True, None, "x: #"]}, "c-d": "\n"}
    text = to_yaml(value)
    assert read_yaml(text) == [value] and json.loads('"\\n"') == "\n"


def test_the_command(tmp_path, capsys):
    write_plan(tmp_path / "plan.json", plan_shards())
    words = ["sweep", "manifest", str(tmp_path / "plan.json"), "gs://b/x", "--image", "i"]
    assert main([*words, "--parts", "2", "--gpus", "1"]) == 0
    text = capsys.readouterr().out
    assert 'completionMode: "Indexed"' in text and '"gs://b/x"' in text
    assert main([*words, "--parts", "9"]) == 2
    assert "--parts goes from 1 to 3" in capsys.readouterr().err
