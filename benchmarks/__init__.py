"""Speed as ratios, everything compared side by side in one run: `make bench`."""
