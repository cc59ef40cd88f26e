"""The rules of the layout that import-linter can't say; `.importlinter` holds the others."""
