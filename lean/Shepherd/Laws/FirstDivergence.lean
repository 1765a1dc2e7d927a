import Shepherd.Laws.CheckSound.Bound

/-!
# How far an edited program follows a log
-/

namespace Shepherd

/-- Replaying an edited program reuses the longest prefix on which both ask the same.

`diverge` follows a log, recorded with one program, with another, `P`. `Produces true P contents files l`: with some well-formed
oracle, `P` makes a log that begins with `l`, the digest of the program in `start` apart. If `diverge` accepts, `P` produces the
whole log; if it rejects after `n` entries, `P` produces these, and does not produce one more: no oracle at all (`Reach ω i m`, `ω`
arbitrary) and no start of `P` on these files lead to a tree whose log begins with the first `n + 1`. With `quietBound`, or more, it
says one of the two of every log. -/
theorem first_divergence {bound : Nat} {P : Program} {contents : String → Option Content} {files : Files} {log : Log} :
    (diverge bound P contents files log = .accepted → log = [] ∨ Produces true P contents files log) ∧
    (∀ n expected, diverge bound P contents files log = .rejected n expected →
      (n = 0 ∨ Produces true P contents files (log.take n)) ∧ n < log.length ∧
      ∀ (ω : Oracle) (i : Init) (m : M) (t : Log), i.good → i.program = P → i.contents = contents → i.files = files →
        Reach ω i m → t <+: m.entries → ¬ alike true t (log.take (n + 1))) ∧
    (quietBound P log.length ≤ bound → diverge bound P contents files log ≠ .more) := by
  have verdict : ∀ e rest, diverge bound P contents files (e :: rest) =
      (follow true bound P contents files (e :: rest)).verdict := fun _ _ => rfl
  cases log with
  | nil => exact ⟨fun _ => .inl rfl, fun n x h => (nomatch h), fun _ => nofun⟩
  | cons e rest =>
    rw [verdict]
    refine ⟨?_, ?_, fun enough h => ?_⟩
    · intro h
      unfold Followed.verdict at h
      split at h
      · next m hm => exact .inr (follow_sound.1 m hm)
      · cases h
      · cases h
    · intro n expected h
      have hf : follow true bound P contents files (e :: rest) = .only n expected := by
        unfold Followed.verdict at h
        split at h
        · cases h
        · next hn => cases h; exact hn
        · cases h
      have never : ∀ k, n < k → ∀ (ω : Oracle) (i : Init) (m : M) (t : Log), i.good → i.program = P → i.contents = contents →
          i.files = files → Reach ω i m → t <+: m.entries → k ≤ (e :: rest).length → ¬ alike true t ((e :: rest).take k) := by
        rintro k hk ω i m t good rfl rfl rfl reached ht hle ha
        have hne : (e :: rest).take k ≠ [] := by
          cases k with
          | zero => cases hk
          | succ k => exact nofun
        obtain ⟨b₀, hb⟩ := follow_complete good reached true t _ ((e :: rest).drop k) ht ha hne
        have hmono := follow_mono (Nat.le_max_left bound b₀) (by rw [hf]; exact nofun)
        have := (hb (max bound b₀) (Nat.le_max_right _ _)).1 n expected
          (by rw [List.take_append_drop, hmono, hf])
        rw [List.length_take, Nat.min_eq_left hle] at this
        omega
      obtain ⟨s, r, hlog, hn, hr, hs⟩ := follow_sound.2 n expected hf
      have htake : (e :: rest).take n = s := by rw [hlog, hn, List.take_left]
      have hlt : n < (e :: rest).length := by
        have := List.length_pos_iff.mpr (hr nofun)
        rw [hlog, hn, List.length_append]
        omega
      refine ⟨?_, hlt, fun ω i m t good hp hc hf' reached ht =>
        never (n + 1) (Nat.lt_succ_self n) ω i m t good hp hc hf' reached ht hlt⟩
      rw [htake]
      exact hs.imp_left fun h => by rw [hn, h]; rfl
    · unfold Followed.verdict at h
      split at h
      · cases h
      · cases h
      · next hf => exact follow_decides enough hf

end Shepherd
