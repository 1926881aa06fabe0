"""What every driver promises, held against every driver that is found."""
