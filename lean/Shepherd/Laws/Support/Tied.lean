import Shepherd.Laws.Support.Below

/-!
# Ownership through everything that can happen: the invariants

`M.Tied m`: every owner, giver and chain is one that may be; what commits tell of runs below is so too; and a run is where
eventless steps have brought it since its last event. `M.Deeds` lists the elementary changes that keep this, with the runs that they
change.
-/

namespace Shepherd

open Id (MayOwn Over)

/-- The code with which a run that ends begins again: the value or the fault that ends it. -/
def Ending (P : Program) (c : Comp) (ρ : Env) (K : Stack) (n : Nat) (again : Comp) : Prop :=
  (∃ v, localStep P c ρ K = .ends v ∧ again = .ret (.lit v)) ∨
    ∃ f, (localStep P c ρ K = .faults f ∨ (P.steps < n + 1 ∧ f = tooMany P)) ∧ again = .ret (.prim "raise" [.lit f.error])

/-- Where steps that record nothing lead: local steps, and the first of the end. -/
inductive Settled.Leads (P : Program) (s : Settled) : Settled → Prop where
  | refl : Leads P s s
  | step {c d : Comp} {ρ σ : Env} {K L : Stack} {n : Nat} : Leads P s (.running c ρ K n) → n < P.steps →
      localStep P c ρ K = .running d σ L → Leads P s (.running d σ L (n + 1))
  | ending {c again : Comp} {ρ : Env} {K : Stack} {n : Nat} : Leads P s (.running c ρ K n) → Ending P c ρ K n again →
      Leads P s (.running again [] [] 0)

theorem Settled.Leads.trans {P : Program} {s t u : Settled} (h : Leads P s t) (g : Leads P t u) : Leads P s u := by
  induction g with
  | refl => exact h
  | step _ l e ih => exact ih.step l e
  | ending _ e ih => exact ih.ending e

/-- A run stood below the one that recorded the commit: by the owners that the commit tells. -/
inductive Commit.Stood (c : Commit) : Id → Prop where
  | top {h : Head} : h ∈ c.heads → h.owner = c.run → Stood c h.id
  | down {h : Head} : h ∈ c.heads → Stood c h.owner → Stood c h.id

/-- What a commit tells of the runs below is a tree under the run that recorded it. -/
structure CommitTied (c : Commit) : Prop where
  owner : ∀ h ∈ c.heads, MayOwn h.owner h.id
  givers : ∀ h ∈ c.heads, ∀ g ∈ h.givers, MayOwn g h.id
  over : ∀ h ∈ c.heads, Over c.run h.id ∧ h.id ≠ c.run
  stood : ∀ h ∈ c.heads, c.Stood h.id
  nodup : (c.heads.map Head.id).Nodup

namespace M

/-- The runs that code names may come to stand below the run. -/
def CodeTied (id : Id) : Code → Prop
  | .settled _ => True
  | .driving _ _ => True
  | .passing chain _ _ _ => (id :: chain).Pairwise Over
  | .undoing u _ => MayOwn id u.run ∧ ∀ d ∈ u.todo, Over u.run d.run

/-- A run is where eventless steps lead from its last commit. -/
structure Snap (P : Program) (c : Commit) (r : Run) : Prop where
  code : c.code.Leads P r.code.settle
  files : r.files = c.files
  inbox : r.inbox = c.inbox

/-- The invariants. -/
structure Tied (m : M) : Prop where
  forest : Runs.Forest m.runs
  givers : ∀ id, ∀ g ∈ (m.run id).givers, MayOwn g id
  codes : ∀ id, CodeTied id (m.run id).code
  commits : ∀ id, ∀ c ∈ (m.run id).trace, CommitTied c
  heads : ∀ id, ∀ c ∈ (m.run id).trace, ∀ h ∈ c.heads, m.has h.id = true
  copies : ∀ f x, m.has (.copy f x) = true → ∃ a n, f = .made a n
  stack : m.stack.Pairwise fun a b => Over b a
  snaps : ∀ id, id ≠ .world → ∀ c t, (m.run id).trace = c :: t → Snap m.program c (m.run id)

