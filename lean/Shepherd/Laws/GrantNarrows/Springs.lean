import Shepherd.Laws.Support.Reach

/-!
# Where the grant of a run comes from
-/

namespace Shepherd

/-- The layers of a grant without the names of the runs that they were given to. -/
def clausesOf (grant : List Layer) : List Request := grant.map Layer.clauses

/-- `x` is `y`, or the name of a copy of what is so. -/
inductive Id.CopyOf (y : Id) : Id → Prop where
  | self : CopyOf y y
  | copy (f : Id) {x : Id} : CopyOf y x → CopyOf y (.copy f x)

theorem Id.copyOf_today (r id y : Id) : Id.CopyOf y (Id.today r id y) := by
  induction id with
  | copy f old _ ih =>
    rw [Id.today]
    split
    · exact .self
    · exact .copy f ih
  | _ => exact .self

namespace M

/-- How the grant `g` of a new run `id` comes from those of the runs of `m`. -/
def Springs (m : M) (id : Id) (g : List Layer) : Prop :=
  (∃ a k layer, id = .made a k ∧ m.has a = true ∧ layer.origin = id ∧ g = (m.run a).grant ++ [layer]) ∨
  (∃ f x y, id = .copy f x ∧ Id.CopyOf y x ∧ m.has y = true ∧ clausesOf g = clausesOf (m.run y).grant)

/-- What holds of the commits of traces: in the names of a run that has a commit in its trace, who recorded it is the run itself; the
recorder has a trace, and what stood below it has at least what it had then. -/
structure Named (m : M) : Prop where
  today : ∀ id, ∀ c ∈ (m.run id).trace, Id.today c.run id c.run = id
  recorded : ∀ id, ∀ c ∈ (m.run id).trace, 0 < (m.run c.run).trace.length
  heads : ∀ id, ∀ c ∈ (m.run id).trace, ∀ h ∈ c.heads, h.length ≤ (m.run h.id).trace.length
  indexed : ∀ id, Trace.Indexed (m.run id).trace

/-- What holds of the grants of every tree. -/
structure Granted (m : M) : Prop where
  named : Named m
  made : ∀ a k, m.has (.made a k) = true → ∃ layer, m.has a = true ∧ layer.origin = .made a k ∧
    (m.run (.made a k)).grant = (m.run a).grant ++ [layer]
  copy : ∀ f x, m.has (.copy f x) = true → ∃ y, Id.CopyOf y x ∧ m.has y = true ∧
    clausesOf (m.run (.copy f x)).grant = clausesOf (m.run y).grant

/-- What one change after the other keeps. -/
structure Narrow (m₀ m : M) : Prop where
  named : Named m
  has : ∀ id, m₀.has id = true → m.has id = true
  grants : ∀ id, m₀.has id = true → (m.run id).grant = (m₀.run id).grant
  new : ∀ id, m.has id = true → m₀.has id = true ∨ Springs m₀ id (m.run id).grant

theorem today_self (id : Id) : Id.today id id id = id := by
  cases id with
  | copy f old => unfold Id.today; rw [if_pos rfl]
  | _ => rfl

theorem today_copy (r f old x : Id) :
    Id.today r (.copy f old) x = if Id.copy f old = r then x else .copy f (Id.today r old x) := by
  rw [Id.today]

theorem today_today {r s : Id} (id : Id) {x : Id} (h : Id.today s x s = x) :
    Id.today s (Id.today r id x) s = Id.today r id x := by
  induction id with
  | copy f old _ ih =>
    rw [today_copy]
    split
    · exact h
    · rw [today_copy]
      split
      · next e => exact e.symm
      · rw [ih]
  | _ => exact h

namespace Narrow

theorem refl {m : M} (h : Named m) : Narrow m m := ⟨h, fun _ h => h, fun _ _ => rfl, fun _ h => .inl h⟩

