"""The manifests of Kubernetes."""

import re
import unittest

import settings
import yaml
from cloudcoil.models.keda import v1alpha1 as keda
from paths import DEPLOY, ROOT, run, tool

FOLDER = DEPLOY / "kubernetes"
# How long an app finishes what it has in hand, unless it says something else; and what closing may take.
DRAIN, CLOSING = 30, 15
# Kinds that are not Kubernetes' own.
OF_OTHERS = {"RabbitmqCluster", "ScaledObject", "TriggerAuthentication"}


def resources() -> list[dict]:
    names = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    return [part for name in names for part in yaml.safe_load_all((FOLDER / name).read_text())]


def of_kind(kind: str) -> dict[str, dict]:
    return {part["metadata"]["name"]: part for part in resources() if part["kind"] == kind}


def pods() -> dict[str, dict]:
    return {name: part["spec"]["template"]["spec"] for name, part in of_kind("Deployment").items()}


class Kubernetes(unittest.TestCase):
    def test_the_manifests_fit_the_schemas_of_kubernetes(self):
        for path in sorted(FOLDER.glob("*.yaml")):
            kinds = {part["kind"] for part in yaml.safe_load_all(path.read_text())}
            if not kinds & (OF_OTHERS | {"Kustomization"}):
                run(tool("kubernetes-validate"), "--strict", "--quiet", str(path))

    def test_the_manifests_of_keda_fit_its_types(self):
        for kind in ["ScaledObject", "TriggerAuthentication"]:
            for name, part in of_kind(kind).items():
                with self.subTest(f"{kind} {name}"):
                    read = getattr(keda, kind).model_validate(part)
                    # A field that KEDA does not know is left out.
                    self.assertEqual(read.model_dump(by_alias=True, exclude_none=True, mode="json"), part)

    def test_every_file_is_part_of_the_kustomization(self):
        names = set(yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"])
        apart = {"kustomization.yaml", "secret.example.yaml"}
        self.assertEqual(names, {path.name for path in FOLDER.glob("*.yaml")} - apart)

    def test_a_pod_has_longer_to_end_than_its_longest_handler(self):
        for name, pod in pods().items():
            [container] = pod["containers"]
            before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
            self.assertGreaterEqual(pod["terminationGracePeriodSeconds"], before + DRAIN + CLOSING, name)

    def test_a_pod_is_probed_limited_and_without_rights(self):
        for name, pod in pods().items():
            with self.subTest(name):
                [container] = pod["containers"]
                self.assertTrue(pod["securityContext"]["runAsNonRoot"])
                self.assertTrue(container["securityContext"]["readOnlyRootFilesystem"])
                self.assertEqual(container["readinessProbe"]["httpGet"]["path"], "/readyz")
                self.assertEqual(container["livenessProbe"]["httpGet"]["path"], "/healthz")
                self.assertTrue(container["resources"]["requests"] and container["resources"]["limits"]["memory"])
                ports = {port["name"] for port in container["ports"]}
                self.assertIn(container["readinessProbe"]["httpGet"]["port"], ports)

    def test_settings_exist(self):
        known = settings.known()
        generated = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["configMapGenerator"]
        names = {literal.split("=")[0] for part in generated for literal in part["literals"]}
        for pod in pods().values():
            names |= {variable["name"] for container in pod["containers"] for variable in container["env"]}
        secret, _ = yaml.safe_load_all((FOLDER / "secret.example.yaml").read_text())
        self.assertLessEqual(names | set(secret["stringData"]), known)

    def test_scaling_counts_what_is_in_hand(self):
        [scaled] = of_kind("ScaledObject").values()
        self.assertIn(scaled["spec"]["scaleTargetRef"]["name"], pods())
        for trigger in scaled["spec"]["triggers"]:
            self.assertEqual(trigger["metadata"]["protocol"], "http")
            self.assertEqual(trigger["metadata"]["excludeUnacknowledged"], "false")
            self.assertIn(trigger["authenticationRef"]["name"], of_kind("TriggerAuthentication"))
        # The replicas are KEDA's.
        self.assertNotIn("replicas", of_kind("Deployment")["worker"]["spec"])

    def test_the_queues_that_scale_workers_are_those_of_the_commands_of_bb(self):
        [scaled] = of_kind("ScaledObject").values()
        patterns = [trigger["metadata"]["queueName"] for trigger in scaled["spec"]["triggers"]]
        declared = "".join(path.read_text() for path in (ROOT / "bloodbank-domains/src").rglob("*.rs"))
        commands = set(re.findall(r'routing_key = "([a-z_.]+)",\s*command', declared))
        self.assertTrue(commands)
        for queue in (f"bloodbank.events.v1.command.{key}" for key in commands):
            self.assertTrue(any(re.search(pattern, queue) for pattern in patterns), queue)

    def test_scaling_counts_what_waits_in_partitions(self):
        [scaled] = of_kind("ScaledObject").values()
        for trigger in scaled["spec"]["triggers"]:
            pattern = trigger["metadata"]["queueName"]
            self.assertEqual((trigger["metadata"]["useRegex"], trigger["metadata"]["operation"]), ("true", "sum"))
            queue = pattern.split("(")[0].strip("^$").replace("\\", "")
            counted = [name for name in ["", ".p0", ".p12", ".members", ".dlq", ".other", ".p"] if re.search(pattern, queue + name)]
            self.assertEqual(counted, ["", ".p0", ".p12"], queue)
            self.assertFalse(re.search(pattern, f"x{queue}"))

    def test_selectors_select_something(self):
        labels = {part["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"] for part in of_kind("Deployment").values()}
        # The operator labels the pods of a cluster with its name.
        labels |= set(of_kind("RabbitmqCluster"))
        text = (FOLDER / "network.yaml").read_text() + (FOLDER / "disruption.yaml").read_text()
        named = re.findall(r"app\.kubernetes\.io/name: (\w+)", text)
        self.assertEqual(set(named), labels)


if __name__ == "__main__":
    unittest.main()
