"""Updates in C++, for the processor at hand: built on first use, whole and in one call, and no torch within."""
