import Shepherd.Laws.CheckSound.Bound

/-!
# The checker accepts exactly what can be
-/

namespace Shepherd

/-- Over the log of the whole tree, a prefix is accepted only if some well-formed oracle produces it.

`check` accepts `log`: then it is empty, or there are an oracle `ω` whose every answer is well-formed (`ω.wf`), a start `i` of the
program `P` on these files that is possible (`i.good`), and a tree `m` that it leads to (`Reach`), whose log begins with `log`. So no
log is accepted that the program could not have made: whatever the oracle is asked, the same is recorded. -/
theorem check_sound {bound : Nat} {P : Program} {contents : String → Option Content} {files : Files} {log : Log}
    (accepted : check bound P contents files log = .accepted) :
    log = [] ∨ ∃ (ω : Oracle) (i : Init) (m : M), ω.wf P ∧ i.good ∧ i.program = P ∧ i.contents = contents ∧ i.files = files ∧
      Reach ω i m ∧ log <+: m.entries := by
  unfold check at accepted
  split at accepted
  · exact .inl rfl
  · unfold Followed.verdict at accepted
    split at accepted
    · next m hm =>
      obtain ⟨ω, i, m, t, wf, good, hp, hc, hf, reached, ht, hs⟩ := follow_sound.1 m hm
      exact .inr ⟨ω, i, m, wf, good, hp, hc, hf, reached, hs.eq ▸ ht⟩
    · cases accepted
    · cases accepted

/-- Over the log of the whole tree, a prefix is accepted if some oracle produces it.

Whatever the oracle `ω`, and whatever the outermost owner did: every beginning of the log of a tree `m` that can be reached, cut
anywhere, is accepted. `bound` is how many steps that record nothing may be made between two events. `quietBound` is enough: a number
that is computed from the bound of the program on local steps and the length of the log, and nothing else. -/
theorem check_complete {ω : Oracle} {i : Init} {m : M} {log : Log} (reached : Reach ω i m) (good : i.good)
    (begins : log <+: m.entries) {bound : Nat} (enough : quietBound i.program log.length ≤ bound) :
    check bound i.program i.contents i.files log = .accepted := by
  cases log with
  | nil => rfl
  | cons e rest =>
    obtain ⟨b₀, hb⟩ := follow_complete good reached false (e :: rest) (e :: rest) [] begins (.refl _ _) nofun
    obtain ⟨m', hm', _⟩ := (hb (max bound b₀) (Nat.le_max_right ..)).2 rfl
    rw [List.append_nil, follow_mono (Nat.le_max_left ..) (follow_decides enough)] at hm'
    show (follow false bound i.program i.contents i.files (e :: rest)).verdict = _
    rw [hm']; rfl

/-- The checker decides: with a bound that is enough it accepts or rejects every log, whatever is in it, and never says that its bound
was too small. -/
theorem check_decides {bound : Nat} {P : Program} {contents : String → Option Content} {files : Files} {log : Log}
    (enough : quietBound P log.length ≤ bound) :
    check bound P contents files log = .accepted ∨ ∃ n expected, check bound P contents files log = .rejected n expected := by
  cases log with
  | nil => exact .inl rfl
  | cons e rest =>
    show (follow false bound P contents files (e :: rest)).verdict = _ ∨ _
    have h := follow_decides (other := false) (contents := contents) (files := files) enough
    unfold check Followed.verdict
    cases hf : follow false bound P contents files (e :: rest) with
    | all m => exact .inl rfl
    | only n x => exact .inr ⟨n, x, rfl⟩
    | more => exact absurd hf h

/-- Both in one: what is accepted with `quietBound` is exactly what some well-formed oracle produces. -/
theorem check_exact {P : Program} {contents : String → Option Content} {files : Files} {log : Log} :
    check (quietBound P log.length) P contents files log = .accepted ↔
    log = [] ∨ ∃ (ω : Oracle) (i : Init) (m : M), ω.wf P ∧ i.good ∧ i.program = P ∧ i.contents = contents ∧ i.files = files ∧
      Reach ω i m ∧ log <+: m.entries := by
  constructor
  · exact check_sound
  · rintro (rfl | ⟨ω, i, m, _, good, rfl, rfl, rfl, reached, begins⟩)
    · rfl
    · exact check_complete reached good begins (Nat.le_refl _)

end Shepherd
