"""Ingest: takes in what a company's systems and pages say, and puts it on the bus."""
