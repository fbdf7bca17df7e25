"""What every stand-in has: operations that are counted, faults, control endpoints, snapshots, plain pages."""
