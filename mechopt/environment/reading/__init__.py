"""What users give, from Python or files, to exact numbers and arrays, with every fault at once."""
