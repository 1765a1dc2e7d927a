import Shepherd.Laws.BranchReplay.Regained

/-!
# Who waits for whom, once a run is put back
-/

namespace Shepherd

open Id (MayOwn Over)

namespace M

variable {B : Prop} {m : M}

/-- One run put back. -/
theorem restoreLower_ok (n : M) (hs : List Then) (x : Id)
    (rest : ∀ h ∈ hs, h.id = x → h.trace ≠ [] ∧ ∀ chain op args w, (n.run x).code ≠ .passing chain op args w) :
    (∀ j, ((restoreLower hs n x).run j).owner = (n.run j).owner) ∧
      (∀ j, j ≠ x → ((restoreLower hs n x).run j).code = (n.run j).code) ∧ Reset n x ((restoreLower hs n x).run x).code := by
  unfold restoreLower
  split
  · unfold M.discard
    split
    · next hc =>
      refine ⟨fun _ => rfl, fun _ _ => rfl, ?_⟩
      rw [hc]; exact .settled _
    · refine ⟨fun j => owner_record _ _ _ _ _, fun j ne => ?_, ?_⟩
      · rw [run_recordCode_ne _ _ _ ne.symm]
      · rw [run_recordCode_same]; exact .settled _
  · next h hf =>
    have hm := List.mem_of_find?_eq_some hf
    have hid : h.id = x := beq_iff_eq.mp (List.find?_some (p := fun h : Then => h.id == x) hf)
    obtain ⟨full, np⟩ := rest h hm hid
    split
    · next e => exact absurd e full
    · next c t _ =>
      simp only
      split
      · unfold M.rewind
        refine ⟨fun j => owner_record _ _ _ _ _, fun j ne => ?_, ?_⟩
        · rw [run_record_ne _ _ _ ne.symm]
        · rw [run_record_same]
          simp only [if_true]
          exact .takenUp _ _
      · split
        · refine ⟨fun j => ?_, fun j ne => ?_, ?_⟩
          · rw [run_setCode]; split
            · next e => subst e; rfl
            · rfl
          · rw [run_setCode_ne _ _ ne.symm]
          · rw [run_setCode_same]; exact .settled _
        · next nu =>
          refine ⟨fun _ => rfl, fun _ _ => rfl, .same fun w => ?_⟩
          rcases w with ⟨chain, op, args, w, e⟩ | ⟨u, o, e⟩
          · exact np chain op args w e
          · exact nu u o e

theorem stack_restore (id : Id) (to : Option Nat) : (m.restore id to).stack = m.stack := by
  have disc : ∀ (n : M) x, n.stack = m.stack → (n.discard x).stack = m.stack := fun n x e => by
    unfold M.discard
    split
    · exact e
    · exact e
  unfold M.restore
  split
  · exact foldl_keeps (P := fun n => n.stack = m.stack) rfl fun n x _ e => disc n x e
  · split
    · rfl
    · next c _ =>
      simp only
      show M.stack (M.record _ _ _ _) = _
      rw [stack_record]
      refine foldl_keeps (P := fun n => n.stack = m.stack) ?_ fun n x _ e => ?_
      · exact foldl_keeps (P := fun n => n.stack = m.stack) rfl fun n x _ e => e
      · unfold M.restoreLower
        split
        · exact disc n x e
        · split
          · exact e
          · simp only
            split
            · exact e
            · split
              · exact e
              · exact e

