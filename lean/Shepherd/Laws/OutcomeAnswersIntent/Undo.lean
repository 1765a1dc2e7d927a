import Shepherd.Laws.OutcomeAnswersIntent.RestoreTo

/-!
# Steps of a run that takes another back, and its end
-/

namespace Shepherd

namespace M

/-- What was taken back is restored, and the active run goes on. -/
theorem Inv.restored {m p n : M} (k : m.Inv) {x : Id} {rest : List Id} (hs : m.stack = x :: rest) {u : Undoing} {origin : Settled}
    (hc : (m.run x).code = .undoing u origin) (R : Restored m p u.run) (S : Steps p n x) (code : ∃ s, (n.run x).code = .settled s)
    (handles : (n.run x).handles = (p.run x).handles) : n.Inv := by
  have hw := k.sound.world
  have path := k.path
  rw [hs] at path
  have l : m.BackTaking x u := by
    have := (k.links x).resolve_left (path.not_frozen hw)
    unfold Link at this
    rw [hc] at this
    exact this
  have b : m.Beneath u.run x := .of_owner l.owner
  have up : ∀ z, m.Within x z → ¬ m.Within z u.run := fun z hz h => path.rooted.irrefl hw ((hz.trans h).trans_beneath b)
  have nx : ¬ m.Within x u.run := up x (.refl x)
  have far : ∀ y, ¬ m.Within y u.run → x ≠ y → n.run y = m.run y := fun y h e => (S.other y e).trans (R.other y h)
  have owner : ∀ y, ¬ m.Within y u.run → (n.run y).owner = (m.run y).owner := fun y h => by rw [S.owner, R.other y h]
  have back : ∀ z, p.Within x z → m.Within x z := fun z hz => by
    suffices ∀ a z, p.Within a z → m.Within x a → m.Within a z from this x z hz (.refl x)
    clear hz z
    intro a z ha
    induction ha with
    | refl => exact fun _ => .refl _
    | up ho _ ih =>
      intro hx
      rw [R.other _ (up _ hx)] at ho
      exact .up ho (ih (hx.trans (.up ho (.refl _))))
  refine ⟨⟨S.sound, ?_, ?_, fun y => ?_⟩, ?_⟩
  · by_cases h : m.Within .root u.run
    · rcases h.cases with e | ⟨o, ho, h⟩
      · rw [S.owner, e, R.topOwner, ← e]; exact k.root
      · rw [k.root] at ho
        cases ho
        rcases h.cases with e | ⟨o, ho, _⟩
        · exact absurd l.owner (by rw [← e, hw]; exact nofun)
        · rw [hw] at ho; cases ho
    · rw [owner _ h]; exact k.root
  · have wo : ¬ m.Within .world u.run := fun h => by
      rcases h.cases with e | ⟨o, ho, _⟩
      · exact absurd l.owner (by rw [← e, hw]; exact nofun)
      · rw [hw] at ho; cases ho
    by_cases e : x = .world
    · rw [← e, handles, e, R.other _ wo]; exact k.handles
    · rw [far _ wo e]; exact k.handles
  · by_cases e : x = y
    · right
      obtain ⟨s, hs'⟩ := code
      subst e
      unfold Link
      rw [hs']; trivial
    · by_cases wi : m.Within y u.run
      · right
        refine ((R.calmed y wi).1).frame (fun z hz => .of_run (S.other z fun h => ?_)) fun z _ => S.owner z
        subst h
        exact up y (back y hz) wi
      · have apart : ∀ z, m.Within z y → m.Within z u.run → m.Within x y := fun z hz hi => by
          rcases hz.compare hi with g | g
          · exact absurd g wi
          · rcases g.cases with rfl | ⟨o, ho', g⟩
            · exact absurd (.refl _) wi
            · rw [l.owner] at ho'
              cases ho'
              exact g
        cases hy : m.has y with
        | false =>
          right
          unfold Link
          rw [far y wi e, run_of_not_has hy]; trivial
        | true =>
          by_cases w : m.Within y x
          · have by' : m.Beneath y x := w.cases.resolve_left fun h => e h.symm
            have noway : ¬ m.Within x y := fun h => path.rooted.irrefl hw (h.trans_beneath by')
            rcases k.links y with f | f
            · left
              refine f.frame fun a u' o hc' ho' hyu => ?_
              have na : ¬ m.Within a u.run := fun h => wi ((hyu.trans_beneath (.of_owner ho')).within.trans h)
              have ne : x ≠ a := fun h => by
                subst h
                rw [hc] at hc'
                cases hc'
                exact wi hyu
              exact ⟨⟨u', o, by rw [far a na ne]; exact hc', rfl⟩, fun z hz _ => owner z fun h => wi (hz.trans h)⟩
            · right
              refine f.frame (fun z hz => .of_run (far z (fun h => noway (apart z hz h)) fun h => ?_)) fun z hz =>
                owner z fun h => noway (apart z hz.within h)
              subst h
              exact noway hz
          · refine k.links.outside hw path (fun z _ hz => ⟨.of_run (far z (fun h => hz (h.trans b.within)) fun e => ?_),
              owner z fun h => hz (h.trans b.within)⟩) hy w
            exact hz (e ▸ .refl _)
  · rw [S.stack, R.stack, hs]
    refine path.frame (owner x nx) fun y hy => ?_
    have by' := path.beneath hy
    have ny := up y by'.within
    exact ⟨owner y ny, by rw [far y ny (path.ne hw hy).symm]⟩

/-- A step of a run that takes another back. -/
theorem Inv.undoStep {m n : M} (k : m.Inv) {x : Id} {rest : List Id} (hs : m.stack = x :: rest) {u : Undoing} {origin : Settled}
    (hc : (m.run x).code = .undoing u origin) (h : m.undoStep x u origin = some n) : n.Inv ∧ n.stack = m.stack := by
  have hw := k.sound.world
  have path := k.path
  rw [hs] at path
  have ix : m.has x = true := has_of_code (by rw [hc]; exact nofun)
  have l : m.BackTaking x u := by
    have := (k.links x).resolve_left (path.not_frozen hw)
    unfold Link at this
    rw [hc] at this
    exact this
  have b : m.Beneath u.run x := .of_owner l.owner
  have agrees := k.sound.agrees x fun _ r w => by rw [hc]; exact nofun
  rw [hc] at agrees
  have agrees : Trace.asksIntent (m.run x).trace = origin.waits := agrees
  unfold M.undoStep at h
  split at h
  · cases h
  · split at h
    · next d ds ht =>
      cases h
      exact ⟨k.raise hs hc ht, rfl⟩
    · have ne : u.run ≠ .world := ne_world_of_owner hw l.owner
      have R : Restored m (m.restore u.run u.to) u.run := by
        have r := path.rooted.of_within b.within
        cases hto : u.to with
        | none => exact restored_discard k.sound b.has r
        | some j =>
          obtain ⟨c, hcj, hh⟩ := l.heads j hto
          exact restored_to k.sound b.has r ne hcj hh
      have nx : ¬ m.Within x u.run := fun h => path.rooted.irrefl hw (h.trans_beneath b)
      simp only at h
      generalize m.restore u.run u.to = p at h R
      have px : p.run x = m.run x := R.other x nx
      have ip : p.has x = true := (R.has x).trans ix
      have rp : p.Rooted x := path.rooted.of_owners fun z hz => by
        rw [R.other z fun h => path.rooted.irrefl hw ((hz.trans h).trans_beneath b)]
      split at h
      · next w =>
        cases h
        have asks : Trace.asksIntent (p.run x).trace = true := by rw [px, agrees]; rfl
        exact ⟨k.restored hs hc R (steps_record ip _ _ (R.sound.closes ip rp (.inl rfl) _ _ (fun _ => .inl asks) rfl rfl))
          ⟨_, by rw [reply_eq, run_record_same]; rfl⟩ (by rw [reply_eq, run_record_same]; rfl), R.stack⟩
      · cases h
        exact ⟨k.restored hs hc R (steps_setCode ip _ (R.sound.setCode ip _ fun _ => by rw [px, agrees]; rfl))
          ⟨_, by rw [run_setCode_same]⟩ (by rw [run_setCode_same]), R.stack⟩

theorem Base.stack {m : M} (b : m.Base) (stack : List Id) : ({ m with stack } : M).Base :=
  ⟨b.sound.stack _, b.root, b.handles, b.links.frame (fun _ => .of_run rfl) fun _ => rfl⟩

/-- The outermost owner goes on driving the root run. -/
theorem Inv.afterWorld {m : M} (k : m.Inv) {x : Id} {rest : List Id} (hs : m.stack = x :: rest) : (m.afterWorld x).Inv := by
  unfold M.afterWorld
  split
  · exact k
  · next e =>
    have e : x = .world := Decidable.byContradiction e
    split
    · next c ρ K j hc =>
      unfold driveRoot
      have i : m.has .world = true := has_of_code (by rw [hc]; exact nofun)
      obtain ⟨b, _⟩ := k.solo (n := m.setCode .world (.driving .root { op := "run.next", args := [.run 0], stack := [] }))
        (e ▸ hs) (fun u o => by rw [hc]; exact nofun) (k.sound.setCode i _ fun h => absurd rfl (h rfl _ _))
        (fun y e => run_setCode_ne m _ e) (by rw [run_setCode_same]) (fun _ => by rw [run_setCode_same])
        (fun y hy => by
          rw [has_setCode, Bool.or_eq_true, beq_iff_eq] at hy
          exact hy.elim (fun e => e ▸ i) fun h => h)
        (by unfold Link; rw [run_setCode_same]; trivial)
      refine ⟨b.stack _, b.root, ⟨{ op := "run.next", args := [.run 0], stack := [] }, ?_⟩, rfl⟩
      show ((m.setCode .world (.driving .root { op := "run.next", args := [.run 0], stack := [] })).run .world).code = _
      rw [run_setCode_same]
    · exact k

/-! ## Ending -/

theorem Inv.discardMade {m n : M} (k : m.Inv) {x : Id} {rest : List Id} (hs : m.stack = x :: rest) (ix : m.has x = true)
    (ne : x ≠ .world) {c : Comp} {ρ : Env} {K : Stack} {j : Nat} (hc : (m.run x).code = .settled (.running c ρ K j)) {again : Comp}
    (h : m.discardMade x again = some n) : n.Inv := by
  unfold M.discardMade at h
  split at h
  · cases h
  · next kid hk =>
    have ik : kid ∈ m.kids x := by
      unfold newestMade at hk
      exact (List.mem_filter.mp (List.mem_of_getLast? hk)).1
    split at h
    · next hb =>
      cases h
      refine (k.begin hs ix (fun u o => by rw [hc]; exact nofun) ((mem_kids_iff k.sound.nodup).mp ik) (fun e => absurd e ne) ?_ hb).1
      rw [k.sound.agrees x fun e => absurd e ne, hc]
      rfl
    · cases h

/-- Runs that were lent to the active run go back: of the runs that it owns, some get another owner. -/
theorem Inv.moved {m n : M} (k : m.Inv) {x : Id} {rest : List Id} (hs : m.stack = x :: rest) (ne : x ≠ .world)
    {s : Settled} (hc : (m.run x).code = .settled s) (sound : n.Steady)
    (same : ∀ y, (n.run y).code = (m.run y).code ∧ (n.run y).trace = (m.run y).trace ∧ (n.run y).handles = (m.run y).handles)
    (owner : ∀ y, (n.run y).owner = (m.run y).owner ∨ (m.run y).owner = some x) (stack : n.stack = m.stack) : n.Inv := by
  have hw := k.sound.world
  have path := k.path
  rw [hs] at path
  have sm : ∀ y, Same m n y := fun y => ⟨(same y).1, by rw [(same y).2.1], fun j c h => by rw [(same y).2.1]; exact h⟩
  have stay : ∀ y, (m.run y).owner ≠ some x → (n.run y).owner = (m.run y).owner := fun y h => (owner y).resolve_right h
  refine ⟨⟨sound, ?_, (same _).2.2.trans k.handles, fun y => ?_⟩, ?_⟩
  · rw [stay _ (by rw [k.root]; exact fun h => ne (Option.some.inj h).symm)]; exact k.root
  · by_cases e : x = y
    · right
      subst e
      unfold Link
      rw [(same x).1, hc]; trivial
    · cases hy : m.has y with
      | false =>
        right
        unfold Link
        rw [(same y).1, run_of_not_has hy]; trivial
      | true =>
        by_cases w : m.Within y x
        · have b : m.Beneath y x := w.cases.resolve_left fun h => e h.symm
          refine k.links.inside hw path (fun u o => by rw [hc]; exact nofun)
            (fun a u o _ ha _ _ => ⟨u, o, (same a).1.trans ha, rfl⟩) (fun z _ h => stay z h) fun l =>
            .inr (l.frame (fun z _ => sm z) fun z hz => stay z fun h => ?_)
          obtain ⟨o, ho, hz⟩ := hz
          rw [h] at ho
          cases ho
          exact path.rooted.irrefl hw (hz.trans_beneath b)
        · exact k.links.outside hw path (fun z _ hz => ⟨sm z, stay z fun h => hz (.up h (.refl _))⟩) hy w
  · rw [stack, hs]
    refine path.frame (stay x fun h => path.rooted.irrefl hw (.of_owner h)) fun y hy => ⟨stay y fun h => ?_, (same y).1⟩
    exact path.rooted.irrefl hw ((path.beneath hy).trans_within (.up h (.refl _)))

theorem Inv.giveBack {m : M} (k : m.Inv) {x : Id} {rest : List Id} (hs : m.stack = x :: rest) (ne : x ≠ .world)
    {s : Settled} (hc : (m.run x).code = .settled s) : (m.giveBack x).Inv := by
  have go : ∀ (l : List Id) (p : M), (∀ y ∈ l, (m.run y).owner = some x) → p.Steady →
      (∀ y, (p.run y).code = (m.run y).code ∧ (p.run y).trace = (m.run y).trace ∧ (p.run y).handles = (m.run y).handles) →
      (∀ y, (p.run y).owner = (m.run y).owner ∨ (m.run y).owner = some x) → p.stack = m.stack → (∀ y, p.has y = m.has y) →
      M.Inv (l.foldl (fun m k => match (m.run k).givers with
        | g :: gs => m.own k g gs
        | [] => m) p) := by
    intro l
    induction l with
    | nil => exact fun p _ s a b c _ => k.moved hs ne hc s a b c
    | cons y l ih =>
      intro p hl s a b c d
      rw [List.foldl_cons]
      have oy := hl y List.mem_cons_self
      split
      · next g gs _ =>
        have i : p.has y = true := (d y).trans (has_of_owner oy)
        refine ih _ (fun z hz => hl z (List.mem_cons_of_mem _ hz)) (s.own i (ne_world_of_owner k.sound.world oy) _ _) (fun z => ?_)
          (fun z => ?_) c fun z => ?_
        · rw [run_own]; split
          · next e => rw [← e]; exact a y
          · exact a z
        · rw [run_own]; split
          · next e => rw [← e]; exact .inr oy
          · exact b z
        · rw [has_own, d]
          by_cases e : y = z
          · rw [← e, beq_self_eq_true, Bool.true_or, has_of_owner oy]
          · rw [beq_eq_false_iff_ne.mpr e, Bool.false_or]
      · exact ih p (fun z hz => hl z (List.mem_cons_of_mem _ hz)) s a b c d
  exact go (m.kids x) m (fun y hy => (mem_kids_iff k.sound.nodup).mp hy) k.sound (fun _ => ⟨rfl, rfl, rfl⟩) (fun _ => .inl rfl) rfl
    fun _ => rfl

/-- The active run ends, or discards first what it made. -/
theorem Inv.finish {m : M} (k : m.Inv) {x : Id} {rest : List Id} (hs : m.stack = x :: rest) (ix : m.has x = true)
    (ne : x ≠ .world) {c : Comp} {ρ : Env} {K : Stack} {j : Nat} (hc : (m.run x).code = .settled (.running c ρ K j)) (again : Comp)
    (kind : EndKind) (v : Value) {code : Settled} (hcode : code.waits = false) : (m.finish x again kind v code).Inv := by
  unfold M.finish
  split
  · next h => exact k.discardMade hs ix ne hc h
  · have r : (m.recordCode x (.ended kind v) (.settled code)).Inv :=
      k.recordSolo hs ix (fun u o => by rw [hc]; exact nofun) _ _ (fun h => nomatch h)
        (by rw [Trace.asksIntent_none (Trace.question_closes rfl _)]; exact hcode.symm) ⟨_, rfl⟩ fun _ => rfl
    exact r.giveBack (s := code) hs ne (by rw [run_recordCode_same])

end M

end Shepherd
