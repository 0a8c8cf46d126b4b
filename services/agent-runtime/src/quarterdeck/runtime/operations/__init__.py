"""What is done to runs from outside: deliveries to their inbox, forks, retries, repins, endings."""
