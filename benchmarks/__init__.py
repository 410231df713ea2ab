"""What Vedette costs, measured beside others that do the same: `make bench` writes RESULTS.md."""
