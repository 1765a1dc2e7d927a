import Shepherd.Laws.Support.Grows

/-!
# A fork leaves the runs that are there

`run.fork` changes no run that was there but the asker, which holds the copy from now on.
-/

namespace Shepherd

namespace M

theorem run_copyOne {m n : M} {id fork owner : Id} {c : Commit} {parts : List Then} {x : Then} {j : Id}
    (ne : Id.copy fork x.id ≠ j) : (M.copyOne m id fork owner c parts n x).run j = n.run j := by
  unfold M.copyOne
  split
  · rfl
  · exact run_put_ne (m := { n with used := _ }) ne

theorem run_markCopy {n : M} {id fork : Id} {x : Then} {j : Id} (ne : Id.copy fork x.id ≠ j) :
    (M.markCopy id fork n x).run j = n.run j := by
  unfold M.markCopy
  split
  · rfl
  · exact run_recordCode_ne _ _ _ ne

/-- While the copies of a fork are made, every run that was there stays literally what it was. -/
theorem run_copyTree {m : M} (w : Wf m) (id : Id) (t : Trace) (c : Commit) (asker : Id) {j : Id} (i : m.has j = true) :
    (m.copyTree id t c (.made asker (m.run asker).made) asker).run j = m.run j := by
  have ne : ∀ x : Then, Id.copy (.made asker (m.run asker).made) x.id ≠ j := fun x e => by
    have := not_has_copy w asker x.id
    rw [e, i] at this; cases this
  unfold M.copyTree
  simp only
  refine foldl_keeps (P := fun n => n.run j = m.run j) ?_ fun n x _ e => (run_markCopy (ne x)).trans e
  exact foldl_keeps (P := fun n => n.run j = m.run j) rfl fun n x _ e => (run_copyOne (ne x)).trans e

theorem run_answerRun {m : M} {asker : Id} {w : Waiting} {id j : Id} (ne : asker ≠ j) :
    (m.answerRun asker w id).run j = m.run j := by
  unfold M.answerRun
  simp only [reply_eq]
  rw [run_record_ne _ _ _ ne]
  exact run_put_ne m (by simp only [run_id]; exact ne)

/-- `run.fork` changes no run that was there but the asker. -/
theorem run_fork {m : M} (w : Wf m) (asker : Id) (wt : Waiting) {j : Id} (i : m.has j = true) (ne : asker ≠ j) :
    (m.fork asker wt).run j = m.run j := by
  have reply : ∀ answer, (m.reply asker wt answer).run j = m.run j := fun answer => by
    rw [reply_eq]; exact run_record_ne _ _ _ ne
  unfold M.fork
  split
  · split
    · exact reply _
    · simp only
      split
      · exact reply _
      · rw [run_answerRun ne]; exact run_copyTree w _ _ _ _ i
  · exact reply _

end M

end Shepherd
