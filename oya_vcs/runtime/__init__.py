"""Running things: the step and the outbox. Knows ports, never adapters."""
