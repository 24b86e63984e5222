"""What an experiment is and costs, told without data or training, and what sets two apart."""
