"""The references in `docs/reference`, made from what the product itself says: `make docs`.

Knows the product by its tables (sections, grammar, events), and nothing of what it does.
"""