/-- A change of runs that are there, their grants apart, and of no trace. -/
theorem same {m₀ m n : M} (k : Narrow m₀ m) (hhas : ∀ j, n.has j = m.has j)
    (hgrant : ∀ j, (n.run j).grant = (m.run j).grant) (htrace : ∀ j, (n.run j).trace = (m.run j).trace) : Narrow m₀ n where
  named := {
    today := fun id c hc => k.named.today id c (htrace id ▸ hc)
    recorded := fun id c hc => by rw [htrace]; exact k.named.recorded id c (htrace id ▸ hc)
    heads := fun id c hc h hh => by rw [htrace]; exact k.named.heads id c (htrace id ▸ hc) h hh
    indexed := fun id => by rw [htrace]; exact k.named.indexed id }
  has := fun id h => (hhas id).trans (k.has id h)
  grants := fun id h => (hgrant id).trans (k.grants id h)
  new := fun id h => by rw [hgrant]; exact k.new id ((hhas id).symm.trans h)

theorem headsAt_length {m : M} {id : Id} {event : Event} {h : Head} (hh : h ∈ m.headsAt id event) :
    h.length = (m.run h.id).trace.size := by
  unfold headsAt at hh
  obtain ⟨x, _, rfl⟩ := List.mem_map.mp hh
  rfl

theorem record {m₀ m : M} (k : Narrow m₀ m) {id : Id} (i : m.has id = true) (event : Event) (s : State) :
    Narrow m₀ (m.record id event s) := by
  have hhas : ∀ j, (m.record id event s).has j = m.has j := fun j =>
    Runs.has_put_same (by simp only [run_id]; exact i) j
  have longer : ∀ j, (m.run j).trace.length ≤ ((m.record id event s).run j).trace.length := fun j => by
    by_cases e : id = j
    · subst e; rw [trace_record_same]; exact Nat.le_succ _
    · rw [trace_record_ne m event s e]; exact Nat.le_refl _
  have cases' : ∀ j c, c ∈ ((m.record id event s).run j).trace →
      (j = id ∧ c = m.commitOf id event s) ∨ c ∈ (m.run j).trace := fun j c hc => by
    by_cases e : id = j
    · subst e
      rw [trace_record_same] at hc
      exact (List.mem_cons.mp hc).imp_left fun h => ⟨rfl, h⟩
    · rw [trace_record_ne m event s e] at hc; exact .inr hc
  refine ⟨⟨fun j c hc => ?_, fun j c hc => ?_, fun j c hc h hh => ?_, fun j => ?_⟩, fun j h => (hhas j).trans (k.has j h),
    fun j h => (grant_record m id event s j).trans (k.grants j h), fun j h => ?_⟩
  · rcases cases' j c hc with ⟨rfl, rfl⟩ | h
    · exact today_self _
    · exact k.named.today j c h
  · rcases cases' j c hc with ⟨rfl, rfl⟩ | h
    · rw [commitOf_run, trace_record_same]; exact Nat.succ_pos _
    · exact Nat.lt_of_lt_of_le (k.named.recorded j c h) (longer _)
  · rcases cases' j c hc with ⟨rfl, rfl⟩ | g
    · rw [headsAt_length hh, (k.named.indexed h.id).size]; exact longer _
    · exact Nat.le_trans (k.named.heads j c g h hh) (longer _)
  · by_cases e : id = j
    · subst e; rw [trace_record_same]
      exact ⟨by rw [commitOf_index, (k.named.indexed id).size], k.named.indexed id⟩
    · rw [trace_record_ne m event s e]; exact k.named.indexed j
  · rw [grant_record]; exact k.new j ((hhas j).symm.trans h)

/-- A run that is there is put in another form, with the same grant and trace. -/
theorem put {m₀ m : M} (k : Narrow m₀ m) (r : Run) (i : m.has r.id = true) (hg : r.grant = (m.run r.id).grant)
    (ht : r.trace = (m.run r.id).trace) : Narrow m₀ (m.put r) := by
  refine k.same (fun j => Runs.has_put_same i j) (fun j => ?_) (fun j => ?_)
  · rw [run_put]; split
    · next e => rw [hg, e]
    · rfl
  · rw [run_put]; split
    · next e => rw [ht, e]
    · rfl

