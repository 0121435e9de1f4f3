"""`python -m app` is `polypseg serve`, unless another command is named."""

import sys

from app.cli import main

if len(sys.argv) == 1:
    sys.argv.append("serve")
main()
