import Shepherd.Laws.Support.Tied

/-!
# Ownership through everything that can happen: the elementary changes

`M.Deeds` lists the elementary changes that keep the invariants of ownership, with the runs that they change.
-/

namespace Shepherd

open Id (MayOwn Over)

namespace M

/-- The ids in tables, and in the tables of commits, were given out. -/
structure Tabled (F : Id → Prop) (m : M) : Prop where
  tables : ∀ id, ∀ h ∈ (m.run id).handles, F h
  kept : ∀ id, ∀ c ∈ (m.run id).trace, ∀ h ∈ c.handles, F h

/-- `m` comes from `m₀` by elementary changes of runs of `T`; of new ids, only those of `F` come into tables. -/
inductive Deeds (T F : Id → Prop) (m₀ : M) : M → Prop where
  | refl : Deeds T F m₀ m₀
  | code {m : M} (id : Id) (code : Code) : Deeds T F m₀ m → T id → m.has id = true → CodeTied id code →
      (id = .world ∨ (m.run id).code.settle.Leads m₀.program code.settle) → Deeds T F m₀ (m.setCode id code)
  | tell {m : M} (id : Id) (handles : List Id) (made : Nat) (event : Event) (s : State) : Deeds T F m₀ m → T id →
      m.has id = true → CodeTied id s.code → (∀ h ∈ s.handles, h ∈ (m.run id).handles ∨ F h) →
      Deeds T F m₀ ((m.put { m.run id with handles, made }).record id event s)
  | own {m : M} (id owner : Id) (givers : List Id) : Deeds T F m₀ m → T id → m.has id = true → MayOwn owner id →
      (∀ g ∈ givers, MayOwn g id) → Deeds T F m₀ (m.own id owner givers)
  | record {m : M} (id : Id) (event : Event) (s : State) : Deeds T F m₀ m → T id → m.has id = true → CodeTied id s.code →
      (∀ h ∈ s.handles, h ∈ (m.run id).handles ∨ F h) → Deeds T F m₀ (m.record id event s)
  | born {m : M} (r : Run) : Deeds T F m₀ m → T r.id → F r.id → (∀ o, r.owner = some o → MayOwn o r.id) →
      (∀ g ∈ r.givers, MayOwn g r.id) → CodeTied r.id r.code → (∀ c ∈ r.trace, CommitTied c ∧ (∀ h ∈ c.handles, F h) ∧ ∀ h ∈ c.heads, m.has h.id = true) →
      (∀ h ∈ r.handles, F h) → (∀ f x, r.id = .copy f x → ∃ a n, f = .made a n) →
      (∀ c u, r.trace = c :: u → Snap m₀.program c r) → Deeds T F m₀ (m.put r)
  | stack {m : M} (stack : List Id) : Deeds T F m₀ m → (stack.Pairwise fun a b => Over b a) → Deeds T F m₀ { m with stack }
  | used {m : M} (used : Used) : Deeds T F m₀ m → Deeds T F m₀ { m with used }
  | written {m : M} (written : List (String × String)) : Deeds T F m₀ m → Deeds T F m₀ { m with written }

namespace Deeds

variable {T F : Id → Prop}

theorem program {m₀ m : M} (d : Deeds T F m₀ m) : m.program = m₀.program := by
  induction d with
  | refl => rfl
  | _ => assumption

theorem mono {U : Id → Prop} {m₀ m : M} (d : Deeds T F m₀ m) (h : ∀ x, T x → U x) : Deeds U F m₀ m := by
  induction d with
  | refl => exact .refl
  | code id code _ t i hc hl ih => exact .code id code ih (h _ t) i hc hl
  | tell id hs made ev s _ t i hc hh ih => exact .tell id hs made ev s ih (h _ t) i hc hh
  | own id o g _ t i ho hg ih => exact .own id o g ih (h _ t) i ho hg
  | record id ev s _ t i hc hh ih => exact .record id ev s ih (h _ t) i hc hh
  | born r _ t f ho hg hc ht hh hf hs ih => exact .born r ih (h _ t) f ho hg hc ht hh hf hs
  | stack st _ hs ih => exact .stack st ih hs
  | used u _ ih => exact .used u ih
  | written u _ ih => exact .written u ih

