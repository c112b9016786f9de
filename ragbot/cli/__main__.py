"""`python -m ragbot.cli`: the same as `ragbot`."""

from ragbot.cli.main import main

if __name__ == "__main__":
    main()
