"""What single values of an event mean: who, how much, when and where."""
