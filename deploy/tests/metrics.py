"""The metrics that there are, with their labels, and what an expression of PromQL uses."""

import re

import promql_parser
from paths import BOOK

# What Prometheus adds to everything that it scrapes.
SCRAPED = {"job", "instance"}
# RabbitMQ 3.10.8 with `rabbitmq_prometheus`, `/metrics` and `/metrics/detailed?family=queue_coarse_metrics&family=queue_consumer_count`.
OF_RABBITMQ = {
    "rabbitmq_alarms_free_disk_space_watermark": set(),
    "rabbitmq_alarms_memory_used_watermark": set(),
    "rabbitmq_detailed_queue_consumers": {"vhost", "queue"},
    "rabbitmq_detailed_queue_messages": {"vhost", "queue"},
    "rabbitmq_detailed_queue_messages_ready": {"vhost", "queue"},
    "rabbitmq_detailed_queue_messages_unacked": {"vhost", "queue"},
}


def known() -> dict[str, set[str]]:
    """The names of all series with their labels: ours as docs/src/metrics.md lists them, and those of RabbitMQ."""
    found = {"up": set(SCRAPED)}
    for row in (BOOK / "metrics.md").read_text().splitlines():
        if not row.startswith("| `bloodbank_"):
            continue
        name, kind, labels, _ = row.strip("|").split("|")
        name, labels = name.strip(" `"), set(re.findall(r"`(\w+)`", labels)) | SCRAPED
        if kind.strip() == "histogram":
            found |= {f"{name}_bucket": labels | {"le"}, f"{name}_sum": labels, f"{name}_count": labels}
        else:
            found[name] = labels
    return found | {name: labels | SCRAPED for name, labels in OF_RABBITMQ.items()}


def faults(expression: str) -> list[str]:
    """What is wrong with the names and labels of an expression; raises ValueError where it is no PromQL."""
    try:
        tree = promql_parser.parse(expression)
    except Exception as error:
        raise ValueError(f"{expression}: {error}") from error
    return list(_faults(tree, known()))


def _selectors(node) -> list:
    if isinstance(node, promql_parser.VectorSelector):
        return [node]
    if isinstance(node, promql_parser.MatrixSelector):
        return [node.vector_selector]
    return [selector for child in _children(node) for selector in _selectors(child)]


def _children(node) -> list:
    if isinstance(node, promql_parser.Call):
        return list(node.args)
    if isinstance(node, promql_parser.BinaryExpr):
        return [node.lhs, node.rhs]
    child = getattr(node, "expr", None)
    return [child] if child is not None else []


def _faults(node, series):
    selectors = _selectors(node)
    if isinstance(node, promql_parser.VectorSelector | promql_parser.MatrixSelector):
        selector = selectors[0]
        if selector.name not in series:
            yield f"there is no metric `{selector.name}`"
            return
        for matcher in selector.matchers.matchers:
            if matcher.name not in series[selector.name]:
                yield f"`{selector.name}` has no label `{matcher.name}`"
    elif isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
        for label in node.modifier.labels:
            for selector in selectors:
                if label not in series.get(selector.name, {label}):
                    yield f"`{selector.name}` has no label `{label}` to sum by"
    for child in _children(node):
        yield from _faults(child, series)
