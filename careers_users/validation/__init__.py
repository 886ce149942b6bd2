"""The rules of the contract for what clients send, as one kind of value each."""
