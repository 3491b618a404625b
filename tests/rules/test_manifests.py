"""The Kubernetes manifests without a cluster: valid for each version, restricted, and at one with the program."""

import copy
import re

import kubernetes_validate
import pytest
import yaml
from deploying import CHECKOUT, known_variables, yaml_documents

from worker.cli import COMMANDS
from worker.settings import FROM_FILES, settings

FOLDER = CHECKOUT / "deploy" / "kubernetes"
FILES = sorted(path for path in FOLDER.glob("*.yaml") if path.name != "kustomization.yaml")
VERSIONS = ("1.31.0", kubernetes_validate.latest_version())
KINDS_OF_OTHERS = {"ScaledObject", "ServiceMonitor"}  # KEDA's and Prometheus' operator's; no schemas of Kubernetes
OPTIONAL = {"roles.yaml", "monitor.yaml"}
OWN = [each for each in yaml_documents(*FILES) if each["kind"] not in KINDS_OF_OTHERS]
PODS = [each for each in OWN if each["kind"] in ("Deployment", "Job")]


def names(documents):
    return [f"{each['kind']} {each['metadata']['name']}" for each in documents]


def of_kind(kind):
    return {each["metadata"]["name"]: each for each in yaml_documents(*FILES) if each["kind"] == kind}


@pytest.fixture(params=PODS, ids=names(PODS))
def pod(request):
    return request.param["spec"]["template"]


@pytest.fixture
def container(pod):
    (only,) = pod["spec"]["containers"]
    return only


