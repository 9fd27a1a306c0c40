"""A model of GitHub: its REST and GraphQL interfaces, webhooks and smart HTTP, before real bare
repositories, on loopback.

`conversation.hub()` is what tests use. Nothing in here knows the product: what it answers, it
answers from its own state and from git, and every answer is checked against GitHub's own
descriptions (schemas/). What is not known for certain of GitHub is listed in
schemas/deviations.toml.
"""
