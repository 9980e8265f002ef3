// The module's public surface comes first; see docs/ARCHITECTURE.md.
