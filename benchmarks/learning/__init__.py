"""Learning from aggregates, beside others who do: same people, same splits, one run.

``data`` says which tables and how they are split, ``fitters`` who learns, ``measures`` how good it is, ``results`` keeps
each run, ``report`` prints the table.
"""
