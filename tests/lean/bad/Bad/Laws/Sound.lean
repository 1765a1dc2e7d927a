/-! Nothing is wrong here: the audit has no word against it. -/

namespace Bad

/-- The order of two
numbers does not matter. -/
theorem sound (a b : Nat) : a + b = b + a := Nat.add_comm a b

/-- Uses the three axioms that are allowed. -/
theorem classical (p q : Prop) (f : Nat → Nat) (h : ∀ n, f n = n) : (p ∨ ¬p) ∧ ((p ↔ q) → p = q) ∧ f = id :=
  ⟨Classical.em p, propext, funext h⟩

inductive Tree where
  | leaf
  | node (children : List Tree) (other : Option Tree)
  deriving Repr, BEq, Inhabited

mutual
inductive Even where
  | zero
  | next (n : Odd)
inductive Odd where
  | next (n : Even)
end

def Tree.size : Tree → Nat
  | leaf => 1
  | node children other => 1 + (children.attach.map fun ⟨t, _⟩ => t.size).sum + (match other with
    | none => 0
    | some t => t.size)

partial def unspoken (n : Nat) : Nat := unspoken (n + 1)

end Bad
