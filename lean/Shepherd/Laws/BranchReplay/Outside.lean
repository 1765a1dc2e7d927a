import Shepherd.Laws.BranchReplay.Everything

/-!
# Every run is what its recorded events make of it: from outside, and in every tree
-/

namespace Shepherd

namespace M

/-- The tree in which the outermost owner has just asked for an operation. -/
def asking (m : M) (op : String) (args : List Value) : M :=
  { m with stack := [.world] }.recordCode .world (.intent op args) (.settled (.waiting { op, args, stack := [] }))

namespace Retold

theorem worldAsks {m n : M} (w : Wf m) (g : Granted m) (k : Retold World m) {op : String} {args : List Value}
    (a : Apart (m.asking op args)) (h : m.worldAsks op args = some n) : Retold World n := by
  unfold M.worldAsks at h
  split at h
  · cases h
  · split at h
    · cases h
    · simp only at h
      split at h
      · cases h
      · next after hp =>
        have kept := asks_kept w op args
        have n₁ : Narrow m (m.asking op args) :=
          ((Narrow.refl g.named).same (n := { m with stack := [.world] }) (fun _ => rfl) (fun _ => rfl) fun _ => rfl).record
            w.world _ _
        have k₁ : Retold World (m.asking op args) := (k.stack [.world]).recordCode (id := .world) w.world _ _ fun x => absurd rfl x
        have w₁ : Wf (m.asking op args) True := kept.wf w fun _ h => h.elim
        have k₂ := k₁.performAny w₁ n₁.named a ⟨kept.world, fun x => absurd rfl x⟩ hp
        have i₂ := ((grows_perform w₁ ⟨kept.world, fun _ => trivial⟩ hp).wf w₁).world
        have back : ∀ code stack, Retold World { after.setCode .world code with stack } := fun code stack =>
          (k₂.setCode i₂ code fun x => absurd rfl x).stack stack
        split at h
        · cases h; exact back _ _
        · split at h
          · cases h; exact back _ _
          · cases h; exact k₂