/-! ## Below, for machines -/

/-- Run `id` stands strictly below `above`. -/
abbrev Below (m : M) (id above : Id) : Prop := Runs.Below m.runs id above

namespace Tied

theorem owner {m : M} (t : Tied m) {id o : Id} (h : (m.run id).owner = some o) : MayOwn o id := t.forest.owner id o h

theorem mem_below {m : M} (t : Tied m) {x a : Id} : x ∈ m.below a ↔ m.Below x a := Runs.mem_under_iff t.forest

theorem isBelow {m : M} (t : Tied m) {x a : Id} : m.isBelow x a = true ↔ m.Below x a := Runs.isBelow_iff t.forest

theorem mem_family {m : M} (t : Tied m) {x a : Id} : x ∈ m.family a ↔ x = a ∨ m.Below x a := by
  rw [family, List.mem_append, t.mem_below, List.mem_singleton, or_comm]

theorem over_of_below {m : M} (t : Tied m) {x a : Id} (h : m.Below x a) : Over a x := h.over t.forest

theorem over_of_family {m : M} (t : Tied m) {x a : Id} (h : x ∈ m.family a) : Over a x := by
  rcases t.mem_family.mp h with rfl | h
  · exact .refl _
  · exact t.over_of_below h

theorem owns {m : M} (t : Tied m) {asker id : Id} (h : m.owns asker id = true) : MayOwn asker id :=
  t.owner (beq_iff_eq.mp h)

theorem nodup_below {m : M} (t : Tied m) (a : Id) : (m.below a).Nodup :=
  Runs.nodup_under t.forest _ (Runs.nodup_kids t.forest a) fun _ hs _ ht => Runs.kids_apart t.forest hs ht

end Tied

/-! ## Commits -/

theorem headsAt_eq (m : M) (id : Id) (event : Event) : ∃ l : List Id, l.Sublist (m.kids id) ∧
    m.headsAt id event = (Runs.under m.runs m.runs.length l).map m.headOf := by
  unfold headsAt
  split
  · exact ⟨_, List.filter_sublist, rfl⟩
  · exact ⟨_, List.filter_sublist, rfl⟩
  · exact ⟨_, List.Sublist.refl _, rfl⟩

theorem headsAt_has (m : M) (id : Id) (event : Event) : ∀ h ∈ m.headsAt id event, m.has h.id = true := by
  obtain ⟨l, hl, e⟩ := m.headsAt_eq id event
  intro h hh
  rw [e] at hh
  obtain ⟨x, hx, rfl⟩ := List.mem_map.mp hh
  exact Runs.has_of_mem_under (fun k hk => Runs.has_of_mem_kids (hl.subset hk)) hx

