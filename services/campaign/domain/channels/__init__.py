"""What the channels can do: data that the gate, the validation of definitions and the templates go by."""
