import Shepherd.Laws.HandlersAreOwners.Labels

/-!
# Handled terms do not know the bound on local steps

Nor the digest of the program, which follows from it.
-/

namespace Shepherd

namespace Driving

variable (P : Program) (steps : Nat) (digest : String)

theorem reduce_steps (c : Comp) : c.reduce { P with steps, digest } = c.reduce P := by
  induction c with
  | «let» x bound body ih _ => rw [Comp.reduce, Comp.reduce, ih]
  | _ => rfl

theorem textbook_steps (c : Comp) : textbook { P with steps, digest } c = textbook P c := by
  rw [textbook, textbook, reduce_steps]

theorem step_steps (ks : List OnOp) (s : Handled) : s.step { P with steps, digest } ks = s.step P ks := by
  cases s with
  | body c => rw [Handled.step, Handled.step, textbook_steps]
  | clause d c => rw [Handled.step, Handled.step, reduce_steps]

theorem wants_steps (s : Handled) : s.wants { P with steps, digest } = s.wants P := by
  cases s with
  | body c => rw [Handled.wants, Handled.wants, textbook_steps]
  | clause d c => rw [Handled.wants, Handled.wants, reduce_steps]

variable {P steps digest}

theorem reaches_steps {ks : List OnOp} {s t : Handled} (h : Handled.Reaches { P with steps, digest } ks s t) :
    Handled.Reaches P ks s t := by
  induction h with
  | refl s => exact .refl s
  | step hs _ ih => exact .step ((step_steps P steps digest ks _).symm.trans hs) ih
  | told answer hs hg _ ih => exact .told answer ((step_steps P steps digest ks _).symm.trans hs) hg ih

theorem does_steps {ks : List OnOp} {s : Handled} {labels : List Label} (h : Handled.Does { P with steps, digest } ks s labels) :
    Handled.Does P ks s labels := by
  induction h with
  | nil s => exact .nil s
  | step hs _ ih => exact .step ((step_steps P steps digest ks _).symm.trans hs) ih
  | ask hs => exact .ask ((step_steps P steps digest ks _).symm.trans hs)
  | told answer hs _ ih => exact .told answer ((step_steps P steps digest ks _).symm.trans hs) ih
  | done hs => exact .done ((step_steps P steps digest ks _).symm.trans hs)
  | failed hs => exact .failed ((step_steps P steps digest ks _).symm.trans hs)

/-- A handled term never gives up. -/
theorem gaveUp_notMem {ks : List OnOp} {s : Handled} {labels : List Label} (h : Handled.Does P ks s labels) :
    .gaveUp ∉ labels := by
  induction h with
  | nil s => exact List.not_mem_nil
  | step _ _ ih => exact ih
  | told answer _ _ ih =>
    intro h
    rcases List.mem_cons.mp h with h | h
    · exact absurd h nofun
    · rcases List.mem_cons.mp h with h | h
      · exact absurd h nofun
      · exact ih h
  | _ => intro h; exact absurd (List.mem_singleton.mp h) nofun

/-- What the tree shows has only well-formed answers in it. -/
theorem good_of_shows {m : M} {labels : List Label} (h : m.Shows labels) (P : Program) : GoodAnswers P labels := by
  induction h with
  | nil m => intro op answer h; exact absurd h List.not_mem_nil
  | step _ _ _ ih => exact ih
  | told answer change _ ha hans _ ih =>
    intro op x h
    rcases List.mem_cons.mp h with h | h
    · exact absurd h nofun
    · rcases List.mem_cons.mp h with h | h
      · injection h with h
        subst h
        exact good_of_answer ha hans P op
      · exact ih op x h
  | _ => intro op answer h; exact absurd (List.mem_singleton.mp h) nofun

end Driving

end Shepherd
