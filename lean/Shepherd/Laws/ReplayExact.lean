import Shepherd.Laws.CheckSound.Bound

/-!
# Replaying a log reproduces the tree
-/

namespace Shepherd

/-- Replaying a log reproduces the tree: code, files, traces.

`Reach ω i m`: `m` is a tree of runs right after an event, started from `i` (`i.good`: it can be started so) with the oracle `ω`, and
with whatever the outermost owner did, forks of the whole tree among them. `m.entries` is its log, oldest first: which run recorded
which event, and nothing else. `replay` runs the program again and takes from the log what came from outside. The result is `m`
itself, with all that a tree consists of. `bound` is how many steps that record nothing may be made between two events; `quietBound`,
which is computed from the program's own bound and the length of the log, is enough. -/
theorem replay_exact {ω : Oracle} {i : Init} {m : M} (reached : Reach ω i m) (good : i.good) {bound : Nat}
    (enough : quietBound i.program m.entries.length ≤ bound) : replay bound i.program i.contents i.files m.entries = some m := by
  have hne : m.entries ≠ [] := by
    obtain ⟨u, hu⟩ := M.entries_prefix reached.extends
    rw [← hu, i.start_entries]
    exact nofun
  obtain ⟨b₀, hb⟩ := follow_complete good reached false m.entries m.entries [] List.prefix_rfl (.refl _ _) hne
  obtain ⟨m', hm', fw⟩ := (hb (max bound b₀) (Nat.le_max_right ..)).2 rfl
  rw [List.append_nil, follow_mono (Nat.le_max_left ..) (follow_decides enough)] at hm'
  obtain ⟨as, before⟩ := fw.before
  obtain ⟨bs, after⟩ := fw.after
  have w' := (before.follows i.wf).1
  have hlen : m.size ≤ m'.size := by
    rw [reached.wf.size, w'.size, ← M.entries_length, ← M.entries_length]
    exact fw.log.length_le
  have he : m' = m := after.eq_of_size w' hlen
  unfold replay
  rw [hm', he]

end Shepherd
