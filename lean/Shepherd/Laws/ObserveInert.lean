import Shepherd.Laws.Support.Files
import Shepherd.Laws.Support.Handles
import Shepherd.Laws.Support.Perform

/-!
# Reading a trace disturbs no one
-/

namespace Shepherd

/-- Reading a run's trace changes no run but the asker's own trace.

`asker` is the active run, and its open operation is `run.trace`. Then the machine makes a step, to `n`, in which every other run of
the tree is literally what it was (the one that was read included) and none is new; program, known contents, stack, counts and
written texts are the same; the log has one more commit `c`, the outcome that the machine gives the asker; and of the asker only the
trace has changed (by `c`), the code (it goes on with the answer) and the table of handles, which may have become longer at its end:
runs below the one read, which the answer names, are held from now on. Its files, inbox, owner, grant and count are as before. -/
theorem observe_inert {m : M} {asker : Id} {rest : List Id} {w : Waiting} (active : m.stack = asker :: rest)
    (asks : (m.run asker).code = .settled (.waiting w)) (op : w.op = "run.trace") :
    ∃ (n : M) (c : Commit) (answer : Value) (more : List Id), m.step = some n ∧
      (∀ id, id ≠ asker → n.run id = m.run id) ∧ n.runs.map Run.id = m.runs.map Run.id ∧
      n.program = m.program ∧ n.contents = m.contents ∧ n.stack = m.stack ∧ n.used = m.used ∧ n.written = m.written ∧
      n.log = c :: m.log ∧ c.run = asker ∧ c.event = .outcome answer [] .machine ∧
      n.run asker = { m.run asker with code := resume answer w.stack, trace := c :: (m.run asker).trace,
                                       handles := (m.run asker).handles ++ more } := by
  have i : m.has asker = true := M.has_of_code (by rw [asks]; exact nofun)
  obtain ⟨answer, more, h⟩ := M.traceOp_eq i w
  have i' : (m.setHandles asker ((m.run asker).handles ++ more)).has asker = true := by
    rw [M.has_setHandles, i, Bool.or_true]
  obtain ⟨c, log, run, event, same⟩ := (m.setHandles asker ((m.run asker).handles ++ more)).reply_commit asker w answer []
  refine ⟨(m.setHandles asker ((m.run asker).handles ++ more)).reply asker w answer, c, answer, more,
    (M.step_perform active asks (op ▸ M.machineOp_trace)).trans ((M.perform_trace op).trans (congrArg some h)),
    fun id e => ?_, ?_, rfl, rfl, rfl, rfl, rfl, log, run, event, ?_⟩
  · rw [M.run_reply_ne _ _ _ _ (Ne.symm e), M.run_setHandles_ne _ _ (Ne.symm e)]
  · rw [M.ids_reply i', M.ids_setHandles i]
  · rw [same, M.run_setHandles_same]
    simp only [Files.apply_nil]

end Shepherd