theorem trans {m n p : M} (d : Deeds T F m n) (e : Deeds T F n p) : Deeds T F m p := by
  induction e with
  | refl => exact d
  | code id code _ t i hc hl ih => exact .code id code ih t i hc (d.program ▸ hl)
  | tell id hs made ev s _ t i hc hh ih => exact .tell id hs made ev s ih t i hc hh
  | own id o g _ t i ho hg ih => exact .own id o g ih t i ho hg
  | record id ev s _ t i hc hh ih => exact .record id ev s ih t i hc hh
  | born r _ t f ho hg hc ht hh hf hs ih => exact .born r ih t f ho hg hc ht hh hf (d.program ▸ hs)
  | stack st _ hs ih => exact .stack st ih hs
  | used u _ ih => exact .used u ih
  | written u _ ih => exact .written u ih

/-- No other run is changed. -/
theorem run {m₀ m : M} (d : Deeds T F m₀ m) {y : Id} (h : ¬ T y) : m.run y = m₀.run y := by
  have ne : ∀ {id}, T id → id ≠ y := fun t e => h (e ▸ t)
  induction d with
  | refl => rfl
  | code id code _ t _ _ _ ih => rw [run_setCode_ne _ _ (ne t)]; exact ih
  | @tell m id handles made ev s _ t _ _ _ ih =>
    rw [run_record_ne _ _ _ (ne t), run_put_ne _ (by simp only [run_id]; exact ne t)]; exact ih
  | own id o g _ t _ _ _ ih => rw [run_own_ne _ _ _ (ne t)]; exact ih
  | record id ev s _ t _ _ _ ih => rw [run_record_ne _ _ _ (ne t)]; exact ih
  | born r _ t _ _ _ _ _ _ _ _ ih => rw [run_put_ne _ (ne t)]; exact ih
  | stack _ _ _ ih => exact ih
  | used _ _ ih => exact ih
  | written _ _ ih => exact ih

theorem has {m₀ m : M} (d : Deeds T F m₀ m) {y : Id} (h : m₀.has y = true) : m.has y = true := by
  induction d with
  | refl => exact h
  | code id code _ _ _ _ _ ih => rw [has_setCode, ih, Bool.or_true]
  | @tell m id handles made ev s _ _ _ _ _ ih => rw [has_record, has_put, ih, Bool.or_true, Bool.or_true]
  | own id o g _ _ _ _ _ ih => rw [has_own, ih, Bool.or_true]
  | record id ev s _ _ _ _ _ ih => rw [has_record, ih, Bool.or_true]
  | born r _ _ _ _ _ _ _ _ _ _ ih => rw [has_put, ih, Bool.or_true]
  | stack _ _ _ ih => exact ih
  | used _ _ ih => exact ih
  | written _ _ ih => exact ih

/-- New are only runs of `F`. -/
theorem of_has {m₀ m : M} (d : Deeds T F m₀ m) {y : Id} (h : m.has y = true) : m₀.has y = true ∨ F y := by
  have put : ∀ {m n : M} {id : Id}, (m.has y = true → m₀.has y = true ∨ F y) → (m.has id = true ∨ F id) →
      n.has y = (id == y || m.has y) → n.has y = true → m₀.has y = true ∨ F y := fun ih i e h => by
    rw [e, Bool.or_eq_true] at h
    rcases h with h | h
    · have h := beq_iff_eq.mp h
      exact i.elim (fun i => ih (h ▸ i)) fun f => .inr (h ▸ f)
    · exact ih h
  induction d with
  | refl => exact .inl h
  | code id code _ _ i _ _ ih => exact put ih (.inl i) (has_setCode _ _ _ _) h
  | @tell m id handles made ev s _ _ i _ _ ih =>
    refine put ih (.inl i) ?_ h
    rw [has_record, has_put]
    simp only [run_id]
    rw [← Bool.or_assoc, Bool.or_self]
  | own id o g _ _ i _ _ ih => exact put ih (.inl i) (has_own _ _ _ _ _) h
  | record id ev s _ _ i _ _ ih => exact put ih (.inl i) (has_record _ _ _ _ _) h
  | born r _ _ f _ _ _ _ _ _ _ ih => exact put ih (.inr f) (has_put _ _ _) h
  | stack _ _ _ ih => exact ih h
  | used _ _ ih => exact ih h
  | written _ _ ih => exact ih h

