import Shepherd.Laws.Support.WellFormed

/-!
# How a tree of runs grows

`M.Extends m n`: `n` is `m` with more recorded. `M.Wf m`: what holds of every tree. `M.Edits` lists the elementary changes that
everything the machine does is made of; each keeps a tree well-formed and extends it.
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

/-- The world stands below nobody. -/
theorem ne_world_of_mem_under {rs : List Run} (h : ∀ r ∈ rs, r.id = .world → r.owner = none) {n : Nat} {siblings : List Id}
    (hs : ∀ k ∈ siblings, k ≠ .world) {id : Id} (hi : id ∈ Runs.under rs n siblings) : id ≠ .world := by
  induction n generalizing siblings with
  | zero => exact absurd hi List.not_mem_nil
  | succ n ih =>
    simp only [Runs.under, List.mem_flatMap, List.mem_reverse, List.mem_append, List.mem_singleton] at hi
    obtain ⟨k, hk, hi⟩ := hi
    cases hi with
    | inl hi =>
      refine ih (fun j hj e => ?_) hi
      obtain ⟨r, hr, ho, hid⟩ := Runs.mem_kids.mp hj
      rw [h r hr (hid.trans e)] at ho
      cases ho
    | inr hi => rw [hi]; exact hs k hk

theorem ne_world_of_mem_kids {m : M} (h : ∀ r ∈ m.runs, r.id = .world → r.owner = none) {above id : Id}
    (hk : id ∈ m.kids above) : id ≠ .world := by
  intro e
  obtain ⟨r, hr, ho, hid⟩ := Runs.mem_kids.mp hk
  rw [h r hr (hid.trans e)] at ho
  cases ho

theorem ne_world_of_mem_below {m : M} (h : ∀ r ∈ m.runs, r.id = .world → r.owner = none) {above id : Id}
    (hk : id ∈ m.below above) : id ≠ .world :=
  ne_world_of_mem_under h (fun _ => ne_world_of_mem_kids h) hk

theorem ne_world_of_owns {m : M} (h : ∀ r ∈ m.runs, r.id = .world → r.owner = none) {asker id : Id}
    (ho : m.owns asker id = true) : id ≠ .world := by
  intro e
  have i := has_of_owns ho
  rw [owns, h _ (run_mem i) ((run_id m id).trans e)] at ho
  exact Bool.false_ne_true ho

theorem headsAt_ne_world {m : M} (h : ∀ r ∈ m.runs, r.id = .world → r.owner = none) {id : Id} {event : Event} :
    ∀ x ∈ m.headsAt id event, x.id ≠ .world := by
  intro x hx
  unfold headsAt at hx
  obtain ⟨j, hj, rfl⟩ := List.mem_map.mp hx
  show j ≠ _
  refine ne_world_of_mem_under h ?_ hj
  intro k hk
  split at hk
  · exact ne_world_of_mem_kids h (List.mem_filter.mp hk).1
  · exact ne_world_of_mem_kids h (List.mem_filter.mp hk).1
  · exact ne_world_of_mem_kids h hk

/-- Where a run keeps its owner, the world has none. -/
theorem owner_put {m : M} (h : ∀ r ∈ m.runs, r.id = .world → r.owner = none) {r : Run}
    (hr : r.id = .world → r.owner = none) : ∀ x ∈ Runs.put m.runs r, x.id = .world → x.owner = none := by
  intro x hx
  cases Runs.mem_put hx with
  | inl e => rw [e]; exact hr
  | inr e => exact h x e

theorem owner_run {m : M} (h : ∀ r ∈ m.runs, r.id = .world → r.owner = none) (id : Id) :
    (m.run id).id = .world → (m.run id).owner = none := by
  intro e
  cases i : m.has id with
  | true => exact h _ (run_mem i) e
  | false => rw [run_of_not_has i]; rfl

