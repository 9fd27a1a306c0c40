"""The edges: each drives one piece of the outside world, and none knows another."""
