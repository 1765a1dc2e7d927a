import Shepherd.Laws.Support.FollowStart

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
anywhere, is accepted. `bound` is how many steps that record nothing may be made between two events; it only has to be large
enough. -/
theorem check_complete {ω : Oracle} {i : Init} {m : M} {log : Log} (reached : Reach ω i m) (good : i.good)
    (begins : log <+: m.entries) :
    ∃ enough, ∀ bound, enough ≤ bound → check bound i.program i.contents i.files log = .accepted := by
  cases log with
  | nil => exact ⟨0, fun _ _ => rfl⟩
  | cons e rest =>
    obtain ⟨b₀, hb⟩ := follow_complete good reached false (e :: rest) (e :: rest) [] begins (.refl _ _) nofun
    refine ⟨b₀, fun b le => ?_⟩
    obtain ⟨m', hm', _⟩ := (hb b le).2 rfl
    rw [List.append_nil] at hm'
    show (follow false b i.program i.contents i.files (e :: rest)).verdict = _
    rw [hm']; rfl

/-- Both in one: what is accepted, with any bound or with every large one, is what some well-formed oracle produces. -/
theorem check_exact {P : Program} {contents : String → Option Content} {files : Files} {log : Log} :
    (∃ bound, check bound P contents files log = .accepted) ↔
    log = [] ∨ ∃ (ω : Oracle) (i : Init) (m : M), ω.wf P ∧ i.good ∧ i.program = P ∧ i.contents = contents ∧ i.files = files ∧
      Reach ω i m ∧ log <+: m.entries := by
  constructor
  · exact fun ⟨_, h⟩ => check_sound h
  · rintro (rfl | ⟨ω, i, m, _, good, rfl, rfl, rfl, reached, begins⟩)
    · exact ⟨0, rfl⟩
    · obtain ⟨b, h⟩ := check_complete reached good begins
      exact ⟨b, h b (Nat.le_refl b)⟩

end Shepherd
