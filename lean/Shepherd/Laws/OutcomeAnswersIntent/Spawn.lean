import Shepherd.Laws.OutcomeAnswersIntent.Operations

/-!
# A run is spawned
-/

namespace Shepherd

namespace M

/-- The asker holds the run just made, and is answered. -/
theorem answerRun_sound {m : M} (k : m.Steady) {x : Id} (i : m.has x = true) (r : m.Rooted x) (ne : x ≠ .world)
    (asks : Trace.asksIntent (m.run x).trace = true) (w : Waiting) (id : Id) :
    (m.answerRun x w id).Steady ∧ (∀ y, x ≠ y → (m.answerRun x w id).run y = m.run y) ∧
      ((m.answerRun x w id).run x).owner = (m.run x).owner ∧ (∃ s, ((m.answerRun x w id).run x).code = .settled s) ∧
      (m.answerRun x w id).stack = m.stack := by
  obtain ⟨r', v, e, rid, rt, ro, rc⟩ : ∃ r' v, m.answerRun x w id = (m.put r').reply x w v ∧ r'.id = x ∧
      r'.trace = (m.run x).trace ∧ r'.owner = (m.run x).owner ∧ r'.code = (m.run x).code :=
    ⟨_, _, rfl, run_id m x, rfl, rfl, rfl⟩
  rw [e]
  have s : (m.put r').Steady := k.put r' (by rw [rid]; exact i) (by rw [rid, rt]) (fun e => absurd (rid.symm.trans e) ne) fun _ => by
    rw [rt, rc]; exact k.agrees x fun e => absurd e ne
  have run : (m.put r').run x = r' := by rw [← rid]; exact run_put_same m r'
  have other : ∀ y, x ≠ y → (m.put r').run y = m.run y := fun y e => run_put_ne m (by rw [rid]; exact e)
  have has : (m.put r').has x = true := by rw [M.has_put, i, Bool.or_true]
  have rooted : (m.put r').Rooted x := r.of_owners fun z _ => by
    by_cases e : x = z
    · rw [← e, run, ro]
    · rw [other z e]
  have asks' : Trace.asksIntent ((m.put r').run x).trace = true := by rw [run, rt]; exact asks
  refine ⟨s.closes has rooted (.inl rfl) _ _ (fun _ => .inl asks') rfl rfl, fun y e => ?_, ?_, ?_, rfl⟩
  · rw [reply_eq, run_record_ne _ _ _ e, other y e]
  · rw [reply_eq, owner_record, run, ro]
  · rw [reply_eq, run_record_same]
    exact ⟨_, rfl⟩

theorem _root_.Shepherd.Id.CopyOf.of_made {y x a : Id} {n : Nat} (h : Id.CopyOf y x) (e : x = .made a n) : y = x := by
  cases h with
  | self => rfl
  | copy f _ => cases e

/-- A run is put in that has not recorded anything yet. -/
theorem SteadyBut.spawned {m : M} (k : m.Steady) (r : Run) (absent : m.has r.id = false) (ne : r.id ≠ .world)
    (made : ∃ a n, r.id = .made a n) (trace : r.trace = []) (code : r.code.settle.waits = false) : (m.put r).SteadyBut r.id := by
  have same : ∀ y, ((m.put r).run y).trace = (m.run y).trace := fun y => by
    rw [run_put]; split
    · next e => rw [trace, ← e, run_of_not_has absent]; rfl
    · rfl
  have has : ∀ y, (m.put r).has y = true → r.id = y ∨ m.has y = true := fun y h => by
    rw [M.has_put, Bool.or_eq_true, beq_iff_eq] at h; exact h
  have mono : ∀ y, m.has y = true → (m.put r).has y = true := fun y => Runs.has_put_of_has r
  refine ⟨nodup_put_new k.nodup absent, ?_, ⟨⟨fun y c hc => ?_, fun y c hc => ?_, fun y c hc h hh => ?_, fun y => ?_⟩,
    fun y hy nw nr => ?_, fun y c t hc => ?_, fun y c hc h hh => ?_, fun y c hc => ?_, fun y c hc h hh hi => ?_,
    fun y c₀ hc₀ z n z' n' hz hz' c hc => ?_⟩, fun y => ?_, fun y hy => ?_⟩
  · rw [run_put_ne m ne]; exact k.world
  · exact k.hist.named.today y c (same y ▸ hc)
  · rw [same]; exact k.hist.named.recorded y c (same y ▸ hc)
  · rw [same]; exact k.hist.named.heads y c (same y ▸ hc) h hh
  · rw [same]; exact k.hist.named.indexed y
  · rw [same]
    exact k.hist.full y ((has y hy).resolve_left fun e => nr e.symm) nw nw
  · rw [same] at hc ⊢; exact k.hist.own y c t hc
  · rw [same] at hc
    exact ⟨mono _ (k.hist.heads y c hc h hh).1, (k.hist.heads y c hc h hh).2⟩
  · rw [same] at hc; exact k.hist.tree y c hc
  · rw [same] at hc
    rw [same, same]
    rcases has _ hi with e | hi
    · obtain ⟨a, n, hr⟩ := made
      have co := (Id.copyOf_today c.run y h.id).of_made (e.symm.trans hr)
      have := (k.hist.heads y c hc h hh).1
      rw [co, ← e, absent] at this
      cases this
    · exact k.hist.inherits y c hc h hh hi
  · rw [same] at hc₀ hc
    exact k.hist.since y c₀ hc₀ z n z' n' hz hz' c hc
  · rw [same]; exact k.good y
  · rw [same]
    rw [run_put] at hy ⊢
    split
    · next e =>
      rw [code, ← e, run_of_not_has absent]; rfl
    · next e =>
      rw [if_neg e] at hy
      exact k.agrees y hy

variable {m : M} {x : Id} {rest : List Id} {w : Waiting}

theorem Inv.spawn (k : m.Inv) (held : m.Holds) (wf : Wf m True) (hs : m.stack = x :: rest)
    (hc : (m.run x).code = .settled (.waiting w)) (ne : x ≠ .world) : (m.spawn x w).Inv := by
  have hw := k.sound.world
  have path := k.path
  rw [hs] at path
  have ix : m.has x = true := has_of_code (by rw [hc]; exact nofun)
  have absent := not_has_made wf x
  unfold M.spawn
  split
  · split
    · exact k.answered hs hc _
    · split
      · exact k.answered hs hc _
      · next request _ =>
        simp only
        generalize hT : Value.mapHandlesList (give (m.run x).handles) [] _ = T
        have inT : ∀ h ∈ T.1, m.has h = true := by
          rw [← hT]
          exact Value.mapHandlesList_keeps (P := fun t => ∀ g ∈ t, m.has g = true)
            (fun t h ht => renumber_keeps wf.world (held.runs x) t h ht) _ [] fun g hg => absurd hg List.not_mem_nil
        generalize hid : Id.made x (m.run x).made = id at absent
        generalize hr : Run.mk id _ _ _ _ _ _ _ _ _ _ _ _ = r
        have rid : r.id = id := by rw [← hr]
        have rt : r.trace = [] := by rw [← hr]
        have rc : ∃ c ρ K, r.code = .settled (.running c ρ K 0) := by rw [← hr]; exact ⟨_, _, _, rfl⟩
        have ro : r.owner = some x := by rw [← hr]
        have nid : id ≠ .world := by rw [← hid]; exact nofun
        have xid : x ≠ id := fun e => by rw [← e, ix] at absent; cases absent
        have s₀ : (m.put r).SteadyBut id := rid ▸ k.sound.spawned r (rid.symm ▸ absent) (rid.symm ▸ nid)
          ⟨x, _, rid.trans hid.symm⟩ rt (by obtain ⟨c, ρ, K, e⟩ := rc; rw [e]; rfl)
        have run₀ : ∀ y, id ≠ y → (m.put r).run y = m.run y := fun y e => run_put_ne m (by rw [rid]; exact e)
        have own₀ : ((m.put r).run id) = r := by rw [← rid]; exact run_put_same m r
        -- What was lent.
        have lent : ∀ l : List Id, (∀ h ∈ l, m.has h = true) → ∀ p : M, p.SteadyBut id →
            (∀ y, (p.run y).code = ((m.put r).run y).code ∧ (p.run y).trace = ((m.put r).run y).trace ∧
              (p.run y).handles = ((m.put r).run y).handles) →
            (∀ y, (p.run y).owner = ((m.put r).run y).owner ∨ (m.has y = true ∧ (m.run y).owner = some x ∧ (p.run y).owner = some id)) →
            (∀ y, p.has y = (m.put r).has y) → p.stack = m.stack →
            ∃ n, l.foldl (lend x id) p = n ∧ n.SteadyBut id ∧
              (∀ y, (n.run y).code = ((m.put r).run y).code ∧ (n.run y).trace = ((m.put r).run y).trace ∧
                (n.run y).handles = ((m.put r).run y).handles) ∧
              (∀ y, (n.run y).owner = ((m.put r).run y).owner ∨
                (m.has y = true ∧ (m.run y).owner = some x ∧ (n.run y).owner = some id)) ∧
              (∀ y, n.has y = (m.put r).has y) ∧ n.stack = m.stack := by
          intro l
          induction l with
          | nil => exact fun _ p a b c d e => ⟨p, rfl, a, b, c, d, e⟩
          | cons h l ih =>
            intro hl p a b c d e
            rw [List.foldl_cons]
            have ih' := ih fun g hg => hl g (List.mem_cons_of_mem _ hg)
            have ih := h
            have hh := hl h List.mem_cons_self
            have hid' : id ≠ h := fun e => by rw [e, hh] at absent; cases absent
            unfold lend
            split
            · next ho =>
              have ho : (p.run h).owner = some x := by unfold owns at ho; exact beq_iff_eq.mp ho
              have old : (m.run h).owner = some x := by
                rcases c h with e | e
                · rw [run₀ h hid'] at e; rw [← e]; exact ho
                · exact e.2.1
              have ph : p.has h = true := has_of_owner ho
              refine ih' _ (a.own ph (ne_world_of_owner a.world ho) _ _) (fun y => ?_) (fun y => ?_) (fun y => ?_) e
              · rw [run_own]; split
                · next e => rw [← e]; exact b h
                · exact b y
              · rw [run_own]; split
                · next e => rw [← e]; exact .inr ⟨hh, old, rfl⟩
                · exact c y
              · rw [has_own, ← d]
                by_cases e : h = y
                · rw [← e, beq_self_eq_true, Bool.true_or, ph]
                · rw [beq_eq_false_iff_ne.mpr e, Bool.false_or]
            · exact ih' p a b c d e
        obtain ⟨p, hp, sp, bp, cp, dp, ep⟩ := lent T.1 inT (m.put r) s₀ (fun _ => ⟨rfl, rfl, rfl⟩) (fun _ => .inl rfl) (fun _ => rfl) rfl
        rw [hp]
        have pid : p.has id = true := by rw [dp, ← rid]; exact Runs.has_put_self _ _
        have powner : ∀ y, id ≠ y → (p.run y).owner = (m.run y).owner ∨ (m.has y = true ∧ (m.run y).owner = some x) := fun y e => by
          rcases cp y with h | h
          · rw [run₀ y e] at h; exact .inl h
          · exact .inr ⟨h.1, h.2.1⟩
        have oid : (p.run id).owner = some x := by
          rcases cp id with h | h
          · rw [h, own₀, ro]
          · rw [absent] at h; cases h.1
        have above : ∀ z, m.Within x z → (p.run z).owner = (m.run z).owner := fun z hz => by
          have iz : id ≠ z := fun e => by
            rcases hz.cases with h | h
            · exact xid (h.trans e.symm)
            · have := (path.driving (path.above hw h))
              obtain ⟨r', v, hd⟩ := this
              rw [← e, run_of_not_has absent] at hd
              cases hd
          exact (powner z iz).resolve_right fun h => path.rooted.irrefl hw (hz.trans_beneath (.of_owner h.2))
        have rx : p.Rooted x := path.rooted.of_owners above
        have rid' : p.Rooted id := rx.of_within (.up oid (.refl _))
        generalize hev : Event.start _ _ _ _ _ _ = ev
        have evc : ev.closes = true := by rw [← hev]; rfl
        have evo : ev.isOutcome = false := by rw [← hev]; rfl
        generalize hcode : bodyOf _ T.2 = code
        have codes : code.settle.waits = false := by rw [← hcode]; rfl
        have sq : (p.recordCode id ev code).Steady :=
          sp.closes pid rid' (.inr rfl) ev _ (fun h => by rw [evo] at h; cases h) evc codes
        have qother : ∀ y, id ≠ y → (p.recordCode id ev code).run y = p.run y := fun y e => run_recordCode_ne p _ _ e
        have qowner : ∀ y, ((p.recordCode id ev code).run y).owner = (p.run y).owner := fun y => owner_record p id _ _ y
        have qx : (p.recordCode id ev code).has x = true := by
          rw [recordCode_eq, has_record, dp, M.has_put, ix, Bool.or_true, Bool.or_true]
        have asks : Trace.asksIntent ((p.recordCode id ev code).run x).trace = true := by
          rw [qother x (Ne.symm xid), (bp x).2.1, run₀ x (Ne.symm xid)]; exact k.sound.waiting hc
        obtain ⟨sn, other, ownx, ⟨st, codex⟩, stack⟩ := answerRun_sound sq qx (rx.of_owners fun z _ => qowner z) ne asks w id
        generalize (p.recordCode id ev code).answerRun x w id = n at sn other ownx codex stack
        have nrun : ∀ y, x ≠ y → id ≠ y → n.run y = p.run y := fun y a b => (other y a).trans (qother y b)
        refine k.block hs ne (fun u o => by rw [hc]; exact nofun) sn (by unfold Link; rw [codex]; trivial) (fun y hy e => ?_) ?_
          (fun y hy => ?_) (fun y hy => ?_) ?_ ?_
        · have iy : id ≠ y := fun e => by rw [e, hy] at absent; cases absent
          rw [nrun y e iy, (bp y).1, (bp y).2.1, run₀ y iy]
          exact ⟨rfl, rfl⟩
        · rw [ownx, qother x (Ne.symm xid)]
          exact above x (.refl _)
        · have iy : id ≠ y := fun e => by rw [e, hy] at absent; cases absent
          by_cases e : x = y
          · subst e
            rw [ownx, qother x (Ne.symm xid)]
            exact .inl (above x (.refl _))
          · rw [nrun y e iy]
            exact (powner y iy).imp_right And.right
        · have e : x ≠ y := fun e => by rw [← e, ix] at hy; cases hy
          unfold Link
          by_cases iy : id = y
          · subst iy
            rw [other _ e, run_recordCode_same, ← hcode]
            trivial
          · rw [nrun y e iy, (bp y).1, run₀ y iy, run_of_not_has hy]
            trivial
        · rw [nrun _ ne nid, (bp _).2.2, run₀ _ nid]
        · rw [stack]; exact ep
  · exact k.answered hs hc _

end M

end Shepherd
