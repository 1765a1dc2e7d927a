import Shepherd.Laws.Support.WellFormed

/-!
# The elementary changes of a tree

`M.Edits` lists the elementary changes that everything the machine does is made of. `M.Kept` is what they keep of a tree.
-/

namespace Shepherd

namespace M

/-! ## Elementary changes -/

/-- What elementary changes may do. -/
structure Scope where
  /-- The ids of new runs. -/
  fresh : Id → Prop
  /-- The outermost owner may be left in the middle of an operation. -/
  busy : Prop
  /-- What only the outside makes happen may be recorded. -/
  outside : Prop

/-- The code that a run may get. -/
def Scope.Code (S : Scope) (id : Id) (code : Code) : Prop :=
  (id = .world → S.busy ∨ Calm code) ∧ ∀ u o, code = .undoing u o → ¬ S.fresh u.run

/-- The event that a run may record. -/
def Scope.May (S : Scope) (id : Id) (event : Event) : Prop := S.outside ∨ Inward id event

/-- `m` comes from `m₀` by elementary changes within a scope. New runs are put in before anything is recorded. -/
inductive Edits (S : Scope) (m₀ : M) : M → Prop where
  | refl : Edits S m₀ m₀
  | code {m : M} (id : Id) (code : Code) : Edits S m₀ m → m.has id = true → m.CodeOk code → S.Code id code →
      Edits S m₀ (m.setCode id code)
  | handles {m : M} (id : Id) (handles : List Id) : Edits S m₀ m → m.has id = true → Edits S m₀ (m.setHandles id handles)
  | own {m : M} (id owner : Id) (givers : List Id) : Edits S m₀ m → m.has id = true → id ≠ .world →
      Edits S m₀ (m.own id owner givers)
  | record {m : M} (id : Id) (event : Event) (s : State) : Edits S m₀ m → m.has id = true ∨ S.fresh id → m.CodeOk s.code →
      S.Code id s.code → S.May id event → Edits S m₀ (m.record id event s)
  | count {m : M} (id : Id) (handles : List Id) (event : Event) (s : State) : Edits S m₀ m → m.has id = true → m.CodeOk s.code →
      S.Code id s.code → S.May id event →
      Edits S m₀ ((m.put { m.run id with handles, made := (m.run id).made + 1 }).record id event s)
  | born {m : M} (r : Run) (s : Settled) (old : Id) : Edits S m₀ m → S.fresh r.id → m.log = m₀.log → r.code = .settled s →
      r.trace <:+ (m₀.run old).trace → (∀ c t, r.trace = c :: t → c.made = r.made) → Edits S m₀ (m.put r)
  | stack {m : M} (stack : List Id) : Edits S m₀ m → Edits S m₀ { m with stack }
  | used {m : M} (used : Used) : Edits S m₀ m → Edits S m₀ { m with used }
  | written {m : M} (written : List (String × String)) : Edits S m₀ m → Edits S m₀ { m with written }

/-- What elementary changes keep. -/
structure Kept (S : Scope) (m₀ m : M) : Prop where
  world : m.has .world = true
  codes : ∀ id, m.CodeOk (m.run id).code
  free : ∀ id u o, (m.run id).code = .undoing u o → ¬ S.fresh u.run
  born : ∀ id, m.has id = true → m₀.has id = true ∨ S.fresh id
  indexed : ∀ id, Trace.Indexed (m.run id).trace
  counted : ∀ id c t, (m.run id).trace = c :: t → c.made = (m.run id).made
  recorders : ∀ id, ∀ c ∈ (m.run id).trace, m.has c.run = true
  own : ∀ id, (m.run id).trace.filter (fun c => c.run == id) = m.log.filter (fun c => c.run == id)
  numbered : Numbered 0 m.log
  owner : ∀ r ∈ m.runs, r.id = .world → r.owner = none
  heads : ∀ id, ∀ c ∈ (m.run id).trace, ∀ h ∈ c.heads, h.id ≠ .world
  calm : S.busy ∨ Calm (m.run .world).code
  ext : Extends m₀ m
  may : ∃ cs, m.log = cs ++ m₀.log ∧ ∀ c ∈ cs, S.May c.run c.event

namespace Kept

