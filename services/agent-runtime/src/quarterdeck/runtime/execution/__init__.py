"""Workers and executors: how claimed runs are advanced, committed and parked."""
