"""The five services of Rapport. No service imports another."""
