"""Label maps and activation maps in the formats of other programs."""
