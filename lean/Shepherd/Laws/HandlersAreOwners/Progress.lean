import Shepherd.Laws.HandlersAreOwners.Loop

/-!
# One step of the handled term, and the moves of the tree
-/

namespace Shepherd

/-- What a handled term asks, with a clause for it or without. -/
def Handled.wants (P : Program) : Handled → Option (String × List Value)
  | .body c => match textbook P c with
    | .asks op args => some (op, args)
    | _ => none
  | .clause d _ => match d.reduce P with
    | .asks op args => some (op, args)
    | _ => none

/-- The handled terms that `s` comes to, whatever it is told. -/
inductive Handled.Reaches (P : Program) (H : List OnOp) : Handled → Handled → Prop where
  | refl (s : Handled) : Reaches P H s s
  | step {s s' t : Handled} : s.step P H = .goesOn s' → Reaches P H s' t → Reaches P H s t
  | told {s t : Handled} {op : String} {args : List Value} (answer : Value) : s.step P H = .asks op args →
      Reaches P H (s.told answer) t → Reaches P H s t

namespace Driving

open Simulation

/-- Whether what a handled term asks is granted: to the body, or to the run that the clause runs in. -/
def Setting.mayAsk (S : Setting) (op : String) (args : List Value) : Handled → Prop
  | .body _ => S.granted op args
  | .clause .. => S.own op args

/-- What is said of bodies and clauses: they ask no operation on files or runs, only what is granted, and an operation with a clause
with as many arguments as the clause has parameters; and the body's value contains no run. -/
def Behaves (S : Setting) (H : Handling) (s : Handled) : Prop :=
  ∀ t, Handled.Reaches S.program H.clauses s t →
    (∀ op args, t.wants S.program = some (op, args) → Plain op ∧ S.mayAsk op args t ∧
      ∀ k, clauseOf H.clauses op = some k → args.length = k.params.length) ∧
    ∀ v, t.step S.program H.clauses = .ends v → v.hasHandle = false

variable {S : Setting} {H : Handling} {m : M} {s : Handled}

theorem Behaves.step {s' : Handled} (h : Behaves S H s) (hs : s.step S.program H.clauses = .goesOn s') : Behaves S H s' :=
  fun t ht => h t (.step hs ht)

theorem Behaves.told {op : String} {args : List Value} (h : Behaves S H s) (answer : Value)
    (hs : s.step S.program H.clauses = .asks op args) : Behaves S H (s.told answer) :=
  fun t ht => h t (.told answer hs ht)

/-- The tree stands at a handled term: the body runs and is driven; or the clause runs within the loop, and the body waits. -/
inductive Stands (S : Setting) (H : Handling) : Handled → M → Prop where
  | body {c : Comp} {ρ : Env} {K : Stack} {n : Nat} {m : M} : Driven S H (.settled (.running c ρ K n)) m →
      Stands S H (.body (termOf c ρ K)) m
  | clause {c : Comp} {ρ : Env} {K : Stack} {n : Nat} {v : Value} {w : Waiting} {t : Comp} {m : M} :
      Pair S m [.root, .world] (.settled (.running c ρ (K ++ [frameValue H v]) n)) (.settled (.waiting w)) →
      isMachineOp w.op = false → (∀ answer, termOf (.ret (.lit answer)) [] w.stack = t.resumeWith answer) →
      Stands S H (.clause (termOf c ρ K) t) m

/-- The tree stops as the handled term does. -/
def Stops (S : Setting) (H : Handling) (s : Handled) (m : M) : Prop :=
  (∃ op args, s.step S.program H.clauses = .asks op args ∧ Outside op args (fun answer n => Leads (Stands S H (s.told answer)) n) m) ∨
    (∃ v, s.step S.program H.clauses = .ends v ∧ Done v m) ∨ ∃ f, s.step S.program H.clauses = .faults f ∧ Failed f m

/-- The tree has gone as far as one step of the handled term. -/
def After (S : Setting) (H : Handling) (s : Handled) (m : M) : Prop :=
  (∃ s', s.step S.program H.clauses = .goesOn s' ∧ Stands S H s' m) ∨ Stops S H s m

theorem Outside.mono {op : String} {args : List Value} {Q Q' : Value → M → Prop} (h : Outside op args Q m)
    (hq : ∀ answer n, Q answer n → Q' answer n) : Outside op args Q' m :=
  ⟨h.1, h.2.1, h.2.2.1, fun answer change n ha => hq answer n (h.2.2.2.1 answer change n ha), h.2.2.2.2⟩

/-! ## The body -/

theorem localStep_ends {P : Program} {c : Comp} {ρ : Env} {K : Stack} {v : Value} (h : localStep P c ρ K = .ends v) :
    checkSize Limits.valueDepth v = .ok () := by
  cases c with
  | «let» x bound body => exact absurd h nofun
  | ret e =>
    simp only [localStep] at h
    cases he : eval ρ e with
    | error f => rw [he] at h; exact absurd h nofun
    | ok u =>
      rw [he] at h
      cases K with
      | cons k K => exact absurd h nofun
      | nil =>
        simp only at h
        cases hs : checkSize Limits.valueDepth u with
        | error f => rw [hs] at h; exact absurd h nofun
        | ok x => rw [hs] at h; injection h with h; exact h ▸ hs
  | ite cond yes no => simp only [localStep] at h; split at h <;> exact absurd h nofun
  | call f es => simp only [localStep] at h; split at h <;> exact absurd h nofun
  | op name es =>
    simp only [localStep] at h
    split at h
    · exact absurd h nofun
    · split at h <;> exact absurd h nofun

theorem progress_body_other (hf : Fits S H) {c : Comp} {ρ : Env} {K : Stack} {n : Nat} (hl : c.isLet = false)
    (h : Driven S H (.settled (.running c ρ K n)) m) (hb : Behaves S H (.body (termOf c ρ K))) :
    Moves (After S H (.body (termOf c ρ K))) m := by
  have ht := localStep_other S.program c ρ K hl
  have hg := hb _ (.refl _)
  cases hs : localStep S.program c ρ K with
  | running c' ρ' K' =>
    rw [hs] at ht
    exact child_local h hs fun m h => .now (.inl ⟨_, by simp only [Handled.step, ht, Local.seen], .body h⟩)
  | ends v =>
    rw [hs] at ht
    have hst : (Handled.body (termOf c ρ K)).step S.program H.clauses = .ends v := by simp only [Handled.step, ht, Local.seen]
    refine child_ends h hs fun m h => told_done h (hg.2 v hst) fun m h => ?_
    exact (loop_done (localStep_ends hs) rfl ⟨_, h⟩).trans fun m h => .now (.inr (.inr (.inl ⟨v, hst, h⟩)))
  | faults f =>
    rw [hs] at ht
    have hst : (Handled.body (termOf c ρ K)).step S.program H.clauses = .faults f := by simp only [Handled.step, ht, Local.seen]
    refine child_faults h hs fun m h => told_failed h fun m h => ?_
    exact (loop_failed hf.undo ⟨_, h⟩).trans fun m h => .now (.inr (.inr (.inr ⟨f, hst, h⟩)))
  | asks op args K' =>
    rw [hs] at ht
    obtain ⟨hp, hgr, har⟩ := hg.1 op args (by simp only [Handled.wants, ht, Local.seen])
    refine child_asks h hs hgr fun m h => told_intent h hp.1 fun m h => ?_
    refine loop_intent ⟨_, h⟩ fun m h => ?_
    cases hk : clauseOf H.clauses op with
    | none =>
      have hst : (Handled.body (termOf c ρ K)).step S.program H.clauses = .asks op args := by
        simp only [Handled.step, ht, Local.seen, hk]
      refine loop_dispatch_none hk h fun m h => ?_
      refine (loop_pass hf (w := { op, args, stack := K' }) hp h).trans fun m h => .now (.inr (.inl ⟨op, args, hst, ?_⟩))
      refine Outside.mono h fun answer n h => h.trans fun n h => .now ?_
      rw [Handled.told, ← termOf_resume hs answer []]
      exact .body h
    | some k =>
      have hst : (Handled.body (termOf c ρ K)).step S.program H.clauses =
          .goesOn (.clause (k.body.instantiate k.params args) (termOf c ρ K)) := by
        simp only [Handled.step, ht, Local.seen, hk]
      refine loop_dispatch_some hk h fun m h => ?_
      refine (loop_clause hf (List.mem_of_find?_eq_some hk) (har k hk) h).trans fun m ⟨n, h⟩ => .now (.inl ⟨_, hst, ?_⟩)
      have hi : k.body.instantiate k.params args = termOf k.body (bind k.params args) [] := (Comp.close_bind _ _ _).symm
      rw [hi]
      exact .clause (K := []) h hp.1 fun answer => termOf_resume hs answer []

theorem progress_body (hf : Fits S H) {c : Comp} {ρ : Env} {K : Stack} {n : Nat}
    (h : Driven S H (.settled (.running c ρ K n)) m) (hb : Behaves S H (.body (termOf c ρ K))) :
    Moves (After S H (.body (termOf c ρ K))) m := by
  induction c generalizing ρ K n m with
  | «let» x bound body ih _ =>
    have hl := localStep_let S.program x bound body ρ K
    rw [← hl.2] at hb ⊢
    exact child_local h hl.1 fun m h => (ih h hb).leads
  | ret e => exact progress_body_other hf rfl h hb
  | ite cond yes no => exact progress_body_other hf rfl h hb
  | call f es => exact progress_body_other hf rfl h hb
  | op name es => exact progress_body_other hf rfl h hb

/-! ## The clause -/

/-- A step within one more frame at the bottom, but for the return into that frame. -/
theorem localStep_append {P : Program} {c : Comp} {ρ : Env} {K : Stack} (F : Frame) (hl : c.isLet = false)
    (hne : ∀ e, c = .ret e → K ≠ []) :
    (∃ c' ρ' K', localStep P c ρ (K ++ [F]) = .running c' ρ' (K' ++ [F]) ∧ (termOf c ρ K).reduce P = .term (termOf c' ρ' K')) ∨
    (∃ f, localStep P c ρ (K ++ [F]) = .faults f ∧ (termOf c ρ K).reduce P = .fault f) ∨
    ∃ op args, localStep P c ρ K = .asks op args K ∧ localStep P c ρ (K ++ [F]) = .asks op args (K ++ [F]) ∧
      (termOf c ρ K).reduce P = .asks op args := by
  cases c with
  | «let» x bound body => exact absurd hl nofun
  | ret e =>
    simp only [termOf, reduce_plug, Comp.close_ret, Comp.reduce, valueOf_close, localStep]
    cases eval ρ e with
    | error f => exact .inr (.inl ⟨f, rfl, rfl⟩)
    | ok v =>
      cases K with
      | nil => exact absurd rfl (hne e rfl)
      | cons k K => exact .inl ⟨_, _, K, rfl, rfl⟩
  | ite cond yes no =>
    simp only [termOf, reduce_plug, Comp.close_ite, Comp.reduce, valueOf_close, localStep]
    cases eval ρ cond with
    | error f => exact .inr (.inl ⟨f, rfl, rfl⟩)
    | ok v =>
      cases v with
      | bool b => cases b <;> exact .inl ⟨_, _, K, rfl, rfl⟩
      | _ => exact .inr (.inl ⟨_, rfl, rfl⟩)
  | call f es =>
    simp only [termOf, reduce_plug, Comp.close_call, Comp.reduce, unfold_close, localStep]
    cases enter P ρ f es with
    | error e => exact .inr (.inl ⟨_, rfl, rfl⟩)
    | ok p => exact .inl ⟨_, _, K, rfl, rfl⟩
  | op name es =>
    simp only [termOf, reduce_plug, Comp.close_op, Comp.reduce, valuesOf_close, localStep]
    cases evalAll ρ es with
    | error f => exact .inr (.inl ⟨_, rfl, rfl⟩)
    | ok vs =>
      simp only
      cases checkArgs name vs with
      | error f => exact .inr (.inl ⟨_, rfl, rfl⟩)
      | ok u => exact .inr (.inr ⟨_, _, rfl, rfl, rfl⟩)

theorem progress_clause_other (hf : Fits S H) {c : Comp} {ρ : Env} {K : Stack} {n : Nat} {v : Value} {w : Waiting} {t : Comp}
    (hl : c.isLet = false)
    (h : Pair S m [.root, .world] (.settled (.running c ρ (K ++ [frameValue H v]) n)) (.settled (.waiting w)))
    (hw : isMachineOp w.op = false) (ht : ∀ answer, termOf (.ret (.lit answer)) [] w.stack = t.resumeWith answer)
    (hb : Behaves S H (.clause (termOf c ρ K) t)) : Moves (After S H (.clause (termOf c ρ K) t)) m := by
  by_cases hne : ∀ e, c = .ret e → K ≠ []
  · rcases localStep_append (P := S.program) (ρ := ρ) (frameValue H v) hl hne with ⟨c', ρ', K', hs, hr⟩ | ⟨f, hs, hr⟩ | ⟨op, args, h0, hs, hr⟩
    · exact root_local h hs fun m h => .now (.inl ⟨_, by simp only [Handled.step, hr], .clause h hw ht⟩)
    · exact (root_fault hf.undo h hs).trans fun m h => .now (.inr (.inr (.inr ⟨f, by simp only [Handled.step, hr], h⟩)))
    · obtain ⟨hp, hgr, _⟩ := (hb _ (.refl _)).1 op args (by simp only [Handled.wants, hr])
      refine root_asks h hs hgr fun m h => .now (.inr (.inl ⟨op, args, by simp only [Handled.step, hr], ?_⟩))
      refine Outside.mono (root_outside hp h) fun answer n h => .now ?_
      rw [Handled.told, ← termOf_resume h0 answer []]
      exact .clause h hw ht
  · have : ∃ e, c = .ret e ∧ K = [] := by
      cases c with
      | ret e =>
        cases K with
        | nil => exact ⟨e, rfl, rfl⟩
        | cons k K => exact absurd (fun _ _ => List.cons_ne_nil _ _) hne
      | _ => exact absurd (fun _ h => absurd h nofun) hne
    obtain ⟨e, rfl, rfl⟩ := this
    have hr : (termOf (.ret e) ρ []).reduce S.program = match eval ρ e with
        | .ok v => .value v
        | .error f => .fault f := by
      simp only [termOf, plug, Comp.close_ret, Comp.reduce, valueOf_close]
      cases eval ρ e <;> rfl
    cases he : eval ρ e with
    | error f =>
      rw [he] at hr
      refine (root_fault (f := f) hf.undo h ?_).trans fun m h => .now (.inr (.inr (.inr ⟨f, by simp only [Handled.step, hr], h⟩)))
      simp only [localStep, he]
    | ok u =>
      rw [he] at hr
      refine root_local h (c' := (frameValue H v).body) (ρ' := ("v", u) :: (frameValue H v).env) (K' := []) ?_ fun m h => ?_
      · simp only [localStep, he, List.nil_append]
      · rcases loop_answer hf hw ⟨_, h⟩ with ⟨hc, h⟩ | ⟨f, hc, h⟩
        · refine h.trans fun m h => .now (.inl ⟨.body (t.resumeWith (.ok u)), by simp only [Handled.step, hr, hc], ?_⟩)
          rw [← ht]
          exact .body h
        · exact h.trans fun m h => .now (.inr (.inr (.inr ⟨f, by simp only [Handled.step, hr, hc], h⟩)))

theorem progress_clause (hf : Fits S H) {c : Comp} {ρ : Env} {K : Stack} {n : Nat} {v : Value} {w : Waiting} {t : Comp}
    (h : Pair S m [.root, .world] (.settled (.running c ρ (K ++ [frameValue H v]) n)) (.settled (.waiting w)))
    (hw : isMachineOp w.op = false) (ht : ∀ answer, termOf (.ret (.lit answer)) [] w.stack = t.resumeWith answer)
    (hb : Behaves S H (.clause (termOf c ρ K) t)) : Moves (After S H (.clause (termOf c ρ K) t)) m := by
  induction c generalizing ρ K n m with
  | «let» x bound body ih _ =>
    have hl := localStep_let S.program x bound body ρ K
    rw [← hl.2] at hb ⊢
    exact root_local h (localStep_let _ _ _ _ _ _).1 fun m h => (ih (K := ⟨x, body, ρ⟩ :: K) h hb).leads
  | ret e => exact progress_clause_other hf rfl h hw ht hb
  | ite cond yes no => exact progress_clause_other hf rfl h hw ht hb
  | call f es => exact progress_clause_other hf rfl h hw ht hb
  | op name es => exact progress_clause_other hf rfl h hw ht hb

/-- From a handled term the tree goes, in at least one step, as far as one step of the handled term. -/
theorem progress (hf : Fits S H) (h : Stands S H s m) (hb : Behaves S H s) : Moves (After S H s) m := by
  cases h with
  | body h => exact progress_body hf h hb
  | clause h hw ht => exact progress_clause hf h hw ht hb

end Driving

end Shepherd
