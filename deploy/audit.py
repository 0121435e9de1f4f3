"""Ask pip-audit whether the pinned packages have known vulnerabilities; each is one line.

Takes the files of pins as arguments. Exit code 1 and a line for every package with a vulnerability
or without an answer; one line alone where nothing answers.
"""

import json
import subprocess
import sys
from typing import Any

_COMMAND = ("pip-audit", "--disable-pip", "--require-hashes", "--progress-spinner=off")


def faults(report: dict[str, Any]) -> list[str]:
    """Return a line for everything in a report that keeps an audit from being passed.

    Args:
        report: What ``pip-audit --format json`` writes.
    """
    packages = report["dependencies"]
    unknown = [package for package in packages if "skip_reason" in package]
    if len(unknown) == len(packages):
        return [
            f"nobody knows any of {len(packages)} packages: no vulnerability service answers here"
        ]
    lines = [f"{package['name']} is not audited: {package['skip_reason']}" for package in unknown]
    for package in packages:
        for found in package.get("vulns", ()):
            fixes = " or ".join(found["fix_versions"])
            fixed = f"fixed in {fixes}" if fixes else "not fixed yet"
            lines.append(f"{package['name']} {package['version']} has {found['id']}, {fixed}")
    return lines


def main(*pins: str) -> None:
    """Audit files of pins and exit."""
    requirements = [f"--requirement={name}" for name in pins]
    done = subprocess.run(  # noqa: S603 - the arguments are the files of this repository
        [*_COMMAND, "--format=json", *requirements], capture_output=True, text=True, check=False
    )
    try:
        report = json.loads(done.stdout)
    except ValueError:
        reason = (done.stderr.splitlines() or ["it printed nothing"])[-1]
        sys.exit(f"audit: pip-audit gave no report: {reason}")
    if lines := faults(report):
        sys.exit("\n".join(f"audit: {line}" for line in lines))
    print(f"{len(report['dependencies'])} packages, no known vulnerability")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
