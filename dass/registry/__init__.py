"""What a store holds, and under which keys."""