theorem setCode {m₀ m : M} (k : Narrow m₀ m) {id : Id} (i : m.has id = true) (code : Code) : Narrow m₀ (m.setCode id code) :=
  k.put _ (by simp only [run_id]; exact i) (by simp only [run_id]) (by simp only [run_id])

theorem setHandles {m₀ m : M} (k : Narrow m₀ m) {id : Id} (i : m.has id = true) (handles : List Id) :
    Narrow m₀ (m.setHandles id handles) :=
  k.put _ (by simp only [run_id]; exact i) (by simp only [run_id]) (by simp only [run_id])

theorem own {m₀ m : M} (k : Narrow m₀ m) {id : Id} (i : m.has id = true) (owner : Id) (givers : List Id) :
    Narrow m₀ (m.own id owner givers) :=
  k.put _ (by simp only [run_id]; exact i) (by simp only [run_id]) (by simp only [run_id])

theorem answerRun {m₀ m : M} (k : Narrow m₀ m) {asker : Id} (i : m.has asker = true) (w : Waiting) (id : Id) :
    Narrow m₀ (m.answerRun asker w id) := by
  unfold M.answerRun
  refine (k.put _ (by simp only [run_id]; exact i) (by simp only [run_id]) (by simp only [run_id])).record ?_ _ _
  rw [M.has_put, i, Bool.or_true]

end Narrow

/-- Elementary changes that make no run leave all grants. -/
theorem Plain.narrow {B : Prop} {m n : M} (h : Named m) (e : Plain m n B) : Narrow m n := by
  induction e with
  | refl => exact .refl h
  | code id code _ i _ _ k => exact k.setCode i code
  | handles id hs _ i k => exact k.setHandles i hs
  | own id o g _ i _ k => exact k.own i o g
  | record id ev s _ i _ _ _ k => exact k.record (i.elim (fun h => h) False.elim) ev s
  | @count m id hs ev s _ i _ _ _ k =>
    refine (k.put _ (by simp only [run_id]; exact i) (by simp only [run_id]) (by simp only [run_id])).record ?_ ev s
    rw [M.has_put, i, Bool.or_true]
  | born r s old _ new => exact new.elim
  | stack st _ k => exact k.same (fun _ => rfl) (fun _ => rfl) fun _ => rfl
  | used u _ k => exact k.same (fun _ => rfl) (fun _ => rfl) fun _ => rfl
  | written u _ k => exact k.same (fun _ => rfl) (fun _ => rfl) fun _ => rfl

theorem Narrow.lend {m₀ m : M} (k : Narrow m₀ m) (asker id held : Id) : Narrow m₀ (M.lend asker id m held) := by
  unfold M.lend
  split
  · next ho => exact k.own (has_of_owns ho) _ _
  · exact k

/-! ## New runs -/

/-- A new run is put in, with what another run had recorded. -/
theorem Narrow.born {m₀ m : M} (k : Narrow m₀ m) (r : Run) (absent : m₀.has r.id = false) (spring : Springs m₀ r.id r.grant)
    (today : ∀ c ∈ r.trace, Id.today c.run r.id c.run = r.id) (old : Id) (inherits : r.trace <:+ (m.run old).trace)
    (longer : (m.run r.id).trace.length ≤ r.trace.length) : Narrow m₀ (m.put r) := by
  have more : ∀ j, (m.run j).trace.length ≤ ((m.put r).run j).trace.length := fun j => by
    rw [run_put]; split
    · next e => rw [← e]; exact longer
    · exact Nat.le_refl _
  have from' : ∀ j c, c ∈ ((m.put r).run j).trace → ∃ o, c ∈ (m.run o).trace := fun j c hc => by
    rw [run_put] at hc; split at hc
    · exact ⟨old, inherits.subset hc⟩
    · exact ⟨j, hc⟩
  refine ⟨⟨fun id c hc => ?_, fun id c hc => ?_, fun id c hc h hh => ?_, fun id => ?_⟩, fun id h => Runs.has_put_of_has r (k.has id h),
    fun id h => ?_, fun id h => ?_⟩
  · rw [run_put] at hc; split at hc
    · next e => subst e; exact today c hc
    · exact k.named.today id c hc
  · obtain ⟨o, ho⟩ := from' id c hc
    exact Nat.lt_of_lt_of_le (k.named.recorded o c ho) (more _)
  · obtain ⟨o, ho⟩ := from' id c hc
    exact Nat.le_trans (k.named.heads o c ho h hh) (more _)
  · rw [run_put]; split
    · exact (k.named.indexed old).of_suffix inherits
    · exact k.named.indexed id
  · rw [run_put, if_neg]
    · exact k.grants id h
    · intro e; rw [e, h] at absent; cases absent
  · by_cases e : r.id = id
    · subst e; rw [run_put_same]; exact .inr spring
    · rw [run_put_ne m e]
      rw [M.has_put, beq_eq_false_iff_ne.mpr e, Bool.false_or] at h
      exact k.new id h

