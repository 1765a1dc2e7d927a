import Bad.OwnAxiom

/-! Nothing here shows that a lemma of the other module rests on an axiom. -/

theorem behind_a_lemma : 2 + 0 = 1 := by_axiom
