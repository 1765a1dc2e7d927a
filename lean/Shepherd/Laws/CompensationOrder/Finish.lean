import Shepherd.Laws.CompensationOrder.Restore

/-!
# Taking back ends
-/

namespace Shepherd

namespace M

/-- What taking back leaves: all within is as it may be, everything else is as it was. -/
structure Restores (m : M) (r : Id) (n : M) : Prop where
  prog : n.program = m.program
  stack : n.stack = m.stack
  run : ∀ y, ¬ m.Covers r y → n.run y = m.run y
  back : ∀ y, m.Covers r y → Back m n y
  owner : (n.run r).owner = (m.run r).owner

theorem Back.of_same {m n p : M} {x : Id} (h : Back m n x) (same : p.run x = n.run x)
    (passes : ∀ chain op args, n.Passes x chain op args → p.Passes x chain op args) : Back m p x :=
  ⟨same ▸ h.fine, same ▸ h.waits, fun u o => by rw [same]; exact h.undoing u o,
    fun chain op args w hw => passes _ _ _ (h.passes chain op args w (by rw [← same]; exact hw))⟩

theorem program_discard (n : M) (y : Id) : (n.discard y).program = n.program ∧ (n.discard y).stack = n.stack ∧
    ∀ x, ((n.discard y).run x).owner = (n.run x).owner := by
  unfold discard
  split
  · exact ⟨rfl, rfl, fun _ => rfl⟩
  · exact ⟨rfl, rfl, fun x => by rw [recordCode_eq, owner_record]⟩

/-- Discarding all. -/
theorem restored_none {R : Regions} {m : M} (k : Unwinds R m) (td : Tied m) (r : Id) : Restores m r (m.restore r none) := by
  show Restores m r ((m.family r).foldl discard m)
  have mem : ∀ y, y ∈ m.family r ↔ m.Covers r y := fun y => td.mem_family
  have all := foldl_keeps (P := fun n => n.program = m.program ∧ n.stack = m.stack ∧ ∀ x, (n.run x).owner = (m.run x).owner)
    (f := discard) (l := m.family r) ⟨rfl, rfl, fun _ => rfl⟩ fun n x _ ⟨h₁, h₂, h₃⟩ => by
      obtain ⟨g₁, g₂, g₃⟩ := program_discard n x
      exact ⟨g₁.trans h₁, g₂.trans h₂, fun y => (g₃ y).trans (h₃ y)⟩
  have nodup : (m.family r).Nodup := by
    unfold family
    refine List.nodup_append.mpr ⟨td.nodup_below _, List.pairwise_singleton _ _, fun x hx y hy => ?_⟩
    rw [List.mem_singleton.mp hy]
    exact (td.mem_below.mp hx).ne td.forest
  refine ⟨all.1, all.2.1, fun y hy => ?_, fun y hy => ?_, all.2.2 r⟩
  · exact foldl_keeps (P := fun n => n.run y = m.run y) rfl fun n x hx e =>
      (run_discard_ne fun h : x = y => hy (h ▸ (mem x).mp hx)).trans e
  · obtain ⟨n, _, h₁, h₂⟩ := foldl_each (f := discard) (fun n z y h => run_discard_ne h) nodup ((mem y).mpr hy) (P := fun _ => True)
      (m := m) trivial fun _ _ _ _ => trivial
    have b := back_discard (n := n) k (x := y) (by rw [h₁])
    have code := code_discard n y
    exact ⟨h₂ ▸ b.fine, h₂ ▸ b.waits, fun u o => by rw [h₂]; exact b.undoing u o, fun _ _ _ _ h => by rw [h₂, code] at h; cases h⟩

theorem program_rewind (n : M) (y : Id) (c : Commit) (lower : Bool) : (n.rewind y c lower).program = n.program ∧
    (n.rewind y c lower).stack = n.stack ∧ ∀ x, ((n.rewind y c lower).run x).owner = (n.run x).owner :=
  ⟨rfl, rfl, fun x => by unfold rewind; simp only; rw [owner_record]⟩

theorem program_restoreLower (hs : List Then) (n : M) (y : Id) : (restoreLower hs n y).program = n.program ∧
    (restoreLower hs n y).stack = n.stack ∧ ∀ x, ((restoreLower hs n y).run x).owner = (n.run x).owner := by
  unfold restoreLower
  split
  · exact program_discard n y
  · split
    · exact ⟨rfl, rfl, fun _ => rfl⟩
    · simp only
      split
      · exact program_rewind n y _ _
      · split
        · refine ⟨rfl, rfl, fun x => ?_⟩
          rw [run_setCode]; split
          · next e => subst e; rfl
          · rfl
        · exact ⟨rfl, rfl, fun _ => rfl⟩