/-- Once a run is put back, or discarded, with what is below, everyone else who waits for another's question may. -/
theorem restore_watch (w : Wf m B) (td : Tied m) (nm : Named m) (h : Held m) {z : Id} {rest : List Id} (top : m.stack = z :: rest)
    {u : Undoing} {o : Settled} (hc : (m.run z).code = .undoing u o)
    (full : ∀ k c, u.to = some k → (m.run u.run).trace.nth k = some c → ∀ x ∈ m.heads u.run c, x.trace ≠ []) :
    ((m.restore u.run u.to).run .root).owner = some .world ∧ ∀ x, x ≠ z → (m.restore u.run u.to).WatchOk x := by
  have hw : (m.run .world).owner = none := w.owner _ (run_mem w.world) (run_id m .world)
  have ok := (h.watch z).undo u o hc
  have ck := w.codes z
  rw [hc] at ck
  have line := h.line
  rw [top] at line
  have e : Extends m (m.restore u.run u.to) := (plain_restore (B := B) w ck.2.1 ck.1 ck.2.2.2).extends w
  have wn := (plain_restore (B := B) w ck.2.1 ck.1 ck.2.2.2).wf w
  unfold M.restore at e wn ⊢
  revert e wn
  generalize hto : u.to = to
  cases to with
  | none =>
    intro e wn
    have mi : Mild False z m ((m.family u.run).foldl M.discard m) :=
      foldl_keeps (P := Mild False z m) (.refl m) fun n y _ k => k.discard y
    refine ⟨(mi.owner _ _ h.root).resolve_left fun h => h.1, fun x ne => ?_⟩
    cases i : m.has x with
    | true => exact WatchOk.keep w td.forest e wn.indexed mi line (fun h => h.elim) (mi.code x ne i) (h.watch x)
    | false =>
      refine .absent ?_
      cases i' : M.has ((m.family u.run).foldl M.discard m) x with
      | false => rfl
      | true =>
        have := plain_born w (Plain.foldl (f := M.discard) (l := m.family u.run) w fun n y _ _ _ => plain_discard y) i'
        rw [i] at this; cases this
  | some k =>
    obtain ⟨c, hk, hh⟩ := ck.2.2.2 k hto
    simp only
    rw [hk]
    simp only
    intro e wn
    have hcm : c ∈ (m.run u.run).trace := Trace.nth_mem hk
    have heads := fun g hg => td.thens nm ck.2.1 hcm (h := g) hg
    have ct := td.commits u.run c hcm
    have today := nm.today u.run c hcm
    have stake : ∀ g ∈ m.heads u.run c, m.Stake u g.id := fun g hg => by
      unfold M.heads at hg
      obtain ⟨y, hy, rfl⟩ := List.mem_map.mp hg
      exact .inr (.inr ⟨k, c, hto, hk, y, hy, rfl⟩)
    have nodup : ((m.heads u.run c).map Then.id).Nodup := by
      unfold M.heads
      rw [List.map_map]
      have : ∀ l : List Head, (l.map Head.id).Nodup → (l.map fun y => Id.today c.run u.run y.id).Nodup := by
        intro l
        induction l with
        | nil => exact fun _ => List.nodup_nil
        | cons y l ih =>
          intro hl
          rw [List.map_cons, List.nodup_cons] at hl ⊢
          refine ⟨fun hy => hl.1 ?_, ih hl.2⟩
          obtain ⟨v, hv, e⟩ := List.mem_map.mp hy
          exact List.mem_map.mpr ⟨v, hv, Id.today_inj e⟩
      exact this _ ct.nodup
    have tied' : Tied (m.ownedAsThen (m.heads u.run c)) := by
      refine Deeds.tied (T := fun _ => True) (F := fun _ => True) td (Deeds.foldl td fun n g hg d _ => ?_)
      exact .own _ _ _ .refl trivial (d.has (heads_has hh g hg)) (heads g hg).1 (heads g hg).2.1
    have r : Regained m u.run (m.heads u.run c) := by
      refine ⟨td, tied', nodup, fun g hg => ?_, fun g hg => ?_, fun g hg => (heads g hg).1⟩
      · exact (ok.2 g.id (stake g hg)).1.resolve_left (heads g hg).2.2.2
      · unfold M.heads at hg ⊢
        obtain ⟨y, hy, rfl⟩ := List.mem_map.mp hg
        rcases ct.inside hy with h | ⟨v, hv, h⟩
        · left
          show Id.today c.run u.run y.owner = u.run
          rw [h, today]
        · refine .inr ⟨_, List.mem_map.mpr ⟨v, hv, rfl⟩, ?_⟩
          show Id.today c.run u.run v.id = Id.today c.run u.run y.owner
          rw [h]
    have own := fun y => owner_ownedAsThen (m := m) nodup y
    have fold := resets tied' (fun y : Id => y) (M.restoreLower (m.heads u.run c))
      (L := (m.ownedAsThen (m.heads u.run c)).below u.run)
      (by rw [List.map_id']; exact tied'.nodup_below u.run)
      (fun a y b hl d ho => by rw [List.map_id']; exact tied'.before u.run hl ho) (fun _ => True)
      (fun a y b n hl _ _ hcode => by
        refine ⟨trivial, restoreLower_ok n _ y fun g hg hid => ⟨full k c hto hk g hg, fun chain op args wt hp => ?_⟩⟩
        have ny : y ∉ a.map fun y => y := by
          have nd := tied'.nodup_below u.run
          rw [hl] at nd
          rw [List.map_id']
          exact fun hy => (List.nodup_append.mp nd).2.2 _ hy _ List.mem_cons_self rfl
        rw [hcode y ny, code_ownedAsThen] at hp
        refine (ok.2 y (hid ▸ stake g hg)).2 ⟨wt, ?_⟩
        rw [hp]; rfl) trivial
    obtain ⟨_, fo, fc, fw⟩ := fold
    rw [List.map_id'] at fc fw
    change ((M.rewind (((m.ownedAsThen (m.heads u.run c)).below u.run).foldl (M.restoreLower (m.heads u.run c))
      (m.ownedAsThen (m.heads u.run c))) u.run c false).run .root).owner = some .world ∧ ∀ x, x ≠ z →
      (M.rewind (((m.ownedAsThen (m.heads u.run c)).below u.run).foldl (M.restoreLower (m.heads u.run c))
      (m.ownedAsThen (m.heads u.run c))) u.run c false).WatchOk x
    change Extends m (M.rewind (((m.ownedAsThen (m.heads u.run c)).below u.run).foldl (M.restoreLower (m.heads u.run c))
      (m.ownedAsThen (m.heads u.run c))) u.run c false) at e
    change Wf (M.rewind (((m.ownedAsThen (m.heads u.run c)).below u.run).foldl (M.restoreLower (m.heads u.run c))
      (m.ownedAsThen (m.heads u.run c))) u.run c false) B at wn
    generalize ((m.ownedAsThen (m.heads u.run c)).below u.run).foldl (M.restoreLower (m.heads u.run c))
      (m.ownedAsThen (m.heads u.run c)) = q at fo fc fw e wn ⊢
    have no : ∀ j, ((q.rewind u.run c false).run j).owner = (q.run j).owner := fun j => owner_record _ _ _ _ _
    refine ⟨?_, fun x ne => ?_⟩
    · rw [no, fo, (own .root).2 fun g hg e => ?_]
      · exact h.root
      · have b := r.below g hg
        rw [e] at b
        cases b with
        | own ho =>
          have ho : (m.run .root).owner = some u.run := ho
          rw [h.root] at ho; exact ck.1 (Option.some.inj ho).symm
        | up ho b =>
          have ho : (m.run .root).owner = some _ := ho
          rw [h.root] at ho; cases ho
          cases b with
          | own ho => exact nomatch hw.symm.trans ho
          | up ho _ => exact nomatch hw.symm.trans ho
    have nc : ∀ j, j ≠ u.run → ((q.rewind u.run c false).run j).code = (q.run j).code := fun j hj => by
      unfold M.rewind; rw [run_record_ne _ _ _ hj.symm]
    by_cases ex : x = u.run
    · subst ex
      refine .of_settled (s := c.code) ?_
      unfold M.rewind; rw [run_record_same]; rfl
    by_cases lx : x ∈ (m.ownedAsThen (m.heads u.run c)).below u.run
    · obtain ⟨wx, ux⟩ := fw x lx
      refine ⟨fun chain op args wt hp => ?_, fun v o' hv => absurd ((nc x ex).symm.trans hv) (ux v o')⟩
      have okx := wx.pass chain op args wt ((nc x ex).symm.trans hp)
      refine ⟨Below.of_owner (fun j p h => (no j).trans h) okx.1, ?_⟩
      rw [nc _ fun ed => ?_]
      · exact okx.2
      · have b1 : (m.ownedAsThen (m.heads u.run c)).Below (chain.getLastD x) x := Below.of_owner (fun j p h => (fo j).symm.trans h) okx.1
        have b2 := b1.trans (tied'.mem_below.mp lx)
        exact (b2.ne tied'.forest) ed
    · have same : ∀ j, j ≠ u.run → j ∉ (m.ownedAsThen (m.heads u.run c)).below u.run →
          ((q.rewind u.run c false).run j).code = (m.run j).code := fun j h1 h2 => by
        rw [nc j h1, fc j h2, code_ownedAsThen]
      have up : (m.run x).code.Watches → ¬ m.Below u.run x := fun wx b => by
        cases b with
        | own h =>
          have h : (m.run u.run).owner = some x := h
          rw [ok.1] at h; exact ne (Option.some.inj h).symm
        | up h b =>
          have h : (m.run u.run).owner = some _ := h
          rw [ok.1] at h; cases h
          obtain ⟨r', q', hd⟩ := Line.above hw b line
          exact Code.Watches.not_driving wx hd
      have apart : (m.run x).code.Watches → ∀ y, y = u.run ∨ m.Below y u.run → ¬ m.Below y x := by
        intro wx y hy b
        rcases hy with rfl | hy
        · exact up wx b
        · rcases hy.linear b with e | b' | b'
          · exact ex e.symm
          · exact up wx b'
          · exact lx (tied'.mem_below.mpr (r.into b'))
      have keepOwner : (m.run x).code.Watches → ∀ y p, m.Below y x → (m.run y).owner = some p →
          ((q.rewind u.run c false).run y).owner = some p := fun wx y p b ho => by
        rw [no, fo, (own y).2 fun g hg e => apart wx y (.inr (e ▸ r.below g hg)) b]
        exact ho
      have keepBelow : (m.run x).code.Watches → ∀ {d t}, m.Below d t → (t = x ∨ m.Below t x) → (q.rewind u.run c false).Below d t := by
        intro wx d t b ht
        induction b with
        | @own d t ho =>
          refine .own (keepOwner wx d t ?_ ho)
          rcases ht with rfl | ht
          · exact .own ho
          · exact .up ho ht
        | @up d p t ho b ih =>
          refine .up (keepOwner wx d p ?_ ho) (ih ht)
          rcases ht with rfl | ht
          · exact .up ho b
          · exact .up ho (b.trans ht)
      have keepCode : (m.run x).code.Watches → ∀ d, m.Below d x → ((q.rewind u.run c false).run d).code = (m.run d).code := by
        intro wx d b
        refine same d (fun e => apart wx d (.inl e) b) fun hl => apart wx d (.inr (r.out (tied'.mem_below.mp hl))) b
      refine ⟨fun chain op args wt hp => ?_, fun v o' hv => ?_⟩
      · have hp := (same x ex lx).symm.trans hp
        have wx : (m.run x).code.Watches := .inl ⟨_, _, _, _, hp⟩
        have okx := (h.watch x).pass chain op args wt hp
        refine ⟨keepBelow wx okx.1 (.inl rfl), ?_⟩
        rw [keepCode wx _ okx.1]
        exact okx.2
      · have hv := (same x ex lx).symm.trans hv
        have wx : (m.run x).code.Watches := .inr ⟨_, _, hv⟩
        have okx := (h.watch x).undo v o' hv
        have cx := w.codes x
        rw [hv] at cx
        refine ⟨keepOwner wx _ _ (.own okx.1) okx.1, fun d hd => ?_⟩
        obtain ⟨hb, hn⟩ := okx.2 d (hd.mono wn.indexed (fun id => e.trace id) rfl rfl (fun _ h => h) fun k hk =>
          (cx.2.2.2 k hk).imp fun _ h => h.1)
        have hbx : m.Below d x := by
          rcases hb with hb | hb
          · rw [hb]; exact .own okx.1
          · exact hb.trans (.own okx.1)
        refine ⟨hb.imp_right fun hb => keepBelow wx hb (.inr (.own okx.1)), ?_⟩
        rw [keepCode wx d hbx]
        exact hn

end M

end Shepherd