theorem refl {S : Scope} {m : M} (w : Wf m S.busy) (hF : ∀ id, S.fresh id → m.has id = false) : Kept S m m where
  world := w.world
  codes := w.codes
  free := fun id u o h hu => by
    have := w.codes id
    rw [h] at this
    exact Bool.false_ne_true ((hF _ hu).symm.trans this.2.1)
  born := fun _ h => .inl h
  indexed := w.indexed
  counted := w.counted
  recorders := w.recorders
  own := w.own
  numbered := w.numbered
  owner := w.owner
  heads := w.heads
  calm := w.calm
  ext := .refl m
  may := ⟨[], rfl, fun _ h => absurd h List.not_mem_nil⟩

/-- A change that records nothing and makes no run. -/
theorem same {S : Scope} {m₀ m n : M} (k : Kept S m₀ m) (hhas : ∀ id, n.has id = m.has id)
    (htrace : ∀ id, (n.run id).trace = (m.run id).trace) (hmade : ∀ id, (n.run id).made = (m.run id).made)
    (hlog : n.log = m.log) (hprog : n.program = m.program) (hcont : n.contents = m.contents)
    (hcode : ∀ id, (n.run id).code = (m.run id).code ∨
      (m.CodeOk (n.run id).code ∧ S.Code id (n.run id).code))
    (howner : (∀ r ∈ m.runs, r.id = .world → r.owner = none) → ∀ r ∈ n.runs, r.id = .world → r.owner = none) :
    Kept S m₀ n where
  world := (hhas _).trans k.world
  codes := fun id => by
    have : m.CodeOk (n.run id).code := by
      cases hcode id with
      | inl h => rw [h]; exact k.codes id
      | inr h => exact h.1
    refine this.mono (fun id i => (hhas id).trans i) (fun id _ => ⟨[], htrace id⟩) (fun id => ?_)
    rw [htrace]; exact k.indexed id
  free := fun id u o h => by
    cases hcode id with
    | inl e => exact k.free id u o (e ▸ h)
    | inr e => exact e.2.2 u o h
  born := fun id i => k.born id (hhas id ▸ i)
  indexed := fun id => by rw [htrace]; exact k.indexed id
  counted := fun id c t h => by rw [hmade]; rw [htrace] at h; exact k.counted id c t h
  recorders := fun id c h => by rw [hhas]; rw [htrace] at h; exact k.recorders id c h
  own := fun id => by rw [htrace, hlog]; exact k.own id
  numbered := by rw [hlog]; exact k.numbered
  owner := howner k.owner
  heads := fun id c h => by rw [htrace] at h; exact k.heads id c h
  calm := by
    cases hcode .world with
    | inl e => rw [e]; exact k.calm
    | inr e => exact e.2.1 rfl
  may := by
    obtain ⟨cs, hl, hm⟩ := k.may
    exact ⟨cs, hlog.trans hl, hm⟩
  ext := {
    program := hprog.trans k.ext.program
    contents := hcont.trans k.ext.contents
    has := fun id i => (hhas id).trans (k.ext.has id i)
    made := fun id => by rw [hmade]; exact k.ext.made id
    new := by
      obtain ⟨cs, hl, hn, ht⟩ := k.ext.new
      exact ⟨cs, hlog.trans hl, hn, fun id i => (htrace id).trans (ht id i)⟩ }

