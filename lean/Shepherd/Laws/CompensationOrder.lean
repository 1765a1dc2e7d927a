import Shepherd.Laws.CompensationOrder.Onward

/-!
# What is taken back is compensated in order
-/

namespace Shepherd

namespace M

/-- The debts that taking back by `u` has to pay yet, of the runs of `family`: the world had answered `Ok` to an operation that is
declared compensable, since the last `forked` of the run and beyond what the run keeps (`M.keptOf`), and no undo of it has an outcome
(`Trace.Shows`, `Trace.Repaid`). -/
def Owes (m : M) (family : List Id) (u : Undoing) (d : Debt) : Prop := m.Owed (· ∈ family) u d

/-- Who is undoing has begun to at some time. -/
theorem After.takesBack {ω : Oracle} {i : Init} {m : M} (h : After ω i.start m) {a : Id} {u : Undoing} {o : Settled}
    (hu : (m.run a).code = .undoing u o) : ∃ family, TakesBack ω i a family m := by
  have go : ∀ {m n : M}, After ω i.start m → (∀ u o, (m.run a).code = .undoing u o → ∃ family, TakesBack ω i a family m) → Turn ω m n →
      ∀ u o, (n.run a).code = .undoing u o → ∃ family, TakesBack ω i a family n := by
    intro m n h ih t u o hu
    rcases Classical.em (∃ v p, (m.run a).code = .undoing v p) with ⟨v, p, hv⟩ | hn
    · obtain ⟨family, hf⟩ := ih v p hv
      exact ⟨family, .goesOn hf t hu⟩
    · exact ⟨_, .begins h (fun v p hv => hn ⟨v, p, hv⟩) t hu rfl⟩
  induction h generalizing u o with
  | refl => exact ((good_start i).unwinds.region a u o hu).top.elim
  | step h s ih => exact go h (fun _ _ => ih) (.inl s) u o hu
  | answer h s ih => exact go h (fun _ _ => ih) (.inr (.inl s)) u o hu
  | world op args h s ih => exact go h (fun _ _ => ih) (.inr (.inr (.inl ⟨op, args, s⟩))) u o hu
  | fork h s ih => exact go h (fun _ _ => ih) (.inr (.inr (.inr s))) u o hu

end M

/-- What an undo that a run has recorded itself says of its trace. -/
theorem undo_was_owed {ω : Oracle} {i : Init} {m : M} (h : M.After ω i.start m) {id : Id} {u : Commit} {t : Trace}
    (recorded : u :: t <:+ (m.run id).trace) (itself : u.run = id) {j : Nat} {op : String} {args : List Value}
    (undo : u.event = .undo j op args) :
    (∃ o q change asked given, Trace.AnswersTo t o q ∧ o.index = j ∧ o.event = .outcome (.con "Ok" args) change .world ∧
      q.event = .intent asked given ∧ m.program.undoOf asked = some op) ∧
    (∀ c ∈ t, ∀ x k, c.event = .forked x k → c.index < j) ∧
    ∀ o q op' args', Trace.AnswersTo t o q → q.event = .undo j op' args' → o.event.isAbandoned = true := by
  obtain ⟨R, g⟩ := h.good
  obtain ⟨⟨seq, ⟨o, q, ha, ho⟩, hf⟩, hn⟩ := (g.unwinds.fine id).due u t recorded itself j op args undo
  obtain ⟨change, hok⟩ := ho.ok
  obtain ⟨asked, given, hq, _, hu, _⟩ := ho.asked
  refine ⟨⟨o, q, change, asked, given, ha, ho.index, hok, hq, hu⟩, hf, fun o' q' op' args' ha' hq' => ?_⟩
  cases hab : o'.event.isAbandoned with
  | true => rfl
  | false => exact absurd ⟨o', q', op', args', ha', hq', hab⟩ hn

