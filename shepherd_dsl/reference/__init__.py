"""The reference interpreter `shepref` (`lean/Shepref.lean`), the executable form of what Lean proves, as a process."""
