import Shepherd.Laws.GrantNarrows.Springs

/-!
# Grants through everything that can happen
-/

namespace Shepherd

namespace M

theorem Narrow.granted {m n : M} (g : Granted m) (k : Narrow m n) : Granted n where
  named := k.named
  made := fun a j h => by
    rcases k.new _ h with i | ⟨a', j', layer, e, ha, ho, hg⟩ | ⟨f, x, y, e, _⟩
    · obtain ⟨layer, ha, ho, hg⟩ := g.made a j i
      exact ⟨layer, k.has a ha, ho, by rw [k.grants _ i, k.grants a ha]; exact hg⟩
    · cases e
      exact ⟨layer, k.has a ha, ho, by rw [k.grants a ha]; exact hg⟩
    · cases e
  copy := fun f x h => by
    rcases k.new _ h with i | ⟨a', j', layer, e, _⟩ | ⟨f', x', y, e, hc, hy, hg⟩
    · obtain ⟨y, hc, hy, hg⟩ := g.copy f x i
      exact ⟨y, hc, k.has y hy, by rw [k.grants _ i, k.grants y hy]; exact hg⟩
    · cases e
    · cases e
      exact ⟨y, hc, k.has y hy, by rw [k.grants y hy]; exact hg⟩

/-- The runs that were there have the grants they had. -/
structure Stable (m n : M) : Prop where
  granted : Granted n
  has : ∀ id, m.has id = true → n.has id = true
  grants : ∀ id, m.has id = true → (n.run id).grant = (m.run id).grant

theorem Narrow.stable {m n : M} (g : Granted m) (k : Narrow m n) : Stable m n := ⟨k.granted g, k.has, k.grants⟩

theorem Stable.refl {m : M} (g : Granted m) : Stable m m := ⟨g, fun _ h => h, fun _ _ => rfl⟩

theorem Stable.trans {m n p : M} (e : Stable m n) (f : Stable n p) : Stable m p :=
  ⟨f.granted, fun id h => f.has id (e.has id h), fun id h => (f.grants id (e.has id h)).trans (e.grants id h)⟩

theorem Narrow.fork {m : M} (w : Wf m True) (h : Named m) {asker : Id} (i : m.has asker = true) (wt : Waiting) :
    Narrow m (m.fork asker wt) := by
  unfold M.fork
  split
  · split
    · exact (plain_reply (B := True) ⟨i, fun _ => trivial⟩ _ _).narrow h
    · next id ho =>
      simp only
      split
      · exact (plain_reply (B := True) ⟨i, fun _ => trivial⟩ _ _).narrow h
      · next c t ht =>
        have hs : c :: t <:+ (m.run id).trace := by
          rw [← ht]
          split
          · exact Trace.upTo_suffix _ _
          · exact List.nil_suffix
        rw [ht]
        have k := Narrow.copyTree w h (asker := asker) hs
        exact k.answerRun (k.has asker i) wt _
  · exact (plain_wrong (B := True) ⟨i, fun _ => trivial⟩ _).narrow h

theorem narrow_perform {m n : M} (w : Wf m True) (h : Named m) {asker : Id} (i : m.has asker = true) {wt : Waiting}
    (p : m.perform asker wt = some n) : Narrow m n := by
  have ia : Asker True m asker := ⟨i, fun _ => trivial⟩
  unfold perform at p
  split at p
  · cases p; exact (plain_take ia wt).narrow h
  · cases p; exact (plain_answerOp w ia wt).narrow h
  · cases p; exact (plain_denyOp w ia wt).narrow h
  · cases p; exact (plain_discardOp w ia wt).narrow h
  · cases p; exact Narrow.fork w h i wt
  · cases p; exact (plain_inject w ia wt).narrow h
  · cases p; exact (plain_merge ia wt).narrow h
  · cases p; exact (plain_next ia wt).narrow h
  · cases p; exact (plain_pass w ia wt).narrow h
  · exact (plain_pick ia p).narrow h
  · cases p; exact (plain_revert w ia wt).narrow h
  · cases p; exact Narrow.spawn w h i wt
  · cases p; exact (plain_traceOp w ia wt).narrow h
  · cases p; exact (plain_reply ia wt _).narrow h