/-- The next step of a run that takes back, and is the active run with no undo open. -/
theorem newest_debt_first {ω : Oracle} {i : Init} {a : Id} {family : List Id} {m : M} (h : M.TakesBack ω i a family m)
    {rest : List Id} (active : m.stack = a :: rest) {u : Undoing} {origin : Settled} (takes : (m.run a).code = .undoing u origin)
    (unraised : u.raised = false) :
    ∃ n, m.step = some n ∧
      ((∃ d c, m.Owes family u d ∧ (∀ e, m.Owes family u e → e.seq ≤ d.seq) ∧
          n.log = c :: m.log ∧ c.run = d.run ∧ c.event = .undo d.at d.op d.args) ∨
        ((∀ d, ¬ m.Owes family u d) ∧ ∀ v p, (n.run a).code ≠ .undoing v p)) := by
  obtain ⟨R, g, k, _, _, hR⟩ := h.good
  have l := ((g.unwinds.live a u origin takes).resolve_left (g.free active)).iff (q := (· ∈ family)) fun x => (hR x).symm
  have step : m.step = match m.undoStep a u origin with
      | some n => some (n.afterWorld a)
      | none => m.atStop a rest := by
    unfold M.step
    rw [active]
    simp only
    rw [takes]
    rfl
  rw [step]
  unfold M.undoStep
  rw [unraised]
  simp only [Bool.false_eq_true, if_false]
  split
  · next n' hn' =>
    split at hn'
    · next d ds hd =>
      cases hn'
      refine ⟨_, rfl, .inl ⟨d, m.commitOf d.run (.undo d.at d.op d.args) { m.state d.run with code := (m.run d.run).code },
        (l.owed d).mp (by rw [hd]; exact List.mem_cons_self), fun e he => ?_, ?_, rfl, rfl⟩⟩
      · have he := (l.owed e).mpr he
        have sorted := l.sorted
        rw [hd] at he sorted
        rcases List.mem_cons.mp he with rfl | he
        · exact Nat.le_refl _
        · exact (List.pairwise_cons.mp sorted).1 e he
      · unfold M.afterWorld
        split
        · rfl
        · next e =>
          have e : a = .world := Decidable.of_not_not e
          subst e
          split
          · next hc => rw [M.run_setCode_same] at hc; cases hc
          · rfl
    · next hd =>
      refine ⟨_, rfl, .inr ⟨fun d hd' => ?_, fun v p hv => ?_⟩⟩
      · have := (l.owed d).mpr hd'
        rw [hd] at this
        exact absurd this List.not_mem_nil
      · have notYet : ∀ v p, (n'.run a).code ≠ .undoing v p := by
          split at hn'
          · cases hn'
            rw [M.reply_eq, M.run_record_same]
            exact nofun
          · cases hn'
            rw [M.run_setCode_same]
            exact nofun
        unfold M.afterWorld at hv
        split at hv
        · exact notYet v p hv
        · split at hv
          · unfold M.driveRoot at hv
            have : ((n'.setCode .world (.driving .root { op := "run.next", args := [.run 0], stack := [] })).run a).code = .undoing v p := hv
            rw [M.run_setCode] at this
            split at this
            · cases this
            · exact notYet v p this
          · exact notYet v p hv
  · next hn' =>
    split at hn'
    · cases hn'
    · split at hn' <;> cases hn'

/-- Each debt is paid once per owing run, newest first, and only if the world had answered Ok.

`M.After ω i.start m`: the tree can become `m`, whatever the oracle `ω` answers and whatever the outermost owner does.

1. Let `u` be an undo of the outcome `j` by `op(args)` that run `id` has recorded itself, and `t` its trace before. Then `t` has that
   outcome, newer than every `forked`: `Ok(args)`, by the world, and it answers an intent (`Trace.AnswersTo`) whose operation is
   declared compensable by `op`. And `t` has no outcome of an undo of `j`, unless it is `abandoned`: that undo was given up, for someone
   further out took everything back, and the debt is still owed.
2. Every run `a` that is taking back began to at some time; `family` is the run that it takes back and all that stood below that one
   then (`M.TakesBack`). When `a` is the active run, and no undo that it has raised is open, its next step either records the undo of
   the newest of all debts that the runs of `family` owe (`seq` is the place in the log), in the run that owes it; or it ends the
   taking back, and then no run of `family` owes anything any more.

A run owes (`M.Owes`) the outcomes that 1 speaks of, beyond what it keeps: for a revert, after the event to which it goes back, and for
a run below, after the last event that it then had; all, for a run that was not below then, and where a run is discarded. An undo
that is answered otherwise than with `abandoned` settles its debt, `Err` and `Unknown` too. -/
theorem compensation_order {ω : Oracle} {i : Init} {m : M} (h : M.After ω i.start m) :
    (∀ id u t, u :: t <:+ (m.run id).trace → u.run = id → ∀ j op args, u.event = .undo j op args →
      (∃ o q change asked given, Trace.AnswersTo t o q ∧ o.index = j ∧ o.event = .outcome (.con "Ok" args) change .world ∧
        q.event = .intent asked given ∧ m.program.undoOf asked = some op) ∧
      (∀ c ∈ t, ∀ x k, c.event = .forked x k → c.index < j) ∧
      ∀ o q op' args', Trace.AnswersTo t o q → q.event = .undo j op' args' → o.event.isAbandoned = true) ∧
    ∀ a u origin, (m.run a).code = .undoing u origin → (∃ family, M.TakesBack ω i a family m) ∧
      ∀ family, M.TakesBack ω i a family m → ∀ rest, m.stack = a :: rest → u.raised = false →
        ∃ n, m.step = some n ∧
          ((∃ d c, m.Owes family u d ∧ (∀ e, m.Owes family u e → e.seq ≤ d.seq) ∧
              n.log = c :: m.log ∧ c.run = d.run ∧ c.event = .undo d.at d.op d.args) ∨
            ((∀ d, ¬ m.Owes family u d) ∧ ∀ v p, (n.run a).code ≠ .undoing v p)) :=
  ⟨fun _ _ _ recorded itself _ _ _ undo => undo_was_owed h recorded itself undo,
    fun _ _ _ takes => ⟨h.takesBack takes, fun _ hf _ active unraised => newest_debt_first hf active takes unraised⟩⟩

end Shepherd
