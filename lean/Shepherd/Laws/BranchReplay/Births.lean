import Shepherd.Laws.BranchReplay.Steps

/-!
# Every run is what its recorded events make of it: new runs
-/

namespace Shepherd

namespace M

variable {B : Prop}


namespace Retold

variable {m : M}

theorem answerRun {n : M} (k : Retold World n) {asker : Id} {wt : Waiting} (o : Open World n asker wt)
    (nt : wt.op ≠ "inbox.take") (id : Id) : Retold World (n.answerRun asker wt id) := by
  unfold M.answerRun
  refine (k.put _ (by simp only [run_id]; exact o.1) (by simp only [run_id]; exact ⟨trivial, trivial, trivial, trivial, trivial, trivial⟩)
    (by simp only [run_id]; exact fun _ => .refl _)).reply ?_ (fun x => ?_) _ _ (.inl nt)
  · rw [M.has_put, o.1, Bool.or_true]
  · rw [run_put, if_pos (by exact run_id n asker)]
    exact o.2 x

/-- What a run that is about to start is. -/
structure Fresh (id : Id) (agent : String) (args : List Value) (files : Files) (r : Run) : Prop where
  agent : r.agent = agent
  args : r.args = args
  base : r.base = files
  files : r.files = files
  trace : r.trace = []
  inbox : r.inbox = []

theorem spawn (w : Wf m B) (k : Retold World m) {asker : Id} {wt : Waiting} (o : Open World m asker wt)
    (nt : wt.op ≠ "inbox.take") : Retold World (m.spawn asker wt) := by
  have absent := not_has_made w asker
  unfold M.spawn M.wrong
  split
  · next a args request _ =>
    split
    · exact k.replyOpen o _ _ (.inl nt)
    · split
      · exact k.replyOpen o _ _ (.inl nt)
      · next request hr =>
        simp only
        generalize hid : Id.made asker (m.run asker).made = id
        rw [hid] at absent
        generalize (Value.mapHandlesList (give (m.run asker).handles) [] args) = given
        generalize hnew : (Run.mk id (some asker) [] a given.2 (bodyOf a given.2) (m.run asker).files (m.run asker).files
          ((m.run asker).grant ++ [{ origin := id, clauses := request }]) given.1 [] [] 0) = new
        have newid : new.id = id := by rw [← hnew]
        have ne : id ≠ asker := fun e => by rw [e, o.1] at absent; cases absent
        have nw : id ≠ .world := by rw [← hid]; exact nofun
        -- Put in, and runs lent to it.
        have start : Retold (fun j => j = .world ∨ j = id) (m.put new) := by
          have same : ∀ j, id ≠ j → (m.put new).run j = m.run j := fun j h => run_put_ne m (newid ▸ h)
          have out : ∀ {j}, ¬ (j = Id.world ∨ j = id) → id ≠ j ∧ ¬ World j := fun h => ⟨fun e => h (.inr e.symm), fun e => h (.inl e)⟩
          refine ⟨fun j x i => ?_, fun j x i => ?_, fun j x c t hs => ?_, fun j x c hc => ?_, fun j x c hc => ?_⟩
          · rw [same j (out x).1]
            rw [M.has_put, newid, beq_eq_false_iff_ne.mpr (out x).1, Bool.false_or] at i
            exact k.trace j (out x).2 i
          · rw [same j (out x).1]
            rw [M.has_put, newid, beq_eq_false_iff_ne.mpr (out x).1, Bool.false_or] at i
            exact k.now j (out x).2 i
          · rw [same j (out x).1] at hs ⊢; exact k.past j (out x).2 c t hs
          · rw [same j (out x).1] at hc ⊢
            have kin := k.kin j (out x).2 c hc
            have ic := w.recorders j c hc
            have nc : id ≠ c.run := fun e => by rw [e, ic] at absent; cases absent
            rw [same c.run nc]
            exact ⟨fun h => h.elim kin.1 fun h => nc h.symm, kin.2⟩
          · rw [same j (out x).1] at hc; exact k.once j (out x).2 c hc
        have inv : ∀ n : M, (Retold (fun j => j = .world ∨ j = id) n ∧ n.has id = true ∧ n.has asker = true ∧
            (n.run asker).code = (m.run asker).code ∧ Fresh id a given.2 (m.run asker).files (n.run id)) →
            ∀ grant hash, Retold World ((n.recordCode id (.start formatVersion n.program.digest a given.2 grant hash)
              (bodyOf a given.2)).answerRun asker wt id) := by
          intro n ⟨kn, i, ia, hc, f⟩ grant hash
          refine answerRun ?_ ⟨?_, fun x => ?_⟩ nt id
          · refine kn.recordOut (fun _ x => .inl x) (fun j h x y => y.elim x fun e => h e.symm) (fun _ => .inr f.trace) i _ _ fun _ => ?_
            rw [f.agent, f.args, f.base, f.trace]
            show Rerun _ _ _ _ [_] ⟨_, (n.run id).files, (n.run id).inbox⟩
            rw [f.files, f.inbox]
            exact .start _ _ _ _ _
          · rw [recordCode_eq, has_record, ia, Bool.or_true]
          · rw [run_recordCode_ne _ _ _ ne, hc]; exact o.2 x
        refine inv _ (foldl_keeps (P := fun n : M => Retold (fun j => j = .world ∨ j = id) n ∧ n.has id = true ∧ n.has asker = true ∧
            (n.run asker).code = (m.run asker).code ∧ Fresh id a given.2 (m.run asker).files (n.run id)) ?_ ?_) _ _
        · refine ⟨start, ?_, ?_, ?_, ?_⟩
          · rw [M.has_put, newid, beq_self_eq_true, Bool.true_or]
          · rw [M.has_put, o.1, Bool.or_true]
          · rw [run_put_ne m (newid ▸ ne)]
          · rw [run_put, if_pos newid, ← hnew]; exact ⟨rfl, rfl, rfl, rfl, rfl, rfl⟩
        · intro n x _ ⟨kn, i, ia, hc, f⟩
          unfold M.lend
          split
          · next ho =>
            have ix := has_of_owns ho
            refine ⟨kn.own ix _ _, ?_, ?_, ?_, ?_⟩
            · rw [has_own, i, Bool.or_true]
            · rw [has_own, ia, Bool.or_true]
            · rw [run_own]; split
              · next e => subst e; exact hc
              · exact hc
            · rw [run_own]; split
              · next e => subst e; exact ⟨f.agent, f.args, f.base, f.files, f.trace, f.inbox⟩
              · exact f
          · exact ⟨kn, i, ia, hc, f⟩
  · exact k.replyOpen o _ _ (.inl nt)

end Retold

end M

end Shepherd
