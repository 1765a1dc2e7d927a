import Shepherd.Laws.Support.Marked

/-!
# Traces in the order of the log

What a commit tells of a run below is how long that one's trace was when the commit was recorded; and so it is in copies.
-/

namespace Shepherd

open Id (MayOwn Over)

/-- What of a trace was recorded before the place `n` of the log. -/
def Trace.before (n : Nat) (t : Trace) : Trace := t.filter fun d => d.seq < n

namespace Id

theorem today_own (id x : Id) : Id.today id id x = x := by
  cases id with
  | copy f old => rw [Id.today, if_pos rfl]
  | _ => rfl

theorem sizeOf_le_today (s o x : Id) : sizeOf x ≤ sizeOf (Id.today s o x) := by
  induction o with
  | copy f old _ ih =>
    rw [M.today_copy]
    split
    · exact Nat.le_refl _
    · rw [Id.copy.sizeOf_spec]; omega
  | _ => exact Nat.le_refl _

/-- The names of copies of copies. -/
theorem today_today {q s z : Id} (r w : Id) (h : Id.today q z q = z) :
    Id.today q (Id.today s r z) w = Id.today s r (Id.today q z w) := by
  induction r with
  | copy f o _ ih =>
    rw [M.today_copy (r := s), M.today_copy (r := s)]
    split
    · rfl
    · rw [M.today_copy, if_neg, ih]
      intro e
      have h₁ := sizeOf_le_today s o z
      have h₂ := sizeOf_le_today q z q
      rw [h] at h₂
      have := congrArg sizeOf e
      rw [Id.copy.sizeOf_spec] at this
      omega
  | _ => rfl

/-- The name of a run today is its own, or that of a copy. -/
theorem today_cases (q id x : Id) : Id.today q id x = x ∨ ∃ f old y, id = .copy f old ∧ Id.today q id x = .copy f y := by
  cases id with
  | copy f old =>
    rw [M.today_copy]
    split
    · exact .inl rfl
    · exact .inr ⟨f, old, _, rfl, rfl⟩
  | _ => exact .inl rfl

end Id

namespace M

/-- The places in the log of the commits in traces, and of what they tell. -/
structure Seen (m : M) : Prop where
  sorted : ∀ id, (m.run id).trace.Pairwise fun a b => b.seq < a.seq
  older : ∀ id, ∀ c ∈ (m.run id).trace, c.seq < m.size
  length : ∀ id, ∀ c ∈ (m.run id).trace, ∀ h ∈ c.heads, 0 < h.length ∧ (Trace.before c.seq (m.run h.id).trace).length = h.length
  literal : ∀ id c t, c :: t <:+ (m.run id).trace → c :: t <:+ (m.run c.run).trace
  same : ∀ id, ∀ c ∈ (m.run id).trace, ∀ h ∈ c.heads, m.has (Id.today c.run id h.id) = true →
    Trace.before c.seq (m.run (Id.today c.run id h.id)).trace = Trace.before c.seq (m.run h.id).trace

theorem Seen.unchanged {m n : M} (t : Seen m) (hhas : ∀ y, n.has y = true → m.has y = true)
    (htrace : ∀ y, (n.run y).trace = (m.run y).trace) (hsize : n.size = m.size) : Seen n := by
  constructor
  · intro id; rw [htrace]; exact t.sorted id
  · intro id c hc; rw [hsize]; rw [htrace] at hc; exact t.older id c hc
  · intro id c hc h hh; rw [htrace] at hc; rw [htrace]; exact t.length id c hc h hh
  · intro id c u hc; rw [htrace] at hc; rw [htrace]; exact t.literal id c u hc
  · intro id c hc h hh i; rw [htrace] at hc; rw [htrace, htrace]; exact t.same id c hc h hh (hhas _ i)

theorem before_cons_ge {n : Nat} {c : Commit} {t : Trace} (h : n ≤ c.seq) : Trace.before n (c :: t) = Trace.before n t := by
  unfold Trace.before
  rw [List.filter_cons, if_neg]
  rw [decide_eq_true_eq]; omega

theorem before_all {n : Nat} {t : Trace} (h : ∀ c ∈ t, c.seq < n) : Trace.before n t = t :=
  List.filter_eq_self.mpr fun c hc => decide_eq_true (h c hc)

