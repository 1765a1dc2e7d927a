import Shepherd.Laws.CompensationOrder.World
import Shepherd.Laws.OutcomeAnswersIntent.Whole

/-!
# The whole tree is forked from outside
-/

namespace Shepherd

namespace M

theorem Beneath.below {m : M} {x y : Id} (h : m.Beneath x y) : Runs.Below m.runs x y := by
  obtain ⟨o, ho, hw⟩ := h
  induction hw generalizing x with
  | refl => exact .own ho
  | up h _ ih => exact .up ho (ih h)

/-- A run of the forked tree has recorded `forked`. -/
structure Forked (m₁ n : M) (y : Id) : Prop where
  trace : ∃ c x j, (n.run y).trace = c :: (m₁.run y).trace ∧ c.event = .forked x j ∧ c.code = (n.run y).code.settle
  settle : (n.run y).code.settle = (m₁.run y).code.settle
  undoing : ∀ u o, (n.run y).code ≠ .undoing u o

theorem good_forkRoot {R : Regions} {m n : M} (g : Good R m) (k : Known m) (tidy : m.Tidy) (h : m.forkRoot = some n) : Good R n := by
  have w := k.sound.wf
  have nm := k.sound.granted.named
  have td := k.sound.bound.tied
  have logged : ∀ c ∈ (m.run .root).trace, c ∈ m.log := fun c hc => by
    have : c ∈ (m.run .root).trace.filter fun d => d.run == .root := List.mem_filter.mpr
      ⟨hc, beq_iff_eq.mpr (show c.run = .root from nm.today .root c hc)⟩
    rw [w.own] at this
    exact (List.mem_filter.mp this).1
  obtain ⟨c, t, ht, hl, hn⟩ := forkRoot_last w logged h
  have hc : c ∈ (m.run .root).trace := by rw [ht]; exact List.mem_cons_self
  have crun : c.run = .root := nm.today .root c hc
  have rootHas : m.has .root = true := Runs.has_of_owner g.root
  have ct := td.commits .root c hc
  have headsBelow : ∀ x ∈ c.heads, Runs.Below m.runs x.id .root := fun x hx => crun ▸ (tidy.last c hl x hx).below
  have bound₁ := bound_asForked k.sound.bound nm w (c := c) rootHas hc
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
  generalize hm₁ : ({ m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used } : M) = m₁ at bound₁ hn
  have f₁ := bound₁.tied.forest
  have hhas : ∀ j, m₁.has j = m.has j := fun j => by rw [← hm₁]; exact has_map id_same _ _
  have hrun : ∀ j, m.has j = true → m₁.run j = m.asForked c (m.run j) := fun j hj => by rw [← hm₁]; exact find_map id_same _ _ hj
  have habs : ∀ j, m.has j = false → m₁.run j = m.run j := fun j hj => by
    rw [run_of_not_has hj, run_of_not_has ((hhas j).trans hj)]
  have trace₁ : ∀ j, (m₁.run j).trace = (m.run j).trace := fun j => by
    cases hj : m.has j with
    | true => rw [hrun j hj, trace_same]
    | false => rw [habs j hj]
  have asOfCons : ∀ {r : Run} {o : Option Id} {gs : List Id} {d : Commit} {u : Trace}, r.trace = d :: u →
      (asOf r o gs).code = .settled d.code ∧ (asOf r o gs).owner = o := fun {r o gs d u} h => by
    unfold asOf; rw [h]; exact ⟨rfl, rfl⟩
  have world₁ : (m₁.run .world).code = worldRun.code ∧ (m₁.run .world).owner = none ∧ (m₁.run .world).handles = [.root] := by
    rw [hrun _ w.world]
    unfold asForked
    rw [if_pos (run_id m .world)]
    exact ⟨rfl, g.top, g.table⟩
  have root₁ : (m₁.run .root).code = .settled c.code ∧ (m₁.run .root).owner = some .world := by
    rw [hrun _ rootHas]
    unfold asForked
    rw [run_id, if_neg nofun, if_pos rfl]
    exact asOfCons ht
  have headNe : ∀ x ∈ c.heads, x.id ≠ .world ∧ x.id ≠ .root := fun x hx =>
    ⟨w.heads .root c hc x hx, fun e => (ct.over x hx).2 (e.trans crun.symm)⟩
  have head₁ : ∀ x ∈ c.heads, (∃ d u, (m.run x.id).trace = d :: u ∧ (m₁.run x.id).code = .settled d.code) ∧
      (m₁.run x.id).owner = some x.owner := by
    intro x hx
    have hh : m.has x.id = true := Runs.Below.has (headsBelow x hx)
    have full := (k.marked x.id hh (headNe x hx).1).1
    rw [hrun _ hh]
    unfold asForked
    rw [run_id, if_neg (headNe x hx).1, if_neg (headNe x hx).2]
    obtain ⟨y, hy, hid, ho⟩ : ∃ y ∈ m.heads .root c, y.id = x.id ∧ y.owner = x.owner := by
      unfold M.heads
      exact ⟨_, List.mem_map.mpr ⟨x, hx, rfl⟩, rfl, rfl⟩
    rw [← hid, find_heads (nodup_heads ct) hy]
    rw [hid]
    cases hd : (m.run x.id).trace with
    | nil => exact absurd hd full
    | cons d u =>
      simp only
      obtain ⟨a, b⟩ := asOfCons (o := some y.owner) (gs := y.givers) hd
      exact ⟨⟨d, u, rfl, a⟩, by rw [b, ho]⟩
  have other₁ : ∀ j, j ≠ .world → j ≠ .root → (∀ x ∈ c.heads, x.id ≠ j) → m₁.run j = m.run j := by
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
        have hx := List.mem_of_find?_eq_some hf
        unfold M.heads at hx
        obtain ⟨y, hy, rfl⟩ := List.mem_map.mp hx
        exact ng y hy e
  have stood₁ : ∀ y, c.Stood y → Runs.Below m₁.runs y .root := by
    intro y hy
    induction hy with
    | @top x hx e => exact .own (((head₁ x hx).2).trans (by rw [e, crun]))
    | @down x hx _ ih => exact .up (head₁ x hx).2 ih
  have below₁ : ∀ x ∈ c.heads, Runs.Below m₁.runs x.id .root := fun x hx => stood₁ x.id (ct.stood x hx)
  -- Who is not below the root run now, was not, and is as it was.
  have to₁ : ∀ y, Runs.Below m.runs y .root → Runs.Below m₁.runs y .root := by
    intro y hy
    generalize e : Id.root = r at hy
    induction hy with
    | @own y a ho =>
      subst e
      rcases Classical.em (∃ x ∈ c.heads, x.id = y) with ⟨x, hx, rfl⟩ | hx
      · exact below₁ x hx
      · have ho : (m.run y).owner = some .root := ho
        refine .own ?_
        show (m₁.run y).owner = _
        rw [other₁ y (g.ne_world ho) (fun e => by rw [e, g.root] at ho; cases ho) fun x h e => hx ⟨x, h, e⟩]
        exact ho
    | @up y o a ho _ ih =>
      subst e
      rcases Classical.em (∃ x ∈ c.heads, x.id = y) with ⟨x, hx, rfl⟩ | hx
      · exact below₁ x hx
      · have ho : (m.run y).owner = some o := ho
        rcases Classical.em (y = .root) with er | er
        · -- The outermost owner is below nobody.
          exfalso
          rw [er, g.root] at ho
          cases ho
          have hw := ih rfl
          cases hw with
          | own hw => have := world₁.2.1; rw [M.run, hw] at this; cases this
          | up hw _ => have := world₁.2.1; rw [M.run, hw] at this; cases this
        · refine .up (o := o) ?_ (ih rfl)
          show (m₁.run y).owner = _
          rw [other₁ y (g.ne_world ho) er fun x h e => hx ⟨x, h, e⟩]
          exact ho
  have from₁ : ∀ y, Runs.Below m₁.runs y .root → Runs.Below m.runs y .root := by
    intro y hy
    generalize e : Id.root = r at hy
    induction hy with
    | @own y a ho =>
      subst e
      have ho : (m₁.run y).owner = some .root := ho
      rcases Classical.em (∃ x ∈ c.heads, x.id = y) with ⟨x, hx, rfl⟩ | hx
      · exact headsBelow x hx
      · rw [other₁ y (fun e => by rw [e, world₁.2.1] at ho; cases ho) (fun e => by rw [e, root₁.2] at ho; cases ho)
          fun x h e => hx ⟨x, h, e⟩] at ho
        exact .own ho
    | @up y o a ho _ ih =>
      subst e
      have ho : (m₁.run y).owner = some o := ho
      rcases Classical.em (∃ x ∈ c.heads, x.id = y) with ⟨x, hx, rfl⟩ | hx
      · exact headsBelow x hx
      · rcases Classical.em (y = .root) with er | er
        · exfalso
          rw [er, root₁.2] at ho
          cases ho
          have hw := ih rfl
          cases hw with
          | own hw => have := g.top; rw [M.run, hw] at this; cases this
          | up hw _ => have := g.top; rw [M.run, hw] at this; cases this
        · rw [other₁ y (fun e => by rw [e, world₁.2.1] at ho; cases ho) er fun x h e => hx ⟨x, h, e⟩] at ho
          exact .up ho (ih rfl)
  have out₁ : ∀ y, ¬ m₁.Covers .root y → y ≠ .world → m₁.run y = m.run y := fun y hy nw =>
    other₁ y nw (fun e => hy (.inl e)) fun x hx e => hy (.inr (e ▸ below₁ x hx))
  have fam : ∀ y, y ∈ m₁.family .root ↔ m₁.Covers .root y := fun y => bound₁.tied.mem_family
  have worldOut : ¬ m₁.Covers .root .world := by
    rintro (e | e)
    · cases e
    · cases e with
      | own e => have := world₁.2.1; rw [M.run, e] at this; cases this
      | up e _ => have := world₁.2.1; rw [M.run, e] at this; cases this
  have waits₁ : ∀ y, y ≠ .world → Waits (m.run y).trace (m₁.run y).code := fun y ny => by
    have own : ∀ d u, (m.run y).trace = d :: u → (m₁.run y).code = .settled d.code → Waits (m.run y).trace (m₁.run y).code :=
      fun d u e ec w' hw => by
        rw [ec] at hw
        rw [e]
        exact (g.unwinds.fine y).waits d u (e ▸ List.suffix_refl _) w' hw
    rcases Classical.em (y = .root) with e | e
    · exact own c t (e ▸ ht) (e ▸ root₁.1)
    · rcases Classical.em (∃ x ∈ c.heads, x.id = y) with ⟨x, hx, rfl⟩ | hx
      · obtain ⟨⟨d, u, hd, ec⟩, _⟩ := head₁ x hx
        exact own d u hd ec
      · rw [other₁ y ny e fun x h e => hx ⟨x, h, e⟩]; exact g.unwinds.waits y ny
  -- `forked` in each run, once.
  have nodup : (m₁.family .root).Nodup := by
    unfold family
    refine List.nodup_append.mpr ⟨bound₁.tied.nodup_below _, List.pairwise_singleton _ _, fun x hx y hy => ?_⟩
    rw [List.mem_singleton.mp hy]
    exact (bound₁.tied.mem_below.mp hx).ne f₁
  have order : (m₁.family .root).Pairwise fun p q => ¬ Runs.Below m₁.runs q p := by
    unfold family
    refine List.pairwise_append.mpr ⟨?_, List.pairwise_singleton _ _, fun x hx y hy b => ?_⟩
    · exact Runs.under_order f₁ _ (Runs.nodup_kids f₁ _) fun s hs t ht => Runs.kids_apart f₁ hs ht
    · rw [List.mem_singleton.mp hy] at b
      exact absurd rfl ((b.trans (bound₁.tied.mem_below.mp hx)).ne f₁)
  have marks : ∀ (l : List Id) (p : M), (∀ x, ((l.foldl (markFork c) p).run x).owner = (p.run x).owner) ∧
      (l.foldl (markFork c) p).program = p.program ∧ (l.foldl (markFork c) p).stack = p.stack ∧
      (∀ y, y ∉ l → (l.foldl (markFork c) p).run y = p.run y) := by
    intro l
    induction l with
    | nil => exact fun _ => ⟨fun _ => rfl, rfl, rfl, fun _ _ => rfl⟩
    | cons z l ih =>
      intro p
      rw [List.foldl_cons]
      obtain ⟨i₁, i₂, i₃, i₄⟩ := ih (markFork c p z)
      refine ⟨fun x => (i₁ x).trans ?_, i₂.trans rfl, i₃.trans rfl, fun y hy => ?_⟩
      · unfold markFork; simp only; rw [recordCode_eq, owner_record]
      · rw [List.mem_cons, not_or] at hy
        rw [i₄ y hy.2]
        unfold markFork
        exact run_recordCode_ne _ _ _ (Ne.symm hy.1)
  have each : ∀ y, m₁.Covers .root y → Forked m₁ n y ∧ ∀ chain op args w', (n.run y).code = .passing chain op args w' →
      n.Passes y chain op args := by
    intro y hy
    have hl := (fam y).mpr hy
    obtain ⟨l₁, l₂, e⟩ := List.append_of_mem hl
    rw [e] at nodup order hn
    have nd := List.nodup_append.mp nodup
    have ny : y ∉ l₂ := (List.nodup_cons.mp nd.2.1).1
    have ny₁ : y ∉ l₁ := fun h => nd.2.2 y h y List.mem_cons_self rfl
    rw [List.foldl_append, List.foldl_cons] at hn
    generalize hp : l₁.foldl (markFork c) m₁ = p at hn
    have now : p.run y = m₁.run y := by rw [← hp]; exact (marks l₁ m₁).2.2.2 y ny₁
    have ownersP : ∀ x, (p.run x).owner = (m₁.run x).owner := by rw [← hp]; exact (marks l₁ m₁).1
    have final : n.run y = (markFork c p y).run y := by rw [hn]; exact (marks l₂ _).2.2.2 y ny
    have ownersN : ∀ x, (n.run x).owner = (p.run x).owner := fun x => by
      rw [hn, (marks l₂ _).1]
      unfold markFork; simp only; rw [recordCode_eq, owner_record]
    unfold markFork at final
    simp only at final
    rw [now] at final
    generalize hcode : (if y = .root then Code.settled c.code else p.takenUp y (m₁.run y).handles (m₁.run y).code.settle) = code at final
    rw [run_recordCode_same, now] at final
    have settle : code.settle = (m₁.run y).code.settle := by
      rw [← hcode]; split
      · next e => rw [e, root₁.1]
      · exact settle_takenUp _ _ _ _
    refine ⟨⟨⟨_, y, _, by rw [final], rfl, by rw [final]; rfl⟩, by rw [final]; exact settle, fun u o h => ?_⟩, fun chain op args w' h => ?_⟩
    · rw [final] at h
      have h : code = .undoing u o := h
      rw [← hcode] at h
      split at h
      · cases h
      · exact takenUp_not_undoing _ _ _ _ _ _ h
    · rw [final] at h
      have h : code = .passing chain op args w' := h
      rw [← hcode] at h
      split at h
      · cases h
      · obtain ⟨z, q, rfl, ho, hs, rfl, rfl⟩ := (of_takenUp h).2.2
        have hz : Runs.Below m₁.runs z y := .own ((ownersP z).symm.trans ho)
        have zl : z ∈ l₁ ++ y :: l₂ := e ▸ (fam z).mpr (by
          rcases hy with rfl | hy
          · exact .inr hz
          · exact .inr (hz.trans hy))
        have nz₂ : z ∉ l₂ := fun h => (List.pairwise_cons.mp (List.pairwise_append.mp order).2.1).1 z h hz
        have nzy : z ≠ y := hz.ne f₁
        refine ⟨z, q, rfl, (ownersN z).trans ho, (shown_congr (m := p) ?_).trans hs, rfl, rfl⟩
        rw [hn, (marks l₂ _).2.2.2 z nz₂]
        unfold markFork
        rw [run_recordCode_ne _ _ _ nzy.symm]
  obtain ⟨mk₁, mk₂, mk₃, mk₄⟩ := marks (m₁.family .root) m₁
  rw [← hn] at mk₁ mk₂ mk₃ mk₄
  have outN : ∀ y, ¬ m₁.Covers .root y → n.run y = m₁.run y := fun y hy => mk₄ y fun h => hy ((fam y).mp h)
  have outM : ∀ y, ¬ m₁.Covers .root y → y ≠ .world → n.run y = m.run y := fun y hy nw => (outN y hy).trans (out₁ y hy nw)
  have worldN : n.run .world = m₁.run .world := outN _ worldOut
  have prog : n.program = m.program := by rw [mk₂, ← hm₁]
  have k' := g.unwinds
  have rootUp : ∀ a, a ≠ .world → ¬ Runs.Below m.runs .root a := fun a na h => by
    rcases above_owner g.root h with e | e
    · exact na e
    · cases e with
      | own e => have := g.top; rw [M.run, e] at this; cases this
      | up e _ => have := g.top; rw [M.run, e] at this; cases this
  have coversOf : ∀ y, (y = .root ∨ Runs.Below m.runs y .root) → m₁.Covers .root y := fun y h => h.imp id (to₁ y)
  have elsewhere : ∀ a u o, (n.run a).code = .undoing u o → ¬ m₁.Covers .root a ∧ a ≠ .world ∧ (m.run a).code = .undoing u o := by
    intro a u o h
    have nc : ¬ m₁.Covers .root a := fun hc => (each a hc).1.undoing u o h
    have nw : a ≠ .world := fun e => by rw [e, worldN, world₁.1] at h; cases h
    exact ⟨nc, nw, by rw [outM a nc nw] at h; exact h⟩
  have apart : ∀ a u o, (m.run a).code = .undoing u o → ¬ m₁.Covers .root a → a ≠ .world → ∀ x, R a x →
      ¬ m₁.Covers .root x ∧ x ≠ .world := by
    intro a u o ha nc nw x hx
    have ba := ((k'.region a u o ha).within x hx).below (k'.owns a u o ha)
    refine ⟨fun hc => ?_, fun e => ?_⟩
    · have hc : x = .root ∨ Runs.Below m.runs x .root := hc.imp id (from₁ x)
      rcases hc with rfl | hc
      · exact rootUp a nw ba
      · rcases ba.linear hc with e | e | e
        · exact nc (.inl e)
        · exact nc (coversOf a (.inr e))
        · exact rootUp a nw e
    · subst e
      cases ba with
      | own e => have := g.top; rw [M.run, e] at this; cases this
      | up e _ => have := g.top; rw [M.run, e] at this; cases this
  have same : ∀ a u o, (m.run a).code = .undoing u o → ¬ m₁.Covers .root a → a ≠ .world → ∀ x, R a x → n.run x = m.run x :=
    fun a u o ha nc nw x hx => by
      obtain ⟨h₁, h₂⟩ := apart a u o ha nc nw x hx
      exact outM x h₁ h₂
  have ofTaken : ∀ x, n.Taken R x → m.Taken R x ∧ ¬ m₁.Covers .root x ∧ x ≠ .world := by
    rintro x ⟨a, u, o, ha, hx⟩
    obtain ⟨nc, nw, ha⟩ := elsewhere a u o ha
    exact ⟨⟨a, u, o, ha, hx⟩, apart a u o ha nc nw x hx⟩
  have toTaken : ∀ x, m.Taken R x → ¬ m₁.Covers .root x → n.Taken R x := by
    rintro x ⟨a, u, o, ha, hx⟩ nx
    have hw := (k'.region a u o ha).within x hx
    have nw : a ≠ .world := fun e => by
      subst e
      rw [g.world u o ha] at hw
      exact nx (coversOf x hw)
    have nc : ¬ m₁.Covers .root a := fun hc => by
      have hc : a = .root ∨ Runs.Below m.runs a .root := hc.imp id (from₁ a)
      have ba := hw.below (k'.owns a u o ha)
      exact nx (coversOf x (.inr (by
        rcases hc with rfl | hc
        · exact ba
        · exact ba.trans hc)))
    exact ⟨a, u, o, by rw [outM a nc nw]; exact ha, hx⟩
  have forkedWaits : ∀ y, m₁.Covers .root y → ∀ w', (n.run y).code.settle = .waiting w' →
      ∃ q, Trace.question (n.run y).trace = some q ∧ q.event = .intent w'.op w'.args := by
    intro y hy w' hw
    have ny : y ≠ .world := fun e => worldOut (e ▸ hy)
    obtain ⟨⟨d, x, j, htr, hev, _⟩, hs, _⟩ := (each y hy).1
    rw [hs] at hw
    obtain ⟨q, hq, he⟩ := waits₁ y ny w' hw
    refine ⟨q, ?_, he⟩
    rw [htr, Trace.question_cons, hev, trace₁]; exact hq
  refine ⟨⟨fun y => ?_, fun y ny => ?_, ?_, ?_, ?_, ?_, ?_, ?_, ?_⟩, ?_, ?_, ?_, ?_, ?_⟩
  · rw [prog]
    rcases Classical.em (m₁.Covers .root y) with hy | hy
    · have fw := forkedWaits y hy
      obtain ⟨⟨d, x, j, htr, hev, hcd⟩, _, _⟩ := (each y hy).1
      rw [htr] at fw ⊢
      rw [trace₁] at fw ⊢
      exact (k'.fine y).other (by rw [hev]; exact fun _ _ _ => nofun) fun w' hw => fw w' (hcd ▸ hw)
    · rw [outN y hy, trace₁]; exact k'.fine y
  · rcases Classical.em (m₁.Covers .root y) with hy | hy
    · exact forkedWaits y hy
    · rw [outM y hy ny]; exact k'.waits y ny
  · intro a u o ha
    obtain ⟨nc, nw, ha⟩ := elsewhere a u o ha
    rw [same a u o ha nc nw _ (k'.region a u o ha).top]
    exact k'.owns a u o ha
  · intro a u o ha
    obtain ⟨nc, nw, ha⟩ := elsewhere a u o ha
    exact (k'.region a u o ha).congr fun x hx => by rw [same a u o ha nc nw x hx]
  · intro a u o ha
    obtain ⟨nc, nw, ha⟩ := elsewhere a u o ha
    rw [same a u o ha nc nw _ (k'.region a u o ha).top]
    exact k'.heads a u o ha
  · intro a b u v o p x ha hb
    exact k'.nested a b u v o p x (elsewhere a u o ha).2.2 (elsewhere b v p hb).2.2
  · intro a u o ha
    obtain ⟨nc, nw, ha⟩ := elsewhere a u o ha
    exact (k'.live a u o ha).imp (fun h => toTaken a h nc) fun l =>
      l.congr prog (k'.region a u o ha).top fun x hx => by rw [same a u o ha nc nw x hx]
  · intro x hx w' hw
    obtain ⟨hx, h₁, h₂⟩ := ofTaken x hx
    rw [outM x h₁ h₂] at hw
    exact k'.idle x hx w' hw
  · intro a chain op args w' ha _
    rcases Classical.em (m₁.Covers .root a) with hc | nc
    · exact (each a hc).2 _ _ _ _ ha
    · have nw : a ≠ .world := fun e => by rw [e, worldN, world₁.1] at ha; cases ha
      rw [outM a nc nw] at ha
      obtain ⟨z, q, rfl, ho, hs, rfl, rfl⟩ := k'.passes a chain op args w' ha (.inr rfl)
      have nz : ¬ m₁.Covers .root z := fun hz => by
        have hz : z = .root ∨ Runs.Below m.runs z .root := hz.imp id (from₁ z)
        rcases hz with rfl | hz
        · rw [g.root] at ho; exact nw (Option.some.inj ho).symm
        · rcases above_owner ho hz with e | e
          · exact nc (.inl e.symm)
          · exact nc (coversOf a (.inr e))
      have z' := outM z nz (g.ne_world ho)
      exact ⟨z, q, rfl, by rw [z']; exact ho, (shown_congr (by rw [z'])).trans hs, rfl, rfl⟩
  · rw [mk₃, ← hm₁]
    exact .drives (w := { op := "run.next", args := [.run 0], stack := [] }) ((mk₁ .root).trans root₁.2)
      (by rw [worldN, world₁.1]; rfl) .world
  · rw [worldN]; exact world₁.2.1
  · exact (mk₁ .root).trans root₁.2
  · rw [worldN]; exact world₁.2.2
  · intro u o h
    rw [worldN, world₁.1] at h; cases h

end M

end Shepherd
