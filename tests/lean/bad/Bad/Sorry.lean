theorem open_end (n : Nat) : n < 5 := by sorry

theorem rests_on_open_end (n : Nat) : n < 6 := Nat.lt_succ_of_lt (open_end n)
