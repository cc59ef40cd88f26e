"""Plain messages: those in which nothing has to be put right, understood in a few steps.

`tracking` and `vocabulary` look at every part of a message as if it might be missing, misspelt or of another type. Most
messages say everything as the contract has it: ids and names are texts, properties are of the types that their event
expects, nothing stands where something else should. These are read here, for a third of the work.

Law: for any bytes, `reading.Plain.read` returns None, or the record that `normalise` and `wire.encode` make of them.
What is in doubt is left to those two, so that every refusal, and its reason, is theirs.
"""
