"""The social graph: who follows whom."""
