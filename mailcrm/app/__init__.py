"""What the program does, one verb a file. Each opens its own transaction; rules are asked of the core."""
