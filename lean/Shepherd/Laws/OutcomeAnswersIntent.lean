import Shepherd.Laws.OutcomeAnswersIntent.Once
import Shepherd.Laws.OutcomeAnswersIntent.Whole

/-!
# Outcomes and their questions
-/

namespace Shepherd

/-- Every outcome answers the `intent` or `undo` before it, with only `injected` between.

`M.After ω i.start m`: the tree of runs started from `i` can become `m`, the outside being the oracle `ω`. A trace has the newest event
first: in `o :: before <:+ (m.run id).trace`, `before` is all that the trace of run `id` held before the event `o`. `Trace.live before`
are the events that were live then: what had been reverted, and the reverts, are left out; where nothing was reverted, it is `before`
itself (last part). `Trace.Answers before q`: the newest live event, messages (`injected`) left out, is `q`, an intent or an undo; a
`forked` is left out too, for a copy goes on at the question that its original was at. Then

- for every outcome that any run ever recorded, reverted ones included, also the outermost owner's: there was a question that it
  answers so;
- no two live outcomes of a trace answer the same question. -/
theorem outcome_answers_intent {ω : Oracle} {i : Init} {m : M} (h : M.After ω i.start m) (id : Id) :
    (∀ o before answer change by', o :: before <:+ (m.run id).trace → o.event = .outcome answer change by' →
      ∃ q, Trace.Answers before q) ∧
    (∀ q o₁ before₁ o₂ before₂, (o₁, before₁) ∈ Trace.livesFrom none (m.run id).trace →
      (o₂, before₂) ∈ Trace.livesFrom none (m.run id).trace → o₁.event.isOutcome = true → o₂.event.isOutcome = true →
      Trace.Answers before₁ q → Trace.Answers before₂ q → o₁ = o₂) ∧
    (∀ before : Trace, (∀ c ∈ before, ∀ k, c.event ≠ .reverted k) → before.live = before) := by
  have k := h.whole.inv.sound
  refine ⟨fun o before answer change by' hs ho => ?_, fun q o₁ b₁ o₂ b₂ h₁ h₂ e₁ e₂ a₁ a₂ =>
    Trace.answered_once (k.hist.named.indexed id) h₁ h₂ e₁ e₂ a₁ a₂, fun _ hr => Trace.live_all hr⟩
  obtain ⟨q, hq⟩ := Trace.question_some_of ((k.good id o before hs).1 (by rw [ho]; rfl))
  exact ⟨q, Trace.answers_of_question hq⟩

end Shepherd
