import Shepherd.Laws.Support.Order

/-!
# Ownership through everything that can happen: the invariants

`M.Tied m`: every owner, giver and chain is one that may be; what commits tell of runs below is so too; and a run is where
eventless steps have brought it since its last event.
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
  order : c.heads.Pairwise fun a b => b.owner ≠ a.id

namespace M

/-- The runs that code names may come to stand below the run. -/
def CodeTied (id : Id) : Code → Prop
  | .settled _ => True
  | .driving _ _ => True
  | .passing chain _ _ _ => (id :: chain).Pairwise Over
  | .undoing u _ => MayOwn id u.run ∧ ∀ d ∈ u.todo, Over u.run d.run

/-- A run is where eventless steps lead from its last commit; the table too, where it has recorded that commit itself. -/
structure Snap (P : Program) (c : Commit) (r : Run) : Prop where
  code : c.code.Leads P r.code.settle
  files : r.files = c.files
  inbox : r.inbox = c.inbox
  handles : c.run = r.id → r.handles = c.handles

/-- The invariants of ownership. -/
structure Firm (m : M) : Prop where
  forest : Runs.Forest m.runs
  givers : ∀ id, ∀ g ∈ (m.run id).givers, MayOwn g id
  codes : ∀ id, CodeTied id (m.run id).code
  commits : ∀ id, ∀ c ∈ (m.run id).trace, CommitTied c
  heads : ∀ id, ∀ c ∈ (m.run id).trace, ∀ h ∈ c.heads, m.has h.id = true
  copies : ∀ f x, m.has (.copy f x) = true → ∃ a n, f = .made a n
  stack : m.stack.Pairwise fun a b => Over b a

/-- The invariants. -/
structure Tied (m : M) : Prop extends Firm m where
  snaps : ∀ id, id ≠ .world → ∀ c t, (m.run id).trace = c :: t → Snap m.program c (m.run id)

/-! ## Below, for machines -/

/-- Run `id` stands strictly below `above`. -/
abbrev Below (m : M) (id above : Id) : Prop := Runs.Below m.runs id above

namespace Firm

theorem owner {m : M} (t : Firm m) {id o : Id} (h : (m.run id).owner = some o) : MayOwn o id := t.forest.owner id o h

theorem mem_below {m : M} (t : Firm m) {x a : Id} : x ∈ m.below a ↔ m.Below x a := Runs.mem_under_iff t.forest

theorem isBelow {m : M} (t : Firm m) {x a : Id} : m.isBelow x a = true ↔ m.Below x a := Runs.isBelow_iff t.forest

theorem mem_family {m : M} (t : Firm m) {x a : Id} : x ∈ m.family a ↔ x = a ∨ m.Below x a := by
  rw [family, List.mem_append, t.mem_below, List.mem_singleton, or_comm]

theorem over_of_below {m : M} (t : Firm m) {x a : Id} (h : m.Below x a) : Over a x := h.over t.forest

theorem over_of_family {m : M} (t : Firm m) {x a : Id} (h : x ∈ m.family a) : Over a x := by
  rcases t.mem_family.mp h with rfl | h
  · exact .refl _
  · exact t.over_of_below h

theorem owns {m : M} (t : Firm m) {asker id : Id} (h : m.owns asker id = true) : MayOwn asker id :=
  t.owner (beq_iff_eq.mp h)

theorem nodup_below {m : M} (t : Firm m) (a : Id) : (m.below a).Nodup :=
  Runs.nodup_under t.forest _ (Runs.nodup_kids t.forest a) fun _ hs _ ht => Runs.kids_apart t.forest hs ht

end Firm

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

theorem Firm.commit {m : M} (t : Firm m) (id : Id) (event : Event) (s : State) : CommitTied (m.commitOf id event s) := by
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
  · rw [heads, List.pairwise_map]
    refine (Runs.pairwise_under t.forest _ (hl.nodup (Runs.nodup_kids t.forest id))
      fun x hx y hy => Runs.kids_apart t.forest (hl.subset hx) (hl.subset hy)).imp_of_mem fun hx hy ne e => ne ?_
    exact (owned _ hy).trans (congrArg some e)

/-! ## Elementary changes -/

/-- A run is put in, and nothing else that the invariants speak of changes. -/
theorem Firm.put {m n : M} (t : Firm m) (r : Run) (hr : n.runs = Runs.put m.runs r) (hs : n.stack = m.stack)
    (owner : ∀ o, r.owner = some o → MayOwn o r.id) (givers : ∀ g ∈ r.givers, MayOwn g r.id)
    (code : CodeTied r.id r.code) (commits : ∀ c ∈ r.trace, CommitTied c)
    (heads : ∀ c ∈ r.trace, ∀ h ∈ c.heads, m.has h.id = true) (copies : ∀ f x, r.id = .copy f x → ∃ a n, f = .made a n) :
    Firm n := by
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
      (fun j c hc h hh => up (t.heads j c hc h hh)), fun f x h => ?_, hs ▸ t.stack⟩
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

/-- The same with the snapshots. -/
theorem Tied.put {m n : M} (t : Tied m) (r : Run) (hr : n.runs = Runs.put m.runs r) (f : Firm n) (hp : n.program = m.program)
    (snap : r.id ≠ .world → ∀ c u, r.trace = c :: u → Snap m.program c r) : Tied n := by
  refine ⟨f, fun j => ?_⟩
  have run : n.run j = if r.id = j then r else m.run j := by
    unfold M.run; rw [hr, Runs.find_put]
  rw [run, hp]
  split
  · next e => exact e ▸ snap
  · exact t.snaps j

theorem Firm.has_copies {m : M} (t : Firm m) {id : Id} (i : m.has id = true) (f x : Id) (e : id = .copy f x) :
    ∃ a n, f = .made a n := t.copies f x (e ▸ i)

/-- A run records an event. -/
theorem Firm.record {m : M} (t : Firm m) (id : Id) (ev : Event) (s : State) (i : m.has id = true) (hc : CodeTied id s.code) :
    Firm (m.record id ev s) := by
  refine t.put { m.run id with code := s.code, files := s.files, handles := s.handles, inbox := s.inbox,
                               trace := m.commitOf id ev s :: (m.run id).trace } rfl rfl ?_ ?_ ?_ ?_ ?_ ?_
  · rw [run_id]; exact fun o => t.owner
  · rw [run_id]; exact t.givers id
  · rw [run_id]; exact hc
  · intro c hc
    cases List.mem_cons.mp hc with
    | inl e => rw [e]; exact t.commit id ev s
    | inr e => exact t.commits id c e
  · intro c hc
    cases List.mem_cons.mp hc with
    | inl e => rw [e]; exact m.headsAt_has id ev
    | inr e => exact t.heads id c e
  · rw [run_id]; exact t.has_copies i

end M

end Shepherd
