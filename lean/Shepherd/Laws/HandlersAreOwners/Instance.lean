import Shepherd.Laws.HandlersAreOwners

/-!
# Theorem 17 speaks of something

Two handlers of one small program, for which the premises hold: a body that asks `double`, uses the answer, asks `tell`, and returns
what it is told. `doubling` answers `double` by a computation with its argument; `aborting` ends the whole by a fault. So the premises
can be met, and the theorem says which labels their trees show.
-/

namespace Shepherd

namespace Driving

/-! ## How the premises are shown -/

theorem allowsNow_of_free {used : Used} {origin : Id} {r : Request} {op : String} (args : List Value)
    (h : r.any (fun c => c.op == op && c.args.isEmpty && c.limit.isNone) = true) :
    Layer.allowsNow used { origin, clauses := r } op args = true := by
  obtain ⟨c, hc, h⟩ := List.any_eq_true.mp h
  obtain ⟨i, hi⟩ := List.mem_iff_getElem?.mp hc
  refine List.any_eq_true.mpr ⟨(c, i), List.mem_iff_getElem?.mpr ⟨i, ?_⟩, ?_⟩
  · rw [List.getElem?_zipIdx, hi]
    simp only [Option.map_some, Nat.zero_add]
  · simp only [Bool.and_eq_true, List.isEmpty_iff, Option.isNone_iff_eq_none] at h
    simp only [Clause.allowsNow, Clause.allows, Clause.names, h.1.1, h.1.2, h.2, Bool.true_or, Pattern.allowAll, Bool.and_self]