theorem Tied.commit {m : M} (t : Tied m) (id : Id) (event : Event) (s : State) : CommitTied (m.commitOf id event s) := by
  obtain ⟨l, hl, e⟩ := m.headsAt_eq id event
  have heads : (m.commitOf id event s).heads = (Runs.under m.runs m.runs.length l).map m.headOf := e
  have kid : ∀ x ∈ l, (m.run x).owner = some id := fun x hx => (Runs.mem_kids_iff t.forest.nodup).mp (hl.subset hx)
  have below : ∀ x ∈ Runs.under m.runs m.runs.length l, m.Below x id := fun x hx => by
    rcases Runs.of_mem_under t.forest.nodup hx with h | ⟨s, hs, h⟩
    · exact .own (kid x h)
    · exact h.trans (.own (kid s hs))
  have owned : ∀ x ∈ Runs.under m.runs m.runs.length l, (m.run x).owner = some (m.headOf x).owner := fun x hx => by
    cases below x hx with
    | own h => rw [headOf]; simp only; rw [show (m.run x).owner = _ from h]; rfl
    | up h _ => rw [headOf]; simp only; rw [show (m.run x).owner = _ from h]; rfl
  constructor
  · intro h hh
    rw [heads] at hh
    obtain ⟨x, hx, rfl⟩ := List.mem_map.mp hh
    exact t.owner (owned x hx)
  · intro h hh
    rw [heads] at hh
    obtain ⟨x, hx, rfl⟩ := List.mem_map.mp hh
    exact t.givers x
  · intro h hh
    rw [heads] at hh
    obtain ⟨x, hx, rfl⟩ := List.mem_map.mp hh
    exact ⟨t.over_of_below (below x hx), (below x hx).ne t.forest⟩
  · have go : ∀ n siblings, (∀ x ∈ Runs.under m.runs n siblings, x ∈ Runs.under m.runs m.runs.length l) →
        (∀ k ∈ siblings, k ∈ Runs.under m.runs m.runs.length l → (m.commitOf id event s).Stood k) →
        ∀ x ∈ Runs.under m.runs n siblings, (m.commitOf id event s).Stood x := by
      intro n
      induction n with
      | zero => exact fun _ _ _ x hx => absurd hx List.not_mem_nil
      | succ n ih =>
        intro siblings sub hs x hx
        have sibling : ∀ k ∈ siblings, (m.commitOf id event s).Stood k := fun k hk =>
          hs k hk (sub k (Runs.mem_under_succ.mpr ⟨k, hk, .inr rfl⟩))
        obtain ⟨k, hk, hx⟩ := Runs.mem_under_succ.mp hx
        rcases hx with hx | rfl
        · refine ih (Runs.kids m.runs k) (fun y hy => sub y (Runs.mem_under_succ.mpr ⟨k, hk, .inl hy⟩)) (fun j hj hjl => ?_) x hx
          refine .down (h := m.headOf j) (by rw [heads]; exact List.mem_map.mpr ⟨j, hjl, rfl⟩) ?_
          have : (m.headOf j).owner = k :=
            Option.some.inj ((owned j hjl).symm.trans ((Runs.mem_kids_iff t.forest.nodup).mp hj))
          rw [this]
          exact sibling k hk
        · exact sibling x hk
    intro h hh
    rw [heads] at hh
    obtain ⟨x, hx, rfl⟩ := List.mem_map.mp hh
    refine go _ l (fun _ h => h) (fun k hk hkl => ?_) x hx
    exact .top (h := m.headOf k) (by rw [heads]; exact List.mem_map.mpr ⟨k, hkl, rfl⟩)
      (Option.some.inj ((owned k hkl).symm.trans (kid k hk)))
  · rw [heads, List.map_map]
    have : (Head.id ∘ m.headOf) = _root_.id := rfl
    rw [this, List.map_id]
    exact Runs.nodup_under t.forest _ (hl.nodup (Runs.nodup_kids t.forest id))
      fun x hx y hy => Runs.kids_apart t.forest (hl.subset hx) (hl.subset hy)

/-! ## Elementary changes -/

