"""What the library costs, beside the bare operation and its peers, measured in the same process.

`make bench` runs every module named in `benchmarks.catalogue`, each in a process of its own.
"""
