"""Who is protected, what the budget is, and the ledger that sells noise.

Enters: counts and scores computed from records by ``real_data``, and what may be spent. Leaves: noisy counts and choices, each with its receipt.
"""