/-- A run is put in, and nothing else that the invariants speak of changes. -/
theorem Tied.put {m n : M} (t : Tied m) (r : Run) (hr : n.runs = Runs.put m.runs r) (hs : n.stack = m.stack)
    (hp : n.program = m.program) (owner : ∀ o, r.owner = some o → MayOwn o r.id) (givers : ∀ g ∈ r.givers, MayOwn g r.id)
    (code : CodeTied r.id r.code) (commits : ∀ c ∈ r.trace, CommitTied c)
    (heads : ∀ c ∈ r.trace, ∀ h ∈ c.heads, m.has h.id = true) (copies : ∀ f x, r.id = .copy f x → ∃ a n, f = .made a n)
    (snap : r.id ≠ .world → ∀ c u, r.trace = c :: u → Snap m.program c r) : Tied n := by
  have run : ∀ j, n.run j = if r.id = j then r else m.run j := fun j => by
    unfold M.run; rw [hr, Runs.find_put]
  have up : ∀ {j}, m.has j = true → n.has j = true := fun {j} h => by
    unfold M.has at h ⊢; rw [hr, Runs.has_put, h, Bool.or_true]
  have each : ∀ {p : Id → Run → Prop}, p r.id r → (∀ j, p j (m.run j)) → ∀ j, p j (n.run j) := fun {p} h g j => by
    rw [run]; split
    · next e => exact e ▸ h
    · exact g j
  refine ⟨⟨?_, ?_⟩, each (p := fun j x => ∀ g ∈ x.givers, MayOwn g j) givers t.givers,
    each (p := fun j x => CodeTied j x.code) code t.codes,
    each (p := fun _ x => ∀ c ∈ x.trace, CommitTied c) commits t.commits,
    each (p := fun _ x => ∀ c ∈ x.trace, ∀ h ∈ c.heads, n.has h.id = true) (fun c hc h hh => up (heads c hc h hh))
      (fun j c hc h hh => up (t.heads j c hc h hh)), fun f x h => ?_, hs ▸ t.stack,
    each (p := fun j x => j ≠ .world → ∀ c u, x.trace = c :: u → Snap n.program c x) ?_ ?_⟩
  · rw [hr, Runs.ids_put]
    split
    · exact t.forest.nodup
    · next h =>
      refine List.nodup_append.mpr ⟨t.forest.nodup, List.pairwise_singleton _ _, fun x hx y hy e => h ?_⟩
      rw [List.mem_singleton] at hy
      obtain ⟨z, hz, rfl⟩ := List.mem_map.mp hx
      exact (Runs.has_iff _ _).mpr ⟨z, hz, e.trans hy⟩
  · exact each (p := fun j x => ∀ o, x.owner = some o → MayOwn o j) owner t.forest.owner
  · unfold has at h
    rw [hr, Runs.has_put, Bool.or_eq_true] at h
    rcases h with h | h
    · exact copies f x (beq_iff_eq.mp h)
    · exact t.copies f x h
  · rw [hp]; exact snap
  · rw [hp]; exact t.snaps

theorem Tied.has_copies {m : M} (t : Tied m) {id : Id} (i : m.has id = true) (f x : Id) (e : id = .copy f x) :
    ∃ a n, f = .made a n := t.copies f x (e ▸ i)

/-- The ids in tables, and in the tables of commits, were given out. -/
structure Tabled (F : Id → Prop) (m : M) : Prop where
  tables : ∀ id, ∀ h ∈ (m.run id).handles, F h
  kept : ∀ id, ∀ c ∈ (m.run id).trace, ∀ h ∈ c.handles, F h

