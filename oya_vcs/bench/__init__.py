"""Benchmarks: each thing beside the barest program that does the same, in one run, as a ratio.

Stands above the composition root and below the command. Nothing of a running daemon may depend on
it, and it knows no peer: other programs are measured by scripts outside the package (bench/peers).
"""
