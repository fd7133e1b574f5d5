"""`python -m neuro4d`: the same as the command `neuro4d`."""

import sys

from neuro4d.cli import main

if __name__ == "__main__":
    sys.exit(main())
