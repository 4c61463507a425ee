"""What `make bench` measures. docs/benchmarks.md explains every figure."""
