"""`python -m worker` is `retention`."""

from worker.cli import main

if __name__ == "__main__":
    main()
