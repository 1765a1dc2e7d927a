import Shepherd.Laws.Support.Files
import Shepherd.Laws.Support.Perform

/-!
# A conflict changes nothing
-/

namespace Shepherd

/-- A merge that meets a conflict changes nothing.

`asker` is the active run, its open operation is `run.merge(v)`, `v` a handle to a run `id` that it owns and that was not discarded;
and the three-way merge of their files has conflicts, at `paths`. Then the machine makes a step, to `n`, that answers
`Ok(Conflict(paths))` with no change to files: every other run of the tree is literally what it was (the one that was to be merged
included) and none is new; program, known contents, stack, counts and written texts are the same; the log has one more commit `c`,
that outcome; and of the asker only the trace has changed (by `c`) and the code (it goes on with the answer). So no run's files
have changed. -/
theorem conflict_inert {m : M} {asker id : Id} {rest : List Id} {w : Waiting} {v : Value} {paths : List String}
    (active : m.stack = asker :: rest) (asks : (m.run asker).code = .settled (.waiting w)) (op : w.op = "run.merge")
    (args : w.args = [v]) (own : m.owned asker v = .ok id) (kept : (m.run id).code ≠ .settled .discarded)
    (conflict : Files.merge (m.run id).base (m.run asker).files (m.run id).files = .error paths) :
    ∃ (n : M) (c : Commit), m.step = some n ∧
      (∀ j, j ≠ asker → n.run j = m.run j) ∧ n.runs.map Run.id = m.runs.map Run.id ∧
      n.program = m.program ∧ n.contents = m.contents ∧ n.stack = m.stack ∧ n.used = m.used ∧ n.written = m.written ∧
      n.log = c :: m.log ∧ c.run = asker ∧
      c.event = .outcome (.ok (.con "Conflict" [.list (paths.map .text)])) [] .machine ∧
      n.run asker = { m.run asker with code := resume (.ok (.con "Conflict" [.list (paths.map .text)])) w.stack,
                                       trace := c :: (m.run asker).trace } := by
  have i : m.has asker = true := M.has_of_code (by rw [asks]; exact nofun)
  have h : m.merge asker w = m.reply asker w (.ok (.con "Conflict" [.list (paths.map .text)])) := by
    unfold M.merge
    rw [args]
    simp only [own, conflict]
  obtain ⟨c, log, run, event, same⟩ := m.reply_commit asker w (.ok (.con "Conflict" [.list (paths.map .text)])) []
  refine ⟨_, c, (M.step_perform active asks (op ▸ M.machineOp_merge)).trans ((M.perform_merge op).trans (congrArg some h)),
    fun j e => M.run_reply_ne _ _ _ _ (Ne.symm e), M.ids_reply i _ _ _, rfl, rfl, rfl, rfl, rfl, log, run, event, ?_⟩
  rw [same]
  simp only [Files.apply_nil]

end Shepherd
