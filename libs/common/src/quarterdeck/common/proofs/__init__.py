"""The proofs that every call between services carries: who calls, and for whom."""
