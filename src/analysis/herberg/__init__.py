"""The herberg capacity model."""