theorem Narrow.spawn {m : M} (w : Wf m True) (h : Named m) {asker : Id} (i : m.has asker = true) (wt : Waiting) :
    Narrow m (m.spawn asker wt) := by
  have absent := not_has_made w asker
  have fin : ∀ X : M, Narrow m X ∧ X.has (.made asker (m.run asker).made) = true → ∀ ev code,
      Narrow m ((X.recordCode (.made asker (m.run asker).made) ev code).answerRun asker wt (.made asker (m.run asker).made)) := by
    intro X k ev code
    have k' : Narrow m (X.recordCode (.made asker (m.run asker).made) ev code) := k.1.record k.2 ev _
    exact k'.answerRun (k'.has asker i) wt _
  unfold M.spawn
  split
  · split
    · exact (plain_reply (B := True) ⟨i, fun _ => trivial⟩ _ _).narrow h
    · split
      · exact (plain_reply (B := True) ⟨i, fun _ => trivial⟩ _ _).narrow h
      · next request hr =>
        simp only
        refine fin _ (foldl_keeps (P := fun n => Narrow m n ∧ n.has (.made asker (m.run asker).made) = true) ⟨?_, ?_⟩
          fun n x _ e => ⟨e.1.lend asker _ x, ?_⟩) _ _
        · refine (Narrow.refl h).born _ absent (.inl ⟨asker, _, _, rfl, i, rfl, rfl⟩) (fun c hc => absurd hc List.not_mem_nil) .root
            List.nil_suffix ?_
          rw [run_of_not_has absent]; exact Nat.le_refl _
        · exact Runs.has_put_self _ _
        · unfold M.lend
          split
          · rw [M.has_own, e.2, Bool.or_true]
          · exact e.2
  · exact (plain_wrong (B := True) ⟨i, fun _ => trivial⟩ _).narrow h

theorem copyGrant_clauses (before : M) (id fork : Id) (c : Commit) (inside : List Id) (used : Used) (g : List Layer) :
    clausesOf (copyGrant before id fork c inside used g).2 = clausesOf g := by
  induction g generalizing used with
  | nil => rfl
  | cons l ls ih =>
    unfold copyGrant
    simp only [clausesOf, List.map_cons] at ih ⊢
    rw [ih]
    congr 1
    unfold copyLayer
    split <;> rfl

theorem Narrow.used {m₀ m : M} (k : Narrow m₀ m) (used : Used) : Narrow m₀ { m with used } :=
  k.same (fun _ => rfl) (fun _ => rfl) fun _ => rfl

theorem Trace.upTo_ne_nil {t : Trace} (ht : Trace.Indexed t) (n : Nat) (h : n ≤ t.length) (ne : t ≠ []) :
    Trace.upTo t (n - 1) ≠ [] := by
  induction t with
  | nil => exact absurd rfl ne
  | cons c t ih =>
    unfold Trace.upTo
    rw [List.dropWhile_cons]
    by_cases e : c.index = n - 1
    · rw [e, bne_self_eq_false, if_neg Bool.false_ne_true]; exact nofun
    · rw [bne_iff_ne.mpr e, if_pos rfl]
      have hi : c.index = t.length := ht.1
      rw [List.length_cons] at h
      have l : n ≤ t.length := by omega
      refine ih ht.2 l fun z => ?_
      rw [z] at hi l
      simp only [List.length_nil] at hi l
      omega