theorem narrow_step {m n : M} (w : Wf m) (h : Named m) (s : m.step = some n) : Narrow m n := by
  have calm := w.calm.resolve_left id
  unfold step at s
  split at s
  · cases s
  · next id rest _ =>
    have ne : (m.run id).code ≠ (m.run .world).code → id ≠ .world := fun h e => h (e ▸ rfl)
    split at s
    · next hc =>
      cases s
      refine (plain_localMove w (has_of_code (by rw [hc]; exact nofun)) (ne fun e => ?_) _ _ _ _).narrow h
      rw [← e, hc] at calm; exact calm
    · next hc =>
      split at s
      · exact narrow_perform w.weaken h (has_of_code (by rw [hc]; exact nofun)) s
      · exact (plain_atStop w s).narrow h
    · next hc =>
      split at s
      · next hu =>
        cases s
        have wt : Wf m True := w.weaken
        have e := plain_undoStep wt (fun _ => trivial) hc hu
        exact (e.trans (plain_afterWorld (e.has wt wt.world) id)).narrow h
      · exact (plain_atStop w s).narrow h
    · exact (plain_atStop w s).narrow h

theorem stable_worldAsks {m n : M} (w : Wf m) (g : Granted m) {op : String} {args : List Value}
    (h : m.worldAsks op args = some n) : Stable m n := by
  unfold worldAsks at h
  split at h
  · cases h
  · split at h
    · cases h
    · simp only at h
      split at h
      · cases h
      · next after hp =>
        have k := asks_kept w op args
        have n₁ : Narrow m ({ m with stack := [.world] }.recordCode .world (.intent op args)
            (.settled (.waiting { op, args, stack := [] }))) :=
          ((Narrow.refl g.named).same (n := { m with stack := [.world] }) (fun _ => rfl) (fun _ => rfl) fun _ => rfl).record
            w.world _ _
        have s₁ := n₁.stable g
        have f := s₁.trans ((narrow_perform (k.wf w fun _ h => h.elim) s₁.granted.named k.world hp).stable s₁.granted)
        have back : ∀ code stack, Stable m { after.setCode .world code with stack } := fun code stack =>
          f.trans ((((Narrow.refl f.granted.named).setCode (f.has _ w.world) code).same (n := { after.setCode .world code with stack })
            (fun _ => rfl) (fun _ => rfl) fun _ => rfl).stable f.granted)
        split at h
        · cases h; exact back _ _
        · split at h
          · cases h; exact back _ _
          · cases h; exact f

theorem asOf_grant (r : Run) (owner : Option Id) (givers : List Id) : (asOf r owner givers).grant = r.grant := by
  unfold asOf; split <;> rfl

theorem stable_forkRoot {m n : M} (g : Granted m) (h : m.forkRoot = some n) : Stable m n := by
  unfold forkRoot at h
  split at h
  · next c t last ht hl =>
    split at h
    · cases h
    · simp only at h
      cases h
      let f : Run → Run := fun r =>
        if r.id = .world then { r with code := worldRun.code }
        else if r.id = .root then asOf r (some .world) []
        else match (m.heads .root c).find? fun h => h.id == r.id with
          | some h => asOf r (some h.owner) h.givers
          | none => r
      have fid : ∀ r, (f r).id = r.id := fun r => by
        simp only [f]
        repeat' split
        · rfl
        · exact asOf_id _ _ _
        · exact asOf_id _ _ _
        · rfl
      have ftrace : ∀ r, (f r).trace = r.trace := fun r => by
        simp only [f]
        repeat' split
        · rfl
        · exact asOf_trace _ _ _
        · exact asOf_trace _ _ _
        · rfl
      have fgrant : ∀ r, (f r).grant = r.grant := fun r => by
        simp only [f]
        repeat' split
        · rfl
        · exact asOf_grant _ _ _
        · exact asOf_grant _ _ _
        · rfl
      have hhas : ∀ id, M.has { m with runs := m.runs.map f, stack := [.root, .world], used := c.used } id = m.has id :=
        fun id => has_map fid _ _
      have hrun : ∀ id, m.has id = true →
          M.run { m with runs := m.runs.map f, stack := [.root, .world], used := c.used } id = f (m.run id) :=
        fun id h => find_map fid _ _ h
      have habs : ∀ id, m.has id = false →
          M.run { m with runs := m.runs.map f, stack := [.root, .world], used := c.used } id = m.run id := fun id h => by
        rw [run_of_not_has h, run_of_not_has ((hhas id).trans h)]
      have k : Narrow m { m with runs := m.runs.map f, stack := [.root, .world], used := c.used } := by
        refine (Narrow.refl g.named).same hhas (fun id => ?_) (fun id => ?_)
        · cases h : m.has id with
          | true => rw [hrun id h, fgrant]
          | false => rw [habs id h]
        · cases h : m.has id with
          | true => rw [hrun id h, ftrace]
          | false => rw [habs id h]
      have root : m.has .root = true := has_of_trace (by rw [ht]; exact nofun)
      refine Narrow.stable g (foldl_keeps (P := fun n => Narrow m n ∧ ∀ j,
        M.has { m with runs := m.runs.map f, stack := [.root, .world], used := c.used } j = true → n.has j = true)
        ⟨k, fun _ i => i⟩ fun n x hx e => ?_).1
      refine ⟨e.1.record (e.2 x (has_of_mem_family (k.has _ root) hx)) _ _, fun j i => ?_⟩
      rw [recordCode_eq, has_record, e.2 j i, Bool.or_true]
  · cases h

