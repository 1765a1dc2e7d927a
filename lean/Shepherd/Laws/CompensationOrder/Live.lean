import Shepherd.Laws.CompensationOrder.More
import Shepherd.Laws.Support.Below

/-!
# Taking back, while it is under way

A run that is `undoing` is *live* unless someone further out has begun to take it back. What a live one has to do yet is at every moment
exactly what is owed by the runs that it takes back.
-/

namespace Shepherd

namespace M

/-- `x` is `r` or stands below it. -/
def Covers (m : M) (r x : Id) : Prop := x = r ∨ Runs.Below m.runs x r

/-- Which runs a run takes back, while it is `undoing`: what stood below when it began, and the run itself. -/
abbrev Regions := Id → Id → Prop

/-- Run `x` is being taken back. -/
def Taken (R : Regions) (m : M) (x : Id) : Prop := ∃ b u o, (m.run b).code = .undoing u o ∧ R b x

/-- The index from which on the events of run `x` are taken back by `u`: after the event to which the run itself goes back; after
the last event that a run below it had then; all events of a run that was not below it then. -/
def keptOf (m : M) (u : Undoing) (x : Id) : Nat :=
  match u.to with
  | none => 0
  | some k => if x = u.run then k + 1 else match (m.run u.run).trace.nth k with
    | none => 0
    | some c => match c.heads.find? fun h => Id.today c.run u.run h.id == x with
      | none => 0
      | some h => h.length

/-- The debt is one that taking back by `u` has to pay: of a run of the region, beyond what it keeps, and not repaid. -/
def Owed (m : M) (region : Id → Prop) (u : Undoing) (d : Debt) : Prop :=
  region d.run ∧ m.keptOf u d.run ≤ d.at ∧ Trace.Shows m.program (m.run d.run).trace d ∧ ¬ Trace.Repaid (m.run d.run).trace d.at

/-- What is to be done yet is what is owed, newest first, each once; and the undo that was raised is the open question of its run. -/
structure Live (m : M) (region : Id → Prop) (u : Undoing) : Prop where
  sorted : u.todo.Pairwise fun a b => b.seq ≤ a.seq
  once : u.todo.Pairwise fun a b => ¬(a.run = b.run ∧ a.at = b.at)
  owed : ∀ d, d ∈ u.todo ↔ m.Owed region u d
  raised : u.raised = true → ∃ d ds q, u.todo = d :: ds ∧ (m.run d.run).trace.question = some q ∧ q.event = .undo d.at d.op d.args

end M

/-- A trace says only what can have been: every undo was due, and where the code after a commit waits, the open question is the intent
for which it waits. -/
structure Fine (P : Program) (id : Id) (t : Trace) : Prop where
  due : ∀ u s, u :: s <:+ t → u.run = id → Trace.Due P id s u
  backward : Trace.Backward t
  waits : ∀ c s, c :: s <:+ t → ∀ w, c.code = .waiting w → ∃ q, Trace.question (c :: s) = some q ∧ q.event = .intent w.op w.args

/-- The code waits for the answer to the open intent of the trace, if it waits. -/
def Waits (t : Trace) (code : Code) : Prop :=
  ∀ w, code.settle = .waiting w → ∃ q, Trace.question t = some q ∧ q.event = .intent w.op w.args

namespace M

/-- A run that passes an intent shows what the first of its chain shows, which it owns. -/
def Passes (m : M) (a : Id) (chain : List Id) (op : String) (args : List Value) : Prop :=
  ∃ c q, chain = c :: q.path ∧ (m.run c).owner = some a ∧ m.shown c = some q ∧ q.op = op ∧ q.args = args

/-- The region of a run that is undoing: the run that is taken back, and runs below it, with all that stand between. -/
structure Region (m : M) (region : Id → Prop) (r : Id) : Prop where
  top : region r
  within : ∀ x, region x → m.Covers r x
  closed : ∀ x, region x → x ≠ r → ∃ o, (m.run x).owner = some o ∧ region o

