"""The whole table without pytest: `python -O -m bad_inputs.run_table`."""

import sys

from bad_inputs import model_rows, more_rows
from bad_inputs.table import say

ROWS = dict(sorted((model_rows.row | more_rows.row).items()))


def main() -> int:
    """How many rows are not as they have to be."""
    faults = {name: say(row).fault for name, row in ROWS.items()}
    wrong = {name: fault for name, fault in faults.items() if fault}
    for name, fault in wrong.items():
        print(f"{name}: {fault}")
    print(f"{len(ROWS) - len(wrong)} of {len(ROWS)} as they have to be, {'with' if __debug__ else 'without'} assertions")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(min(main(), 1))
