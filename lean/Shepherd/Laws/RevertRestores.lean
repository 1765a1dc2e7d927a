import Shepherd.Laws.RevertRestores.Whole

/-!
# A revert restores
-/

namespace Shepherd

open Id (MayOwn Over)

/-- After a revert to `k`, code and files of `r` and of the runs it owned then are those after `k`.

The tree `m` can be reached. Its active run `asker` is taking the run `r` back to event `k`, and no compensation is left to make:
so it is, after `run.revert`, when everything is paid (`M.begin`, `M.undoStep`). `c` is the commit of event `k` of `r`. Then the machine
makes one step, to `n`, after which

- `r` has the code, the files, the inbox and the table of handles that `c` holds, and has recorded `reverted(k)`;
- each run that stood below `r` at `c` stands below it again, owned by the one that owned it then and lent by those who had lent it
  (`M.giversToday`), and has the files, the inbox and the table of the last event that it then had (`e`, which is the one before
  `h.length`). Where it has recorded anything since, it has recorded `reverted` now and has the code of `e` too; where that is an open
  `run.pass` of a run that it owns and that shows an intent, it is passing that intent (`M.takenUp`). Where it has recorded nothing
  since, it stays where it is, which is where steps that record nothing have led it from that code (`M.PutBack`, `Settled.Leads`);
- every other run below `r` is discarded.

In a copy, the runs that stood below its original at an event from before the fork are their copies (`Id.today`), and handles mean
these (`M.handlesToday`). What was lent from above the original has been lent by the lender's copy where the fork copied that one too,
and else by the one who made the fork; so again in a copy of the copy (`M.lender`, `M.lender_copied`, `M.lender_left`).