/-- A run that had recorded nothing since. -/
theorem back_left {R : Regions} {m n : M} (k : Unwinds R m) {x : Id} (idle : ∀ w, (m.run x).code.settle ≠ .waiting w)
    (tr : (n.run x).trace = (m.run x).trace) {code : Code} (settle : code.settle = (m.run x).code.settle) (nu : ∀ u o, code ≠ .undoing u o)
    (hc : (n.run x).code = code) : Back m n x where
  fine := tr ▸ k.fine x
  waits := fun w hw => absurd (by rw [← settle, ← hc]; exact hw) (idle w)
  undoing := hc ▸ nu
  passes := fun chain op args w hw => absurd (by rw [← settle, ← hc, hw]; rfl) (idle w)

/-- Putting all back to an event. -/
theorem restored_some {R : Regions} {m : M} (k : Unwinds R m) (s : Sound m) (a : AllMarked m) (t : Seen m) {b : Id} {u : Undoing}
    {o : Settled} (hb : (m.run b).code = .undoing u o) {j : Nat} (hto : u.to = some j) :
    Restores m u.run (m.restore u.run (some j)) := by
  have td := s.bound.tied
  have nm := s.granted.named
  have ok := s.wf.codes b
  rw [hb] at ok
  obtain ⟨c, event, there⟩ := ok.2.2.2 j hto
  have i := ok.2.1
  have hc : c ∈ (m.run u.run).trace := Trace.nth_mem event
  have ct := td.commits u.run c hc
  have nd := nodup_heads (m := m) (id := u.run) ct
  have heads := fun h hh => td.thens nm i hc (h := h) hh
  have region := k.region b u o hb
  have inR : ∀ h ∈ c.heads, R b (Id.today c.run u.run h.id) := k.heads b u o hb j c hto event
  have e₁ : Deeds (fun _ => True) m.Stamped m ((m.heads u.run c).foldl (fun m h => m.own h.id h.owner h.givers) m) :=
    Deeds.foldl td fun n x hx d _ => .own _ _ _ .refl trivial (d.has (heads_has there x hx)) (heads x hx).1 (heads x hx).2.1
  have t₁ := e₁.tied td
  have below := below_owns td nm hc
  have restore : m.restore u.run (some j) = ((((m.heads u.run c).foldl (fun m h => m.own h.id h.owner h.givers) m).below u.run).foldl
      (restoreLower (m.heads u.run c)) ((m.heads u.run c).foldl (fun m h => m.own h.id h.owner h.givers) m)).rewind u.run c false := by
    unfold M.restore
    simp only [event]
  rw [restore]
  have notIn : u.run ∉ (m.heads u.run c).map Then.id := fun h => by
    obtain ⟨x, hx, e⟩ := List.mem_map.mp h
    exact (heads x hx).2.2.2 e
  have idsOf : ∀ y, y ∈ (m.heads u.run c).map Then.id → ∃ h ∈ c.heads, Id.today c.run u.run h.id = y := fun y hy => by
    rw [heads_ids] at hy
    exact List.mem_map.mp hy
  have ownsCode : ∀ (l : List Then) (n : M) y, ((l.foldl (fun m h => m.own h.id h.owner h.givers) n).run y).code = (n.run y).code ∧
      ((l.foldl (fun m h => m.own h.id h.owner h.givers) n).run y).trace = (n.run y).trace := by
    intro l
    induction l with
    | nil => exact fun _ _ => ⟨rfl, rfl⟩
    | cons z l ih =>
      intro n y
      rw [List.foldl_cons]
      refine ⟨(ih _ y).1.trans ?_, (ih _ y).2.trans (trace_own n _ _ _ y)⟩
      rw [run_own]; split
      · next e => subst e; rfl
      · rfl
  have ownsProg : ∀ (l : List Then) (n : M), (l.foldl (fun m h => m.own h.id h.owner h.givers) n).program = n.program ∧
      (l.foldl (fun m h => m.own h.id h.owner h.givers) n).stack = n.stack := by
    intro l
    induction l with
    | nil => exact fun _ => ⟨rfl, rfl⟩
    | cons z l ih => intro n; rw [List.foldl_cons]; exact ih _
  have code₁ := fun y => (ownsCode (m.heads u.run c) m y).1
  have trace₁ := fun y => (ownsCode (m.heads u.run c) m y).2
  have prog₁ := ownsProg (m.heads u.run c) m
  have same₁ : ∀ y, ¬ m.Covers u.run y → ((m.heads u.run c).foldl (fun m h => m.own h.id h.owner h.givers) m).run y = m.run y :=
    fun y hy => run_owns_ne fun h => by
      obtain ⟨x, hx, rfl⟩ := idsOf y h
      exact hy (region.within _ (inR x hx))
  have top₁ : ((m.heads u.run c).foldl (fun m h => m.own h.id h.owner h.givers) m).run u.run = m.run u.run := run_owns_ne notIn
  -- What stands below then stood within before.
  have within' : ∀ y top, Runs.Below ((m.heads u.run c).foldl (fun m h => m.own h.id h.owner h.givers) m).runs y top →
      top = u.run → m.Covers u.run y := by
    intro y top hy
    induction hy with
    | @own y z h =>
      intro e
      subst e
      by_cases hm : y ∈ (m.heads u.run c).map Then.id
      · obtain ⟨x, hx, rfl⟩ := idsOf y hm
        exact region.within _ (inR x hx)
      · have h : (M.run _ y).owner = _ := h
        rw [run_owns_ne hm] at h
        exact .inr (.own h)
    | @up y z a h _ ih =>
      intro e
      have up := ih e
      subst e
      by_cases hm : y ∈ (m.heads u.run c).map Then.id
      · obtain ⟨x, hx, rfl⟩ := idsOf y hm
        exact region.within _ (inR x hx)
      · have h : (M.run _ y).owner = _ := h
        rw [run_owns_ne hm] at h
        rcases up with e | g
        · exact .inr (.own (e ▸ h))
        · exact .inr (.up h g)
  have within : ∀ y, ((m.heads u.run c).foldl (fun m h => m.own h.id h.owner h.givers) m).Below y u.run → m.Covers u.run y :=
    fun y hy => within' y _ hy rfl
  clear within'
  generalize hm₁ : (m.heads u.run c).foldl (fun m h => m.own h.id h.owner h.givers) m = m₁ at t₁ below code₁ trace₁ prog₁ same₁ top₁ within ⊢
  have list := fun y => t₁.mem_below (x := y) (a := u.run)
  have nl := t₁.nodup_below u.run
  have order : (m₁.below u.run).Pairwise fun p q => ¬ m₁.Below q p :=
    Runs.under_order t₁.forest _ (Runs.nodup_kids t₁.forest _) fun s hs t ht => Runs.kids_apart t₁.forest hs ht
  have owners : ∀ (l : List Id) (n : M), (∀ x, (((l.foldl (restoreLower (m.heads u.run c)) n)).run x).owner = (n.run x).owner) ∧
      (l.foldl (restoreLower (m.heads u.run c)) n).program = n.program ∧ (l.foldl (restoreLower (m.heads u.run c)) n).stack = n.stack := by
    intro l
    induction l with
    | nil => exact fun _ => ⟨fun _ => rfl, rfl, rfl⟩
    | cons z l ih =>
      intro n
      rw [List.foldl_cons]
      obtain ⟨g₁, g₂, g₃⟩ := program_restoreLower (m.heads u.run c) n z
      exact ⟨fun x => ((ih _).1 x).trans (g₃ x), (ih _).2.1.trans g₁, (ih _).2.2.trans g₂⟩
  have others : ∀ (l : List Id) (n : M) y, y ∉ l → (l.foldl (restoreLower (m.heads u.run c)) n).run y = n.run y := by
    intro l
    induction l with
    | nil => exact fun _ _ _ => rfl
    | cons z l ih =>
      intro n y hy
      rw [List.mem_cons, not_or] at hy
      rw [List.foldl_cons, ih _ y hy.2, run_restoreLower_ne _ _ _ _ (Ne.symm hy.1)]
  have held : ∀ h ∈ c.heads, ∀ w, (m.run (Id.today c.run u.run h.id)).code.settle ≠ .waiting w := fun h hh =>
    k.idle _ ⟨b, u, o, hb, inR h hh⟩
  -- One run below, when its turn comes; those below it have had theirs.
  have one : ∀ (n : M) y, n.run y = m₁.run y → y ≠ u.run →
      (Back m (restoreLower (m.heads u.run c) n y) y ∧ ∀ chain op args w, ((restoreLower (m.heads u.run c) n y).run y).code ≠ .passing chain op args w) ∨
      ∃ e, (restoreLower (m.heads u.run c) n y) = n.rewind y e true ∧ Fine m.program y ((n.rewind y e true).run y).trace ∧
        Waits ((n.rewind y e true).run y).trace ((n.rewind y e true).run y).code ∧
        (∀ v q, ((n.rewind y e true).run y).code ≠ .undoing v q) ∧
        ∀ chain op args w, ((n.rewind y e true).run y).code = .passing chain op args w → n.Passes y chain op args := by
    intro n y hy _
    have tr : (n.run y).trace = (m.run y).trace := by rw [hy, trace₁]
    have cd : (n.run y).code = (m.run y).code := by rw [hy, code₁]
    by_cases hm : y ∈ (m.heads u.run c).map Then.id
    · obtain ⟨x, hx, e⟩ := List.mem_map.mp hm
      obtain ⟨h, hh, hid, htr⟩ : ∃ h ∈ c.heads, x.id = Id.today c.run u.run h.id ∧ x.trace = (m.run h.id).trace.upTo (h.length - 1) := by
        unfold M.heads at hx
        obtain ⟨h, hh, rfl⟩ := List.mem_map.mp hx
        exact ⟨h, hh, rfl, rfl⟩
      have nonempty := Trace.upTo_ne_nil (s.wf.indexed h.id) _ (nm.heads u.run c hc h hh)
        (a h.id (td.heads u.run c hc h hh) (s.wf.heads u.run c hc h hh)).1
      have suffix : x.trace <:+ (m.run y).trace := by
        rw [htr, t.upTo s.wf.indexed hc hh, ← t.same u.run c hc h hh (there h hh), ← e, hid]
        exact Trace.before_suffix (t.sorted _) _
      have idle := held h hh
      rw [← hid, e] at idle
      cases ex : x.trace with
      | nil => rw [htr] at ex; exact absurd ex nonempty
      | cons d ds =>
        have eq := restoreLower_eq nd hx ex n
        rw [e] at eq
        rw [eq]
        split
        · right
          obtain ⟨f₁, f₂, f₃⟩ := back_rewind (n := n) k (s.wf.indexed y) tr (ex ▸ suffix) true
          refine ⟨d, rfl, f₁, f₂, f₃, fun chain op args w hw => ?_⟩
          rw [rewind_lower, run_record_same] at hw
          exact (of_takenUp hw).2.2
        · left
          split
          · next v q hv =>
            refine ⟨back_left k idle (by rw [trace_setCode]; exact tr) (code := .settled q) ?_ nofun (by rw [run_setCode_same]), ?_⟩
            · rw [← cd, hv]; rfl
            · rw [run_setCode_same]; exact fun _ _ _ _ h => nomatch h
          · next hv =>
            refine ⟨back_left k idle tr (code := (n.run y).code) (by rw [cd]) (fun v q h => hv v q h) rfl, fun _ _ _ w h => ?_⟩
            exact idle w (by rw [← cd, h]; rfl)
    · left
      rw [restoreLower_none hm]
      exact ⟨back_discard k tr, by rw [code_discard]; exact fun _ _ _ _ h => nomatch h⟩
  -- All of them.
  have L : ∀ y, m₁.Below y u.run → Back m ((m₁.below u.run).foldl (restoreLower (m.heads u.run c)) m₁) y := by
    intro y hy
    have hl := (list y).mpr hy
    obtain ⟨l₁, l₂, e⟩ := List.append_of_mem hl
    rw [e] at nl order ⊢
    have nl' := List.nodup_append.mp nl
    have ny : y ∉ l₂ := (List.nodup_cons.mp nl'.2.1).1
    have ny₁ : y ∉ l₁ := fun h => nl'.2.2 y h y List.mem_cons_self rfl
    rw [List.foldl_append, List.foldl_cons]
    generalize hn : l₁.foldl (restoreLower (m.heads u.run c)) m₁ = n
    have now : n.run y = m₁.run y := by rw [← hn]; exact others l₁ m₁ y ny₁
    have ownersN : ∀ x, (n.run x).owner = (m₁.run x).owner := by rw [← hn]; exact (owners l₁ m₁).1
    have final : (l₂.foldl (restoreLower (m.heads u.run c)) (restoreLower (m.heads u.run c) n y)).run y =
        (restoreLower (m.heads u.run c) n y).run y := others l₂ _ y ny
    have ownersF : ∀ x, ((l₂.foldl (restoreLower (m.heads u.run c)) (restoreLower (m.heads u.run c) n y)).run x).owner = (n.run x).owner :=
      fun x => ((owners l₂ _).1 x).trans ((program_restoreLower _ n y).2.2 x)
    rcases one n y now (hy.ne t₁.forest) with ⟨h, np⟩ | ⟨d, eq, f₁, f₂, f₃, f₄⟩
    · refine ⟨final ▸ h.fine, final ▸ h.waits, fun v q => by rw [final]; exact h.undoing v q, fun chain op args w hw => ?_⟩
      rw [final] at hw
      exact absurd hw (np _ _ _ _)
    · rw [← eq] at f₁ f₂ f₃ f₄
      refine ⟨final ▸ f₁, final ▸ f₂, fun v q => by rw [final]; exact f₃ v q, fun chain op args w hw => ?_⟩
      rw [final] at hw
      obtain ⟨z, q, rfl, ho, hs, rfl, rfl⟩ := f₄ chain op args w hw
      have hz : m₁.Below z y := .own ((ownersN z).symm.trans ho)
      have zl : z ∈ l₁ ++ y :: l₂ := e ▸ (list z).mpr (hz.trans hy)
      have nz₂ : z ∉ l₂ := fun h => (List.pairwise_cons.mp (List.pairwise_append.mp order).2.1).1 z h hz
      have nzy : z ≠ y := hz.ne t₁.forest
      refine ⟨z, q, rfl, (ownersF z).trans ho, (shown_congr (m := n) ?_).trans hs, rfl, rfl⟩
      rw [others l₂ _ z nz₂, run_restoreLower_ne _ _ _ _ nzy.symm]
  generalize hN : (m₁.below u.run).foldl (restoreLower (m.heads u.run c)) m₁ = N at L ⊢
  have ownersN : ∀ x, (N.run x).owner = (m₁.run x).owner := by rw [← hN]; exact (owners _ m₁).1
  have outN : ∀ y, ¬ m₁.Below y u.run → N.run y = m₁.run y := fun y hy => by
    rw [← hN]; exact others _ m₁ y fun h => hy ((list y).mp h)
  have topN : N.run u.run = m.run u.run := (outN _ fun h => absurd rfl (h.ne t₁.forest)).trans top₁
  obtain ⟨g₁, g₂, g₃⟩ := program_rewind N u.run c false
  have suffix : ∃ ds, c :: ds <:+ (m.run u.run).trace := by
    unfold Trace.nth at event
    cases h : (m.run u.run).trace.upTo j with
    | nil => rw [h] at event; cases event
    | cons d ds =>
      rw [h] at event
      cases event
      exact ⟨ds, h ▸ Trace.upTo_suffix _ _⟩
  obtain ⟨ds, hds⟩ := suffix
  refine ⟨?_, ?_, fun y hy => ?_, fun y hy => ?_, ?_⟩
  · rw [g₁, ← hN, (owners _ m₁).2.1]; exact prog₁.1
  · rw [g₂, ← hN, (owners _ m₁).2.2]; exact prog₁.2
  · rw [run_rewind_ne fun e : u.run = y => hy (.inl e.symm), outN y fun h => hy (within y h), same₁ y hy]
  · rcases hy with rfl | hy
    · obtain ⟨f₁, f₂, f₃⟩ := back_rewind (n := N) k (s.wf.indexed _) (by rw [topN]) hds false
      refine ⟨f₁, f₂, f₃, fun _ _ _ _ h => ?_⟩
      unfold rewind at h
      simp only at h
      rw [run_record_same] at h
      simp only [Bool.false_eq_true, if_false] at h
      cases h
    · have hy₁ := below.2 y hy
      have ne : u.run ≠ y := (hy.ne td.forest).symm
      refine (L y hy₁).of_same (run_rewind_ne ne c false) fun chain op args p => ?_
      obtain ⟨z, q, rfl, ho, hs, rfl, rfl⟩ := p
      refine ⟨z, q, rfl, (g₃ z).trans ho, (shown_congr (m := N) ?_).trans hs, rfl, rfl⟩
      have hz : m₁.Below z y := .own ((ownersN z).symm.trans ho)
      rw [run_rewind_ne ((hz.trans hy₁).ne t₁.forest).symm]
  · rw [g₃, topN]

end M

end Shepherd
