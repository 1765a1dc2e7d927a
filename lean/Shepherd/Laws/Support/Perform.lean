import Shepherd.Laws.Support.Grows
import Shepherd.Laws.Support.Handles

/-!
# The step of the machine that answers an operation on runs
-/

namespace Shepherd

namespace M

/-- Where the active run waits for an operation that the machine answers, the step is that answer. -/
theorem step_perform {m : M} {asker : Id} {rest : List Id} {w : Waiting} (active : m.stack = asker :: rest)
    (open' : (m.run asker).code = .settled (.waiting w)) (machine : isMachineOp w.op = true) :
    m.step = m.perform asker w := by
  unfold step
  rw [active]
  simp only
  rw [open']
  simp only
  rw [if_pos machine]

theorem machineOp_trace : isMachineOp "run.trace" = true := by decide
theorem machineOp_merge : isMachineOp "run.merge" = true := by decide
theorem machineOp_fork : isMachineOp "run.fork" = true := by decide
theorem machineOp_spawn : isMachineOp "run.spawn" = true := by decide

theorem perform_trace {m : M} {asker : Id} {w : Waiting} (op : w.op = "run.trace") :
    m.perform asker w = some (m.traceOp asker w) := by
  simp only [perform, op]

theorem perform_merge {m : M} {asker : Id} {w : Waiting} (op : w.op = "run.merge") :
    m.perform asker w = some (m.merge asker w) := by
  simp only [perform, op]

theorem perform_fork {m : M} {asker : Id} {w : Waiting} (op : w.op = "run.fork") :
    m.perform asker w = some (m.fork asker w) := by
  simp only [perform, op]

theorem perform_spawn {m : M} {asker : Id} {w : Waiting} (op : w.op = "run.spawn") :
    m.perform asker w = some (m.spawn asker w) := by
  simp only [perform, op]

/-- The run that is answered with no change to its files. -/
theorem run_reply_same (m : M) (id : Id) (w : Waiting) (answer : Value) (change : Change) :
    (m.reply id w answer change).run id =
      { m.run id with code := resume answer w.stack, files := (m.run id).files.apply change,
                      trace := m.commitOf id (.outcome answer change .machine)
                        { m.state id with code := resume answer w.stack, files := (m.run id).files.apply change }
                        :: (m.run id).trace } := by
  rw [reply_eq, run_record_same]; rfl

/-- What an answer of the machine records, and what it changes of the run that is answered. -/
theorem reply_commit (m : M) (id : Id) (w : Waiting) (answer : Value) (change : Change) : ∃ c : Commit,
    (m.reply id w answer change).log = c :: m.log ∧ c.run = id ∧ c.event = .outcome answer change .machine ∧
      (m.reply id w answer change).run id = { m.run id with code := resume answer w.stack
                                                            files := (m.run id).files.apply change
                                                            trace := c :: (m.run id).trace } :=
  ⟨_, log_record _ _ _ _, rfl, rfl, run_reply_same m id w answer change⟩

theorem run_reply_ne (m : M) {id j : Id} (w : Waiting) (answer : Value) (change : Change) (h : id ≠ j) :
    (m.reply id w answer change).run j = m.run j := by
  rw [reply_eq, run_record_ne m _ _ h]

/-- Putting a run where it is changes nothing. -/
theorem put_run {m : M} {id : Id} (i : m.has id = true) : m.put (m.run id) = m := by
  have : ∀ rs : List Run, Runs.has rs id = true → Runs.put rs (Runs.find rs id) = rs := by
    intro rs
    induction rs with
    | nil => exact fun h => absurd h Bool.false_ne_true
    | cons x xs ih =>
      intro h
      simp only [Runs.find]
      by_cases e : x.id = id
      · rw [if_pos e, Runs.put, if_pos rfl]
      · rw [if_neg e, Runs.put, Runs.find_id, if_neg e, ih]
        rw [Runs.has_cons, beq_eq_false_iff_ne.mpr e, Bool.false_or] at h
        exact h
  show { m with runs := _ } = m
  rw [run, this m.runs i]

theorem setHandles_same {m : M} {id : Id} (i : m.has id = true) : m.setHandles id (m.run id).handles = m := put_run i

/-- Whatever `run.trace` answers, the asker's table grows at its end and it gets the answer. -/
theorem traceOp_eq {m : M} {asker : Id} (i : m.has asker = true) (w : Waiting) : ∃ answer more,
    m.traceOp asker w = (m.setHandles asker ((m.run asker).handles ++ more)).reply asker w answer := by
  have plain : ∀ answer, m.reply asker w answer = (m.setHandles asker ((m.run asker).handles ++ [])).reply asker w answer := by
    intro answer; rw [List.append_nil, setHandles_same i]
  unfold traceOp
  split
  · split
    · exact ⟨_, [], plain _⟩
    · next start _ _ id _ =>
      simp only
      split
      · exact ⟨_, [], plain _⟩
      · obtain ⟨more, e⟩ := m.traceValue_prefix asker id start.toNat
        rw [← e]
        exact ⟨_, more, rfl⟩
  · exact ⟨_, [], plain _⟩

/-- Answering a run makes none. -/
theorem ids_record {m : M} {id : Id} (i : m.has id = true) (event : Event) (s : State) :
    (m.record id event s).runs.map Run.id = m.runs.map Run.id := by
  show (Runs.put _ _).map Run.id = _
  rw [Runs.ids_put, if_pos]
  simp only [run_id]; exact i

theorem ids_reply {m : M} {id : Id} (i : m.has id = true) (w : Waiting) (answer : Value) (change : Change) :
    (m.reply id w answer change).runs.map Run.id = m.runs.map Run.id := ids_record i _ _

theorem ids_setHandles {m : M} {id : Id} (i : m.has id = true) (handles : List Id) :
    (m.setHandles id handles).runs.map Run.id = m.runs.map Run.id := by
  show (Runs.put _ _).map Run.id = _
  rw [Runs.ids_put, if_pos]
  simp only [run_id]; exact i

end M

end Shepherd
