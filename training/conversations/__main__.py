"""`python -m training.conversations FILE…`."""

import sys

from training.conversations import main

if __name__ == "__main__":
    sys.exit(main())