theorem Edits.kept {S : Scope} {m₀ m : M} (w : Wf m₀ S.busy) (hF : ∀ id, S.fresh id → m₀.has id = false) (e : Edits S m₀ m) :
    Kept S m₀ m := by
  induction e with
  | refl => exact .refl w hF
  | @code m id code _ i ok free k =>
    refine k.same (fun j => ?_) (trace_setCode m id code) (fun j => ?_) rfl rfl rfl (fun j => ?_)
      fun h => owner_put h (owner_run h id)
    · exact Runs.has_put_same (by rw [run_id]; exact i) j
    · rw [run_setCode]; split
      · next h => subst h; rfl
      · rfl
    · rw [run_setCode]; split
      · next h => subst h; exact .inr ⟨ok, free⟩
      · exact .inl rfl
  | @handles m id hs _ i k =>
    refine k.same (fun j => ?_) (trace_setHandles m id hs) (fun j => ?_) rfl rfl rfl (fun j => .inl ?_)
      fun h => owner_put h (owner_run h id)
    · exact Runs.has_put_same (by rw [run_id]; exact i) j
    · rw [run_setHandles]; split
      · next h => subst h; rfl
      · rfl
    · rw [run_setHandles]; split
      · next h => subst h; rfl
      · rfl
  | @own m id owner givers _ i ne k =>
    refine k.same (fun j => ?_) (trace_own m id owner givers) (fun j => ?_) rfl rfl rfl (fun j => .inl ?_)
      fun h => owner_put h fun e => absurd ((run_id m id).symm.trans e) ne
    · exact Runs.has_put_same (by rw [run_id]; exact i) j
    · rw [run_own]; split
      · next h => subst h; rfl
      · rfl
    · rw [run_own]; split
      · next h => subst h; rfl
      · rfl
  | @record m id event s _ i ok free may k =>
    refine k.record id (m.commitOf id event s) i (has_record m id event s) (trace_record_same m id event s)
      (fun j h => run_record_ne m event s h) ?_ rfl rfl rfl rfl rfl rfl ?_ ?_ ?_ may
      (fun h => owner_put h (owner_run h id)) (headsAt_ne_world k.owner)
    · rw [made_record]; exact Nat.le_refl _
    · rw [made_record]; rfl
    · rw [run_record_same]; exact ok
    · rw [run_record_same]; exact free
  | @count m id hs event s _ i ok free may k =>
    have hid : ({ m.run id with handles := hs, made := (m.run id).made + 1 } : Run).id = id := run_id m id
    have hr : (m.put { m.run id with handles := hs, made := (m.run id).made + 1 }).run id
        = { m.run id with handles := hs, made := (m.run id).made + 1 } := by
      rw [run_put, if_pos hid]
    have hp : ∀ j, (m.put { m.run id with handles := hs, made := (m.run id).made + 1 }).has j = m.has j :=
      fun j => Runs.has_put_same (by rw [hid]; exact i) j
    refine k.record id (commitOf (m.put { m.run id with handles := hs, made := (m.run id).made + 1 }) id event s)
      (.inl i) (fun j => ?_) ?_ (fun j h => ?_) ?_ rfl rfl rfl rfl rfl ?_ ?_ ?_ ?_ may ?_ ?_
    · rw [has_record, hp]
    · rw [trace_record_same, hr]
    · rw [run_record_ne _ event s h, run_put, if_neg (by rw [hid]; exact h)]
    · rw [made_record, hr]; exact Nat.le_succ _
    · rw [commitOf_index, hr]
    · rw [made_record]; rfl
    · rw [run_record_same]; exact ok
    · rw [run_record_same]; exact free
    · intro h
      have h' : ∀ x ∈ (m.put { m.run id with handles := hs, made := (m.run id).made + 1 }).runs, x.id = .world → x.owner = none :=
        owner_put h (owner_run h id)
      exact owner_put h' (owner_run h' id)
    · exact headsAt_ne_world (m := m.put { m.run id with handles := hs, made := (m.run id).made + 1 })
        (owner_put k.owner (owner_run k.owner id))
  | @born m r s old _ new hlog hcode htrace hmade k =>
    have absent : m₀.has r.id = false := hF _ new
    have hrec : ∀ c ∈ r.trace, m₀.has c.run = true := fun c hc => w.recorders old c (htrace.subset hc)
    have hhas : ∀ j, m.has j = true → (m.put r).has j = true := fun j => Runs.has_put_of_has r
    have hindexed : ∀ j, Trace.Indexed ((m.put r).run j).trace := fun j => by
      rw [run_put]; split
      · exact (w.indexed old).of_suffix htrace
      · exact k.indexed j
    have hl₀ : m.log.filter (fun c => c.run == r.id) = [] := by
      rw [hlog, ← w.own r.id, run_of_not_has absent]; rfl
    have ne : r.id ≠ .world := fun e => by rw [e, w.world] at absent; cases absent
    have up : ∀ {code : Code}, (∀ u o, code = .undoing u o → ¬ S.fresh u.run) → m.CodeOk code → (m.put r).CodeOk code := by
      intro code free ok
      cases code with
      | settled s => trivial
      | driving r w => trivial
      | passing chain op args w => exact ⟨ok.1, fun x hx => hhas x (ok.2 x hx)⟩
      | undoing u o =>
        refine ⟨ok.1, hhas _ ok.2.1, fun d hd => ⟨hhas _ (ok.2.2.1 d hd).1, (ok.2.2.1 d hd).2⟩, fun n hn => ?_⟩
        obtain ⟨c, hc, hheads⟩ := ok.2.2.2 n hn
        refine ⟨c, ?_, fun x hx => hhas _ (hheads x hx)⟩
        rw [run_put, if_neg]
        · exact hc
        · exact fun e => free u o rfl (e ▸ new)
    constructor
    · exact hhas _ k.world
    · intro j
      by_cases e : r.id = j
      · rw [run_put, if_pos e, hcode]; trivial
      · rw [run_put, if_neg e]; exact up (k.free j) (k.codes j)
    · intro j u o h
      by_cases e : r.id = j
      · rw [run_put, if_pos e, hcode] at h; cases h
      · rw [run_put, if_neg e] at h; exact k.free j u o h
    · intro j h
      rw [has_put] at h
      by_cases e : r.id = j
      · exact .inr (e ▸ new)
      · rw [beq_eq_false_iff_ne.mpr e, Bool.false_or] at h
        exact k.born j h
    · exact hindexed
    · intro j c t h
      by_cases e : r.id = j
      · rw [run_put, if_pos e] at h ⊢; exact hmade c t h
      · rw [run_put, if_neg e] at h ⊢; exact k.counted j c t h
    · intro j c h
      by_cases e : r.id = j
      · rw [run_put, if_pos e] at h
        exact hhas _ (k.ext.has _ (hrec c h))
      · rw [run_put, if_neg e] at h
        exact hhas _ (k.recorders j c h)
    · intro j
      rw [put_log]
      by_cases e : r.id = j
      · rw [run_put, if_pos e, ← e, hl₀, List.filter_eq_nil_iff]
        intro c hc hb
        have := hrec c hc
        rw [beq_iff_eq.mp hb, absent] at this
        exact Bool.false_ne_true this
      · rw [run_put, if_neg e]; exact k.own j
    · exact k.numbered
    · exact owner_put k.owner fun e => absurd e ne
    · intro j c h
      by_cases e : r.id = j
      · rw [run_put, if_pos e] at h
        exact w.heads old c (htrace.subset h)
      · rw [run_put, if_neg e] at h
        exact k.heads j c h
    · rw [run_put, if_neg ne]; exact k.calm
    · constructor
      · exact k.ext.program
      · exact k.ext.contents
      · exact fun j h => hhas j (k.ext.has j h)
      · intro j
        by_cases e : r.id = j
        · rw [← e, run_of_not_has absent]; exact Nat.zero_le _
        · rw [run_put, if_neg e]; exact k.ext.made j
      · obtain ⟨cs, hl, hn, ht⟩ := k.ext.new
        refine ⟨cs, hl, hn, fun j h => ?_⟩
        rw [run_put, if_neg, ht j h]
        intro e
        rw [← e, absent] at h
        exact Bool.false_ne_true h
    · exact k.may
  | stack st _ k => exact k.same (fun _ => rfl) (fun _ => rfl) (fun _ => rfl) rfl rfl rfl (fun _ => .inl rfl) fun h => h
  | used u _ k => exact k.same (fun _ => rfl) (fun _ => rfl) (fun _ => rfl) rfl rfl rfl (fun _ => .inl rfl) fun h => h
  | written u _ k => exact k.same (fun _ => rfl) (fun _ => rfl) (fun _ => rfl) rfl rfl rfl (fun _ => .inl rfl) fun h => h