/-- What holds of every tree that can be reached. `but`: a run whose intent has just been answered, and whose owner may still pass
it. -/
structure Unwinds (R : Regions) (m : M) (but : Option Id := none) : Prop where
  fine : ∀ id, Fine m.program id (m.run id).trace
  waits : ∀ id, id ≠ .world → Waits (m.run id).trace (m.run id).code
  owns : ∀ a u o, (m.run a).code = .undoing u o → (m.run u.run).owner = some a
  region : ∀ a u o, (m.run a).code = .undoing u o → m.Region (R a) u.run
  heads : ∀ a u o, (m.run a).code = .undoing u o → ∀ k c, u.to = some k → (m.run u.run).trace.nth k = some c →
    ∀ h ∈ c.heads, R a (Id.today c.run u.run h.id)
  nested : ∀ a b u v o p x, (m.run a).code = .undoing u o → (m.run b).code = .undoing v p → R a x → R b x → a = b ∨ R b a ∨ R a b
  live : ∀ a u o, (m.run a).code = .undoing u o → m.Taken R a ∨ m.Live (R a) u
  idle : ∀ x, m.Taken R x → ∀ w, (m.run x).code.settle ≠ .waiting w
  passes : ∀ a chain op args w, (m.run a).code = .passing chain op args w → chain.head? ≠ but ∨ but = none → m.Passes a chain op args

theorem Covers.self (m : M) (r : Id) : m.Covers r r := .inl rfl

/-- Who is above a run within is within, or above. -/
theorem Covers.above {m : M} {r x b : Id} (h : m.Covers r x) (g : Runs.Below m.runs x b) : m.Covers r b ∨ Runs.Below m.runs r b := by
  rcases h with rfl | h
  · exact .inr g
  · rcases h.linear g with rfl | h | h
    · exact .inl (.inl rfl)
    · exact .inr h
    · exact .inl (.inr h)

/-- Who is above a run is its owner, or above that one. -/
theorem above_owner {m : M} {x o b : Id} (h : (m.run x).owner = some o) (g : Runs.Below m.runs x b) : b = o ∨ Runs.Below m.runs o b := by
  rw [M.run] at h
  cases g with
  | own g => rw [g] at h; exact .inl (Option.some.inj h)
  | up g g' => rw [g] at h; cases h; exact .inr g'

/-- Who takes a run back is above all that is within. -/
theorem Covers.below {m : M} {r x a : Id} (h : m.Covers r x) (ho : (m.run r).owner = some a) : Runs.Below m.runs x a := by
  rcases h with rfl | h
  · exact .own ho
  · exact h.trans (.own ho)

/-- Of two that take runs back, where one run is within both, one stands within what the other takes back. -/
theorem meet {m : M} (f : Runs.Forest m.runs) {a b x r s : Id} (oa : (m.run r).owner = some a) (ob : (m.run s).owner = some b)
    (hx : m.Covers r x) (hy : m.Covers s x) : a = b ∨ (m.Covers s a ∧ Runs.Below m.runs a b) ∨ (m.Covers r b ∧ Runs.Below m.runs b a) := by
  have lower : ∀ {a b s : Id}, (m.run s).owner = some b → m.Covers s x → Runs.Below m.runs x a → Runs.Below m.runs a b →
      m.Covers s a := by
    intro a b s ob hy xa h
    rcases hy.above xa with hw | hw
    · exact hw
    · rcases above_owner ob hw with rfl | g
      · exact absurd rfl (h.ne f)
      · exact absurd rfl ((h.trans g).ne f)
  rcases (hx.below oa).linear (hy.below ob) with e | h | h
  · exact .inl e
  · exact .inr (.inl ⟨lower ob hy (hx.below oa) h, h⟩)
  · exact .inr (.inr ⟨lower oa hx (hy.below ob) h, h⟩)

end M

end Shepherd
