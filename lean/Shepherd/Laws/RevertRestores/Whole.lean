import Shepherd.Laws.RevertRestores.Restore
import Shepherd.Laws.Support.Perform

/-!
# What a whole revert puts back
-/

namespace Shepherd

open Id (MayOwn Over)

namespace M

/-- All that a revert to the commit `c` of run `r` puts back. -/
theorem restore_restores {m : M} (s : Sound m) (a : AllMarked m) (t : Seen m) {r : Id} {k : Nat} {c : Commit}
    (i : m.has r = true) (event : (m.run r).trace.nth k = some c)
    (there : ∀ h ∈ c.heads, m.has (Id.today c.run r h.id) = true) :
    ((∃ d, ((m.restore r (some k)).run r).trace = d :: (m.run r).trace ∧ d.event = .reverted k) ∧
      ((m.restore r (some k)).run r).code = .settled c.code ∧ ((m.restore r (some k)).run r).files = c.files ∧
      ((m.restore r (some k)).run r).inbox = c.inbox ∧
      ((m.restore r (some k)).run r).handles = m.handlesToday r c ∧ ((m.restore r (some k)).run r).owner = (m.run r).owner) ∧
    (∀ h ∈ c.heads, ∃ e u, (m.run h.id).trace.upTo (h.length - 1) = e :: u ∧ h.length = e.index + 1 ∧
      PutBack m (m.restore r (some k)) (Id.today c.run r h.id) e u ∧
      ((m.restore r (some k)).run (Id.today c.run r h.id)).owner = some (Id.today c.run r h.owner) ∧
      ((m.restore r (some k)).run (Id.today c.run r h.id)).givers = m.giversToday r c h) ∧
    ∀ y, m.Below y r → (∀ h ∈ c.heads, y ≠ Id.today c.run r h.id) →
      ((m.restore r (some k)).run y).code = .settled .discarded := by
  have td := s.bound.tied
  have nm := s.granted.named
  have hc : c ∈ (m.run r).trace := Trace.nth_mem event
  have ct := td.commits r c hc
  have nd := nodup_heads (m := m) (id := r) ct
  have heads := fun h hh => td.thens nm i hc (h := h) hh
  have e₁ : Deeds (fun _ => True) (fun h => m.has h = true) m ((m.heads r c).foldl (fun m h => m.own h.id h.owner h.givers) m) :=
    Deeds.foldl td fun n x hx d _ => .own _ _ _ .refl trivial (d.has (heads_has there x hx)) (heads x hx).1 (heads x hx).2.1
  have t₁ := e₁.tied td
  have below := below_owns td nm hc
  have list := fun y => t₁.mem_below (x := y) (a := r)
  have nl := t₁.nodup_below r
  have has₁ : ∀ y, ((m.heads r c).foldl (fun m h => m.own h.id h.owner h.givers) m).has y = m.has y := fun y => by
    cases e : m.has y with
    | true => exact e₁.has e
    | false =>
      cases e' : M.has _ y with
      | false => rfl
      | true => have := (e₁.of_has e').elim (fun h => h) fun h => h; rw [e] at this; cases this
  generalize hM : (m.heads r c).foldl (fun m h => m.own h.id h.owner h.givers) m = M₁ at *
  have keep : ∀ (n : M) z, z ∈ M₁.below r → ((∀ y, n.has y = m.has y) ∧ ∀ y, (n.run y).owner = (M₁.run y).owner) →
      (∀ y, (restoreLower (m.heads r c) n z).has y = m.has y) ∧
        ∀ y, ((restoreLower (m.heads r c) n z).run y).owner = (M₁.run y).owner := fun n z hz h =>
    ⟨fun y => (has_restoreLower _ ((h.1 z).trans ((has₁ z).symm.trans (has_of_mem_below hz))) y).trans (h.1 y),
      fun y => (owner_restoreLower _ _ _ _).trans (h.2 y)⟩
  have each := fun y hy => foldl_each_in (run_restoreLower_ne (m.heads r c)) nl (y := y) hy (m := M₁)
    (P := fun n => (∀ y, n.has y = m.has y) ∧ ∀ y, (n.run y).owner = (M₁.run y).owner) ⟨has₁, fun _ => rfl⟩ keep
  have last : (∀ y, ((M₁.below r).foldl (restoreLower (m.heads r c)) M₁).has y = m.has y) ∧
      ∀ y, (((M₁.below r).foldl (restoreLower (m.heads r c)) M₁).run y).owner = (M₁.run y).owner :=
    foldl_keeps (P := fun n => (∀ y, n.has y = m.has y) ∧ ∀ y, (n.run y).owner = (M₁.run y).owner) ⟨has₁, fun _ => rfl⟩ keep
  have other : ∀ {y}, y ∉ M₁.below r → ((M₁.below r).foldl (restoreLower (m.heads r c)) M₁).run y = M₁.run y := fun {y} hy =>
    foldl_keeps (P := fun n => n.run y = M₁.run y) rfl fun n x hx e =>
      (run_restoreLower_ne _ _ _ _ fun h : x = y => hy (h ▸ hx)).trans e
  have notIn : r ∉ (m.heads r c).map Then.id := fun h => by
    obtain ⟨x, hx, e⟩ := List.mem_map.mp h
    exact (heads x hx).2.2.2 e
  have restore : m.restore r (some k) = ((M₁.below r).foldl (restoreLower (m.heads r c)) M₁).rewind r c false := by
    unfold M.restore
    simp only [event]
    rw [hM]
  have top : ((M₁.below r).foldl (restoreLower (m.heads r c)) M₁).run r = m.run r := by
    rw [other fun h => ((list r).mp h).ne t₁.forest rfl, ← hM, run_owns_ne notIn]
  have order : (M₁.below r).Pairwise fun x y => (M₁.run y).owner ≠ some x :=
    Runs.pairwise_under t₁.forest _ (Runs.nodup_kids t₁.forest r) fun _ hs _ ht => Runs.kids_apart t₁.forest hs ht
  rw [restore]
  generalize (M₁.below r).foldl (restoreLower (m.heads r c)) M₁ = N at top other each last ⊢
  have rewind : N.rewind r c false = N.record r (.reverted c.index)
    { code := .settled c.code, files := c.files, handles := N.handlesToday r c, inbox := c.inbox } := rfl
  rw [rewind]
  refine ⟨⟨⟨_, (trace_record_same _ _ _ _).trans (congrArg _ (congrArg _ top)), ?_⟩, ?_, ?_, ?_, ?_, ?_⟩, fun h hh => ?_,
    fun y hy out => ?_⟩
  · rw [commitOf_event, Trace.nth_index event]
  · rw [run_record_same]
  · rw [run_record_same]
  · rw [run_record_same]
  · rw [run_record_same]; exact handlesToday_same last.1 _ _
  · rw [owner_record, top]
  · obtain ⟨x, hx, hid, ho, hg, htr⟩ : ∃ x ∈ m.heads r c, x.id = Id.today c.run r h.id ∧ x.owner = Id.today c.run r h.owner ∧
        x.givers = m.giversToday r c h ∧ x.trace = (m.run h.id).trace.upTo (h.length - 1) := by
      unfold M.heads
      exact ⟨_, List.mem_map.mpr ⟨h, hh, rfl⟩, rfl, rfl, rfl, rfl⟩
    have nwh := s.wf.heads r c hc h hh
    have nonempty := Trace.upTo_ne_nil (s.wf.indexed h.id) _ (nm.heads r c hc h hh) (a h.id (td.heads r c hc h hh) nwh).1
    cases e : (m.run h.id).trace.upTo (h.length - 1) with
    | nil => exact absurd e nonempty
    | cons d u =>
      have index : h.length = d.index + 1 := by
        have pos := (t.length r c hc h hh).1
        have : (m.run h.id).trace.nth (h.length - 1) = some d := by unfold Trace.nth; rw [e]; rfl
        rw [Trace.nth_index this]; omega
      obtain ⟨n', front, back, hl, h₀, h₁, h₂, h₃⟩ := each x.id ((list _).mpr (hid ▸ below.1 h hh))
      have mine : ∀ {child}, n'.owns x.id child = true → MayOwn x.id child := fun {child} h =>
        t₁.owner (id := child) ((h₀.2 child).symm.trans (beq_iff_eq.mp h))
      obtain ⟨l, lo, lg⟩ := restored_lower (n := n') td nd hx (htr.trans e) (hid ▸ today_ne_world nwh)
        (h₁.trans (hM ▸ run_owns nd hx)) h₀.1 (fun child h => (mine h).ne) fun sz => by
          rw [hid] at sz ⊢
          have same := t.untouched s.wf.indexed hc hh (there h hh) (sz.trans (by rw [e]))
          rw [e] at same
          exact ⟨same, (a _ (there h hh) (today_ne_world nwh)).2.2 d u same⟩
      have same := (run_record_ne N (.reverted c.index)
        { code := .settled c.code, files := c.files, handles := N.handlesToday r c, inbox := c.inbox }
        (Ne.symm (heads x hx).2.2.2)).trans h₂
      have owns : ∀ child, (restoreLower (m.heads r c) n' x.id).owns x.id child = n'.owns x.id child := fun child => by
        unfold M.owns; rw [owner_restoreLower]
      have l := l.of_same same (fun child => by unfold M.owns; rw [owner_record, last.2, owner_restoreLower, h₀.2]) fun child hc => by
        have may := mine ((owns child).symm.trans hc)
        have out : child ∉ back := fun hb => by
          rw [hl] at order
          refine (List.pairwise_cons.mp (List.pairwise_append.mp order).2.1).1 child hb ?_
          rw [← h₀.2]
          exact beq_iff_eq.mp ((owns child).symm.trans hc)
        rw [run_record_ne, h₃ child (Ne.symm may.ne) out, run_restoreLower_ne _ _ _ _ may.ne]
        rintro rfl
        exact may.acyclic (heads x hx).2.2.1
      rw [← same, ho] at lo
      rw [← same, hg] at lg
      rw [← hid]
      exact ⟨d, u, rfl, index, l, lo, lg⟩
  · obtain ⟨n', _, _, _, _, _, h₂, _⟩ := each y ((list _).mpr (below.2 y hy))
    rw [run_record_ne _ _ _ (Ne.symm (hy.ne td.forest)), h₂, restoreLower_none, code_discard]
    intro hm
    rw [heads_ids] at hm
    obtain ⟨h, hh, e⟩ := List.mem_map.mp hm
    exact out h hh e.symm

end M

end Shepherd