/-- A change that records one event. -/
theorem record {S : Scope} {m₀ m n : M} (k : Kept S m₀ m) (id : Id) (c : Commit) (i : m.has id = true ∨ S.fresh id)
    (hhas : ∀ j, n.has j = (id == j || m.has j)) (hsame : (n.run id).trace = c :: (m.run id).trace)
    (hother : ∀ j, id ≠ j → n.run j = m.run j) (hmade : (m.run id).made ≤ (n.run id).made)
    (hlog : n.log = c :: m.log) (hprog : n.program = m.program) (hcont : n.contents = m.contents)
    (hrun : c.run = id) (hseq : c.seq = m.size) (hindex : c.index = (m.run id).trace.size)
    (hcount : c.made = (n.run id).made) (hcode : m.CodeOk (n.run id).code)
    (hfree : S.Code id (n.run id).code) (hmay : S.May id c.event)
    (howner : (∀ r ∈ m.runs, r.id = .world → r.owner = none) → ∀ r ∈ n.runs, r.id = .world → r.owner = none)
    (hheads : ∀ h ∈ c.heads, h.id ≠ .world) : Kept S m₀ n := by
  have hmono : ∀ j, m.has j = true → n.has j = true := fun j g => by rw [hhas, g, Bool.or_true]
  have htrace : ∀ j, ∃ s, (n.run j).trace = s ++ (m.run j).trace := fun j => by
    by_cases e : id = j
    · subst e; exact ⟨[c], hsame⟩
    · rw [hother j e]; exact ⟨[], rfl⟩
  have hindexed : ∀ j, Trace.Indexed (n.run j).trace := fun j => by
    by_cases e : id = j
    · subst e; rw [hsame]; exact ⟨by rw [hindex, (k.indexed id).size], k.indexed id⟩
    · rw [hother j e]; exact k.indexed j
  have up : ∀ {code}, m.CodeOk code → n.CodeOk code := fun h =>
    h.mono hmono (fun j _ => htrace j) hindexed
  constructor
  · exact hmono _ k.world
  · intro j
    by_cases e : id = j
    · subst e; exact up hcode
    · rw [hother j e]; exact up (k.codes j)
  · intro j u o h
    by_cases e : id = j
    · subst e; exact hfree.2 u o h
    · rw [hother j e] at h; exact k.free j u o h
  · intro j g
    rw [hhas] at g
    by_cases e : id = j
    · cases i with
      | inl i => exact k.born j (e ▸ i)
      | inr i => exact .inr (e ▸ i)
    · rw [beq_eq_false_iff_ne.mpr e, Bool.false_or] at g
      exact k.born j g
  · exact hindexed
  · intro j d t h
    by_cases e : id = j
    · subst e
      rw [hsame] at h
      cases h
      exact hcount
    · rw [hother j e] at h ⊢; exact k.counted j d t h
  · intro j d h
    by_cases e : id = j
    · subst e
      rw [hsame] at h
      cases List.mem_cons.mp h with
      | inl h => rw [h, hrun, hhas, beq_self_eq_true, Bool.true_or]
      | inr h => exact hmono _ (k.recorders id d h)
    · rw [hother j e] at h; exact hmono _ (k.recorders j d h)
  · intro j
    rw [hlog, List.filter_cons]
    by_cases e : id = j
    · subst e
      rw [hsame, hrun, beq_self_eq_true, List.filter_cons, hrun, beq_self_eq_true, k.own]
    · rw [hother j e, hrun, beq_eq_false_iff_ne.mpr e, k.own]; rfl
  · rw [hlog]
    obtain ⟨cs, hl, hn, _⟩ := k.ext.new
    refine ⟨?_, k.numbered⟩
    rw [hseq]
    have hz := k.numbered
    unfold size
    revert hz
    cases m.log with
    | nil => exact fun _ => rfl
    | cons d ds => exact fun hz => by rw [List.length_cons]; show d.seq + 1 = _; rw [hz.1]; omega
  · exact howner k.owner
  · intro j d h
    by_cases e : id = j
    · subst e
      rw [hsame] at h
      cases List.mem_cons.mp h with
      | inl h => rw [h]; exact hheads
      | inr h => exact k.heads id d h
    · rw [hother j e] at h; exact k.heads j d h
  · by_cases e : id = .world
    · subst e; exact hfree.1 rfl
    · rw [hother _ e]; exact k.calm
  · constructor
    · exact hprog.trans k.ext.program
    · exact hcont.trans k.ext.contents
    · exact fun j g => hmono j (k.ext.has j g)
    · intro j
      by_cases e : id = j
      · subst e; exact Nat.le_trans (k.ext.made id) hmade
      · rw [hother j e]; exact k.ext.made j
    · obtain ⟨cs, hl, hn, ht⟩ := k.ext.new
      refine ⟨c :: cs, by rw [hlog, hl]; rfl, ⟨?_, hn⟩, ?_⟩
      · rw [hseq, size_eq_of_append hl hn]
      · intro j g
        rw [List.filter_cons]
        by_cases e : id = j
        · subst e; rw [hsame, hrun, beq_self_eq_true, ht id g]; rfl
        · rw [hother j e, hrun, beq_eq_false_iff_ne.mpr e, ht j g]; rfl
  · obtain ⟨cs, hl, hm⟩ := k.may
    refine ⟨c :: cs, by rw [hlog, hl]; rfl, fun d hd => ?_⟩
    cases List.mem_cons.mp hd with
    | inl h => rw [h, hrun]; exact hmay
    | inr h => exact hm d h

end Kept

end M

end Shepherd