/-- While copies are made: the runs that were there are as they were, and a new one has its grant and its trace from another. -/
structure Copying (m n : M) : Prop where
  has : ∀ j, m.has j = true → n.has j = true
  same : ∀ j, m.has j = true → n.run j = m.run j
  new : ∀ j, n.has j = true → m.has j = true ∨ (Springs m j (n.run j).grant ∧
    (∀ c ∈ (n.run j).trace, Id.today c.run j c.run = j) ∧ ∃ o, (n.run j).trace <:+ (m.run o).trace)

theorem Copying.narrow {m n : M} (h : Named m) (k : Copying m n) : Narrow m n := by
  have from' : ∀ j, (∀ c ∈ (n.run j).trace, Id.today c.run j c.run = j) ∧ ∃ o, (n.run j).trace <:+ (m.run o).trace := by
    intro j
    cases i : n.has j with
    | false => rw [run_of_not_has i]; exact ⟨fun c hc => absurd hc List.not_mem_nil, j, List.nil_suffix⟩
    | true =>
      rcases k.new j i with g | g
      · rw [k.same j g]; exact ⟨h.today j, j, List.suffix_refl _⟩
      · exact g.2
  have longer : ∀ j, (m.run j).trace.length ≤ (n.run j).trace.length := by
    intro j
    cases i : m.has j with
    | false => rw [run_of_not_has i]; exact Nat.zero_le _
    | true => rw [k.same j i]; exact Nat.le_refl _
  refine ⟨⟨fun j => (from' j).1, fun j c hc => ?_, fun j c hc x hx => ?_, fun j => ?_⟩, k.has, fun j i => by rw [k.same j i],
    fun j i => (k.new j i).imp_right And.left⟩
  · obtain ⟨o, ho⟩ := (from' j).2
    exact Nat.lt_of_lt_of_le (h.recorded o c (ho.subset hc)) (longer _)
  · obtain ⟨o, ho⟩ := (from' j).2
    exact Nat.le_trans (h.heads o c (ho.subset hc) x hx) (longer _)
  · obtain ⟨o, ho⟩ := (from' j).2
    exact (h.indexed o).of_suffix ho

theorem Copying.copyOne {m n : M} (k : Copying m n) (id fork owner : Id) (c : Commit) (parts : List Then) (x : Then)
    (absent : m.has (.copy fork x.id) = false) (orig : Id.CopyOf x.old x.id) (old : m.has x.old = true)
    (today : ∀ d ∈ x.trace, Id.today d.run x.id d.run = x.id) (inherits : ∃ o, x.trace <:+ (m.run o).trace) :
    Copying m (M.copyOne m id fork owner c parts n x) := by
  unfold M.copyOne
  split
  · exact k
  · next d ds ht =>
    refine ⟨fun j i => ?_, fun j i => ?_, fun j i => ?_⟩
    · rw [M.has_put]
      show (_ || n.has j) = true
      rw [k.has j i, Bool.or_true]
    · rw [run_put_ne]
      · exact k.same j i
      · intro e
        have e : Id.copy fork x.id = j := e
        rw [e, i] at absent; cases absent
    · by_cases e : Id.copy fork x.id = j
      · subst e
        refine .inr ?_
        rw [run_put, if_pos rfl]
        refine ⟨.inr ⟨fork, x.id, x.old, rfl, orig, old, copyGrant_clauses _ _ _ _ _ _ _⟩, fun c' hc' => ?_, inherits⟩
        rw [today_copy]
        split
        · next e => exact e.symm
        · rw [today c' hc']
      · rw [run_put_ne (r := _) _ (by exact e)]
        rw [M.has_put] at i
        have i : (Id.copy fork x.id == j || n.has j) = true := i
        rw [beq_eq_false_iff_ne.mpr e, Bool.false_or] at i
        exact k.new j i

theorem has_copyOne (before : M) (id fork owner : Id) (c : Commit) (parts : List Then) (n : M) (x : Then) (j : Id) :
    (n.has j = true ∨ (x.trace ≠ [] ∧ j = .copy fork x.id)) → (M.copyOne before id fork owner c parts n x).has j = true := by
  intro h
  unfold M.copyOne
  split
  · next e => exact h.elim (fun h => h) fun h => absurd e h.1
  · rw [M.has_put]
    show (Id.copy fork x.id == j || n.has j) = true
    cases h with
    | inl h => rw [h, Bool.or_true]
    | inr h => rw [h.2, beq_self_eq_true, Bool.true_or]

/-- The copies of a fork, once each has recorded `forked`. -/
theorem Narrow.copyTree {m : M} (w : Wf m True) (h : Named m) {asker id : Id} {c : Commit} {t : Trace}
    (ht : c :: t <:+ (m.run id).trace) :
    Narrow m (m.copyTree id (c :: t) c (.made asker (m.run asker).made) asker) := by
  have hc : c ∈ (m.run id).trace := ht.subset List.mem_cons_self
  have ids : ∀ x ∈ m.forkParts id asker (c :: t) c, x.id = Id.today c.run id x.old := by
    intro x hx
    unfold forkParts at hx
    cases List.mem_append.mp hx with
    | inl hx => unfold M.heads at hx; obtain ⟨y, _, rfl⟩ := List.mem_map.mp hx; rfl
    | inr hx => rw [List.mem_singleton.mp hx]; exact (h.today id c hc).symm
  have today : ∀ x ∈ m.forkParts id asker (c :: t) c, ∀ d ∈ x.trace, Id.today d.run x.id d.run = x.id := by
    intro x hx d hd
    unfold forkParts at hx
    cases List.mem_append.mp hx with
    | inl hx =>
      unfold M.heads at hx
      obtain ⟨y, _, rfl⟩ := List.mem_map.mp hx
      exact today_today id (h.today y.id d ((Trace.upTo_suffix _ _).subset hd))
    | inr hx =>
      rw [List.mem_singleton.mp hx] at hd ⊢
      exact h.today id d (ht.subset hd)
  have full : ∀ x ∈ m.forkParts id asker (c :: t) c, (m.run x.old).trace ≠ [] → x.trace ≠ [] := by
    intro x hx ne
    unfold forkParts at hx
    cases List.mem_append.mp hx with
    | inl hx =>
      unfold M.heads at hx
      obtain ⟨y, hy, rfl⟩ := List.mem_map.mp hx
      exact Trace.upTo_ne_nil (h.indexed y.id) _ (h.heads id c hc y hy) ne
    | inr hx => rw [List.mem_singleton.mp hx]; exact nofun
  have olds : ∀ x ∈ m.forkParts id asker (c :: t) c, x.trace ≠ [] → (m.run x.old).trace ≠ [] := by
    intro x hx ne
    unfold forkParts at hx
    cases List.mem_append.mp hx with
    | inl hx =>
      unfold M.heads at hx
      obtain ⟨y, hy, rfl⟩ := List.mem_map.mp hx
      intro e
      refine ne ?_
      show Trace.upTo (m.run y.id).trace _ = []
      have e : (m.run y.id).trace = [] := e
      rw [e]; rfl
    | inr hx =>
      rw [List.mem_singleton.mp hx]
      exact List.length_pos_iff.mp (h.recorded id c hc)
  unfold M.copyTree
  simp only
  generalize hborn : m.runs.filterMap (fun r => (m.forkParts id asker (c :: t) c).find? fun h => h.old == r.id) = born
  have inBorn : ∀ x ∈ born, x ∈ m.forkParts id asker (c :: t) c ∧ m.has x.old = true := by
    intro x hx
    rw [← hborn] at hx
    obtain ⟨r, hr, hf⟩ := List.mem_filterMap.mp hx
    have := List.find?_some (p := fun h : Then => h.old == r.id) hf
    exact ⟨List.mem_of_find?_eq_some hf, (Runs.has_iff _ _).mpr ⟨r, hr, (beq_iff_eq.mp this).symm⟩⟩
  have born' : ∀ x ∈ m.forkParts id asker (c :: t) c, x.trace ≠ [] → ∃ y ∈ born, y.id = x.id ∧ y.trace ≠ [] := by
    intro x hx ne
    have ho := olds x hx ne
    obtain ⟨r, hr, hi⟩ := (Runs.has_iff _ _).mp (has_of_trace ho)
    cases hf : (m.forkParts id asker (c :: t) c).find? fun h => h.old == r.id with
    | none =>
      have := List.find?_eq_none.mp hf x hx
      rw [hi, beq_self_eq_true] at this
      exact absurd rfl this
    | some y =>
      have hy := List.mem_of_find?_eq_some hf
      have hb : (y.old == r.id) = true := List.find?_some (p := fun h : Then => h.old == r.id) hf
      have e : y.old = x.old := (beq_iff_eq.mp hb).trans hi
      refine ⟨y, ?_, ?_, full y hy (e ▸ ho)⟩
      · rw [← hborn]; exact List.mem_filterMap.mpr ⟨r, hr, hf⟩
      · rw [ids y hy, ids x hx, e]
  have copying : Copying m (born.foldl (M.copyOne m id (.made asker (m.run asker).made) asker c
      (m.forkParts id asker (c :: t) c)) m) :=
    foldl_keeps (P := Copying m) ⟨fun _ i => i, fun _ _ => rfl, fun _ i => .inl i⟩ fun n x hx k =>
      k.copyOne _ _ _ _ _ x (not_has_copy w asker x.id)
        (ids x (inBorn x hx).1 ▸ Id.copyOf_today _ _ _) (inBorn x hx).2 (today x (inBorn x hx).1)
        (forkParts_trace ht x (inBorn x hx).1)
  have there : ∀ x ∈ m.forkParts id asker (c :: t) c, x.trace ≠ [] →
      (born.foldl (M.copyOne m id (.made asker (m.run asker).made) asker c (m.forkParts id asker (c :: t) c)) m).has
        (.copy (.made asker (m.run asker).made) x.id) = true := by
    intro x hx ne
    obtain ⟨y, hy, hi, hn⟩ := born' x hx ne
    have go : ∀ (l : List Then) (n : M), (n.has (.copy (.made asker (m.run asker).made) x.id) = true ∨ y ∈ l) →
        (l.foldl (M.copyOne m id (.made asker (m.run asker).made) asker c (m.forkParts id asker (c :: t) c)) n).has
          (.copy (.made asker (m.run asker).made) x.id) = true := by
      intro l
      induction l with
      | nil => exact fun n h => h.elim (fun h => h) fun h => absurd h List.not_mem_nil
      | cons z l ih =>
        intro n h
        refine ih _ ?_
        rcases h with h | h
        · exact .inl (has_copyOne _ _ _ _ _ _ _ _ _ (.inl h))
        · cases List.mem_cons.mp h with
          | inl h => exact .inl (has_copyOne _ _ _ _ _ _ _ _ _ (.inr ⟨h ▸ hn, by rw [← h, hi]⟩))
          | inr h => exact .inr h
    exact go born m (.inr hy)
  refine (foldl_keeps (P := fun n => Narrow m n ∧ ∀ x ∈ m.forkParts id asker (c :: t) c, x.trace ≠ [] →
    n.has (.copy (.made asker (m.run asker).made) x.id) = true) ⟨copying.narrow h, there⟩ fun n x hx k => ?_).1
  unfold M.markCopy
  split
  · exact k
  · next e =>
    have i := k.2 x hx (by rw [e]; exact nofun)
    refine ⟨k.1.record i _ _, fun y hy ne => ?_⟩
    rw [recordCode_eq, has_record, k.2 y hy ne, Bool.or_true]

end M

end Shepherd
