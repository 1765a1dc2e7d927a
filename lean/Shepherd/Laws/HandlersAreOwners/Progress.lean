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

/-- The handled terms that `s` comes to, whatever well-formed answers it is told. -/
inductive Handled.Reaches (P : Program) (H : List OnOp) : Handled → Handled → Prop where
  | refl (s : Handled) : Reaches P H s s
  | step {s s' t : Handled} : s.step P H = .goesOn s' → Reaches P H s' t → Reaches P H s t
  | told {s t : Handled} {op : String} {args : List Value} (answer : Value) : s.step P H = .asks op args →
      goodAnswer P op answer [] = true → Reaches P H (s.told answer) t → Reaches P H s t

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

variable {S : Setting} {H : Handling} {m : M} {s : Handled} {j b : Nat}

theorem Behaves.step {s' : Handled} (h : Behaves S H s) (hs : s.step S.program H.clauses = .goesOn s') : Behaves S H s' :=
  fun t ht => h t (.step hs ht)

theorem Behaves.told {op : String} {args : List Value} (h : Behaves S H s) (answer : Value)
    (hs : s.step S.program H.clauses = .asks op args) (hg : goodAnswer S.program op answer [] = true) : Behaves S H (s.told answer) :=
  fun t ht => h t (.told answer hs hg ht)

/-! ## How many `let`s are entered -/

/-- How many `let`s a handled term enters before something is reduced. -/
def _root_.Shepherd.Handled.lets : Handled → Nat
  | .body c => c.lets
  | .clause d _ => d.lets

theorem lets_close (ρ : Env) (c : Comp) : (c.close ρ).lets = c.lets := by
  induction c generalizing ρ with
  | «let» x bound body ih _ => rw [Comp.close_let, Comp.lets, Comp.lets, ih]
  | ret e => rw [Comp.close_ret]; rfl
  | ite cond yes no => rw [Comp.close_ite]; rfl
  | call f es => rw [Comp.close_call]; rfl
  | op name es => rw [Comp.close_op]; rfl

theorem lets_plug (K : Stack) (c : Comp) : c.lets ≤ (plug K c).lets := by
  induction K generalizing c with
  | nil => exact Nat.le_refl _
  | cons k K ih => exact Nat.le_trans (Nat.le_succ _) (ih (.let k.name c (k.body.close (k.env.without k.name))))

/-- A configuration has no more `let`s to enter than its term. -/
theorem lets_termOf (c : Comp) (ρ : Env) (K : Stack) : c.lets ≤ (termOf c ρ K).lets := by
  rw [termOf, ← lets_close ρ c]
  exact lets_plug K _

/-! ## Where the tree stands -/

/-- The tree stands at a handled term: the body runs and is driven; or the clause runs within the loop, and the body waits. The run
that is active has made at most `j` local steps since its last event. -/
inductive Stands (S : Setting) (H : Handling) (j : Nat) : Handled → M → Prop where
  | body {c : Comp} {ρ : Env} {K : Stack} {n : Nat} {m : M} : n ≤ j → Driven S H (.settled (.running c ρ K n)) m →
      Stands S H j (.body (termOf c ρ K)) m
  | clause {c : Comp} {ρ : Env} {K : Stack} {n : Nat} {v : Value} {w : Waiting} {t : Comp} {m : M} : n ≤ j →
      Pair S m [.root, .world] (.settled (.running c ρ (K ++ [frameValue H v]) n)) (.settled (.waiting w)) →
      isMachineOp w.op = false → (∀ answer, termOf (.ret (.lit answer)) [] w.stack = t.resumeWith answer) →
      Stands S H j (.clause (termOf c ρ K) t) m

/-- The tree stops as the handled term does. -/
def Stops (S : Setting) (H : Handling) (b : Nat) (s : Handled) (m : M) : Prop :=
  (∃ op args, s.step S.program H.clauses = .asks op args ∧ Outside op args (fun answer n => Leads S b (Stands S H 0 (s.told answer)) n) m) ∨
    (∃ v, s.step S.program H.clauses = .ends v ∧ Done v m) ∨ ∃ f, s.step S.program H.clauses = .faults f ∧ Failed f m

/-- The tree has gone as far as one step of the handled term. -/
def After (S : Setting) (H : Handling) (b : Nat) (s : Handled) (m : M) : Prop :=
  (∃ s', s.step S.program H.clauses = .goesOn s' ∧ Stands S H b s' m) ∨ Stops S H b s m

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
    (h : Driven S H (.settled (.running c ρ K n)) m) (hn : n + 1 ≤ b) (hr : H.clauses.length + 6 ≤ b) (hb : Behaves S H (.body (termOf c ρ K))) :
    Moves S b (After S H b (.body (termOf c ρ K))) m := by
  have ht := localStep_other S.program c ρ K hl
  have hg := hb _ (.refl _)
  cases hs : localStep S.program c ρ K with
  | running c' ρ' K' =>
    rw [hs] at ht
    exact child_local h (by omega) hs fun m h => .now (.inl ⟨_, by simp only [Handled.step, ht, Local.seen], .body hn h⟩)
  | ends v =>
    rw [hs] at ht
    have hst : (Handled.body (termOf c ρ K)).step S.program H.clauses = .ends v := by simp only [Handled.step, ht, Local.seen]
    refine child_ends h (by omega) hs fun m h => told_done h (hg.2 v hst) fun m h => ?_
    exact (loop_done (j := 0) (localStep_ends hs) rfl (by omega) ⟨_, Nat.le_refl 0, h⟩).trans fun m h => .now (.inr (.inr (.inl ⟨v, hst, h⟩)))
  | faults f =>
    rw [hs] at ht
    have hst : (Handled.body (termOf c ρ K)).step S.program H.clauses = .faults f := by simp only [Handled.step, ht, Local.seen]
    refine child_faults h (by omega) hs fun m h => told_failed h fun m h => ?_
    exact (loop_failed (j := 0) hf.undo (by omega) ⟨_, Nat.le_refl 0, h⟩).trans fun m h => .now (.inr (.inr (.inr ⟨f, hst, h⟩)))
  | asks op args K' =>
    rw [hs] at ht
    obtain ⟨hp, hgr, har⟩ := hg.1 op args (by simp only [Handled.wants, ht, Local.seen])
    refine child_asks h (by omega) hs hgr fun m h => told_intent h hp.1 fun m h => ?_
    refine loop_intent (j := 0) ⟨_, Nat.le_refl 0, h⟩ (by omega) fun m h => ?_
    cases hk : clauseOf H.clauses op with
    | none =>
      have hst : (Handled.body (termOf c ρ K)).step S.program H.clauses = .asks op args := by
        simp only [Handled.step, ht, Local.seen, hk]
      refine loop_dispatch_none hk h (by omega) fun m h => ?_
      refine (loop_pass hf (w := { op, args, stack := K' }) hp (by omega) h).trans fun m h => .now (.inr (.inl ⟨op, args, hst, ?_⟩))
      refine Outside.mono h fun answer n h => h.trans fun n h => .now ?_
      rw [Handled.told, ← termOf_resume hs answer []]
      exact .body (Nat.le_refl 0) h
    | some k =>
      have hst : (Handled.body (termOf c ρ K)).step S.program H.clauses =
          .goesOn (.clause (k.body.instantiate k.params args) (termOf c ρ K)) := by
        simp only [Handled.step, ht, Local.seen, hk]
      refine loop_dispatch_some hk h (by omega) fun m h => ?_
      refine (loop_clause hf (List.mem_of_find?_eq_some hk) (har k hk) (by omega) h).trans fun m ⟨n, hn, h⟩ => .now (.inl ⟨_, hst, ?_⟩)
      have hi : k.body.instantiate k.params args = termOf k.body (bind k.params args) [] := (Comp.close_bind _ _ _).symm
      rw [hi]
      exact .clause (K := []) (by omega) h hp.1 fun answer => termOf_resume hs answer []

theorem progress_body (hf : Fits S H) {c : Comp} {ρ : Env} {K : Stack} {n : Nat}
    (h : Driven S H (.settled (.running c ρ K n)) m) (hn : n + c.lets + 1 ≤ b) (hr : H.clauses.length + 6 ≤ b)
    (hb : Behaves S H (.body (termOf c ρ K))) : Moves S b (After S H b (.body (termOf c ρ K))) m := by
  induction c generalizing ρ K n m with
  | «let» x bound body ih _ =>
    have hl := localStep_let S.program x bound body ρ K
    rw [← hl.2] at hb ⊢
    rw [Comp.lets] at hn
    exact child_local h (by omega) hl.1 fun m h => (ih h (by omega) hb).leads
  | ret e => exact progress_body_other hf rfl h hn hr hb
  | ite cond yes no => exact progress_body_other hf rfl h hn hr hb
  | call f es => exact progress_body_other hf rfl h hn hr hb
  | op name es => exact progress_body_other hf rfl h hn hr hb

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
    (h : Pair S m [.root, .world] (.settled (.running c ρ (K ++ [frameValue H v]) n)) (.settled (.waiting w))) (hn : n + 5 ≤ b)
    (hw : isMachineOp w.op = false) (ht : ∀ answer, termOf (.ret (.lit answer)) [] w.stack = t.resumeWith answer)
    (hb : Behaves S H (.clause (termOf c ρ K) t)) : Moves S b (After S H b (.clause (termOf c ρ K) t)) m := by
  by_cases hne : ∀ e, c = .ret e → K ≠ []
  · rcases localStep_append (P := S.program) (ρ := ρ) (frameValue H v) hl hne with ⟨c', ρ', K', hs, hr⟩ | ⟨f, hs, hr⟩ | ⟨op, args, h0, hs, hr⟩
    · exact root_local h (by omega) hs fun m h => .now (.inl ⟨_, by simp only [Handled.step, hr], .clause (by omega) h hw ht⟩)
    · exact (root_fault hf.undo h (by omega) hs).trans fun m h => .now (.inr (.inr (.inr ⟨f, by simp only [Handled.step, hr], h⟩)))
    · obtain ⟨hp, hgr, _⟩ := (hb _ (.refl _)).1 op args (by simp only [Handled.wants, hr])
      refine root_asks h (by omega) hs hgr fun m h => .now (.inr (.inl ⟨op, args, by simp only [Handled.step, hr], ?_⟩))
      refine Outside.mono (root_outside hp h) fun answer n h => .now ?_
      rw [Handled.told, ← termOf_resume h0 answer []]
      exact .clause (Nat.le_refl 0) h hw ht
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
      refine (root_fault (f := f) hf.undo h (by omega) ?_).trans fun m h => .now (.inr (.inr (.inr ⟨f, by simp only [Handled.step, hr], h⟩)))
      simp only [localStep, he]
    | ok u =>
      rw [he] at hr
      refine root_local h (by omega) (c' := (frameValue H v).body) (ρ' := ("v", u) :: (frameValue H v).env) (K' := []) ?_ fun m h => ?_
      · simp only [localStep, he, List.nil_append]
      · rcases loop_answer (j := n + 1) hf hw (by omega) ⟨_, Nat.le_refl _, h⟩ with ⟨hc, h⟩ | ⟨f, hc, h⟩
        · refine h.trans fun m h => .now (.inl ⟨.body (t.resumeWith (.ok u)), by simp only [Handled.step, hr, hc], ?_⟩)
          rw [← ht]
          exact .body (Nat.zero_le _) h
        · exact h.trans fun m h => .now (.inr (.inr (.inr ⟨f, by simp only [Handled.step, hr, hc], h⟩)))

theorem progress_clause (hf : Fits S H) {c : Comp} {ρ : Env} {K : Stack} {n : Nat} {v : Value} {w : Waiting} {t : Comp}
    (h : Pair S m [.root, .world] (.settled (.running c ρ (K ++ [frameValue H v]) n)) (.settled (.waiting w))) (hn : n + c.lets + 5 ≤ b)
    (hw : isMachineOp w.op = false) (ht : ∀ answer, termOf (.ret (.lit answer)) [] w.stack = t.resumeWith answer)
    (hb : Behaves S H (.clause (termOf c ρ K) t)) : Moves S b (After S H b (.clause (termOf c ρ K) t)) m := by
  induction c generalizing ρ K n m with
  | «let» x bound body ih _ =>
    have hl := localStep_let S.program x bound body ρ K
    rw [← hl.2] at hb ⊢
    rw [Comp.lets] at hn
    exact root_local h (by omega) (localStep_let _ _ _ _ _ _).1 fun m h => (ih (K := ⟨x, body, ρ⟩ :: K) h (by omega) hb).leads
  | ret e => exact progress_clause_other hf rfl h hn hw ht hb
  | ite cond yes no => exact progress_clause_other hf rfl h hn hw ht hb
  | call f es => exact progress_clause_other hf rfl h hn hw ht hb
  | op name es => exact progress_clause_other hf rfl h hn hw ht hb

/-- How many local steps since the last event are enough for one step of the handled term, of which `j` were made. -/
def enough (H : Handling) (j : Nat) (s : Handled) : Nat := j + s.lets + H.clauses.length + 6

/-- From a handled term the tree goes, in at least one step, as far as one step of the handled term. -/
theorem progress (hf : Fits S H) (h : Stands S H j s m) (hb : Behaves S H s) :
    Moves S (enough H j s) (After S H (enough H j s) s) m := by
  cases h with
  | @body c ρ K n _ hn h =>
    have hl := lets_termOf c ρ K
    exact progress_body hf h (by simp only [enough, Handled.lets]; omega) (by simp only [enough]; omega) hb
  | @clause c ρ K n _ _ _ _ hn h hw ht =>
    have hl := lets_termOf c ρ K
    exact progress_clause hf h (by simp only [enough, Handled.lets]; omega) hw ht hb

end Driving

end Shepherd
