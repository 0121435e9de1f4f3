"""All proofs, one after another; exits with 1 if a promise is broken.

Usage: python -m benchmarks.fire [--bundle models/polyp-unet/1]
"""

import subprocess
import sys

PROOFS = (
    "added",
    "idle",
    "start",
    "first",
    "broken",
    "contract",
    "hangups",
    "sigterm",
    "leak",
    "overload",
)


def main() -> None:
    """Run them."""
    broken = []
    for name in PROOFS:
        print(f"benchmarks.fire.{name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.fire.{name}", *sys.argv[1:]]
        if subprocess.run(command, check=False).returncode:
            broken.append(name)
    print(f"broken: {', '.join(broken)}" if broken else f"all {len(PROOFS)} hold")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
