import Shepherd.Laws.CheckSound.Bound

/-!
# A crash loses nothing that was recorded
-/

namespace Shepherd

/-- The tree is the fold of the log: a crash at any point loses nothing that was recorded.

`log` is what is left of the log of a tree `m` after a crash: a beginning of it, not empty, cut anywhere, also within a step that
records several events. `replay` of it alone gives a tree `m'`: a state of the same execution, from which that goes on to `m` as it
did (`M.MakesAll`), whose log has all that was left. It is the first such state: it is the one just started, or before the last move
to it (`M.Next ω p m'`) not all that was left had been recorded. `quietBound` is computed from the program's own bound on local steps
and the length of what was left. -/
theorem recover {ω : Oracle} {i : Init} {m : M} {log : Log} (reached : Reach ω i m) (good : i.good) (begins : log <+: m.entries)
    (some' : log ≠ []) :
    ∃ m', (∀ bound, quietBound i.program log.length ≤ bound → replay bound i.program i.contents i.files log = some m') ∧
      Reach ω i m' ∧ (∃ as, M.MakesAll ω as m' m) ∧ log <+: m'.entries ∧
      (m' = i.start ∨ ∃ p, Reach ω i p ∧ M.Next ω p m' ∧ ¬ log <+: p.entries) := by
  obtain ⟨b₀, hb⟩ := follow_complete good reached false log log [] begins (.refl _ _) some'
  obtain ⟨m', hm', fw⟩ := (hb b₀ (Nat.le_refl _)).2 rfl
  rw [List.append_nil] at hm'
  refine ⟨m', fun b enough => ?_, reach_iff.mpr fw.before, fw.after, fw.log, ?_⟩
  · have : follow false b i.program i.contents i.files log = .all m' := by
      rw [← follow_mono (Nat.le_max_left b b₀) (follow_decides enough),
        follow_mono (Nat.le_max_right b b₀) (by rw [hm']; exact nofun), hm']
    unfold replay
    rw [this]
  · exact fw.first.imp_right fun ⟨p, as, hp, next, hnot⟩ => ⟨p, reach_iff.mpr ⟨as, hp⟩, next, hnot⟩

end Shepherd
