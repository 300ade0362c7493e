"""Checks deploy/ and charts/: what they build to, that it holds together, and that the chart renders what it did.

    /usr/bin/python3 dev/test.d/manifests            the checks; the last line counts them
    /usr/bin/python3 dev/test.d/manifests --update   writes what the chart renders now to charts/*/tests

Needs kustomize, helm and promtool in .cache/bin (dev/setup helm), and the built driver.
"""

import sys

import alerts
import chart
import checks
import same
from tools import Failures

if "--update" in sys.argv[1:]:
    chart.update()
    sys.exit()
failures = Failures()
for module in (checks, chart, same, alerts):
    module.run(failures)
print(f"{failures.passed} passed, {failures.failed} failed, 0 skipped")
sys.exit(failures.failed > 0)
