import Shepherd.Laws.RevertRestores.Restore
import Shepherd.Laws.Support.Perform

/-!
# A revert restores
-/

namespace Shepherd

open Id (MayOwn Over)

namespace M

/-- All that a revert to the commit `c` of run `r` puts back. -/
theorem restore_restores {m : M} (s : Sound m) (a : AllMarked m) (t : Seen m) {r : Id} {k : Nat} {c : Commit}
    (i : m.has r = true) (nw : r ≠ .world) (event : (m.run r).trace.nth k = some c)
    (there : ∀ h ∈ c.heads, m.has (Id.today c.run r h.id) = true) :
    ((∃ d, ((m.restore r (some k)).run r).trace = d :: (m.run r).trace ∧ d.event = .reverted k) ∧
      ((m.restore r (some k)).run r).code = .settled c.code ∧ ((m.restore r (some k)).run r).files = c.files ∧
      ((m.restore r (some k)).run r).inbox = c.inbox ∧ ((m.restore r (some k)).run r).owner = (m.run r).owner) ∧
    (∀ h ∈ c.heads, ∃ e u, (m.run h.id).trace.upTo (h.length - 1) = e :: u ∧ h.length = e.index + 1 ∧
      Restored m (m.restore r (some k)) (Id.today c.run r h.id) e u ∧
      ((m.restore r (some k)).run (Id.today c.run r h.id)).owner = some (Id.today c.run r h.owner)) ∧
    ∀ y, m.Below y r → (∀ h ∈ c.heads, y ≠ Id.today c.run r h.id) →
      ((m.restore r (some k)).run y).code = .settled .discarded := by
  have td := s.bound.tied
  have nm := s.granted.named
  have hc : c ∈ (m.run r).trace := Trace.nth_mem event
  have ct := td.commits r c hc
  have nd := nodup_heads (m := m) (id := r) ct
  have heads := fun h hh => td.thens nm i hc (h := h) hh
  have e₁ : Deeds (fun _ => True) m.Stamped m ((m.heads r c).foldl (fun m h => m.own h.id h.owner h.givers) m) :=
    Deeds.foldl td fun n x hx d _ => .own _ _ _ .refl trivial (d.has (heads_has there x hx)) (heads x hx).1 (heads x hx).2.1
  have t₁ := e₁.tied td
  have below := below_owns td nm hc
  have list := fun y => t₁.mem_below (x := y) (a := r)
  have nl := t₁.nodup_below r
  have each := fun y hy => foldl_each (run_restoreLower_ne (m.heads r c)) nl (y := y) hy (P := fun _ => True)
    (m := (m.heads r c).foldl (fun m h => m.own h.id h.owner h.givers) m) trivial fun _ _ _ _ => trivial
  have other : ∀ {y}, y ∉ ((m.heads r c).foldl (fun m h => m.own h.id h.owner h.givers) m).below r →
      ((((m.heads r c).foldl (fun m h => m.own h.id h.owner h.givers) m).below r).foldl (restoreLower (m.heads r c))
        ((m.heads r c).foldl (fun m h => m.own h.id h.owner h.givers) m)).run y =
      ((m.heads r c).foldl (fun m h => m.own h.id h.owner h.givers) m).run y := fun {y} hy =>
    foldl_keeps (P := fun n => n.run y = M.run _ y) rfl fun n x hx e =>
      (run_restoreLower_ne _ _ _ _ fun h : x = y => hy (h ▸ hx)).trans e
  have notIn : r ∉ (m.heads r c).map Then.id := fun h => by
    obtain ⟨x, hx, e⟩ := List.mem_map.mp h
    exact (heads x hx).2.2.2 e
  have restore : m.restore r (some k) = ((((m.heads r c).foldl (fun m h => m.own h.id h.owner h.givers) m).below r).foldl
      (restoreLower (m.heads r c)) ((m.heads r c).foldl (fun m h => m.own h.id h.owner h.givers) m)).rewind r c false := by
    unfold M.restore
    simp only [event]
  have top : ((((m.heads r c).foldl (fun m h => m.own h.id h.owner h.givers) m).below r).foldl (restoreLower (m.heads r c))
      ((m.heads r c).foldl (fun m h => m.own h.id h.owner h.givers) m)).run r = m.run r := by
    rw [other, run_owns_ne notIn]
    exact fun h => ((list r).mp h).ne t₁.forest rfl
  rw [restore]
  generalize hN : (((m.heads r c).foldl (fun m h => m.own h.id h.owner h.givers) m).below r).foldl (restoreLower (m.heads r c))
      ((m.heads r c).foldl (fun m h => m.own h.id h.owner h.givers) m) = N at top other each ⊢
  have rewind : N.rewind r c false = N.record r (.reverted c.index)
    { code := .settled c.code, files := c.files, handles := N.handlesToday r c, inbox := c.inbox } := rfl
  rw [rewind]
  refine ⟨⟨⟨_, (trace_record_same _ _ _ _).trans (congrArg _ (congrArg _ top)), ?_⟩, ?_, ?_, ?_, ?_⟩, fun h hh => ?_,
    fun y hy out => ?_⟩
  · rw [commitOf_event, Trace.nth_index event]
  · rw [run_record_same]
  · rw [run_record_same]
  · rw [run_record_same]
  · rw [owner_record, top]
  · obtain ⟨x, hx, hid, ho, htr⟩ : ∃ x ∈ m.heads r c, x.id = Id.today c.run r h.id ∧ x.owner = Id.today c.run r h.owner ∧
        x.trace = (m.run h.id).trace.upTo (h.length - 1) := by
      unfold M.heads
      exact ⟨_, List.mem_map.mpr ⟨h, hh, rfl⟩, rfl, rfl, rfl⟩
    have nwh := s.wf.heads r c hc h hh
    have nonempty := Trace.upTo_ne_nil (s.wf.indexed h.id) _ (nm.heads r c hc h hh) (a h.id (td.heads r c hc h hh) nwh).1
    cases e : (m.run h.id).trace.upTo (h.length - 1) with
    | nil => exact absurd e nonempty
    | cons d u =>
      have index : h.length = d.index + 1 := by
        have pos := (t.length r c hc h hh).1
        have : (m.run h.id).trace.nth (h.length - 1) = some d := by unfold Trace.nth; rw [e]; rfl
        rw [Trace.nth_index this]; omega
      obtain ⟨n', _, h₁, h₂⟩ := each x.id ((list _).mpr (hid ▸ below.1 h hh))
      obtain ⟨l, lo, _⟩ := restored_lower (n := n') td nd hx (htr.trans e) (hid ▸ today_ne_world nwh)
        (h₁.trans (run_owns nd hx)) fun sz => by
          rw [hid] at sz ⊢
          rw [← e]
          exact t.untouched s.wf.indexed hc hh (there h hh) (sz.trans (by rw [e]))
      have same := (run_record_ne N (.reverted c.index)
        { code := .settled c.code, files := c.files, handles := N.handlesToday r c, inbox := c.inbox }
        (Ne.symm (heads x hx).2.2.2)).trans h₂
      rw [← same, ho] at lo
      rw [← hid]
      exact ⟨d, u, rfl, index, l.of_same same, lo⟩
  · obtain ⟨n', _, _, h₂⟩ := each y ((list _).mpr (below.2 y hy))
    rw [run_record_ne _ _ _ (Ne.symm (hy.ne td.forest)), h₂, restoreLower_none, code_discard]
    intro hm
    rw [heads_ids] at hm
    obtain ⟨h, hh, e⟩ := List.mem_map.mp hm
    exact out h hh e.symm

end M

/-- A revert restores: after a revert to `k`, code and files of `r` and of the runs it owned then are those after `k`.

The tree `m` can be reached. Its active run `asker` is taking back the run `r` to event `k`, and no compensation is left to make
(`M.begin` and `M.undoStep` say how it got there from `run.revert`, or from the same by the outermost owner); `c` is the commit of
event `k` of `r`. Then the machine makes one step, to `n`, after which

- `r` has the code, the files and the inbox that commit `c` holds, and has recorded `reverted(k)`;
- each run `h` that stood below `r` at `c` stands below it again, owned by who owned it then, and has the files and the inbox of the
  last event that it then had (`e`, the one of index `h.length - 1`). Where it has recorded anything since, it has the code of that
  event too, and has recorded `reverted`; where it was passing an intent, it is passing it again. Where it has recorded nothing
  since, it goes on from where it is: where local steps have led it from that code (`Settled.Leads`). In a copy, the runs that stood
  below at an event from before the fork are the copies of these (`Id.today`);
- every other run below `r` is discarded.

And what commits hold is what was: in every tree `p` that can be reached, the files and the inbox of a run are those of its last
commit, and its code is where steps that record nothing lead from the code of that commit. -/
theorem revert_restores {ω : Oracle} {i : Init} {m : M} (h : M.After ω i.start m) {asker : Id} {rest : List Id} {u : Undoing}
    {origin : Settled} {k : Nat} (active : m.stack = asker :: rest) (reverting : (m.run asker).code = .undoing u origin)
    (to : u.to = some k) (settled : u.raised = false) (paid : u.todo = []) {r : Id} (run : u.run = r) :
    (∃ n c, m.step = some n ∧ (m.run r).trace.nth k = some c ∧
      (∃ d, (n.run r).trace = d :: (m.run r).trace ∧ d.event = .reverted k) ∧
      (n.run r).code = .settled c.code ∧ (n.run r).files = c.files ∧ (n.run r).inbox = c.inbox ∧
      (∀ h ∈ c.heads, ∃ e t, (m.run h.id).trace.upTo (h.length - 1) = e :: t ∧ h.length = e.index + 1 ∧
        Id.today c.run r h.id ∈ n.below r ∧ (n.run (Id.today c.run r h.id)).owner = some (Id.today c.run r h.owner) ∧
        M.Restored m n (Id.today c.run r h.id) e t) ∧
      ∀ y ∈ m.below r, (∀ h ∈ c.heads, y ≠ Id.today c.run r h.id) → (n.run y).code = .settled .discarded) ∧
    ∀ p, M.After ω i.start p → ∀ y, y ≠ .world → ∀ d t, (p.run y).trace = d :: t → M.Snap p.program d (p.run y) := by
  subst run
  have s := h.sound
  have td := s.bound.tied
  have ok := s.wf.codes asker
  have ct := td.codes asker
  rw [reverting] at ok ct
  obtain ⟨c, event, there⟩ := ok.2.2.2 k to
  obtain ⟨⟨hd, hcode, hfiles, hinbox, howner⟩, hlower, hout⟩ :=
    M.restore_restores s h.allMarked h.seen ok.2.1 ok.1 event there
  refine ⟨?_, fun p hp y nw d t e => hp.sound.bound.tied.snaps y nw d t e⟩
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
  have sn := s.after ((M.After.refl (ω := ω) m).step step)
  have top := same u.run (off _ (.refl _))
  have hc := Trace.nth_mem event
  have today := s.granted.named.today u.run c hc
  have lower : ∀ x ∈ c.heads, Over u.run (Id.today c.run u.run x.id) := fun x hx => by
    have := ((td.commits u.run c hc).over x hx).1.today (r := c.run) u.run
    rwa [today] at this
  have stood : ∀ y, c.Stood y → n.Below (Id.today c.run u.run y) u.run := by
    have owner : ∀ x ∈ c.heads, (n.run (Id.today c.run u.run x.id)).owner = some (Id.today c.run u.run x.owner) := fun x hx => by
      obtain ⟨_, _, _, _, _, ho⟩ := hlower x hx
      rw [same _ (off _ (lower x hx))]; exact ho
    intro y hy
    induction hy with
    | @top x hx e =>
      refine .own ?_
      have := owner x hx
      rwa [e, today] at this
    | @down x hx _ ih => exact .up (owner x hx) ih
  refine ⟨n, c, step, event, ?_, ?_, ?_, ?_, fun x hx => ?_, fun y hy out => ?_⟩
  · rw [top]; exact hd
  · rw [top]; exact hcode
  · rw [top]; exact hfiles
  · rw [top]; exact hinbox
  · obtain ⟨e, t, he, hi, hr, ho⟩ := hlower x hx
    have e' := same _ (off _ (lower x hx))
    refine ⟨e, t, he, hi, sn.bound.tied.mem_below.mpr (stood x.id ((td.commits u.run c hc).stood x hx)), ?_, hr.of_same e'⟩
    rw [e']; exact ho
  · rw [same y (off y (td.over_of_below (td.mem_below.mp hy)))]
    exact hout y (td.mem_below.mp hy) out

end Shepherd
