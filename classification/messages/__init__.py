"""What a person reads while a command runs: lines and progress go in, text for any terminal comes out."""
