"""Conversations on the model of GitHub: people talk, a CI answers, and a real daemon listens."""