variable {S : Setting} {H : Handling} {s s' : Handled} {op : String} {args : List Value}

/-- What is asked may be asked. -/
structure MayAsk (S : Setting) (H : Handling) (s : Handled) (op : String) (args : List Value) : Prop where
  wants : s.wants S.program = some (op, args)
  plain : Plain op
  may : S.mayAsk op args s
  fits : ∀ k, clauseOf H.clauses op = some k → args.length = k.params.length

/-- A handled term that asks nothing and goes on behaves if what it goes on to does. -/
theorem behaves_local (hw : s.wants S.program = none) (hs : s.step S.program H.clauses = .goesOn s') (next : Behaves S H s') :
    Behaves S H s := by
  intro t ht
  cases ht with
  | refl => exact ⟨fun _ _ h => absurd (hw.symm.trans h) nofun, fun _ h => absurd (hs.symm.trans h) nofun⟩
  | step hs' ht => cases hs.symm.trans hs'; exact next t ht
  | told _ hs' _ _ => cases hs.symm.trans hs'

/-- One that asks what has a clause. -/
theorem behaves_taken (may : MayAsk S H s op args) (hs : s.step S.program H.clauses = .goesOn s') (next : Behaves S H s') :
    Behaves S H s := by
  intro t ht
  cases ht with
  | refl =>
    refine ⟨fun op' args' h => ?_, fun _ h => absurd (hs.symm.trans h) nofun⟩
    cases may.wants.symm.trans h
    exact ⟨may.plain, may.may, may.fits⟩
  | step hs' ht => cases hs.symm.trans hs'; exact next t ht
  | told _ hs' _ _ => cases hs.symm.trans hs'

/-- One that asks the outside. -/
theorem behaves_asks (may : MayAsk S H s op args) (hs : s.step S.program H.clauses = .asks op args)
    (next : ∀ answer, goodAnswer S.program op answer [] = true → Behaves S H (s.told answer)) : Behaves S H s := by
  intro t ht
  cases ht with
  | refl =>
    refine ⟨fun op' args' h => ?_, fun _ h => absurd (hs.symm.trans h) nofun⟩
    cases may.wants.symm.trans h
    exact ⟨may.plain, may.may, may.fits⟩
  | step hs' _ => cases hs.symm.trans hs'
  | told answer hs' hg ht => cases hs.symm.trans hs'; exact next answer hg t ht

/-- One that is at its end. -/
theorem behaves_over (hw : s.wants S.program = none)
    (hs : (∃ v, s.step S.program H.clauses = .ends v ∧ v.hasHandle = false) ∨ ∃ f, s.step S.program H.clauses = .faults f) :
    Behaves S H s := by
  intro t ht
  rcases hs with ⟨v, hs, hv⟩ | ⟨f, hs⟩
  all_goals cases ht with
  | refl => exact ⟨fun _ _ h => absurd (hw.symm.trans h) nofun, fun _ h => by cases hs.symm.trans h <;> assumption⟩
  | step hs' _ => cases hs.symm.trans hs'
  | told _ hs' _ _ => cases hs.symm.trans hs'

/-! ## How the labels are read off -/

variable {P : Program} {ks : List OnOp} {labels : List Label}

theorem does_goesOn (hs : s.step P ks = .goesOn s') (h : Handled.Does P ks s labels) : labels = [] ∨ Handled.Does P ks s' labels := by
  cases h with
  | nil => exact .inl rfl
  | step hs' h => rw [hs] at hs'; cases hs'; exact .inr h
  | ask hs' => rw [hs] at hs'; cases hs'
  | told _ hs' _ => rw [hs] at hs'; cases hs'
  | done hs' => rw [hs] at hs'; cases hs'
  | failed hs' => rw [hs] at hs'; cases hs'

theorem does_asks (hs : s.step P ks = .asks op args) (h : Handled.Does P ks s labels) :
    labels <+: [.ask op args] ∨ ∃ answer rest, labels = .ask op args :: .told answer :: rest ∧
      Handled.Does P ks (s.told answer) rest := by
  cases h with
  | nil => exact .inl List.nil_prefix
  | step hs' _ => rw [hs] at hs'; cases hs'
  | ask hs' => rw [hs] at hs'; cases hs'; exact .inl List.prefix_rfl
  | told answer hs' h => rw [hs] at hs'; cases hs'; exact .inr ⟨answer, _, rfl, h⟩
  | done hs' => rw [hs] at hs'; cases hs'
  | failed hs' => rw [hs] at hs'; cases hs'

theorem does_ends {v : Value} (hs : s.step P ks = .ends v) (h : Handled.Does P ks s labels) : labels <+: [.done v] := by
  cases h with
  | nil => exact List.nil_prefix
  | step hs' _ => rw [hs] at hs'; cases hs'
  | ask hs' => rw [hs] at hs'; cases hs'
  | told _ hs' _ => rw [hs] at hs'; cases hs'
  | done hs' => rw [hs] at hs'; cases hs'; exact List.prefix_rfl
  | failed hs' => rw [hs] at hs'; cases hs'

theorem does_faults {f : Fault} (hs : s.step P ks = .faults f) (h : Handled.Does P ks s labels) : labels <+: [.failed f] := by
  cases h with
  | nil => exact List.nil_prefix
  | step hs' _ => rw [hs] at hs'; cases hs'
  | ask hs' => rw [hs] at hs'; cases hs'
  | told _ hs' _ => rw [hs] at hs'; cases hs'
  | done hs' => rw [hs] at hs'; cases hs'
  | failed hs' => rw [hs] at hs'; cases hs'; exact List.prefix_rfl

end Driving

namespace HandlersAreOwnersInstance

open Driving

/-! ## The program -/

/-- What follows the answer to `double`. -/
def afterDouble : Comp := .let "y" (.op "tell" [.prim "con_arg" [.var "x", .lit (.int 0)]]) (.ret (.var "y"))

/-- The body: `let x = do double(n) in let y = do tell(what x is Ok of) in return y`. -/
def bodyDef : Def := { params := ["n"], body := .let "x" (.op "double" [.var "n"]) afterDouble }

/-- The program, before a handler is lowered into it. -/
def program (steps : Nat) (digest : String) : Program :=
  { defs := [("body", bodyDef)], ops := [("double", .pure), ("tell", .irreversible)], steps, digest }

/-- What the body is granted. -/
def bodyGrant : Request := [{ op := "double", args := [], limit := none }, { op := "tell", args := [], limit := none }]

/-- What the root run is granted: that, and to spawn and drive. -/
def rootGrant : Request :=
  { op := "run.spawn", args := [], limit := none } :: { op := "run.next", args := [], limit := none } ::
    { op := "run.pass", args := [], limit := none } :: { op := "run.answer", args := [], limit := none } :: bodyGrant

/-- `handle body(21) with` one clause for `double`. -/
def handling (clause : Comp) : Handling :=
  { agent := "body", args := [.int 21], clauses := [{ op := "double", params := ["n"], body := clause, agent := "on double" }],
    request := requestValue bodyGrant, main := "main", loop := "loop" }

/-- The clause `double(n) => n + n`. -/
def doublesOf : Comp := .ret (.prim "add" [.var "n", .var "n"])

/-- The clause `double(n) => fail`. -/
def abortsOf : Comp := .ret (.prim "fail" [.lit (.text "odd"), .lit (.text "no doubling today")])

/-- The handler that doubles. -/
def doubling : Handling := handling doublesOf

/-- The handler that ends the whole. -/
def aborting : Handling := handling abortsOf

/-- The program with a handler lowered into it. -/
def lowered (H : Handling) (steps : Nat) (digest : String) : Program := (program steps digest).lower H

theorem request_bodyGrant : requestOf (requestValue bodyGrant) = .ok bodyGrant := by rfl

/-- The program is one to which the handler is lowered. -/
theorem loweredIn (clause : Comp) (steps : Nat) (digest : String) :
    (handling clause).LoweredIn (lowered (handling clause) steps digest) rootGrant bodyGrant := by
  obtain ⟨hm, hl, hc⟩ := lower_agents (program steps digest) (handling clause) (by
    show ["main", "loop", "on double"].Nodup; decide)
  refine { main := hm, loop := hl, clauses := hc, agent := ⟨bodyDef, rfl, rfl⟩, args := rfl, check := by rfl, request := request_bodyGrant
           undo := fun op => ?_, drives := fun op h used args => ?_ }
  · have h : (lowered (handling clause) steps digest).classOf op = .pure ∨
        (lowered (handling clause) steps digest).classOf op = .irreversible := by
      have e : (lowered (handling clause) steps digest).classOf op =
          ([("double", EffectClass.pure), ("tell", .irreversible)].lookup op).getD .irreversible := rfl
      rw [e]
      simp only [List.lookup]
      cases op == "double" with
      | true => exact .inl rfl
      | false => cases op == "tell" <;> exact .inr rfl
    rcases h with h | h <;> rw [Program.undoOf, h]
  · have h' : rootGrant.any (fun c => c.op == op && c.args.isEmpty && c.limit.isNone) = true := by
      simp only [List.mem_cons, List.not_mem_nil, or_false] at h
      rcases h with rfl | rfl | rfl | rfl <;> decide
    simp only [allowed, List.all_cons, List.all_nil, allowsNow_of_free args h', Bool.and_self]

/-! ## What the handled term does -/

/-- The setting of the theorem. -/
abbrev setting (H : Handling) (steps : Nat) (digest : String) : Setting :=
  Handling.setting (lowered H steps digest) rootGrant bodyGrant

theorem granted {H : Handling} {steps : Nat} {digest : String} {op : String} (h : op = "double" ∨ op = "tell") (args : List Value) :
    (setting H steps digest).granted op args := by
  intro used
  have h1 : rootGrant.any (fun c => c.op == op && c.args.isEmpty && c.limit.isNone) = true := by
    rcases h with rfl | rfl <;> decide
  have h2 : bodyGrant.any (fun c => c.op == op && c.args.isEmpty && c.limit.isNone) = true := by
    rcases h with rfl | rfl <;> decide
  simp only [allowed, List.all_cons, List.all_nil, allowsNow_of_free args h1, allowsNow_of_free args h2, Bool.and_self]

/-- The body where it asks `double`. -/
def atDouble : Comp := .let "x" (.op "double" [.lit (.int 21)]) afterDouble

/-- The body where it knows that the answer to `double` is 42. -/
def told42 : Comp := .let "x" (.ret (.lit (.ok (.int 42)))) afterDouble

/-- The body where it asks `tell`. -/
def atTell : Comp := .let "y" (.op "tell" [.prim "con_arg" [.lit (.ok (.int 42)), .lit (.int 0)]]) (.ret (.var "y"))

/-- The body where it knows the answer to `tell`. -/
def told (answer : Value) : Comp := .let "y" (.ret (.lit answer)) (.ret (.var "y"))

variable {clause : Comp} {steps : Nat} {digest : String}

/-- The program with the handler. -/
local notation "P" => lowered (handling clause) steps digest

theorem step_start : (Handled.body (called "body" [.int 21])).step P (handling clause).clauses = .goesOn (.body atDouble) := by rfl

theorem step_atDouble : (Handled.body atDouble).step P (handling clause).clauses =
    .goesOn (.clause (clause.subst "n" (.int 21)) atDouble) := by rfl

theorem step_told42 : (Handled.body told42).step P (handling clause).clauses = .goesOn (.body atTell) := by rfl

theorem step_atTell : (Handled.body atTell).step P (handling clause).clauses = .asks "tell" [.int 42] := by rfl

theorem step_told (answer : Value) : (Handled.body (told answer)).step P (handling clause).clauses =
    .goesOn (.body (.ret (.lit answer))) := by rfl

/-- The body returns what it was told, if that can be the value of a run. -/
theorem step_over (answer : Value) : (Handled.body (.ret (.lit answer))).step P (handling clause).clauses =
    match checkSize Limits.valueDepth answer with
    | .ok () => .ends answer
    | .error f => .faults f := by
  simp only [Handled.step, textbook, Comp.reduce, valueOf]
  cases checkSize Limits.valueDepth answer <;> rfl

theorem wants_over (answer : Value) : (Handled.body (.ret (.lit answer))).wants P = none := by
  simp only [Handled.wants, textbook, Comp.reduce, valueOf]
  cases checkSize Limits.valueDepth answer <;> rfl

theorem step_doubles : (Handled.clause (doublesOf.subst "n" (.int 21)) atDouble).step (lowered doubling steps digest) doubling.clauses =
    .goesOn (.body told42) := by rfl

theorem step_aborts : (Handled.clause (abortsOf.subst "n" (.int 21)) atDouble).step (lowered aborting steps digest) aborting.clauses =
    .faults ⟨"odd", "no doubling today"⟩ := by rfl

/-! ## The premises -/

/-- From where the clause is taken up, which is different for the two handlers, to the start. -/
theorem behaves_start (next : Driving.Behaves (setting (handling clause) steps digest) (handling clause)
    (.clause (clause.subst "n" (.int 21)) atDouble)) : (handling clause).Behaves P rootGrant bodyGrant := by
  refine behaves_local rfl step_start (behaves_taken (op := "double") (args := [.int 21]) ⟨rfl, ⟨by decide, by decide⟩, ?_, ?_⟩
    step_atDouble next)
  · exact granted (.inl rfl) _
  · intro k hk; cases hk; rfl

theorem doubling_behaves : doubling.Behaves (lowered doubling steps digest) rootGrant bodyGrant := by
  refine behaves_start (behaves_local rfl step_doubles (behaves_local rfl step_told42 ?_))
  refine behaves_asks ⟨rfl, ⟨by decide, by decide⟩, granted (.inr rfl) _, fun k hk => absurd hk nofun⟩ step_atTell fun answer good => ?_
  refine behaves_local (s := .body (told answer)) rfl (step_told answer) (behaves_over (wants_over answer) ?_)
  have hs := step_over (clause := doublesOf) (steps := steps) (digest := digest) answer
  cases hc : checkSize Limits.valueDepth answer with
  | ok u =>
    rw [hc] at hs
    simp only [goodAnswer, Bool.and_eq_true, Bool.not_eq_true'] at good
    exact .inl ⟨answer, hs, good.1.1.1.2⟩
  | error f =>
    rw [hc] at hs
    exact .inr ⟨f, hs⟩

theorem aborting_behaves : aborting.Behaves (lowered aborting steps digest) rootGrant bodyGrant :=
  behaves_start (behaves_over rfl (.inr ⟨_, step_aborts⟩))

/-! ## What their trees show -/

/-- The tree of `doubling`: with enough local steps it tells 42, the double of 21, and ends with what it is told. And whatever the tree
does, nothing but `tell(42)` reaches the outside: `double` is handled. -/
theorem doubling_shows (answer : Value) (good : goodAnswer (program 0 "") "tell" answer [] = true)
    (fits : checkSize Limits.valueDepth answer = .ok ()) :
    (∃ enough, ∀ steps, enough ≤ steps → ∀ digest contents files,
      (M.start (lowered doubling steps digest) contents "main" [] rootGrant files).Shows
        [.ask "tell" [.int 42], .told answer, .done answer]) ∧
    ∀ steps digest contents files labels, (M.start (lowered doubling steps digest) contents "main" [] rootGrant files).Shows labels →
      ∀ op args, .ask op args ∈ labels → op = "tell" ∧ args = [.int 42] := by
  constructor
  · have does : Handled.Does (lowered doubling 0 "") doubling.clauses (.body (called "body" [.int 21]))
        [.ask "tell" [.int 42], .told answer, .done answer] := by
      refine .step step_start (.step step_atDouble (.step step_doubles (.step step_told42 (.told answer step_atTell ?_))))
      refine .step (s := .body (told answer)) (step_told answer) (.done ((step_over answer).trans ?_))
      rw [fits]
    have good' : GoodAnswers (lowered doubling 0 "") [.ask "tell" [.int 42], .told answer, .done answer] := by
      intro op v h
      simp only [List.mem_cons, reduceCtorEq, Label.told.injEq, List.not_mem_nil, or_false, false_or] at h
      rw [h]
      exact (goodAnswer_any _ _ _ _ _).trans good
    exact ((handlers_are_owners_enough (loweredIn _ 0 "") doubling_behaves _).mp ⟨good', does⟩).2
  · intro steps digest contents files labels shows op args h
    have only : ∀ labels, Handled.Does (lowered doubling steps digest) doubling.clauses (.body (called "body" [.int 21])) labels →
        .ask op args ∈ labels → op = "tell" ∧ args = [.int 42] := by
      intro labels does h
      rcases does_goesOn step_start does with rfl | does
      · exact absurd h List.not_mem_nil
      rcases does_goesOn step_atDouble does with rfl | does
      · exact absurd h List.not_mem_nil
      rcases does_goesOn step_doubles does with rfl | does
      · exact absurd h List.not_mem_nil
      rcases does_goesOn step_told42 does with rfl | does
      · exact absurd h List.not_mem_nil
      rcases does_asks step_atTell does with p | ⟨a, rest, rfl, after⟩
      · cases List.mem_singleton.mp (p.subset h); exact ⟨rfl, rfl⟩
      rcases List.mem_cons.mp h with h | h
      · cases h; exact ⟨rfl, rfl⟩
      rcases List.mem_cons.mp h with h | h
      · cases h
      rcases does_goesOn (s := .body (told a)) (step_told a) after with rfl | after
      · exact absurd h List.not_mem_nil
      cases hs : checkSize Limits.valueDepth a with
      | ok u =>
        have := (does_ends ((step_over a).trans (by rw [hs])) after).subset h
        cases List.mem_singleton.mp this
      | error f =>
        have := (does_faults ((step_over a).trans (by rw [hs])) after).subset h
        cases List.mem_singleton.mp this
    rcases (handlers_are_owners (loweredIn _ steps digest) doubling_behaves contents files labels).2 shows with
      does | ⟨before, rfl, does⟩
    · exact only labels does h
    · rcases List.mem_append.mp h with h | h
      · exact only before does h
      · cases List.mem_singleton.mp h

/-- So it does where it is told `Ok(unit)`. -/
theorem doubling_shows_unit : ∃ enough, ∀ steps, enough ≤ steps → ∀ digest contents files,
    (M.start (lowered doubling steps digest) contents "main" [] rootGrant files).Shows
      [.ask "tell" [.int 42], .told (.ok .unit), .done (.ok .unit)] :=
  (doubling_shows (.ok .unit) (by rfl) (by rfl)).1

/-- The tree of `aborting`: with enough local steps it fails as the clause says. And whatever the tree does, nothing else is seen of it
(unless it gives up): the rest of the body never runs. -/
theorem aborting_shows :
    (∃ enough, ∀ steps, enough ≤ steps → ∀ digest contents files,
      (M.start (lowered aborting steps digest) contents "main" [] rootGrant files).Shows [.failed ⟨"odd", "no doubling today"⟩]) ∧
    ∀ steps digest contents files labels, (M.start (lowered aborting steps digest) contents "main" [] rootGrant files).Shows labels →
      ∀ label ∈ labels, label = .failed ⟨"odd", "no doubling today"⟩ ∨ label = .gaveUp := by
  have exactly : ∀ {steps digest labels}, Handled.Does (lowered aborting steps digest) aborting.clauses (.body (called "body" [.int 21])) labels →
      labels <+: [.failed ⟨"odd", "no doubling today"⟩] := by
    intro steps digest labels does
    rcases does_goesOn step_start does with rfl | does
    · exact List.nil_prefix
    rcases does_goesOn step_atDouble does with rfl | does
    · exact List.nil_prefix
    exact does_faults step_aborts does
  constructor
  · refine ((handlers_are_owners_enough (loweredIn _ 0 "") aborting_behaves _).mp ⟨fun op v h => ?_, ?_⟩).2
    · cases List.mem_singleton.mp h
    · exact .step step_start (.step step_atDouble (.failed step_aborts))
  · intro steps digest contents files labels shows label h
    rcases (handlers_are_owners (loweredIn _ steps digest) aborting_behaves contents files labels).2 shows with
      does | ⟨before, rfl, does⟩
    · exact .inl (List.mem_singleton.mp ((exactly does).subset h))
    · rcases List.mem_append.mp h with h | h
      · exact .inl (List.mem_singleton.mp ((exactly does).subset h))
      · exact .inr (List.mem_singleton.mp h)

end HandlersAreOwnersInstance

end Shepherd
