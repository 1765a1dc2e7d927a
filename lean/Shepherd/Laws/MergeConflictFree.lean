import Shepherd.Laws.MergeConflictFree.Merge

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

end Shepherd
