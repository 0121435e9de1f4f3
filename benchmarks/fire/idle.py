"""Processor use while nobody asks, probes of the engine included: at most 0.6 % of one core.

Usage: python -m benchmarks.fire.idle [--seconds 60]
"""

import time

from benchmarks.fire.proof import Figure, conclude, options
from benchmarks.fire.service import serve


def main() -> None:
    """Measure."""
    given = options(__doc__, seconds=60.0)
    with serve(given.bundle) as service:
        time.sleep(2)  # whatever start-up leaves behind
        before, began = service.tree.cpu(), time.monotonic()
        time.sleep(given.seconds)
        share = (service.tree.cpu() - before) / (time.monotonic() - began)
    conclude([Figure("processor use when idle", 100 * share, 0.6, "% of one core")])


if __name__ == "__main__":
    main()