And what a commit holds is what was: in every tree `p` that can be reached, the files, the inbox and the table of a run are those of its
last commit, which it has recorded itself, and its code is where steps that record nothing lead from the code of that commit
(`M.Snap`). -/
theorem revert_restores {ω : Oracle} {i : Init} {m : M} (h : M.After ω i.start m) {asker : Id} {rest : List Id} {u : Undoing}
    {origin : Settled} {k : Nat} (active : m.stack = asker :: rest) (reverting : (m.run asker).code = .undoing u origin)
    (to : u.to = some k) (settled : u.raised = false) (paid : u.todo = []) {r : Id} (run : u.run = r) :
    (∃ n c, m.step = some n ∧ (m.run r).trace.nth k = some c ∧
      (∃ d, (n.run r).trace = d :: (m.run r).trace ∧ d.event = .reverted k) ∧
      (n.run r).code = .settled c.code ∧ (n.run r).files = c.files ∧ (n.run r).inbox = c.inbox ∧
      (n.run r).handles = m.handlesToday r c ∧ (n.run r).owner = (m.run r).owner ∧
      (∀ h ∈ c.heads, ∃ e t, (m.run h.id).trace.upTo (h.length - 1) = e :: t ∧ h.length = e.index + 1 ∧
        Id.today c.run r h.id ∈ n.below r ∧ (n.run (Id.today c.run r h.id)).owner = some (Id.today c.run r h.owner) ∧
        (n.run (Id.today c.run r h.id)).givers = m.giversToday r c h ∧ M.PutBack m n (Id.today c.run r h.id) e t) ∧
      ∀ y ∈ m.below r, (∀ h ∈ c.heads, y ≠ Id.today c.run r h.id) → (n.run y).code = .settled .discarded) ∧
    ∀ p, M.After ω i.start p → ∀ y, y ≠ .world → ∀ d t, (p.run y).trace = d :: t →
      d.run = y ∧ M.Snap p.program d (p.run y) := by
  subst run
  have s := h.sound
  have td := s.bound.tied
  have ok := s.wf.codes asker
  have ct := td.codes asker
  rw [reverting] at ok ct
  obtain ⟨c, event, there⟩ := ok.2.2.2 k to
  obtain ⟨⟨hd, hcode, hfiles, hinbox, hhandles, howner⟩, hlower, hout⟩ :=
    M.restore_restores s h.allMarked h.seen ok.2.1 event there
  refine ⟨?_, fun p hp y nw d t e =>
    ⟨(hp.allMarked y (M.has_of_trace (by rw [e]; exact nofun)) nw).2.2 d t e, hp.sound.bound.tied.snaps y nw d t e⟩⟩
  have off : ∀ y, Over u.run y → asker ≠ y := fun y o e => ct.1.acyclic (e ▸ o)
  obtain ⟨n, step, same⟩ : ∃ n, m.step = some n ∧ ∀ y, asker ≠ y → n.run y = (m.restore u.run (some k)).run y := by
    unfold M.step
    rw [active]
    simp only
    rw [reverting]
    simp only
    unfold M.undoStep
    rw [settled, paid, to]
    simp only [Bool.false_eq_true, if_false]
    have after : ∀ (n : M) y, asker ≠ y → (n.afterWorld asker).run y = n.run y := fun n y ne => by
      unfold M.afterWorld
      split
      · rfl
      · next e =>
        have e : asker = .world := Decidable.of_not_not e
        split
        · unfold M.driveRoot
          exact M.run_setCode_ne _ _ (e ▸ ne)
        · rfl
    cases origin with
    | waiting w => exact ⟨_, rfl, fun y ne => (after _ y ne).trans (M.run_reply_ne _ _ _ _ ne)⟩
    | _ => exact ⟨_, rfl, fun y ne => (after _ y ne).trans (M.run_setCode_ne _ _ ne)⟩
  have tr : M.Tied (m.restore u.run (some k)) :=
    (M.deeds_restore td s.granted.named (fun _ h => h) s.wf s.bound.tabled (T := fun _ => True) (fun _ _ => trivial) ok.2.1
      fun k' hk => by cases hk; exact ⟨c, event, there⟩).tied td
  have sn := s.after ((M.After.refl (ω := ω) m).step step)
  have top := same u.run (off _ (.refl _))
  have hc := Trace.nth_mem event
  have today := s.granted.named.today u.run c hc
  have lower : ∀ x ∈ c.heads, Over u.run (Id.today c.run u.run x.id) := fun x hx => by
    have := ((td.commits u.run c hc).over x hx).1.today (r := c.run) u.run
    rwa [today] at this
  have stood : ∀ y, c.Stood y → n.Below (Id.today c.run u.run y) u.run := by
    have owner : ∀ x ∈ c.heads, (n.run (Id.today c.run u.run x.id)).owner = some (Id.today c.run u.run x.owner) := fun x hx => by
      obtain ⟨_, _, _, _, _, ho, _⟩ := hlower x hx
      rw [same _ (off _ (lower x hx))]; exact ho
    intro y hy
    induction hy with
    | @top x hx e =>
      refine .own ?_
      have := owner x hx
      rwa [e, today] at this
    | @down x hx _ ih => exact .up (owner x hx) ih
  refine ⟨n, c, step, event, ?_, ?_, ?_, ?_, ?_, ?_, fun x hx => ?_, fun y hy out => ?_⟩
  · rw [top]; exact hd
  · rw [top]; exact hcode
  · rw [top]; exact hfiles
  · rw [top]; exact hinbox
  · rw [top]; exact hhandles
  · rw [top]; exact howner
  · obtain ⟨e, t, he, hi, hr, ho, hg⟩ := hlower x hx
    have e' := same _ (off _ (lower x hx))
    refine ⟨e, t, he, hi, sn.bound.tied.mem_below.mpr (stood x.id ((td.commits u.run c hc).stood x hx)), ?_, ?_,
      hr.of_same e' (fun child => ?_) fun child h => ?_⟩
    · rw [e']; exact ho
    · rw [e']; exact hg
    · by_cases ne : asker = child
      · have no : ∀ {q : M}, M.Firm q → q.owns (Id.today c.run u.run x.id) child = false := fun f => by
          cases h : M.owns _ (Id.today c.run u.run x.id) child with
          | false => rfl
          | true => exact absurd (ct.1.over.trans (lower x hx)) (ne ▸ (f.owns h).acyclic)
        rw [no sn.bound.tied.toFirm, no tr.toFirm]
      · unfold M.owns; rw [same child ne]
    · exact same child fun ne => (tr.owns h).acyclic (ne ▸ ct.1.over.trans (lower x hx))
  · rw [same y (off y (td.over_of_below (td.mem_below.mp hy)))]
    exact hout y (td.mem_below.mp hy) out

end Shepherd
