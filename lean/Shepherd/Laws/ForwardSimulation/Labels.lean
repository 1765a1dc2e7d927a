import Shepherd.Laws.ForwardSimulation.Local

/-!
# Sequences of labels

From the machine to the textbook, and back.
-/

namespace Shepherd

namespace Simulation

/-- A local step that goes on: into a `let`, or one reduction. -/
theorem localStep_running {P : Program} {c c' : Comp} {ρ ρ' : Env} {K K' : Stack}
    (h : localStep P c ρ K = .running c' ρ' K') :
    (termOf c' ρ' K' = termOf c ρ K ∧ c'.lets < c.lets) ∨ textbook P (termOf c ρ K) = .reduces (termOf c' ρ' K') := by
  cases hl : c.isLet with
  | true =>
    cases c with
    | «let» x bound body =>
      have hs := localStep_let P x bound body ρ K
      rw [hs.1] at h
      injection h with h1 h2 h3
      subst h1 h2 h3
      exact .inl ⟨hs.2, Nat.lt_succ_self _⟩
    | _ => exact absurd hl nofun
  | false =>
    have := localStep_other P c ρ K hl
    rw [h] at this
    exact .inr this

/-- A local step that does not go on is the textbook's. -/
theorem localStep_stops {P : Program} {c : Comp} {ρ : Env} {K : Stack}
    (h : ∀ c' ρ' K', localStep P c ρ K ≠ .running c' ρ' K') : textbook P (termOf c ρ K) = (localStep P c ρ K).seen := by
  cases hl : c.isLet with
  | true =>
    cases c with
    | «let» x bound body => exact absurd (localStep_let P x bound body ρ K).1 (h _ _ _)
    | _ => exact absurd hl nofun
  | false => exact localStep_other P c ρ K hl

/-! ## From the machine to the textbook -/

/-- The machine does what the textbook does, up to where it gives up. -/
theorem does_of_local {P : Program} {c : Comp} {ρ : Env} {K : Stack} {n : Nat} {labels : List Label}
    (h : Local.Does P c ρ K n labels) :
    Textbook.Does P (termOf c ρ K) labels ∨ ∃ before, labels = before ++ [.gaveUp] ∧ Textbook.Does P (termOf c ρ K) before := by
  induction h with
  | nil c ρ K n => exact .inl (.nil _)
  | step hn hs _ ih =>
    rcases localStep_running hs with ⟨ht, _⟩ | ht
    · rw [ht] at ih; exact ih
    · rcases ih with ih | ⟨before, hb, ih⟩
      · exact .inl (.reduce ht ih)
      · exact .inr ⟨before, hb, .reduce ht ih⟩
  | ask hn hs =>
    have ht := localStep_stops (by rw [hs]; exact nofun)
    rw [hs] at ht
    exact .inl (.ask ht)
  | told answer hn hs hr _ ih =>
    have ht := localStep_stops (by rw [hs]; exact nofun)
    rw [hs] at ht
    simp only [resume, Code.settled.injEq, Settled.running.injEq] at hr
    obtain ⟨rfl, rfl, rfl, rfl⟩ := hr
    rw [termOf_resume hs] at ih
    rcases ih with ih | ⟨before, hb, ih⟩
    · exact .inl (.told answer ht ih)
    · refine .inr ⟨.ask _ _ :: .told answer :: before, ?_, .told answer ht ih⟩
      rw [hb]; rfl
  | done hn hs =>
    have ht := localStep_stops (by rw [hs]; exact nofun)
    rw [hs] at ht
    exact .inl (.done ht)
  | failed hn hs =>
    have ht := localStep_stops (by rw [hs]; exact nofun)
    rw [hs] at ht
    exact .inl (.failed ht)
  | gaveUp hn => exact .inr ⟨[], rfl, .nil _⟩

/-! ## From the textbook to the machine -/

/-- What holds of all configurations of a term that are about to reduce, and is kept when a `let` is entered, holds of all. -/
theorem enterLets {Q : Comp → Env → Stack → Nat → Prop} {t : Comp}
    (hlet : ∀ x bound body ρ K n, Q bound ρ (⟨x, body, ρ⟩ :: K) (n + 1) → Q (.let x bound body) ρ K n)
    (h : ∀ c ρ K n, c.isLet = false → termOf c ρ K = t → Q c ρ K n)
    (c : Comp) (ρ : Env) (K : Stack) (n : Nat) (ht : termOf c ρ K = t) : Q c ρ K n := by
  induction c generalizing ρ K n with
  | «let» x bound body hb _ =>
    refine hlet x bound body ρ K n (hb _ _ _ ?_)
    simp only [termOf, plug] at ht ⊢
    rw [← ht, Comp.close_let]
  | ret e => exact h _ _ _ _ rfl ht
  | ite cond yes no => exact h _ _ _ _ rfl ht
  | call f es => exact h _ _ _ _ rfl ht
  | op name es => exact h _ _ _ _ rfl ht

/-- The machine with its bound does the labels, or it gives up on the way. -/
def DoesOrGivesUp (P : Program) (labels : List Label) (c : Comp) (ρ : Env) (K : Stack) (n : Nat) : Prop :=
  Local.Does P c ρ K n labels ∨ ∃ before, before <+: labels ∧ Local.Does P c ρ K n (before ++ [.gaveUp])

/-- Where the bound is reached there is nothing to show. -/
theorem doesOrGivesUp {P : Program} {labels : List Label} {c : Comp} {ρ : Env} {K : Stack} {n : Nat}
    (h : n < P.steps → DoesOrGivesUp P labels c ρ K n) : DoesOrGivesUp P labels c ρ K n := by
  by_cases hn : n < P.steps
  · exact h hn
  · exact .inr ⟨[], List.nil_prefix, .gaveUp (Nat.le_of_not_lt hn)⟩

theorem doesOrGivesUp_step {P : Program} {labels : List Label} {c c' : Comp} {ρ ρ' : Env} {K K' : Stack} {n : Nat}
    (hs : localStep P c ρ K = .running c' ρ' K') (h : DoesOrGivesUp P labels c' ρ' K' (n + 1)) :
    DoesOrGivesUp P labels c ρ K n := by
  refine doesOrGivesUp fun hn => ?_
  rcases h with h | ⟨before, hb, h⟩
  · exact .inl (.step hn hs h)
  · exact .inr ⟨before, hb, .step hn hs h⟩

/-- What the local step is, where the textbook's step is known and the machine is not at a `let`. -/
theorem seen_of_textbook {P : Program} {c : Comp} {ρ : Env} {K : Stack} {t : Comp} {s : Textbook}
    (hl : c.isLet = false) (ht : termOf c ρ K = t) (h : textbook P t = s) : (localStep P c ρ K).seen = s := by
  rw [← localStep_other P c ρ K hl, ht, h]

theorem running_of_seen {l : Local} {t : Comp} (h : l.seen = .reduces t) :
    ∃ c ρ K, l = .running c ρ K ∧ termOf c ρ K = t := by
  cases l with
  | running c ρ K => exact ⟨c, ρ, K, rfl, Textbook.reduces.inj h⟩
  | _ => exact absurd h nofun

theorem asks_of_seen {l : Local} {op : String} {args : List Value} (h : l.seen = .asks op args) :
    ∃ K, l = .asks op args K := by
  cases l with
  | asks op args K => obtain ⟨rfl, rfl⟩ := Textbook.asks.inj h; exact ⟨K, rfl⟩
  | _ => exact absurd h nofun

theorem ends_of_seen {l : Local} {v : Value} (h : l.seen = .ends v) : l = .ends v := by
  cases l with
  | ends v => rw [Textbook.ends.inj h]
  | _ => exact absurd h nofun

theorem faults_of_seen {l : Local} {f : Fault} (h : l.seen = .faults f) : l = .faults f := by
  cases l with
  | faults f => rw [Textbook.faults.inj h]
  | _ => exact absurd h nofun

/-- The machine with its bound does what the textbook does, or gives up on the way. -/
theorem local_of_does {P : Program} {t : Comp} {labels : List Label} (h : Textbook.Does P t labels) :
    ∀ c ρ K n, termOf c ρ K = t → DoesOrGivesUp P labels c ρ K n := by
  induction h with
  | nil t => intro c ρ K n _; exact .inl (.nil ..)
  | reduce hs _ ih =>
    refine enterLets (fun x bound body ρ K n h => doesOrGivesUp_step (localStep_let P x bound body ρ K).1 h) ?_
    intro c ρ K n hl ht
    obtain ⟨c', ρ', K', hr, ht'⟩ := running_of_seen (seen_of_textbook hl ht hs)
    exact doesOrGivesUp_step hr (ih c' ρ' K' (n + 1) ht')
  | ask hs =>
    refine enterLets (fun x bound body ρ K n h => doesOrGivesUp_step (localStep_let P x bound body ρ K).1 h) ?_
    intro c ρ K n hl ht
    obtain ⟨K', hr⟩ := asks_of_seen (seen_of_textbook hl ht hs)
    exact doesOrGivesUp fun hn => .inl (.ask hn hr)
  | told answer hs _ ih =>
    refine enterLets (fun x bound body ρ K n h => doesOrGivesUp_step (localStep_let P x bound body ρ K).1 h) ?_
    intro c ρ K n hl ht
    obtain ⟨K', hr⟩ := asks_of_seen (seen_of_textbook hl ht hs)
    refine doesOrGivesUp fun hn => ?_
    rcases ih (.ret (.lit answer)) [] K' 0 (by rw [termOf_resume hr, ht]) with h | ⟨before, hb, h⟩
    · exact .inl (.told answer hn hr rfl h)
    · refine .inr ⟨.ask _ _ :: .told answer :: before, ?_, .told answer hn hr rfl h⟩
      exact (List.prefix_cons_inj _).mpr ((List.prefix_cons_inj _).mpr hb)
  | done hs =>
    refine enterLets (fun x bound body ρ K n h => doesOrGivesUp_step (localStep_let P x bound body ρ K).1 h) ?_
    intro c ρ K n hl ht
    exact doesOrGivesUp fun hn => .inl (.done hn (ends_of_seen (seen_of_textbook hl ht hs)))
  | failed hs =>
    refine enterLets (fun x bound body ρ K n h => doesOrGivesUp_step (localStep_let P x bound body ρ K).1 h) ?_
    intro c ρ K n hl ht
    exact doesOrGivesUp fun hn => .inl (.failed hn (faults_of_seen (seen_of_textbook hl ht hs)))

/-! ## Without the bound -/

/-- The machine does the labels where its bound is large enough. -/
def DoesAtLength (P : Program) (labels : List Label) (c : Comp) (ρ : Env) (K : Stack) (n : Nat) : Prop :=
  ∃ enough, ∀ steps, enough ≤ steps → Local.Does { P with steps } c ρ K n labels

theorem doesAtLength_step {P : Program} {labels : List Label} {c c' : Comp} {ρ ρ' : Env} {K K' : Stack} {n : Nat}
    (hs : localStep P c ρ K = .running c' ρ' K') (h : DoesAtLength P labels c' ρ' K' (n + 1)) :
    DoesAtLength P labels c ρ K n := by
  obtain ⟨enough, h⟩ := h
  refine ⟨max enough (n + 1), fun steps hle => .step (c' := c') (ρ' := ρ') (K' := K') ?_ ?_ (h steps ?_)⟩
  · exact Nat.lt_of_lt_of_le (Nat.lt_succ_self n) (Nat.le_trans (Nat.le_max_right ..) hle)
  · rw [localStep_steps, hs]
  · exact Nat.le_trans (Nat.le_max_left ..) hle

/-- The machine does what the textbook does where its bound is large enough. -/
theorem atLength_of_does {P : Program} {t : Comp} {labels : List Label} (h : Textbook.Does P t labels) :
    ∀ c ρ K n, termOf c ρ K = t → DoesAtLength P labels c ρ K n := by
  induction h with
  | nil t => intro c ρ K n _; exact ⟨0, fun _ _ => .nil ..⟩
  | reduce hs _ ih =>
    refine enterLets (fun x bound body ρ K n h => doesAtLength_step (localStep_let P x bound body ρ K).1 h) ?_
    intro c ρ K n hl ht
    obtain ⟨c', ρ', K', hr, ht'⟩ := running_of_seen (seen_of_textbook hl ht hs)
    exact doesAtLength_step hr (ih c' ρ' K' (n + 1) ht')
  | ask hs =>
    refine enterLets (fun x bound body ρ K n h => doesAtLength_step (localStep_let P x bound body ρ K).1 h) ?_
    intro c ρ K n hl ht
    obtain ⟨K', hr⟩ := asks_of_seen (seen_of_textbook hl ht hs)
    exact ⟨n + 1, fun steps hle => .ask hle (by rw [localStep_steps, hr])⟩
  | told answer hs _ ih =>
    refine enterLets (fun x bound body ρ K n h => doesAtLength_step (localStep_let P x bound body ρ K).1 h) ?_
    intro c ρ K n hl ht
    obtain ⟨K', hr⟩ := asks_of_seen (seen_of_textbook hl ht hs)
    obtain ⟨enough, h⟩ := ih (.ret (.lit answer)) [] K' 0 (by rw [termOf_resume hr, ht])
    refine ⟨max enough (n + 1), fun steps hle => .told answer (K' := K') ?_ ?_ rfl (h steps ?_)⟩
    · exact Nat.lt_of_lt_of_le (Nat.lt_succ_self n) (Nat.le_trans (Nat.le_max_right ..) hle)
    · rw [localStep_steps, hr]
    · exact Nat.le_trans (Nat.le_max_left ..) hle
  | done hs =>
    refine enterLets (fun x bound body ρ K n h => doesAtLength_step (localStep_let P x bound body ρ K).1 h) ?_
    intro c ρ K n hl ht
    exact ⟨n + 1, fun steps hle => .done hle (by rw [localStep_steps, ends_of_seen (seen_of_textbook hl ht hs)])⟩
  | failed hs =>
    refine enterLets (fun x bound body ρ K n h => doesAtLength_step (localStep_let P x bound body ρ K).1 h) ?_
    intro c ρ K n hl ht
    exact ⟨n + 1, fun steps hle => .failed hle (by rw [localStep_steps, faults_of_seen (seen_of_textbook hl ht hs)])⟩

/-- The textbook knows no bound. -/
theorem reduce_steps (P : Program) (N : Nat) (c : Comp) : c.reduce { P with steps := N } = c.reduce P := by
  induction c with
  | «let» x bound body hb _ => rw [reduce_let, reduce_let, hb]
  | _ => rfl

theorem textbook_steps (P : Program) (N : Nat) (c : Comp) : textbook { P with steps := N } c = textbook P c := by
  rw [textbook, textbook, reduce_steps]

theorem does_steps {P : Program} {N : Nat} {c : Comp} {labels : List Label}
    (h : Textbook.Does { P with steps := N } c labels) : Textbook.Does P c labels := by
  induction h with
  | nil c => exact .nil c
  | reduce hs _ ih => exact .reduce ((textbook_steps P N _).symm.trans hs) ih
  | ask hs => exact .ask ((textbook_steps P N _).symm.trans hs)
  | told answer hs _ ih => exact .told answer ((textbook_steps P N _).symm.trans hs) ih
  | done hs => exact .done ((textbook_steps P N _).symm.trans hs)
  | failed hs => exact .failed ((textbook_steps P N _).symm.trans hs)

/-- The textbook never gives up. -/
theorem gaveUp_notMem {P : Program} {c : Comp} {labels : List Label} (h : Textbook.Does P c labels) : .gaveUp ∉ labels := by
  induction h with
  | nil c => exact List.not_mem_nil
  | reduce _ _ ih => exact ih
  | ask _ => exact fun h => absurd (List.mem_singleton.mp h) nofun
  | told answer _ _ ih =>
    intro h
    rcases List.mem_cons.mp h with h | h
    · exact absurd h nofun
    · rcases List.mem_cons.mp h with h | h
      · exact absurd h nofun
      · exact ih h
  | done _ => exact fun h => absurd (List.mem_singleton.mp h) nofun
  | failed _ => exact fun h => absurd (List.mem_singleton.mp h) nofun

/-- What the machine does under some bound, without giving up, the textbook does. -/
theorem does_of_atLength {P : Program} {c : Comp} {ρ : Env} {K : Stack} {n : Nat} {labels : List Label}
    (h : DoesAtLength P labels c ρ K n) (hg : .gaveUp ∉ labels) : Textbook.Does P (termOf c ρ K) labels := by
  obtain ⟨enough, h⟩ := h
  rcases does_of_local (h enough (Nat.le_refl _)) with h | ⟨before, hb, _⟩
  · exact does_steps h
  · exact absurd (by rw [hb]; exact List.mem_append_right _ List.mem_cons_self) hg

end Simulation

end Shepherd