theorem granted_start (i : Init) : Granted i.start := by
  have trace : ∀ (m : M), m.runs.map Run.id = [.world, .root] → (∀ r ∈ m.runs, r.trace = []) → Granted m := by
    intro m hm ht
    have t : ∀ id, (m.run id).trace = [] := fun id => by
      cases h : m.has id with
      | true => exact ht _ (run_mem h)
      | false => rw [run_of_not_has h]; rfl
    have ids : ∀ id, m.has id = true → id = .world ∨ id = .root := fun id h => by
      obtain ⟨r, hr, rfl⟩ := (Runs.has_iff _ _).mp h
      have : r.id ∈ m.runs.map Run.id := List.mem_map.mpr ⟨r, hr, rfl⟩
      rw [hm] at this
      cases List.mem_cons.mp this with
      | inl h => exact .inl h
      | inr h => exact .inr (List.mem_singleton.mp h)
    refine ⟨⟨fun id c hc => ?_, fun id c hc => ?_, fun id c hc => ?_, fun id => ?_⟩, fun a k h => ?_, fun f x h => ?_⟩
    · rw [t] at hc; exact absurd hc List.not_mem_nil
    · rw [t] at hc; exact absurd hc List.not_mem_nil
    · rw [t] at hc; exact absurd hc List.not_mem_nil
    · rw [t]; trivial
    · cases ids _ h with
      | inl h => cases h
      | inr h => cases h
    · cases ids _ h with
      | inl h => cases h
      | inr h => cases h
  unfold Init.start M.start
  simp only
  refine Narrow.granted (trace _ rfl ?_) (Narrow.record (Narrow.refl (trace _ rfl ?_).named) ?_ _ _)
  · intro r hr
    cases List.mem_cons.mp hr with
    | inl h => rw [h]; rfl
    | inr h => rw [List.mem_singleton.mp h]
  · intro r hr
    cases List.mem_cons.mp hr with
    | inl h => rw [h]; rfl
    | inr h => rw [List.mem_singleton.mp h]
  · exact (Runs.has_iff _ _).mpr ⟨_, List.mem_cons_of_mem _ List.mem_cons_self, rfl⟩

theorem After.stable {ω : Oracle} {m n : M} (w : Wf m) (g : Granted m) (h : After ω m n) : Stable m n := by
  induction h with
  | refl => exact .refl g
  | step b s k => exact k.trans ((narrow_step (b.follows w).1 k.granted.named s).stable k.granted)
  | answer b s k =>
    unfold outer at s
    split at s
    · cases s
    · exact k.trans (((plain_answer (b.follows w).1 s).narrow k.granted.named).stable k.granted)
  | world op args b s k => exact k.trans (stable_worldAsks (b.follows w).1 k.granted s)
  | fork b s k => exact k.trans (stable_forkRoot k.granted s)

end M

end Shepherd
