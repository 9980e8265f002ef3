"""What surrounds the programs: building them, starting them on this machine, driving them, testing them."""
