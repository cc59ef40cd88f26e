"""Pictures of reports: SVG by our own code (docs/decisions/0058-reports-as-pictures.md).

Equal reports make equal pictures, byte for byte. A module a picture; what they share stands in `svg`, `text`, `words`,
`formats`, `axes` and `palette`.
"""