theorem tied {m₀ m : M} (t : Tied m₀) (d : Deeds T F m₀ m) : Tied m := by
  induction d with
  | refl => exact t
  | @code m id code d _ i hc hl ih =>
    refine ih.put { m.run id with code } rfl (ih.toFirm.put { m.run id with code } rfl rfl ?_ ?_ ?_ ?_ (ih.heads id) ?_) rfl ?_
    · rw [run_id]; exact fun o => ih.owner
    · rw [run_id]; exact ih.givers id
    · rw [run_id]; exact hc
    · exact ih.commits id
    · rw [run_id]; exact ih.has_copies i
    · intro ne c u hu
      rw [run_id] at ne
      have s := ih.snaps id ne c u hu
      exact ⟨s.code.trans (d.program ▸ hl.resolve_left ne), s.files, s.inbox, s.handles⟩
  | @tell m id handles made ev s d _ i hc _ ih =>
    have f₁ : Firm (m.put { m.run id with handles, made }) := by
      refine ih.toFirm.put { m.run id with handles, made } rfl rfl ?_ ?_ ?_ ?_ (ih.heads id) ?_
      · rw [run_id]; exact fun o => ih.owner
      · rw [run_id]; exact ih.givers id
      · rw [run_id]; exact ih.codes id
      · exact ih.commits id
      · rw [run_id]; exact ih.has_copies i
    have run : (m.put { m.run id with handles, made }).run id = { m.run id with handles, made } := by
      rw [run_put, if_pos (run_id m id)]
    refine ⟨f₁.record id ev s (by rw [has_put, i, Bool.or_true]) hc, fun j ne => ?_⟩
    by_cases e : id = j
    · subst e
      rw [run_record_same]
      intro c u hu
      cases hu
      exact ⟨.refl, rfl, rfl, fun _ => rfl⟩
    · rw [run_record_ne _ _ _ e, run_put_ne _ (by simp only [run_id]; exact e)]
      exact ih.snaps j ne
  | @own m id o g d _ i ho hg ih =>
    refine ih.put { m.run id with owner := some o, givers := g } rfl
      (ih.toFirm.put { m.run id with owner := some o, givers := g } rfl rfl ?_ ?_ ?_ ?_ (ih.heads id) ?_) rfl ?_
    · rw [run_id]; intro o' e; exact Option.some.inj e ▸ ho
    · rw [run_id]; exact hg
    · rw [run_id]; exact ih.codes id
    · exact ih.commits id
    · rw [run_id]; exact ih.has_copies i
    · intro ne c u hu
      rw [run_id] at ne
      have s := ih.snaps id ne c u hu
      exact ⟨s.code, s.files, s.inbox, s.handles⟩
  | @record m id ev s d _ i hc _ ih =>
    refine ⟨ih.toFirm.record id ev s i hc, fun j ne => ?_⟩
    by_cases e : id = j
    · subst e
      rw [run_record_same]
      intro c u hu
      cases hu
      exact ⟨.refl, rfl, rfl, fun _ => rfl⟩
    · rw [run_record_ne _ _ _ e]
      exact ih.snaps j ne
  | @born m r d _ _ ho hg hc htr _ hcopy hs ih =>
    exact ih.put r rfl (ih.toFirm.put r rfl rfl ho hg hc (fun c hc => (htr c hc).1) (fun c hc => (htr c hc).2.2) hcopy) rfl
      fun _ c u hu => d.program ▸ hs c u hu
  | stack st d h ih => exact ⟨⟨ih.forest, ih.givers, ih.codes, ih.commits, ih.heads, ih.copies, h⟩, ih.snaps⟩
  | used u d ih => exact ⟨⟨ih.forest, ih.givers, ih.codes, ih.commits, ih.heads, ih.copies, ih.stack⟩, ih.snaps⟩
  | written u d ih => exact ⟨⟨ih.forest, ih.givers, ih.codes, ih.commits, ih.heads, ih.copies, ih.stack⟩, ih.snaps⟩