@pytest.fixture(scope="module")
def configured():
    return of_kind("ConfigMap")["retention-settings"]["data"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("document", OWN, ids=names(OWN))
def test_each_manifest_is_what_kubernetes_understands(document, version):
    kubernetes_validate.validate(document, version, strict=True)


def test_a_mistake_in_a_manifest_would_be_found():
    wrong = copy.deepcopy(of_kind("Deployment")["retention-worker"])
    wrong["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_every_file_is_applied_but_those_for_the_administrator_and_for_prometheus_operator():
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    assert set(kustomization["resources"]) == {path.name for path in FILES} - OPTIONAL
    images = {each["name"] for each in kustomization["images"]}
    assert images == {pod["spec"]["template"]["spec"]["containers"][0]["image"] for pod in PODS}


def test_no_pod_may_do_anything_to_its_node(pod, container):
    spec = pod["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] >= 10000
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    # Of the service retention-web Kubernetes would tell in RETENTION_WEB_PORT, where a setting of ours is looked for.
    assert spec["enableServiceLinks"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]
    assert container["resources"]["requests"]["cpu"]
    assert of_kind("Namespace")["retention"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_secrets_are_files_that_not_everybody_can_read(pod, container):
    (mount,) = [each for each in container["volumeMounts"] if each["name"] == "secrets"]
    (volume,) = [each for each in pod["spec"]["volumes"] if each["name"] == "secrets"]
    assert mount["readOnly"]
    assert (volume["secret"]["defaultMode"], pod["spec"]["securityContext"]["fsGroup"]) == (0o440, 10001)
    assert not any("secretKeyRef" in str(each) for each in container.get("env", ()))


def test_each_has_the_role_that_it_needs(pod):
    part = pod["metadata"]["labels"]["app.kubernetes.io/component"]
    (volume,) = [each for each in pod["spec"]["volumes"] if each["name"] == "secrets"]
    others = {"roles": "retention-administrator", "migrate": "retention-owner", "web": "retention-web"}
    assert volume["secret"]["secretName"] == others.get(part, "retention-worker")


def test_every_variable_is_a_setting(container, configured):
    names = {*configured, *(each["name"] for each in container.get("env", ()))}
    assert names <= known_variables()
    assert FROM_FILES.keys() & names == {"RETENTION_DATABASE_URL_FILE", "RETENTION_BROKER_URL_FILE"}


def test_the_settings_take_what_the_manifests_say(configured, monkeypatch):
    for name, value in configured.items():
        if name not in FROM_FILES:
            monkeypatch.setenv(name, value)
    assert settings.__wrapped__().drains == int(configured["RETENTION_DRAINS"])


def test_what_a_pod_runs_is_ours(container):
    program, *arguments = container["command"]
    if program == "retention":
        assert arguments[0] in COMMANDS
    else:
        assert [program, *arguments[:2]] == ["celery", "-A", "worker"]
        assert arguments[2] in ("worker", "beat")


def test_a_probe_looks_at_the_file_that_is_touched_and_at_the_port_that_is_served(pod, container, configured):
    if pod["spec"].get("restartPolicy") == "Never":
        return
    probes = [probe for name, probe in container.items() if name.endswith("Probe")]
    assert {"startupProbe", "livenessProbe"} <= container.keys()
    for probe in probes:
        if "exec" in probe:
            assert probe["exec"]["command"] == ["python", "-m", "worker.alive"]
            assert configured["RETENTION_ALIVE_FILE"].startswith("/tmp/")
        else:
            assert probe["httpGet"]["port"] in {each["name"] for each in container["ports"]}


def test_selectors_select_the_pods_that_they_are_for():
    labels = {name: each["spec"]["template"]["metadata"]["labels"] for name, each in of_kind("Deployment").items()}
    budgets = of_kind("PodDisruptionBudget")
    assert budgets.keys() == labels.keys()
    for name, each in of_kind("Deployment").items():
        assert (
            each["spec"]["selector"]["matchLabels"] == labels[name] == budgets[name]["spec"]["selector"]["matchLabels"]
        )
    assert of_kind("Service")["retention-web"]["spec"]["selector"] == labels["retention-web"]
    policies = of_kind("NetworkPolicy")
    assert policies["retention-web"]["spec"]["podSelector"]["matchLabels"] == labels["retention-web"]
    everybody = policies["retention-servers"]["spec"]["podSelector"]["matchLabels"].items()
    assert all(everybody <= each.items() for each in labels.values())
    assert policies["retention-nothing"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_prometheus_finds_the_servers_as_the_job_that_the_rules_look_for():
    service = of_kind("Service")["retention-web"]
    labels, (port,) = service["metadata"]["labels"], service["spec"]["ports"]
    # By annotations a job would have the name that each cluster gives it, and RetentionDown would fire.
    assert "annotations" not in service["metadata"]
    monitor = of_kind("ServiceMonitor")["retention"]["spec"]
    assert monitor["selector"]["matchLabels"].items() <= labels.items()
    assert [each["port"] for each in monitor["endpoints"]] == [port["name"]]
    (job,) = yaml.safe_load((CHECKOUT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    assert labels[monitor["jobLabel"]] == job["job_name"]
    (shown,) = re.findall(r"```yaml\n(- job_name:.*?)```", (CHECKOUT / "docs/deploy.md").read_text(), flags=re.DOTALL)
    address = f"{service['metadata']['name']}.retention.svc:{port['port']}"
    assert yaml.safe_load(shown) == [{"job_name": job["job_name"], "static_configs": [{"targets": [address]}]}]


def test_there_are_two_beats_and_as_many_workers_as_the_backlog_asks_for():
    deployments, scaled = of_kind("Deployment"), of_kind("ScaledObject")["retention-worker"]["spec"]
    assert deployments["retention-beat"]["spec"]["replicas"] == 2
    assert "replicas" not in deployments["retention-worker"]["spec"]  # the scaler's to say, also after the next apply
    assert scaled["scaleTargetRef"]["name"] in deployments
    assert 1 <= scaled["minReplicaCount"] <= scaled["fallback"]["replicas"] <= scaled["maxReplicaCount"]
    (trigger,) = scaled["triggers"]
    assert "retention_accounts_due" in trigger["metadata"]["query"]
