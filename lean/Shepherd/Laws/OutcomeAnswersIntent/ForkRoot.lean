import Shepherd.Laws.OutcomeAnswersIntent.World

/-!
# The whole tree is forked from outside
-/

namespace Shepherd

namespace M

/-- A run of a tree forked from outside, where it is not the outermost owner's, stands where its last event left it. -/
theorem asOf_last {r : Run} {owner : Option Id} {givers : List Id} {c : Commit} {t : Trace} (h : r.trace = c :: t) :
    (asOf r owner givers).code = .settled c.code ∧ (asOf r owner givers).owner = owner := by
  unfold asOf
  rw [h]
  exact ⟨rfl, rfl⟩

theorem Inv.forkRoot {m n : M} (k : m.Inv) (held : m.Holds) (t : m.Tidy) (wf : Wf m) (logged : ∀ c ∈ (m.run .root).trace, c ∈ m.log)
    (h : m.forkRoot = some n) : n.Inv ∧ n.Holds ∧ n.Tidy := by
  have hw := k.sound.world
  obtain ⟨c, tr, ht, hl, rfl⟩ := forkRoot_last wf logged h
  have hcm : c ∈ (m.run .root).trace := by rw [ht]; exact List.mem_cons_self
  have self : c.run = .root := k.sound.hist.named.today .root c hcm
  have lastRoot : ∀ g ∈ c.heads, m.Beneath g.id .root := fun g hg => self ▸ t.last c hl g hg
  have tree := k.sound.hist.tree .root c hcm
  have hasHead : ∀ g ∈ c.heads, m.has g.id = true := fun g hg => (k.sound.hist.heads .root c hcm g hg).1
  have headRoot : ∀ g ∈ c.heads, g.id ≠ .root := fun g hg e =>
    (List.nodup_cons.mp tree.nodup).1 (List.mem_map.mpr ⟨g, hg, e.trans self.symm⟩)
  have headWorld : ∀ g ∈ c.heads, g.id ≠ .world := fun g hg => ne_world_of_within hw (lastRoot g hg).within nofun
  have heads : ∀ x ∈ m.heads .root c, ∃ g ∈ c.heads, x.id = g.id ∧ x.owner = g.owner := by
    intro x hx
    unfold M.heads at hx
    obtain ⟨g, hg, rfl⟩ := List.mem_map.mp hx
    exact ⟨g, hg, rfl, rfl⟩
  have id_same : ∀ r, (m.asForked c r).id = r.id := fun r => by
    unfold asForked
    repeat' split
    · rfl
    · exact asOf_id _ _ _
    · exact asOf_id _ _ _
    · rfl
  have trace_same : ∀ r, (m.asForked c r).trace = r.trace := fun r => by
    unfold asForked
    repeat' split
    · rfl
    · exact asOf_trace _ _ _
    · exact asOf_trace _ _ _
    · rfl
  generalize hm₁ : ({ m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used } : M) = m₁
  have hhas : ∀ j, m₁.has j = m.has j := fun j => by rw [← hm₁]; exact has_map id_same _ _
  have hrun : ∀ j, m.has j = true → m₁.run j = m.asForked c (m.run j) := fun j hj => by rw [← hm₁]; exact find_map id_same _ _ hj
  have habs : ∀ j, m.has j = false → m₁.run j = m.run j := fun j hj => by
    rw [run_of_not_has hj, run_of_not_has ((hhas j).trans hj)]
  have trace₁ : ∀ j, (m₁.run j).trace = (m.run j).trace := fun j => by
    cases hj : m.has j with
    | true => rw [hrun j hj, trace_same]
    | false => rw [habs j hj]
  have rootHas : m.has .root = true := has_of_owner k.root
  have world₁ : (m₁.run .world).code = worldRun.code ∧ (m₁.run .world).owner = none ∧ (m₁.run .world).handles = [.root] := by
    rw [hrun _ wf.world]
    unfold asForked
    rw [if_pos (run_id m .world)]
    exact ⟨rfl, hw, k.handles⟩
  have root₁ : (m₁.run .root).code = .settled c.code ∧ (m₁.run .root).owner = some .world := by
    rw [hrun _ rootHas]
    unfold asForked
    rw [run_id, if_neg nofun, if_pos rfl]
    exact asOf_last ht
  have head₁ : ∀ g ∈ c.heads, (∃ d u, (m.run g.id).trace = d :: u ∧ (m₁.run g.id).code = .settled d.code) ∧
      (m₁.run g.id).owner = some g.owner := by
    intro g hg
    have full := k.sound.hist.full g.id (hasHead g hg) (headWorld g hg) (headWorld g hg)
    rw [hrun _ (hasHead g hg)]
    unfold asForked
    rw [run_id, if_neg (headWorld g hg), if_neg (headRoot g hg)]
    cases hf : (m.heads .root c).find? fun x => x.id == g.id with
    | none =>
      exfalso
      obtain ⟨x, hx, e, _⟩ := heads_id (m := m) (id := .root) hg
      have := List.find?_eq_none.mp hf x hx
      rw [show Id.today c.run .root g.id = g.id from rfl] at e
      rw [e, beq_self_eq_true] at this
      exact this rfl
    | some x =>
      have hx := List.mem_of_find?_eq_some hf
      have e : x.id = g.id := beq_iff_eq.mp (List.find?_some (p := fun x : Then => x.id == g.id) hf)
      obtain ⟨g', hg', e', eo⟩ := heads x hx
      have : g' = g := tree.unique hg' hg (e'.symm.trans e)
      cases hd : (m.run g.id).trace with
      | nil => exact absurd hd full
      | cons d u =>
        simp only
        obtain ⟨a, b⟩ := asOf_last (owner := some x.owner) (givers := x.givers) hd
        exact ⟨⟨d, u, rfl, a⟩, by rw [b, eo, this]⟩
  have other₁ : ∀ j, j ≠ .world → j ≠ .root → (∀ g ∈ c.heads, g.id ≠ j) → m₁.run j = m.run j := by
    intro j nw nr ng
    cases hj : m.has j with
    | false => exact habs j hj
    | true =>
      rw [hrun j hj]
      unfold asForked
      rw [run_id, if_neg nw, if_neg nr]
      cases hf : (m.heads .root c).find? fun x => x.id == j with
      | none => rfl
      | some x =>
        exfalso
        have e : x.id = j := beq_iff_eq.mp (List.find?_some (p := fun x : Then => x.id == j) hf)
        obtain ⟨g, hg, e', _⟩ := heads x (List.mem_of_find?_eq_some hf)
        exact ng g hg (e'.symm.trans e)
  have s₁ : m₁.Steady := by
    refine ⟨?_, world₁.2.1, k.sound.hist.same hhas trace₁, fun j => by rw [trace₁]; exact k.sound.good j, fun j hj => ?_⟩
    · rw [← hm₁]
      show ((m.runs.map (m.asForked c)).map Run.id).Nodup
      rw [List.map_map]
      have : (Run.id ∘ m.asForked c) = Run.id := funext id_same
      rw [this]; exact k.sound.nodup
    · rw [trace₁]
      by_cases ew : j = .world
      · subst ew
        exact absurd world₁.1 (hj rfl _ _)
      · by_cases er : j = .root
        · subst er
          rw [root₁.1, ht]
          exact (k.sound.good .root c tr (by rw [ht]; exact List.suffix_refl _)).2
        · by_cases eg : ∃ g ∈ c.heads, g.id = j
          · obtain ⟨g, hg, rfl⟩ := eg
            obtain ⟨⟨d, u, hd, ec⟩, _⟩ := head₁ g hg
            rw [ec, hd]
            exact (k.sound.good g.id d u (by rw [hd]; exact List.suffix_refl _)).2
          · have eg : ∀ g ∈ c.heads, g.id ≠ j := fun g hg e => eg ⟨g, hg, e⟩
            rw [other₁ j ew er eg]
            exact k.sound.agrees j fun e => absurd e ew
  have hw₁ := s₁.world
  have r₁ : m₁.Rooted .root := ⟨1, .world, root₁.2, rfl⟩
  have up₁ : ∀ y, c.Up y → m₁.Beneath y .root := by
    intro y hy
    induction hy with
    | @top h hm ho => exact ⟨_, (head₁ h hm).2, by rw [ho, self]; exact .refl _⟩
    | @step h g hm hg ho _ ih => exact ⟨_, (head₁ h hm).2, by rw [ho]; exact ih.within⟩
  have below₁ : ∀ g ∈ c.heads, m₁.Beneath g.id .root := fun g hg => up₁ g.id (tree.up g hg)
  -- Who is not below the root run now, was not, and is as it was.
  have out : ∀ y, ¬ m₁.Within y .root → y ≠ .world → m₁.run y = m.run y := fun y h nw =>
    other₁ y nw (fun e => h (e ▸ .refl _)) fun g hg e => h (e ▸ (below₁ g hg).within)
  have to₁ : ∀ y, m.Within y .root → m₁.Within y .root := by
    suffices ∀ y z, m.Within y z → z = .root → m₁.Within y z from fun y h => this y .root h rfl
    intro y z h
    induction h with
    | refl => exact fun _ => .refl _
    | @up y o z ho _ ih =>
      intro ez
      by_cases w : m₁.Within y .root
      · rw [ez]; exact w
      · rw [← out y w (ne_world_of_owner hw ho)] at ho
        exact .up ho (ih ez)
  have from₁ : ∀ y, m₁.Within y .root → m.Within y .root := by
    suffices ∀ y z, m₁.Within y z → z = .root → m.Within y z from fun y h => this y .root h rfl
    intro y z h
    induction h with
    | refl => exact fun _ => .refl _
    | @up y o z ho _ ih =>
      intro ez
      by_cases eg : ∃ g ∈ c.heads, g.id = y
      · obtain ⟨g, hg, e⟩ := eg
        rw [ez, ← e]; exact (lastRoot g hg).within
      · by_cases er : y = .root
        · rw [ez, er]; exact .refl _
        · rw [other₁ y (ne_world_of_owner hw₁ ho) er fun g hg e => eg ⟨g, hg, e⟩] at ho
          exact .up ho (ih ez)
  have fam : ∀ y, y ∈ m₁.family .root ↔ m₁.Within y .root := fun y => mem_family_iff s₁.nodup hw₁ r₁
  have pairs : (m₁.family .root).Pairwise fun a b => ¬ m₁.Within b a := by
    unfold family
    rw [List.pairwise_append]
    refine ⟨below_pairwise s₁.nodup hw₁ r₁, List.pairwise_singleton _ _, fun a ha b hb h => ?_⟩
    rw [List.mem_singleton.mp hb] at h
    exact r₁.irrefl hw₁ (h.trans_beneath (beneath_of_mem_below s₁.nodup ha))
  have stack₁ : m₁.stack = [.root, .world] := by rw [← hm₁]
  have go : ∀ (todo before : List Id) (p : M), m₁.family .root = before ++ todo → p.Steady →
      (∀ y, (p.run y).owner = (m₁.run y).owner) → (∀ y, p.has y = m.has y) → p.stack = m₁.stack →
      (∀ y, y ∉ before → p.run y = m₁.run y) → (∀ y ∈ before, p.Calmed y) →
      ∃ n, todo.foldl (markFork c) p = n ∧ n.Steady ∧ (∀ y, (n.run y).owner = (m₁.run y).owner) ∧
        n.stack = m₁.stack ∧ (∀ y, y ∉ m₁.family .root → n.run y = m₁.run y) ∧ ∀ y ∈ m₁.family .root, n.Calmed y := by
    intro todo
    induction todo with
    | nil =>
      intro before p e s o h st ot ca
      rw [List.append_nil] at e
      exact ⟨p, rfl, s, o, st, by rw [e]; exact ot, by rw [e]; exact ca⟩
    | cons y todo ih =>
      intro before p e s o h st ot ca
      have my : y ∈ m₁.family .root := by rw [e]; exact List.mem_append_right _ List.mem_cons_self
      have wy := (fam y).mp my
      have pw := pairs
      rw [e, List.pairwise_append] at pw
      obtain ⟨_, pt, pc⟩ := pw
      have nb : y ∉ before := fun hb => pc y hb y List.mem_cons_self (.refl _)
      have hy : m.has y = true := by
        rcases wy.cases with rfl | b
        · exact rootHas
        · rw [← hhas]; exact b.has
      have ry : p.Rooted y := (r₁.of_within wy).of_owners fun z _ => o z
      have ny : y ≠ .world := ne_world_of_within hw₁ wy nofun
      have py : p.run y = m₁.run y := ot y nb
      have kids : ∀ z, (p.run z).owner = some y → p.Link z := fun z hz => by
        rw [o z] at hz
        have mz : z ∈ m₁.family .root := (fam z).mpr (.up hz wy)
        rw [e, List.mem_append] at mz
        rcases mz with mz | mz
        · exact (ca z mz).1
        · rcases List.mem_cons.mp mz with rfl | mz
          · exact absurd (.of_owner hz) ((r₁.of_within wy).irrefl hw₁)
          · exact absurd (.up hz (.refl _)) ((List.pairwise_cons.mp pt).1 z mz)
      have agrees := s.agrees y fun e => absurd e ny
      have iy : p.has y = true := (h y).trans hy
      obtain ⟨code, hcode⟩ : ∃ code, (if y = .root then Code.settled c.code else p.takenUp y (p.run y).handles (p.run y).code.settle) = code :=
        ⟨_, rfl⟩
      have settle : code.settle = (p.run y).code.settle := by
        rw [← hcode]
        split
        · next er => rw [py, er, root₁.1]
        · exact settled_takenUp _ _ _ _
      have S : Steps p (markFork c p y) y := by
        unfold markFork
        simp only
        rw [hcode]
        refine steps_record iy _ _ (s.record iy ry (.inl rfl) _ _ (fun h => nomatch h) ?_)
        rw [Trace.asksIntent_of_question (Trace.question_between rfl _), agrees]
        show _ = code.settle.waits
        rw [settle]
      have cy : (markFork c p y).Calmed y := by
        have hc' : ((markFork c p y).run y).code = code := by
          unfold markFork
          simp only
          rw [hcode, run_recordCode_same]
        by_cases er : y = .root
        · rw [if_pos er] at hcode
          exact .of_settled (s := c.code) (by rw [hc', ← hcode])
        · rw [if_neg er] at hcode
          exact calmed_takenUp s.world ry (hc'.trans hcode.symm) S.other kids
      rw [List.foldl_cons]
      refine ih (before ++ [y]) _ (by rw [e, List.append_assoc]; rfl) S.sound (fun z => (S.owner z).trans (o z))
        (fun z => (S.has z).trans (h z)) (S.stack.trans st) (fun z hz => ?_) fun z hz => ?_
      · rw [List.mem_append, List.mem_singleton, not_or] at hz
        rw [S.other z fun e => hz.2 e.symm]
        exact ot z hz.1
      · rw [List.mem_append, List.mem_singleton] at hz
        rcases hz with hz | rfl
        · refine (ca z hz).frame fun v hv => S.other v fun ev => ?_
          subst ev
          exact pc z hz y List.mem_cons_self (hv.of_owners fun w _ _ => (o w).symm)
        · exact cy
  obtain ⟨n, en, s, o, st, ot, ca⟩ := go (m₁.family .root) [] m₁ rfl s₁ (fun _ => rfl) hhas rfl (fun _ _ => rfl)
    fun y hy => absurd hy List.not_mem_nil
  have hHolds : m₁.Holds := by
    refine ⟨fun j h hh => ?_, fun j d hd h hh => ?_⟩
    · rw [hhas]
      have asOf_handles : ∀ {r : Run} {ow gv}, (∀ h ∈ r.handles, m.has h = true) → (∀ d ∈ r.trace, ∀ h ∈ d.handles, m.has h = true) →
          ∀ h ∈ (asOf r ow gv).handles, m.has h = true := by
        intro r ow gv a b h hh
        unfold asOf at hh
        split at hh
        · exact a h hh
        · next d u e => exact b d (by rw [e]; exact List.mem_cons_self) h hh
      cases hj : m.has j with
      | false => rw [habs j hj] at hh; exact held.runs j h hh
      | true =>
        rw [hrun j hj] at hh
        unfold asForked at hh
        split at hh
        · exact held.runs j h hh
        · split at hh
          · exact asOf_handles (held.runs j) (held.commits j) h hh
          · split at hh
            · exact asOf_handles (held.runs j) (held.commits j) h hh
            · exact held.runs j h hh
    · rw [hhas]
      rw [trace₁] at hd
      exact held.commits j d hd h hh
  have hTidy : n.Tidy := by
    rw [← en]
    unfold family
    rw [List.foldl_append]
    refine tidy_record_ne (id := .root) (nod_foldl (fun p x h => nod_record h _ _ _) _ s₁.nodup) nofun _ _
  have hHolds' : n.Holds := by
    rw [← en]
    exact (holding_foldl _ _ fun p x _ _ => holding_recordCode _ _ _ _).2 hHolds
  rw [en]
  have wn : Id.world ∉ m₁.family .root := fun h => by
    exact ne_world_of_within hw₁ ((fam _).mp h) nofun rfl
  refine ⟨⟨⟨s, (o _).trans root₁.2, ?_, fun y => ?_⟩, ?_⟩, hHolds', hTidy⟩
  · rw [ot _ wn]; exact world₁.2.2
  · by_cases wi : m₁.Within y .root
    · exact .inr (ca y ((fam y).mpr wi)).1
    · by_cases ew : y = .world
      · right
        subst ew
        unfold Link
        rw [ot _ wn, world₁.1]
        trivial
      · have unchanged : ∀ z, ¬ m₁.Within z .root → z ≠ .world → n.run z = m.run z := fun z h nz =>
          (ot z fun hm => h ((fam z).mp hm)).trans (out z h nz)
        rcases k.links y with f | f
        · left
          obtain ⟨a, u, o', ha, ho, hr, hyu⟩ := f
          have above : ∀ z, m.Within y z → ¬ m₁.Within z .root := fun z hz h => wi (to₁ y (hz.trans (from₁ z h)))
          have aw : a ≠ .world := fun e => wi (to₁ y (hr e ▸ hyu))
          have na : ¬ m₁.Within a .root := above a (hyu.trans_beneath (.of_owner ho)).within
          have zw : ∀ z, m.Within z u.run → z ≠ .world := fun z hzu => by
            obtain ⟨_, h, _⟩ := hzu.trans_beneath (.of_owner ho)
            exact ne_world_of_owner hw h
          refine ⟨a, u, o', by rw [unchanged a na aw]; exact ha, ?_, hr, ?_⟩
          · rw [unchanged _ (above _ hyu) (zw _ (.refl _))]; exact ho
          · exact hyu.of_owners fun z hzu hz => by rw [unchanged z (above z hz) (zw z hzu.within)]
        · right
          have down : ∀ z, m.Within z y → ¬ m₁.Within z .root ∧ z ≠ .world := fun z hz => by
            refine ⟨fun h => ?_, ne_world_of_within hw hz ew⟩
            rcases hz.compare (from₁ z h) with g | g
            · exact wi (to₁ y g)
            · rcases g.cases with e | ⟨o', ho', g⟩
              · exact wi (e ▸ .refl _)
              · rw [k.root] at ho'
                cases ho'
                rcases g.cases with e | ⟨o', ho', _⟩
                · exact ew e.symm
                · rw [hw] at ho'; cases ho'
          exact f.frame (fun z hz => .of_run (unchanged z (down z hz).1 (down z hz).2)) fun z hz => by
            rw [unchanged z (down z hz.within).1 (down z hz.within).2]
  · rw [st, stack₁]
    refine Upward.congr (m := n) ⟨?_, ⟨{ op := "run.next", args := [.run 0], stack := [] }, ?_⟩, rfl⟩ fun _ => rfl
    · rw [o]; exact root₁.2
    · rw [ot _ wn, world₁.1]
      rfl

end M

end Shepherd
