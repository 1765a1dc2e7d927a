import Shepherd.Laws.CompensationOrder.Onward

/-!
# What is taken back is compensated in order

Theorem 15 for trees that are not forked as a whole from outside (`M.Onward`).
-/

namespace Shepherd

namespace M

/-- The debts that taking back by `u` has to pay yet, of the runs of `family`: the world had answered `Ok` to an operation that is
declared compensable, since the last `forked` of the run and beyond what the run keeps (`M.keptOf`), and no undo of it has an outcome
(`Trace.Shows`, `Trace.Repaid`). -/
def Owes (m : M) (family : List Id) (u : Undoing) (d : Debt) : Prop := m.Owed (· ∈ family) u d

end M

/-- Each debt is paid once per owing run, and only if the world had answered Ok: in a tree that is not forked from outside.

`u` is an undo of the outcome `j` by `op(args)`, recorded by run `id` itself, and `t` the trace before it. Then

- `t` has that outcome, newer than every `forked`: `Ok(args)` by the world, the answer to an intent whose operation is declared
  compensable by `op`;
- no undo of it has been answered yet, but with `abandoned`, which says that the undo was given up. -/
theorem undo_was_owed {ω : Oracle} {i : Init} {m : M} (h : M.Onward ω i.start m) {id : Id} {u : Commit} {t : Trace}
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

/-- Debts are paid newest first, and all of them: in a tree that is not forked from outside.

Run `a` is taking back, `family` is the run that it takes back and all that stood below that one when it began (`M.TakesBack`); it is
the active run, and no undo of its is open. Then its next step

- either records the undo of the newest debt that is owed by a run of `family`,
- or ends the taking back; and then no run of `family` owes anything any more. -/
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

end Shepherd