theorem tabled {m₀ m : M} (t : Tabled F m₀) (d : Deeds T F m₀ m) : Tabled F m := by
  have put : ∀ {m n : M} (r : Run), Tabled F m → (∀ j, n.run j = if r.id = j then r else m.run j) → (∀ h ∈ r.handles, F h) →
      (∀ c ∈ r.trace, ∀ h ∈ c.handles, F h) → Tabled F n := fun {m n} r t hn hh hk => by
    refine ⟨fun id h => ?_, fun id c => ?_⟩
    · rw [hn]; split
      · exact hh h
      · exact t.tables id h
    · rw [hn]; split
      · exact hk c
      · exact t.kept id c
  have run' : ∀ (m : M) (r : Run) (j : Id), (m.put r).run j = if r.id = j then r else m.run j := run_put
  induction d with
  | refl => exact t
  | @code m id code _ _ _ _ _ ih => exact put { m.run id with code } ih (run' m _) (ih.tables id) (ih.kept id)
  | @tell m id handles made ev s _ _ _ _ hh ih =>
    have new : ∀ h ∈ s.handles, F h := fun h hx => (hh h hx).elim (ih.tables id h) fun h => h
    have run : (m.put { m.run id with handles, made }).run id = { m.run id with handles, made } := by
      rw [run_put, if_pos (run_id m id)]
    refine ⟨fun j h => ?_, fun j c => ?_⟩
    · by_cases e : id = j
      · subst e; rw [run_record_same]; exact new h
      · rw [run_record_ne _ _ _ e, run_put_ne _ (by simp only [run_id]; exact e)]; exact ih.tables j h
    · by_cases e : id = j
      · subst e
        rw [trace_record_same, run]
        intro hc
        cases List.mem_cons.mp hc with
        | inl e => rw [e]; exact new
        | inr e => exact ih.kept id c e
      · rw [run_record_ne _ _ _ e, run_put_ne _ (by simp only [run_id]; exact e)]; exact ih.kept j c
  | @own m id o g _ _ _ _ _ ih =>
    exact put { m.run id with owner := some o, givers := g } ih (run' m _) (ih.tables id) (ih.kept id)
  | @record m id ev s _ _ _ _ hh ih =>
    have new : ∀ h ∈ s.handles, F h := fun h hx => (hh h hx).elim (ih.tables id h) fun h => h
    refine put { m.run id with code := s.code, files := s.files, handles := s.handles, inbox := s.inbox,
                               trace := m.commitOf id ev s :: (m.run id).trace } ih (fun j => Runs.find_put _ _ _) new ?_
    intro c hc
    cases List.mem_cons.mp hc with
    | inl e => rw [e]; exact new
    | inr e => exact ih.kept id c e
  | @born m r _ _ _ _ _ _ htr hh _ _ ih => exact put r ih (run' m _) hh fun c hc => (htr c hc).2.1
  | stack st _ _ ih => exact ⟨ih.tables, ih.kept⟩
  | used u _ ih => exact ⟨ih.tables, ih.kept⟩
  | written u _ ih => exact ⟨ih.tables, ih.kept⟩

theorem foldl {α : Type} {m : M} {f : M → α → M} {l : List α} (t : Tied m)
    (h : ∀ n x, x ∈ l → Deeds T F m n → Tied n → Deeds T F n (f n x)) : Deeds T F m (l.foldl f m) := by
  have go : ∀ (k : List α) (n : M), (∀ x ∈ k, x ∈ l) → Deeds T F m n → Deeds T F m (k.foldl f n) := by
    intro k
    induction k with
    | nil => exact fun n _ d => d
    | cons x k ih =>
      exact fun n s d => ih _ (fun y hy => s y (List.mem_cons_of_mem _ hy))
        (d.trans (h n x (s x List.mem_cons_self) d (d.tied t)))
  exact go l m (fun _ h => h) .refl

end Deeds

end M

end Shepherd
