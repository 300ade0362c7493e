"""The alerts: what Prometheus thinks of them, and what makes each fire (alerts.yaml)."""

import pathlib
import re
import shutil
import tempfile

import yaml

from tools import DEPLOY, ROOT, tool

RULES = DEPLOY / "kubernetes" / "monitoring" / "rules.yaml"
TESTS = pathlib.Path(__file__).with_name("alerts.yaml")
METRICS = ROOT / "docs" / "metrics.md"


def run(failures):
    groups = yaml.safe_load(RULES.read_text())["spec"]
    rules = [rule for group in groups["groups"] for rule in group["rules"]]
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        (directory / "rules.yaml").write_text(yaml.safe_dump(groups))
        shutil.copy(TESTS, directory)
        failures.check("alerts: promtool check rules", promtool("check", "rules", directory / "rules.yaml"))
        failures.check("alerts: promtool test rules", promtool("test", "rules", directory / TESTS.name))
    failures.check("alerts: each one is made to fire", never_fired(rules))
    failures.check("alerts: the metrics are in docs/metrics.md", undocumented(rules))


def promtool(*arguments):
    result = tool("promtool", *map(str, arguments))
    return [result.stdout + result.stderr] if result.returncode else []


def never_fired(rules):
    tests = TESTS.read_text()
    return [rule["alert"] for rule in rules if f'alertname="{rule["alert"]}"' not in tests]


def undocumented(rules):
    documented = METRICS.read_text()
    named = {name for rule in rules for name in re.findall(r"spirula_\w+", rule["expr"])}
    return sorted(name for name in named if f"`{name}`" not in documented)