theorem Kept.wf {S : Scope} {m n : M} {B : Prop} (k : Kept S m n) (w : Wf m B) (hF : ∀ id, S.fresh id → n.Stamped id) :
    Wf n S.busy :=
  { world := k.world, codes := k.codes, indexed := k.indexed, counted := k.counted, recorders := k.recorders, own := k.own,
    numbered := k.numbered, owner := k.owner, heads := k.heads, calm := k.calm
    fresh := fun id h => match k.born id h with
      | .inl h => (w.fresh id h).mono k.ext.made
      | .inr h => hF id h }

/-- The outermost owner may be in the middle of an operation. -/
theorem Wf.weaken {m : M} {B : Prop} (w : Wf m) : Wf m B :=
  { w with calm := w.calm.elim False.elim .inr }

/-- Within a step of the tree: the outermost owner may be left in the middle of an operation if `busy`. -/
def Scope.step (fresh : Id → Prop) (busy : Prop) : Scope := ⟨fresh, busy, False⟩

/-- `n` comes from `m` by elementary changes, and ids of new runs are counted. -/
def Grows (m n : M) (busy : Prop := False) : Prop :=
  ∃ F : Id → Prop, (∀ id, F id → m.has id = false ∧ n.Stamped id) ∧ Edits (.step F busy) m n