/-- `m` comes from `m₀` by elementary changes of runs of `T`; of new ids, only those of `F` come into tables. -/
inductive Deeds (T F : Id → Prop) (m₀ : M) : M → Prop where
  | refl : Deeds T F m₀ m₀
  | code {m : M} (id : Id) (code : Code) : Deeds T F m₀ m → T id → m.has id = true → CodeTied id code →
      (id = .world ∨ (m.run id).code.settle.Leads m₀.program code.settle) → Deeds T F m₀ (m.setCode id code)
  | table {m : M} (id : Id) (handles : List Id) (made : Nat) : Deeds T F m₀ m → T id → m.has id = true →
      (∀ h ∈ handles, h ∈ (m.run id).handles ∨ F h) → Deeds T F m₀ (m.put { m.run id with handles, made })
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
  | table id hs made _ t i hh ih => exact .table id hs made ih (h _ t) i hh
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
  | table id hs made _ t i hh ih => exact .table id hs made ih t i hh
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
  | @table m id handles made _ t _ _ ih => rw [run_put_ne _ (by simp only [run_id]; exact ne t)]; exact ih
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
  | @table m id handles made _ _ _ _ ih => rw [has_put, ih, Bool.or_true]
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
  | @table m id handles made _ _ i _ ih => exact put ih (.inl i) (by rw [has_put]; simp only [run_id]) h
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
    refine ih.put { m.run id with code } rfl rfl rfl ?_ ?_ ?_ ?_ (ih.heads id) ?_ ?_
    · rw [run_id]; exact fun o => ih.owner
    · rw [run_id]; exact ih.givers id
    · rw [run_id]; exact hc
    · exact ih.commits id
    · rw [run_id]; exact ih.has_copies i
    · intro ne c u hu
      rw [run_id] at ne
      have s := ih.snaps id ne c u hu
      exact ⟨s.code.trans (d.program ▸ hl.resolve_left ne), s.files, s.inbox⟩
  | @table m id handles made d _ i _ ih =>
    refine ih.put { m.run id with handles, made } rfl rfl rfl ?_ ?_ ?_ ?_ (ih.heads id) ?_ ?_
    · rw [run_id]; exact fun o => ih.owner
    · rw [run_id]; exact ih.givers id
    · rw [run_id]; exact ih.codes id
    · exact ih.commits id
    · rw [run_id]; exact ih.has_copies i
    · intro ne c u hu
      rw [run_id] at ne
      have s := ih.snaps id ne c u hu
      exact ⟨s.code, s.files, s.inbox⟩
  | @own m id o g d _ i ho hg ih =>
    refine ih.put { m.run id with owner := some o, givers := g } rfl rfl rfl ?_ ?_ ?_ ?_ (ih.heads id) ?_ ?_
    · rw [run_id]; intro o' e; exact Option.some.inj e ▸ ho
    · rw [run_id]; exact hg
    · rw [run_id]; exact ih.codes id
    · exact ih.commits id
    · rw [run_id]; exact ih.has_copies i
    · intro ne c u hu
      rw [run_id] at ne
      have s := ih.snaps id ne c u hu
      exact ⟨s.code, s.files, s.inbox⟩
  | @record m id ev s d _ i hc _ ih =>
    refine ih.put { m.run id with code := s.code, files := s.files, handles := s.handles, inbox := s.inbox,
                                  trace := m.commitOf id ev s :: (m.run id).trace } rfl rfl rfl ?_ ?_ ?_ ?_ ?_ ?_ ?_
    · rw [run_id]; exact fun o => ih.owner
    · rw [run_id]; exact ih.givers id
    · rw [run_id]; exact hc
    · intro c hc
      cases List.mem_cons.mp hc with
      | inl e => rw [e]; exact ih.commit id ev s
      | inr e => exact ih.commits id c e
    · intro c hc
      cases List.mem_cons.mp hc with
      | inl e => rw [e]; exact m.headsAt_has id ev
      | inr e => exact ih.heads id c e
    · rw [run_id]; exact ih.has_copies i
    · intro _ c u hu
      cases hu
      exact ⟨.refl, rfl, rfl⟩
  | @born m r d _ _ ho hg hc htr _ hcopy hs ih =>
    exact ih.put r rfl rfl rfl ho hg hc (fun c hc => (htr c hc).1) (fun c hc => (htr c hc).2.2) hcopy
      fun _ c u hu => d.program ▸ hs c u hu
  | stack st d h ih => exact ⟨ih.forest, ih.givers, ih.codes, ih.commits, ih.heads, ih.copies, h, ih.snaps⟩
  | used u d ih => exact ⟨ih.forest, ih.givers, ih.codes, ih.commits, ih.heads, ih.copies, ih.stack, ih.snaps⟩
  | written u d ih => exact ⟨ih.forest, ih.givers, ih.codes, ih.commits, ih.heads, ih.copies, ih.stack, ih.snaps⟩

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
  | @table m id handles made _ _ _ hh ih =>
    exact put { m.run id with handles, made } ih (run' m _) (fun h hx => (hh h hx).elim (ih.tables id h) fun h => h) (ih.kept id)
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
