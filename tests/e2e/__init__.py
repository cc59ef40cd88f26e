"""Tests of the whole system: every service a process of its own, or all in one with a clock that moves."""
