"""The same contacts read with other tools, each as its documentation shows.

They run in environments of their own; see `bench.py`.
"""
