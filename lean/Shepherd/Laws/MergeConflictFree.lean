import Shepherd.Laws.MergeConflictFree.Applied
import Shepherd.Laws.MergeConflictFree.Merge
import Shepherd.Laws.Support.Perform

/-!
# A merge loses no one's change
-/

namespace Shepherd

/-- A merge without conflict loses no one's change.

`base`, `ours` and `theirs` are files (`Files.wf`: each path once, nothing below an entry), and their three-way merge has no
conflict but gives `merged`. Then at every path (the empty text is none, it names the top): where only they changed what stood in the
base, the merged files say what theirs say; where only we did, what ours say; where both did, both did alike, and the merged files say
that; where neither did, what the base says.

An entry that is removed is a change like any other (`none`), and so is the entry of an empty folder. `merged.Says path what` is
`merged.get path = what`, but for one case: the entry of an empty folder is no longer there once the other side has put something
below it, for the map has entries only for folders that hold nothing; the folder is then still a folder of the merged files. -/
theorem merge_conflict_free {base ours theirs merged : Files} (hb : base.wf) (ho : ours.wf) (ht : theirs.wf)
    (h : Files.merge base ours theirs = .ok merged) {path : String} (named : path ≠ "") :
    (ours.get path = base.get path → theirs.get path ≠ base.get path → merged.Says path (theirs.get path)) ∧
    (ours.get path ≠ base.get path → theirs.get path = base.get path → merged.Says path (ours.get path)) ∧
    (ours.get path ≠ base.get path → theirs.get path ≠ base.get path →
      ours.get path = theirs.get path ∧ merged.Says path (ours.get path)) ∧
    (ours.get path = base.get path → theirs.get path = base.get path → merged.Says path (base.get path)) := by
  obtain ⟨alike, says⟩ := Files.merge_says hb ho ht h named
  refine ⟨fun a b => ?_, fun a b => ?_, fun a b => ⟨alike a b, ?_⟩, fun a b => ?_⟩
  · rwa [if_neg b] at says
  · rwa [if_pos b] at says
  · rw [if_neg b] at says; rw [alike a b]; exact says
  · rw [if_pos b, a] at says; exact says

/-- The machine's `run.merge` gives the asker the merged files.

As for `conflict_inert`, but the three-way merge has no conflict and gives `merged`. The machine records the difference between the
asker's files and these as the change of the answer `Ok(Merged)`, and the asker's files are then `merged`: what
`merge_conflict_free` says of them is so. Every other run is literally what it was, and none is new. (`""` is no path.) -/
theorem merge_performed {m : M} {asker id : Id} {rest : List Id} {w : Waiting} {v : Value} {merged : Files}
    (active : m.stack = asker :: rest) (asks : (m.run asker).code = .settled (.waiting w)) (op : w.op = "run.merge")
    (args : w.args = [v]) (own : m.owned asker v = .ok id) (kept : (m.run id).code ≠ .settled .discarded)
    (files : (m.run asker).files.wf) (paths : merged.get "" = none)
    (merges : Files.merge (m.run id).base (m.run asker).files (m.run id).files = .ok merged) :
    ∃ (n : M) (c : Commit), m.step = some n ∧
      (∀ j, j ≠ asker → n.run j = m.run j) ∧ n.runs.map Run.id = m.runs.map Run.id ∧ n.log = c :: m.log ∧ c.run = asker ∧
      c.event = .outcome (.ok (.con "Merged" [])) (Files.diff (m.run asker).files merged) .machine ∧
      n.run asker = { m.run asker with code := resume (.ok (.con "Merged" [])) w.stack, files := merged,
                                       trace := c :: (m.run asker).trace } := by
  have i : m.has asker = true := M.has_of_code (by rw [asks]; exact nofun)
  have h : m.merge asker w = m.reply asker w (.ok (.con "Merged" [])) (Files.diff (m.run asker).files merged) := by
    unfold M.merge
    rw [args]
    simp only [own, merges]
  obtain ⟨c, log, run, event, same⟩ :=
    m.reply_commit asker w (.ok (.con "Merged" [])) (Files.diff (m.run asker).files merged)
  refine ⟨_, c, (M.step_perform active asks (op ▸ M.machineOp_merge)).trans ((M.perform_merge op).trans (congrArg some h)),
    fun j e => M.run_reply_ne _ _ _ _ (Ne.symm e), M.ids_reply i _ _ _, log, run, event, ?_⟩
  rw [same, Files.apply_diff files (Files.wf_merge files merges) (by rw [paths]; exact nofun)]

end Shepherd
