"""The image and the composition."""

import json
import re
import unittest

import settings
import yaml
from paths import DEPLOY, ROOT, run, tool

# Variables of other programs in compose.yaml.
OF_OTHERS = re.compile(r"(RABBITMQ_DEFAULT|POSTGRES|GF)_")


def services() -> dict[str, dict]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]


class Docker(unittest.TestCase):
    def test_hadolint_finds_nothing_in_the_dockerfiles(self):
        run(tool("hadolint"), "--failure-threshold", "info", "deploy/Dockerfile")

    def test_the_image_runs_without_rights_and_can_be_asked_for_its_health(self):
        text = (DEPLOY / "Dockerfile").read_text()
        stage = text.split("\nFROM ")[-1]
        self.assertRegex(stage, r"\nUSER [1-9]\d+\n")
        [command] = re.findall(r"HEALTHCHECK.*?CMD (\[.*?\])\n", stage, re.DOTALL)
        self.assertIn("/healthz", json.loads(command)[-1])

    def test_the_image_is_made_like_that_of_bb_new(self):
        template = (ROOT / "bloodbank-cli/src/verbs/new/template/Dockerfile.txt").read_text()
        image = (DEPLOY / "Dockerfile").read_text()
        for line in re.findall(r"^(?:FROM|ENV|EXPOSE) .*$", template, re.MULTILINE):
            self.assertIn(line, image)

    def test_the_composition_fits_the_schema_of_compose(self):
        run(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", "deploy/compose.yaml")

    def test_a_service_waits_for_what_can_say_that_it_is_ready(self):
        for name, service in services().items():
            for other, wait in service.get("depends_on", {}).items():
                with self.subTest(service=name, depends_on=other):
                    if wait["condition"] == "service_completed_successfully":
                        self.assertNotIn("restart", services()[other])
                    else:
                        self.assertEqual(wait["condition"], "service_healthy")
                        # The image of Bloodbank has a health check of its own.
                        self.assertTrue("healthcheck" in services()[other] or "build" in services()[other])

    def test_no_two_services_wait_for_each_other(self):
        waits = {name: set(service.get("depends_on", {})) for name, service in services().items()}
        started = set()
        while ready := {name for name, others in waits.items() if others <= started} - started:
            started |= ready
        self.assertEqual(started, set(waits))

    def test_settings_and_secrets_exist(self):
        example = set(re.findall(r"^([A-Z_]+)=", (DEPLOY / ".env.example").read_text(), re.MULTILINE))
        asked = set(re.findall(r"\$\{([A-Z_]+)", (DEPLOY / "compose.yaml").read_text()))
        self.assertEqual(asked, example)
        for service in services().values():
            names = {name for name in service.get("environment", {}) if not OF_OTHERS.match(name)}
            self.assertLessEqual(names, settings.known())

    def test_what_prometheus_scrapes_is_a_service_at_its_port(self):
        config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
        targets = [target for job in config["scrape_configs"] for part in job["static_configs"] for target in part["targets"]]
        ports = {"gateway": "8682", "worker": "8682", "rabbitmq": "15692"}
        for target in targets:
            name, port = target.split(":")
            self.assertIn(name, services())
            self.assertEqual(port, ports[name])
        self.assertEqual(services()["worker"]["environment"]["BLOODBANK_PROBES"], ":8682")

    def test_what_is_mounted_is_there(self):
        for service in services().values():
            for volume in service.get("volumes", []):
                if volume.startswith("."):
                    self.assertTrue((DEPLOY / volume.split(":")[0]).exists(), volume)


if __name__ == "__main__":
    unittest.main()