/-- The runs of a tree forked from outside: each as it was after the last event of its trace. -/
theorem asForked {m : M} (k : Retold World m) (c : Commit) :
    Retold World { m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used } := by
  have fid : ∀ r, (m.asForked c r).id = r.id := fun r => by
    unfold M.asForked
    repeat' split
    · rfl
    · exact asOf_id _ _ _
    · exact asOf_id _ _ _
    · rfl
  have fkin : ∀ r o g, (asOf r o g).agent = r.agent ∧ (asOf r o g).args = r.args ∧ (asOf r o g).base = r.base ∧
      (asOf r o g).trace = r.trace := fun r o g => by
    unfold asOf; split <;> exact ⟨rfl, rfl, rfl, rfl⟩
  have fsame : ∀ r, (m.asForked c r).agent = r.agent ∧ (m.asForked c r).args = r.args ∧ (m.asForked c r).base = r.base ∧
      (m.asForked c r).trace = r.trace := fun r => by
    unfold M.asForked
    repeat' split
    · exact ⟨rfl, rfl, rfl, rfl⟩
    · exact fkin _ _ _
    · exact fkin _ _ _
    · exact ⟨rfl, rfl, rfl, rfl⟩
  have falone : ∀ r, r.id ≠ .world → (m.asForked c r).alone = r.alone ∨
      ∃ d t, r.trace = d :: t ∧ (m.asForked c r).alone = d.alone := fun r ne => by
    have of' : ∀ o g, (asOf r o g).alone = r.alone ∨ ∃ d t, r.trace = d :: t ∧ (asOf r o g).alone = d.alone := fun o g => by
      unfold asOf; split
      · exact .inl rfl
      · next d t h => exact .inr ⟨d, t, h, rfl⟩
    unfold M.asForked
    rw [if_neg ne]
    split
    · exact of' _ _
    · split
      · exact of' _ _
      · exact .inl rfl
  have hhas : ∀ id, M.has { m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used } id = m.has id :=
    fun id => has_map fid _ _
  have hrun : ∀ id, m.has id = true →
      M.run { m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used } id = m.asForked c (m.run id) :=
    fun id h => find_map fid _ _ h
  have habs : ∀ id, m.has id = false →
      M.run { m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used } id = m.run id := fun id h => by
    rw [run_of_not_has h, run_of_not_has ((hhas id).trans h)]
  have same : ∀ id, (M.run { m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used } id).agent =
      (m.run id).agent ∧ (M.run { m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used } id).args =
      (m.run id).args ∧ (M.run { m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used } id).base =
      (m.run id).base ∧ (M.run { m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used } id).trace =
      (m.run id).trace := fun id => by
    cases h : m.has id with
    | true => rw [hrun id h]; exact fsame _
    | false => rw [habs id h]; exact ⟨rfl, rfl, rfl, rfl⟩
  refine ⟨fun id x i => ?_, fun id x i => ?_, fun id x d t hs => ?_, fun id x d hd => ?_, fun id x d hd => ?_⟩
  · rw [(same id).2.2.2]; exact k.trace id x ((hhas id).symm.trans i)
  · have i' := (hhas id).symm.trans i
    obtain ⟨h1, h2, h3, h4⟩ := same id
    rw [h1, h2, h3, h4, hrun id i']
    rcases falone (m.run id) (by rw [run_id]; exact x) with e | ⟨d, t, ht, e⟩
    · rw [e]; exact k.now id x i'
    · rw [e, ht]; exact k.past id x d t (by rw [ht]; exact List.suffix_refl _)
  · obtain ⟨h1, h2, h3, h4⟩ := same id
    rw [h1, h2, h3]; exact k.past id x d t (h4 ▸ hs)
  · obtain ⟨h1, h2, h3, h4⟩ := same id
    obtain ⟨g1, g2, g3, _⟩ := same d.run
    rw [h1, h2, h3, g1, g2, g3]
    exact k.kin id x d (h4 ▸ hd)
  · exact k.once id x d ((same id).2.2.2 ▸ hd)

theorem forkRoot {m n : M} (w : Wf m) (k : Retold World m) (h : m.forkRoot = some n) : Retold World n := by
  obtain ⟨c, t, ht, rfl⟩ := forkRoot_eq h
  have root : m.has .root = true := has_of_trace (by rw [ht]; exact nofun)
  have f := follows_asForked w c
  have k₁ := k.asForked c
  have hd : ∀ id, ({ m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used } : M).has id = true →
      m.has id = true := fun id i => by
    have : Runs.has (m.runs.map (m.asForked c)) id = Runs.has m.runs id := has_map (fun r => by
      unfold M.asForked
      repeat' split
      · rfl
      · exact asOf_id _ _ _
      · exact asOf_id _ _ _
      · rfl) _ _
    exact this.symm.trans i
  have code : (({ m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used } : M).run .root).code.settle =
      c.code := by
    have e : ({ m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used } : M).run .root =
        m.asForked c (m.run .root) := find_map (fun r => by
      unfold M.asForked
      repeat' split
      · rfl
      · exact asOf_id _ _ _
      · exact asOf_id _ _ _
      · rfl) _ _ root
    rw [e]
    unfold M.asForked
    rw [if_neg (by rw [run_id]; exact nofun), if_pos (run_id _ _)]
    unfold asOf
    rw [ht]; rfl
  generalize hp : ({ m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used } : M) = p at *
  have ip : p.has .root = true := f.2.has _ root
  refine (foldl_keeps (P := fun n : M => Retold World n ∧ (∀ j, p.has j = true → n.has j = true) ∧
    (n.run .root).code.settle = c.code) (f := markFork c) ⟨k₁, fun _ i => i, code⟩ fun n x hx ⟨kn, hn, hc⟩ => ?_).1
  have ix := hn x (has_of_mem_family ip hx)
  have settle : (if x = .root then Code.settled c.code else n.takenUp x (n.run x).handles (n.run x).code.settle).settle =
      (n.run x).code.settle := by
    split
    · next e => subst e; exact hc.symm
    · exact takenUp_settle _ _ _ _
  unfold markFork
  simp only
  refine ⟨kn.recordCode ix _ _ fun xw => ?_, fun j i => ?_, ?_⟩
  · have := (kn.now x xw ix).forked x ((n.run x).trace.size - 1) (n.run x).code.settle.refused
    rw [settle]
    exact this
  · rw [recordCode_eq, has_record, hn j i, Bool.or_true]
  · by_cases e : x = .root
    · subst e; rw [run_recordCode_same]; exact settle.trans hc
    · rw [run_recordCode_ne _ _ _ e]; exact hc

theorem start (i : Init) : Retold World i.start := by
  unfold Init.start M.start
  simp only
  have two : ∀ m : M, m.runs.map Run.id = [.world, .root] → (∀ r ∈ m.runs, r.trace = []) →
      Retold (fun j => j = .world ∨ j = .root) m := by
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
    refine ⟨fun j x i => absurd (ids j i) x, fun j x i => absurd (ids j i) x, fun j _ c t' hs => ?_, fun j _ c hc => ?_,
      fun j _ c hc => ?_⟩
    · rw [t] at hs; exact absurd (List.suffix_nil.mp hs) nofun
    · rw [t] at hc; exact absurd hc List.not_mem_nil
    · rw [t] at hc; exact absurd hc List.not_mem_nil
  refine Retold.recordOut (two _ rfl ?_) (fun _ x => .inl x) (fun j h x y => y.elim x fun e => h e.symm) (fun _ => .inr rfl) ?_ _ _
    fun _ => ?_
  · intro r hr
    cases List.mem_cons.mp hr with
    | inl h => rw [h]; rfl
    | inr h => rw [List.mem_singleton.mp h]
  · exact (Runs.has_iff _ _).mpr ⟨_, List.mem_cons_of_mem _ List.mem_cons_self, rfl⟩
  · exact .start _ _ _ _ _

end Retold

/-- In every tree every run is what its recorded events make of it, if in every tree it is clear who is apart from whom. -/
theorem After.retold {ω : Oracle} {i : Init} {m : M} (h : After ω i.start m)
    (a : ∀ n, After ω i.start n → Apart n ∧ ∀ op args, Apart (n.asking op args)) : Retold World m := by
  induction h with
  | refl => exact .start i
  | step b s k => exact k.step (b.follows i.wf).1 ((b.stable i.wf (granted_start i)).granted.named) (a _ b).1 s
  | answer b s k =>
    unfold outer at s
    split at s
    · cases s
    · exact k.answer (b.follows i.wf).1 (a _ b).1 s
  | world op args b s k => exact k.worldAsks (b.follows i.wf).1 (b.stable i.wf (granted_start i)).granted ((a _ b).2 op args) s
  | fork b s k => exact k.forkRoot (b.follows i.wf).1 s

end M

end Shepherd
