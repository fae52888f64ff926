"""The alert rules, and the configuration that scrapes for them."""

import re
import shutil
import unittest

import metrics
import yaml
from paths import BOOK, DEPLOY, ROOT, run

FOLDER = DEPLOY / "prometheus"
BOOK_URL = "https://github.com/delorenj/bloodbank/blob/main/"


def rules() -> list[dict]:
    groups = yaml.safe_load((FOLDER / "bloodbank.rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def anchors(page: str) -> set[str]:
    """The anchors of the headings of a page of the book, as GitHub and mdBook make them."""
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


class Prometheus(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        assert shutil.which("promtool"), "missing: promtool; it comes with the package `prometheus`"

    def test_the_rules_and_the_configuration_are_valid(self):
        run("promtool", "check", "rules", "--lint=all", "--lint-fatal", "bloodbank.rules.yml", folder=FOLDER)
        run("promtool", "check", "config", "--syntax-only", "prometheus.yml", folder=FOLDER)

    def test_each_alert_fires_when_it_should_and_not_before(self):
        run("promtool", "test", "rules", "bloodbank.rules.test.yml", folder=FOLDER)
        tested = yaml.safe_load((FOLDER / "bloodbank.rules.test.yml").read_text())["tests"]
        fired, silent = set(), set()
        for case in (case for test in tested for case in test["alert_rule_test"]):
            (fired if case["exp_alerts"] else silent).add(case["alertname"])
        alerts = {rule["alert"] for rule in rules()}
        self.assertEqual((fired, silent), (alerts, alerts))

    def test_the_rules_use_metrics_and_labels_that_exist(self):
        for rule in rules():
            with self.subTest(rule["alert"]):
                self.assertEqual(metrics.faults(rule["expr"]), [])

    def test_each_alert_leads_to_its_page_of_the_book(self):
        for rule in rules():
            with self.subTest(rule["alert"]):
                path, _, anchor = rule["annotations"]["runbook_url"].removeprefix(BOOK_URL).partition("#")
                page = ROOT / path
                self.assertTrue(page.is_relative_to(BOOK) and page.exists(), path)
                self.assertIn(anchor, anchors(page.read_text()))

    def test_a_metric_or_a_label_that_does_not_exist_is_seen(self):
        for expression, fault in [
            ("rate(bloodbank_lost_total[5m])", "there is no metric `bloodbank_lost_total`"),
            ('bloodbank_in_flight{queue="a"}', "`bloodbank_in_flight` has no label `queue`"),
            ("sum by (queue) (rate(bloodbank_published_total[5m]))", "`bloodbank_published_total` has no label `queue` to sum by"),
        ]:
            self.assertEqual(metrics.faults(expression), [fault])
        with self.assertRaises(ValueError):
            metrics.faults("sum by queue (up)")


if __name__ == "__main__":
    unittest.main()