theorem Seen.record {m : M} (t : Seen m) (indexed : ∀ id, Trace.Indexed (m.run id).trace) {id : Id} (event : Event) (s : State)
    (i : m.has id = true) (ne : ∀ h ∈ m.headsAt id event, (m.run h.id).trace ≠ []) : Seen (m.record id event s) := by
  have cases' : ∀ j c, c ∈ ((m.record id event s).run j).trace →
      (j = id ∧ c = m.commitOf id event s) ∨ c ∈ (m.run j).trace := fun j c hc => by
    by_cases e : id = j
    · subst e
      rw [trace_record_same] at hc
      exact (List.mem_cons.mp hc).imp_left fun h => ⟨rfl, h⟩
    · rw [trace_record_ne m event s e] at hc; exact .inr hc
  have bef : ∀ n j, n ≤ m.size → Trace.before n ((m.record id event s).run j).trace = Trace.before n (m.run j).trace := fun n j h => by
    by_cases e : id = j
    · subst e; rw [trace_record_same]; exact before_cons_ge h
    · rw [trace_record_ne m event s e]
  have up : ∀ j, (m.run j).trace <:+ ((m.record id event s).run j).trace := fun j => by
    by_cases e : id = j
    · subst e; rw [trace_record_same]; exact List.suffix_cons _ _
    · rw [trace_record_ne m event s e]; exact List.suffix_refl _
  constructor
  · intro j
    by_cases e : id = j
    · subst e; rw [trace_record_same]
      exact List.pairwise_cons.mpr ⟨fun c hc => t.older id c hc, t.sorted id⟩
    · rw [trace_record_ne m event s e]; exact t.sorted j
  · intro j c hc
    rw [size_record]
    rcases cases' j c hc with ⟨_, rfl⟩ | hc
    · exact Nat.lt_succ_self _
    · exact Nat.lt_succ_of_lt (t.older j c hc)
  · intro j c hc h hh
    rcases cases' j c hc with ⟨_, rfl⟩ | hc
    · rw [commitOf_seq, bef _ _ (Nat.le_refl _), before_all (t.older h.id)]
      have e : h.length = (m.run h.id).trace.length := (Narrow.headsAt_length hh).trans (indexed h.id).size
      exact ⟨e ▸ List.length_pos_iff.mpr (ne h hh), e.symm⟩
    · rw [bef _ _ (Nat.le_of_lt (t.older j c hc))]
      exact t.length j c hc h hh
  · intro j c u hc
    by_cases e : id = j
    · subst e
      rw [trace_record_same] at hc
      rcases List.suffix_cons_iff.mp hc with hc | hc
      · have := (List.cons.inj hc).1
        rw [this, (List.cons.inj hc).2, commitOf_run, trace_record_same]
        exact List.suffix_refl _
      · exact (t.literal id c u hc).trans (up _)
    · rw [trace_record_ne m event s e] at hc
      exact (t.literal j c u hc).trans (up _)
  · intro j c hc h hh i'
    rcases cases' j c hc with ⟨rfl, rfl⟩ | hc
    · rw [commitOf_run, Id.today_own]
    · have l := Nat.le_of_lt (t.older j c hc)
      rw [bef _ _ l, bef _ _ l]
      refine t.same j c hc h hh ?_
      rw [has_record, Bool.or_eq_true] at i'
      rcases i' with e | e
      · rw [← beq_iff_eq.mp e]; exact i
      · exact e