theorem Grows.kept {m n : M} {B : Prop} (w : Wf m B) (g : Grows m n B) : ∃ F, Kept (.step F B) m n := by
  obtain ⟨F, hF, e⟩ := g
  exact ⟨F, e.kept w fun id h => (hF id h).1⟩

theorem Grows.extends {m n : M} {B : Prop} (w : Wf m B) (g : Grows m n B) : Extends m n := by
  obtain ⟨F, k⟩ := g.kept w
  exact k.ext

/-- What a step of the tree records is not of the outside. -/
theorem Grows.inward {m n : M} {B : Prop} (w : Wf m B) (g : Grows m n B) :
    ∃ cs, n.log = cs ++ m.log ∧ ∀ c ∈ cs, Inward c.run c.event := by
  obtain ⟨F, k⟩ := g.kept w
  obtain ⟨cs, hl, hm⟩ := k.may
  exact ⟨cs, hl, fun c hc => (hm c hc).resolve_left id⟩

theorem Grows.wf {m n : M} {B : Prop} (w : Wf m B) (g : Grows m n B) : Wf n B := by
  obtain ⟨F, hF, e⟩ := g
  exact (e.kept w fun id h => (hF id h).1).wf w fun id h => (hF id h).2

/-- Elementary changes that make no run. -/
abbrev Plain (m n : M) (busy : Prop := False) : Prop := Edits (.step (fun _ => False) busy) m n

namespace Plain

variable {B : Prop}

theorem grows {m n : M} (e : Plain m n B) : Grows m n B := ⟨_, fun _ h => h.elim, e⟩

theorem wf {m n : M} (e : Plain m n B) (w : Wf m B) : Wf n B := e.grows.wf w

theorem «extends» {m n : M} (e : Plain m n B) (w : Wf m B) : Extends m n := e.grows.extends w

theorem trans {m n p : M} (e : Plain m n B) (f : Plain n p B) : Plain m p B := by
  induction f with
  | refl => exact e
  | code id code _ i ok free k => exact .code id code k i ok free
  | handles id hs _ i k => exact .handles id hs k i
  | own id o g _ i ne k => exact .own id o g k i ne
  | record id ev s _ i ok free may k => exact .record id ev s k i ok free may
  | count id hs ev s _ i ok free may k => exact .count id hs ev s k i ok free may
  | born r s old _ new => exact new.elim
  | stack st _ k => exact .stack st k
  | used u _ k => exact .used u k
  | written u _ k => exact .written u k

/-- Changes one after the other. -/
theorem foldl {α : Type} {m : M} {f : M → α → M} {l : List α} (w : Wf m B)
    (h : ∀ n x, x ∈ l → Plain m n B → Wf n B → Plain n (f n x) B) : Plain m (l.foldl f m) B := by
  suffices ∀ (l' : List α) (n : M), (∀ x ∈ l', x ∈ l) → Plain m n B → Plain m (l'.foldl f n) B from
    this l m (fun _ h => h) .refl
  intro l'
  induction l' with
  | nil => exact fun n _ e => e
  | cons x l' ih =>
    intro n hl e
    exact ih (f n x) (fun y hy => hl y (List.mem_cons_of_mem _ hy))
      (e.trans (h n x (hl x List.mem_cons_self) e (e.wf w)))

end Plain

end M

end Shepherd
