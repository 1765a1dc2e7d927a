/-! Theorems that speak of what is no plain definition. -/

namespace Bad

partial def endless (n : Nat) : Nat := endless (n + 1)

theorem about_partial : endless 0 = endless 0 := rfl

opaque hidden : Nat

theorem about_opaque : hidden = hidden := rfl

def fast (n : Nat) : Nat := n + 2

@[implemented_by fast] def slow (n : Nat) : Nat := n + 1

def twice (n : Nat) : Nat := slow (slow n)

theorem about_other_code (n : Nat) : twice n = n + 2 := rfl

@[extern "anything"] def outside (n : Nat) : Nat := n

theorem about_extern : outside 1 = 1 := rfl

def no_theorem : 1 = 1 := rfl

end Bad
