"""The dashboard, and how Grafana finds it."""

import json
import re
import unittest

import metrics
import yaml
from paths import DEPLOY

FOLDER = DEPLOY / "grafana"


def dashboard() -> dict:
    return json.loads((FOLDER / "bloodbank.json").read_text())


def expressions(node) -> list[str]:
    """All expressions of the panels, with values for the variables of Grafana."""
    if isinstance(node, list):
        return [found for child in node for found in expressions(child)]
    if not isinstance(node, dict):
        return []
    own = [node["expr"]] if "expr" in node else []
    return own + [found for child in node.values() for found in expressions(child)]


def filled_in(expression: str) -> str:
    return expression.replace("$__rate_interval", "5m").replace("$job", ".*").replace("$queue", ".*")


class Grafana(unittest.TestCase):
    def test_each_expression_is_promql_over_metrics_and_labels_that_exist(self):
        found = expressions(dashboard()["panels"])
        self.assertGreater(len(found), 40)
        for expression in found:
            with self.subTest(expression):
                self.assertNotIn("$", filled_in(expression))
                self.assertEqual(metrics.faults(filled_in(expression)), [])

    def test_every_metric_is_on_the_dashboard(self):
        shown = set(re.findall(r"bloodbank_\w+", "\n".join(expressions(dashboard()["panels"]))))
        shown = {re.sub(r"_bucket$", "", name) for name in shown}
        listed = {re.sub(r"_(bucket|sum|count)$", "", name) for name in metrics.known() if name.startswith("bloodbank_")}
        self.assertEqual(shown, listed)

    def test_variables_ask_for_labels_that_exist(self):
        for variable in dashboard()["templating"]["list"]:
            if variable["type"] == "query":
                selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"]).groups()
                self.assertEqual(metrics.faults(f"sum by ({label}) ({selector})"), [])

    def test_panels_have_a_place_and_a_name_of_their_own(self):
        panels = dashboard()["panels"]
        places = set()
        for panel in panels:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            self.assertFalse(cells & places, panel["title"])
            self.assertLessEqual(at["x"] + at["w"], 24, panel["title"])
            places |= cells
        self.assertEqual(len({panel["title"] for panel in panels}), len(panels))
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))

    def test_the_provisioning_leads_to_the_dashboard(self):
        read = lambda path: yaml.safe_load((FOLDER / "provisioning" / path).read_text())
        [provider] = read("dashboards/bloodbank.yaml")["providers"]
        self.assertEqual(provider["options"]["path"], "/etc/grafana/dashboards")
        kinds = [source["type"] for source in read("datasources/bloodbank.yaml")["datasources"]]
        self.assertIn("prometheus", kinds)


if __name__ == "__main__":
    unittest.main()
