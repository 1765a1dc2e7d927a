import Shepherd.Laws.BranchReplay.HeldFork
import Shepherd.Laws.BranchReplay.Asked

/-!
# Who waits for whom, through everything that can happen
-/

namespace Shepherd

open Id (MayOwn Over InFork)

namespace M

variable {B : Prop} {m : M}

/-- The asker spawns. -/
theorem spawn_held (w : Wf m B) {asker : Id} {wt : Waiting} (i : m.has asker = true) :
    Mild True asker m (m.spawn asker wt) ∧ (m.spawn asker wt).WatchOk asker ∧
      ∀ x, m.has x = false → (m.spawn asker wt).WatchOk x := by
  have absent := not_has_made w asker
  have rep : ∀ answer, Mild True asker m (m.reply asker wt answer) ∧ (m.reply asker wt answer).WatchOk asker ∧
      ∀ x, m.has x = false → (m.reply asker wt answer).WatchOk x := fun answer => by
    have k := Acted.reply (Mild.refl (O := True) (z := asker) m) wt answer
    refine ⟨k.mild, k.ok, fun x hx => .absent ?_⟩
    cases h : (m.reply asker wt answer).has x with
    | false => rfl
    | true =>
      rw [reply_eq, has_record, hx, Bool.or_false] at h
      rw [← beq_iff_eq.mp h, i] at hx; cases hx
  unfold M.spawn M.wrong
  split
  · split
    · exact rep _
    · split
      · exact rep _
      · simp only
        generalize hid : Id.made asker (m.run asker).made = id at absent
        have ne : id ≠ asker := fun e => by rw [e, i] at absent; cases absent
        have fin : ∀ n : M, (Mild True asker m n ∧ (∀ x, m.has x = false → x ≠ id → n.run x = m.run x) ∧ n.has id = true) → ∀ ev c K,
            (c = Code.settled K) → Mild True asker m ((n.recordCode id ev c).answerRun asker wt id) ∧
            ((n.recordCode id ev c).answerRun asker wt id).WatchOk asker ∧
            ∀ x, m.has x = false → ((n.recordCode id ev c).answerRun asker wt id).WatchOk x := by
          intro n ⟨k, new, _⟩ ev c K hK
          have k₁ : Mild True asker m (n.recordCode id ev c) := k.recordCode (.inr (.inl absent))
          have k₂ : Mild True asker m ((n.recordCode id ev c).put { (n.recordCode id ev c).run asker with
              handles := (hold ((n.recordCode id ev c).run asker).handles id).1,
              made := ((n.recordCode id ev c).run asker).made + 1 }) := by
            refine k₁.same (fun x => ?_) (fun x nx => ?_) (fun x => ?_) rfl (fun x => ?_) fun x => ?_
            · rw [run_put]; simp only [run_id]; split
              · next e => subst e; rfl
              · rfl
            · rw [run_put_ne _ (by simp only [run_id]; exact nx.symm)]
            · have ia : (n.recordCode id ev c).has asker = true := k₁.has asker i
              exact Runs.has_put_same (by simp only [run_id]; exact ia) x
            · rw [run_put]; simp only [run_id]; split
              · next e => subst e; rfl
              · rfl
            · rw [run_put]; simp only [run_id]; split
              · next e => subst e; rfl
              · rfl
          have r := Acted.reply k₂ wt (.ok (.run (hold ((n.recordCode id ev c).run asker).handles id).2))
          refine ⟨r.mild, r.ok, fun x hx => ?_⟩
          have nx : asker ≠ x := fun e => by rw [← e, i] at hx; cases hx
          have same : (((n.recordCode id ev c).answerRun asker wt id).run x) = (n.recordCode id ev c).run x := run_answerRun nx
          by_cases ex : id = x
          · refine .of_settled (s := K) ?_
            rw [same, ← ex, run_recordCode_same]
            exact hK
          · refine .of_settled (s := .discarded) ?_
            rw [same, run_recordCode_ne _ _ _ ex, new x hx fun e => ex e.symm, run_of_not_has hx]; rfl
        refine fin _ (foldl_keeps (P := fun n : M => Mild True asker m n ∧ (∀ x, m.has x = false → x ≠ id → n.run x = m.run x) ∧ n.has id = true)
          ⟨?_, ?_, ?_⟩ ?_) _ _ _ rfl
        · exact (Mild.refl m).put absent
        · exact fun x _ nx => run_put_ne _ fun e => nx e.symm
        · exact Runs.has_put_self _ _
        · intro n x _ ⟨k, new, there⟩
          unfold M.lend
          split
          · next ho =>
            have ho : (n.run x).owner = some asker := beq_iff_eq.mp ho
            refine ⟨k.own trivial (fun p e => ?_) fun no _ => ?_, fun y hy ny => ?_, by rw [has_own, there, Bool.or_true]⟩
            · rcases k.owner x p e with h | h
              · exact h.2
              · exact Option.some.inj (h.symm.trans ho)
            · have := no id there
              rw [absent] at this; cases this
            · rw [run_own_ne]
              · exact new y hy ny
              · intro e
                subst e
                rw [new x hy ny, run_of_not_has hy] at ho
                cases ho
          · exact ⟨k, new, there⟩
  · exact rep _

theorem Retold.allAsked (w : Wf m B) (k : Retold World m) : AllAsked m := by
  intro id wt e hc
  cases i : m.has id with
  | false => rw [run_of_not_has i] at hc; cases hc
  | true => exact (k.now id e i).asks (m.run id).trace (w.indexed id) rfl wt hc

theorem not_watches_settled {c : Code} {s : Settled} (h : c = .settled s) : ¬ c.Watches := by
  rintro (⟨_, _, _, _, e⟩ | ⟨_, _, e⟩) <;> rw [h] at e <;> cases e

/-- What a settled asker does to what is below it. -/
theorem Held.acted {n : M} (w : Wf m B) (td : Tied m) (h : Held m) {O : Prop} {z : Id} {rest : List Id} (top : m.stack = z :: rest)
    {s : Settled} (hc : (m.run z).code = .settled s) (mi : Mild O z m n) (ok : n.WatchOk z) (nz : O → z ≠ .world) (e : Extends m n)
    (idx : ∀ id, Trace.Indexed (n.run id).trace)
    (same : ∀ a, ¬ Over z a → n.run a = m.run a) (new : ∀ x, m.has x = false → x ≠ z → n.WatchOk x) :
    Held n := by
  have line := h.line
  rw [top] at line
  refine ⟨mi.root h.root nz, ?_, mi.watch w td h.watch line (fun _ => not_watches_settled hc) e idx ok new⟩
  rw [mi.stack, top]
  exact line.keep td (fun p hp => (mi.owner z p hp).imp_left And.right) same

end M

end Shepherd
