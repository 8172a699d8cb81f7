"""The operating system: files that are written whole, locks, and signals go in; what they mean for a run comes out."""
