"""What every worker runs: contract, session, store, services, the loop."""
