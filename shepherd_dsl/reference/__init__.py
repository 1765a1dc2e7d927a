"""The reference interpreter `shepref` (`lean/Shepherd/Reference.lean`), the executable form of what Lean proves."""