/-- Elementary changes that make no run. -/
theorem Plain.seen {B : Prop} {m n : M} (e : Plain m n B) (w : Wf m B) (a : AllMarked m) (t : Seen m) : Seen n := by
  have hF : ∀ id : Id, (fun _ : Id => False) id → m.has id = false := fun _ h => h.elim
  have filled : ∀ {p : M}, Plain m p B → ∀ id ev, ∀ h ∈ p.headsAt id ev, (p.run h.id).trace ≠ [] := fun {p} e' id ev h hh => by
    have k := Edits.kept (S := .step (fun _ => False) B) w hF e'
    have i := (k.born h.id (p.headsAt_has id ev h hh)).resolve_right _root_.id
    have := (a h.id i (headsAt_ne_world k.owner h hh)).1
    obtain ⟨s, hs⟩ := k.ext.trace h.id
    intro e
    rw [e] at hs
    exact this (List.append_eq_nil_iff.mp hs).2
  have ind : ∀ {p : M}, Plain m p B → ∀ id, Trace.Indexed (p.run id).trace := fun e' =>
    (Edits.kept (S := .step (fun _ => False) B) w hF e').indexed
  induction e with
  | refl => exact t
  | @code p id code e' i _ _ ih =>
    refine ih.unchanged (fun y h => ?_) (trace_setCode p id code) rfl
    rw [has_setCode, Bool.or_eq_true] at h
    exact h.elim (fun h => beq_iff_eq.mp h ▸ i) fun h => h
  | @handles p id hs e' i ih =>
    refine ih.unchanged (fun y h => ?_) (trace_setHandles p id hs) rfl
    rw [has_setHandles, Bool.or_eq_true] at h
    exact h.elim (fun h => beq_iff_eq.mp h ▸ i) fun h => h
  | @own p id o g e' i _ ih =>
    refine ih.unchanged (fun y h => ?_) (trace_own p id o g) rfl
    rw [has_own, Bool.or_eq_true] at h
    exact h.elim (fun h => beq_iff_eq.mp h ▸ i) fun h => h
  | @record p id ev s e' i _ _ _ ih => exact ih.record (ind e') ev s (i.resolve_right _root_.id) (filled e' id ev)
  | @count p id hs ev s e' i _ _ _ ih =>
    have htr : ∀ y, ((p.put { p.run id with handles := hs, made := (p.run id).made + 1 }).run y).trace = (p.run y).trace := fun y => by
      rw [run_put]
      simp only [run_id]
      split
      · next e => rw [← e]
      · rfl
    have hhas : ∀ y, (p.put { p.run id with handles := hs, made := (p.run id).made + 1 }).has y = true → p.has y = true :=
      fun y h => by
        rw [has_put, Bool.or_eq_true] at h
        simp only [run_id] at h
        exact h.elim (fun h => beq_iff_eq.mp h ▸ i) fun h => h
    have t₁ : Seen (p.put { p.run id with handles := hs, made := (p.run id).made + 1 }) := ih.unchanged hhas htr rfl
    refine t₁.record (fun y => by rw [htr]; exact ind e' y) ev s (by rw [has_put, i, Bool.or_true]) fun h hh => ?_
    have k := Edits.kept (S := .step (fun _ => False) B) w hF e'
    have i' := (k.born h.id (hhas _ (headsAt_has _ id ev h hh))).resolve_right _root_.id
    have nw : h.id ≠ .world := headsAt_ne_world (m := p.put { p.run id with handles := hs, made := (p.run id).made + 1 })
      (owner_put k.owner (owner_run k.owner id)) h hh
    have := (a h.id i' nw).1
    obtain ⟨u, hu⟩ := k.ext.trace h.id
    rw [htr]
    intro e
    rw [e] at hu
    exact this (List.append_eq_nil_iff.mp hu).2
  | born r s old _ new => exact new.elim
  | @stack p st _ ih => exact ih.unchanged (fun _ h => h) (fun _ => rfl) rfl
  | @used p u _ ih => exact ih.unchanged (fun _ h => h) (fun _ => rfl) rfl
  | @written p u _ ih => exact ih.unchanged (fun _ h => h) (fun _ => rfl) rfl

/-! ## What a run below had -/

/-- The trace that a commit tells of a run below is what that one had recorded before. -/
theorem Seen.upTo {m : M} (t : Seen m) (indexed : ∀ id, Trace.Indexed (m.run id).trace) {id : Id} {c : Commit}
    (hc : c ∈ (m.run id).trace) {h : Head} (hh : h ∈ c.heads) :
    (m.run h.id).trace.upTo (h.length - 1) = Trace.before c.seq (m.run h.id).trace := by
  obtain ⟨pos, len⟩ := t.length id c hc h hh
  have sorted := t.sorted h.id
  have ind := indexed h.id
  revert sorted ind len
  generalize (m.run h.id).trace = u
  induction u with
  | nil => intro len _ _; exact absurd len (by show 0 ≠ _; omega)
  | cons d u ih =>
    intro len sorted ind
    have sorted := List.pairwise_cons.mp sorted
    unfold Trace.upTo
    rw [List.dropWhile_cons]
    by_cases e : d.seq < c.seq
    · have all : Trace.before c.seq (d :: u) = d :: u := before_all fun x hx => by
        cases List.mem_cons.mp hx with
        | inl h => rw [h]; exact e
        | inr h => exact Nat.lt_trans (sorted.1 x h) e
      rw [all] at len ⊢
      rw [List.length_cons] at len
      rw [if_neg]
      rw [bne_iff_ne, ne_eq, Decidable.not_not, ind.1]
      omega
    · rw [before_cons_ge (by omega)] at len ⊢
      rw [if_pos]
      · exact ih len sorted.2 ind.2
      · rw [bne_iff_ne, ind.1]
        have : (Trace.before c.seq u).length ≤ u.length := List.length_filter_le _ _
        omega

end M

end Shepherd
