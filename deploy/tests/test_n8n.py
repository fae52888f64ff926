"""The workflows of n8n."""

import json
import re
import unittest

from paths import DEPLOY, ROOT

FOLDER = DEPLOY / "n8n"
# Nodes with the parameters that n8n-nodes-base 2.41.2 describes for these versions.
NODES = {
    ("n8n-nodes-base.manualTrigger", 1): set(),
    ("n8n-nodes-base.webhook", 2): {"httpMethod", "path", "authentication", "responseMode", "options"},
    ("n8n-nodes-base.set", 3.4): {"mode", "assignments", "options"},
    ("n8n-nodes-base.httpRequest", 4.2): {
        "method", "url", "authentication", "genericAuthType", "sendHeaders", "headerParameters",
        "sendBody", "specifyBody", "jsonBody", "options",
    },
}


def workflows() -> dict[str, dict]:
    return {path.name: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


class N8n(unittest.TestCase):
    def test_nodes_are_known_with_their_parameters(self):
        for file, workflow in workflows().items():
            for node in workflow["nodes"]:
                with self.subTest(f"{file}: {node['name']}"):
                    self.assertLessEqual(set(node["parameters"]), NODES[node["type"], node["typeVersion"]])

    def test_every_node_is_reached_from_the_trigger(self):
        for file, workflow in workflows().items():
            names = [node["name"] for node in workflow["nodes"]]
            self.assertEqual(len(set(names)), len(names), file)
            reached = {names[0]}
            for outputs in workflow["connections"].values():
                reached |= {target["node"] for branch in outputs["main"] for target in branch}
            self.assertEqual(reached, set(names), file)

    def test_what_is_named_in_an_expression_is_a_node(self):
        for file, workflow in workflows().items():
            names = {node["name"] for node in workflow["nodes"]}
            self.assertLessEqual(set(re.findall(r"\$\('([^']+)'\)", json.dumps(workflow))), names, file)

    def test_keys_that_are_published_are_events(self):
        declared = "".join(path.read_text() for path in (ROOT / "bloodbank-domains/src").rglob("*.rs"))
        templates = re.findall(r'routing_key = "([a-z_.{}]+)"', declared)
        patterns = [re.sub(r"\\\{\w+\\\}", "[a-z_]+", re.escape(template)) for template in templates]
        published = re.findall(r"http://gateway:8682/events/([a-z/_]+)", "".join(map(json.dumps, workflows().values())))
        self.assertEqual(len(published), 2)
        for key in (path.replace("/", ".") for path in published):
            self.assertTrue(any(re.fullmatch(pattern, key) for pattern in patterns), key)

    def test_requests_are_authorised_and_hold_no_secret(self):
        for file, workflow in workflows().items():
            for node in workflow["nodes"]:
                if node["type"].endswith(("httpRequest", "webhook")):
                    self.assertIn("httpHeaderAuth", node["credentials"], node["name"])
            self.assertNotRegex(json.dumps(workflow), r"Bearer|[Ss]ecret\": \"|api[_-]?key\":")


if __name__ == "__main__":
    unittest.main()
