import Shepherd.Laws.OutcomeAnswersIntent.Restore
import Shepherd.Laws.GrantSafe.Copies

/-!
# What stood below a run is put back with it
-/

namespace Shepherd

namespace M

/-- Owners are put back, and nothing else. -/
structure Owned (m n : M) (hs : List Then) : Prop where
  sound : n.Steady
  same : ∀ y, (n.run y).code = (m.run y).code ∧ (n.run y).trace = (m.run y).trace
  other : ∀ y, (∀ t ∈ hs, t.id ≠ y) → n.run y = m.run y
  owner : ∀ y, (∃ t ∈ hs, t.id = y) → ∃ t ∈ hs, t.id = y ∧ (n.run y).owner = some t.owner
  has : ∀ y, n.has y = m.has y
  stack : n.stack = m.stack

theorem owned_foldl {m : M} (k : m.Steady) (hs : List Then) (h : ∀ t ∈ hs, m.has t.id = true ∧ t.id ≠ .world) :
    Owned m (hs.foldl (fun m h => m.own h.id h.owner h.givers) m) hs := by
  induction hs generalizing m with
  | nil =>
    exact ⟨k, fun _ => ⟨rfl, rfl⟩, fun _ _ => rfl, fun _ ⟨_, ht, _⟩ => absurd ht List.not_mem_nil, fun _ => rfl, rfl⟩
  | cons x hs ih =>
    rw [List.foldl_cons]
    obtain ⟨i, ne⟩ := h x List.mem_cons_self
    have s := k.own i ne x.owner x.givers
    have has : ∀ y, (m.own x.id x.owner x.givers).has y = m.has y := fun y => by
      rw [has_own]
      by_cases e : x.id = y
      · rw [← e, beq_self_eq_true, Bool.true_or, i]
      · rw [beq_eq_false_iff_ne.mpr e, Bool.false_or]
    have O := ih s fun t ht => ⟨(has _).trans (h t (List.mem_cons_of_mem _ ht)).1, (h t (List.mem_cons_of_mem _ ht)).2⟩
    refine ⟨O.sound, fun y => ?_, fun y hy => ?_, fun y hy => ?_, fun y => (O.has y).trans (has y), O.stack⟩
    · rw [(O.same y).1, (O.same y).2, trace_own]
      refine ⟨?_, rfl⟩
      rw [run_own]; split
      · next e => rw [← e]
      · rfl
    · rw [O.other y fun t ht => hy t (List.mem_cons_of_mem _ ht)]
      exact run_own_ne m _ _ (hy x List.mem_cons_self)
    · by_cases later : ∃ t ∈ hs, t.id = y
      · obtain ⟨t, ht, e⟩ := O.owner y later
        exact ⟨t, List.mem_cons_of_mem _ ht, e⟩
      · obtain ⟨t, ht, e⟩ := hy
        rcases List.mem_cons.mp ht with rfl | ht
        · refine ⟨t, List.mem_cons_self, e, ?_⟩
          rw [O.other y fun s hs e' => later ⟨s, hs, e'⟩, ← e, run_own_same]
        · exact absurd ⟨t, ht, e⟩ later

/-- One run below the one that is taken back is put back, or discarded. -/
theorem steps_restoreLower {m p : M} (kp : p.Steady) {top : Id} {c : Commit} {y : Id} (i : p.has y = true) (r : p.Rooted y)
    (ne : y ≠ .world) (run : (p.run y).code = (m.run y).code ∧ (p.run y).trace = (m.run y).trace)
    (heads : ∀ t ∈ m.heads top c, t.id = y → ∃ d s, t.trace = d :: s ∧ d :: s <:+ (m.run y).trace)
    (quiet : ∀ t ∈ m.heads top c, t.id = y → Trace.asksIntent (m.run y).trace = false)
    (kids : ∀ z, (p.run z).owner = some y → p.Link z) :
    Steps p (restoreLower (m.heads top c) p y) y ∧ (restoreLower (m.heads top c) p y).Calmed y := by
  unfold restoreLower
  split
  · obtain ⟨S, e⟩ := steps_discard kp i r
    exact ⟨S, .of_settled e⟩
  · next t hf =>
    have ht := List.mem_of_find?_eq_some hf
    have hid : t.id = y := beq_iff_eq.mp (List.find?_some (p := fun h : Then => h.id == y) hf)
    obtain ⟨d, s, e, hs⟩ := heads t ht hid
    rw [e]
    simp only
    split
    · have ix : Trace.Indexed (p.run y).trace := kp.hist.named.indexed y
      have hs' : d :: s <:+ (p.run y).trace := run.2 ▸ hs
      have S := steps_rewind kp i r (Trace.upTo_of_suffix ix hs') true
      refine ⟨S, calmed_takenUp kp.world r (handles := p.handlesToday y d) (s := d.code) ?_ S.other kids⟩
      unfold rewind
      simp only
      rw [run_record_same]
      rfl
    · have agrees := kp.agrees y fun h => absurd h ne
      have q := quiet t ht hid
      rw [run.2, q] at agrees
      split
      · next u origin hc =>
        refine ⟨steps_setCode i _ (kp.setCode i _ fun _ => ?_), .of_settled (s := origin) (by rw [run_setCode_same])⟩
        rw [run.2, q, agrees, hc]
        rfl
      · next hc =>
        refine ⟨.refl kp y, ?_, fun u o h => hc u o h⟩
        unfold Link
        cases e : (p.run y).code with
        | settled s => trivial
        | driving r w => trivial
        | passing ch op a w => rw [e] at agrees; cases agrees
        | undoing u o => exact absurd e (hc u o)

/-- A run is taken back to an event, and what stood below it then with it. -/
theorem restored_to {m : M} (k : m.Steady) {top : Id} (i : m.has top = true) (r : m.Rooted top) (ne : top ≠ .world) {j : Nat}
    {c : Commit} (hc : (m.run top).trace.nth j = some c) (hh : ∀ g ∈ c.heads, m.Beneath (Id.today c.run top g.id) top ∧
      Trace.asksIntent (m.run (Id.today c.run top g.id)).trace = false) :
    Restored m (m.restore top (some j)) top := by
  have hw := k.world
  have mem := Trace.nth_mem hc
  unfold restore
  simp only
  rw [hc]
  simp only
  have says : ∀ t ∈ m.heads top c, ∃ g ∈ c.heads, t.id = Id.today c.run top g.id ∧ t.owner = Id.today c.run top g.owner ∧
      t.trace = (m.run g.id).trace.upTo (g.length - 1) := by
    intro t ht
    unfold M.heads at ht
    obtain ⟨g, hg, rfl⟩ := List.mem_map.mp ht
    exact ⟨g, hg, rfl, rfl, rfl⟩
  have beneath : ∀ t ∈ m.heads top c, m.Beneath t.id top := fun t ht => by
    obtain ⟨g, hg, e, _⟩ := says t ht
    rw [e]; exact (hh g hg).1
  have O := owned_foldl k (m.heads top c) fun t ht =>
    ⟨(beneath t ht).has, ne_world_of_within hw (beneath t ht).within ne⟩
  generalize (m.heads top c).foldl (fun m h => m.own h.id h.owner h.givers) m = m₁ at O
  -- Who owns whom now.
  have owner₁ : ∀ g ∈ c.heads, (m₁.run (Id.today c.run top g.id)).owner = some (Id.today c.run top g.owner) := by
    intro g hg
    obtain ⟨t₀, ht₀, e₀, _⟩ := heads_id (m := m) (id := top) hg
    obtain ⟨t, ht, e, ho⟩ := O.owner _ ⟨t₀, ht₀, e₀⟩
    obtain ⟨g', hg', e', ho', _⟩ := says t ht
    rw [ho, ho']
    rw [e'] at e
    have same : g'.id = g.id := Id.today_inj e
    have nd := (List.nodup_cons.mp (k.hist.tree top c mem).nodup).2
    have : g' = g := by
      clear hh beneath says O e e' ho ho' ht ht₀ e₀ mem hc
      revert hg hg' nd
      generalize c.heads = l
      intro hg hg' nd
      induction l with
      | nil => exact absurd hg List.not_mem_nil
      | cons a l ih =>
        rw [List.map_cons, List.nodup_cons] at nd
        rcases List.mem_cons.mp hg with e | hm
        · rcases List.mem_cons.mp hg' with e' | hm'
          · rw [e, e']
          · exact absurd (List.mem_map.mpr ⟨g', hm', by rw [same, e]⟩) nd.1
        · rcases List.mem_cons.mp hg' with e' | hm'
          · exact absurd (List.mem_map.mpr ⟨g, hm, by rw [← same, e']⟩) nd.1
          · exact ih hm hm' nd.2
    rw [this]
  have self : Id.today c.run top c.run = top := k.hist.named.today top c mem
  have up₁ : ∀ x, c.Up x → m₁.Beneath (Id.today c.run top x) top := by
    intro x hx
    induction hx with
    | @top h hm ho =>
      refine ⟨_, owner₁ h hm, ?_⟩
      rw [ho, self]
      exact .refl _
    | @step h g hm hg ho _ ih => exact ⟨_, owner₁ h hm, by rw [ho]; exact ih.within⟩
  have below₁ : ∀ t ∈ m.heads top c, m₁.Beneath t.id top := fun t ht => by
    obtain ⟨g, hg, e, _⟩ := says t ht
    rw [e]
    exact up₁ g.id ((k.hist.tree top c mem).up g hg)
  have to₁ : ∀ y, m.Within y top → m₁.Within y top := by
    suffices ∀ y z, m.Within y z → z = top → m₁.Within y z from fun y h => this y top h rfl
    intro y z h
    induction h with
    | refl => exact fun _ => .refl _
    | @up y o z ho _ ih =>
      intro ez
      by_cases e : ∃ t ∈ m.heads top c, t.id = y
      · obtain ⟨t, ht, e⟩ := e
        rw [ez]
        exact e ▸ (below₁ t ht).within
      · rw [← O.other y fun t ht h => e ⟨t, ht, h⟩] at ho
        exact .up ho (ih ez)
  have from₁ : ∀ y, m₁.Within y top → m.Within y top := by
    suffices ∀ y z, m₁.Within y z → z = top → m.Within y z from fun y h => this y top h rfl
    intro y z h
    induction h with
    | refl => exact fun _ => .refl _
    | @up y o z ho _ ih =>
      intro ez
      by_cases e : ∃ t ∈ m.heads top c, t.id = y
      · obtain ⟨t, ht, e⟩ := e
        rw [ez]
        exact e ▸ (beneath t ht).within
      · rw [O.other y fun t ht h => e ⟨t, ht, h⟩] at ho
        exact .up ho (ih ez)
  have above : ∀ z, m.Within top z → m₁.run z = m.run z := fun z hz =>
    O.other z fun t ht e => r.irrefl hw (hz.trans_beneath (e ▸ beneath t ht))
  have r₁ : m₁.Rooted top := r.of_owners fun z hz => by rw [above z hz]
  have hw₁ := O.sound.world
  have list : ∀ y, y ∈ m₁.below top ↔ m₁.Beneath y top := fun y => mem_below_iff O.sound.nodup hw₁ r₁
  have pairs := below_pairwise O.sound.nodup hw₁ r₁
  have go : ∀ (todo before : List Id) (p : M), m₁.below top = before ++ todo → p.Steady →
      (∀ y, (p.run y).owner = (m₁.run y).owner) → (∀ y, p.has y = m.has y) → p.stack = m.stack →
      (∀ y, y ∉ before → p.run y = m₁.run y) → (∀ y ∈ before, p.Calmed y) →
      ∃ n, todo.foldl (restoreLower (m.heads top c)) p = n ∧ n.Steady ∧ (∀ y, (n.run y).owner = (m₁.run y).owner) ∧
        (∀ y, n.has y = m.has y) ∧ n.stack = m.stack ∧ (∀ y, y ∉ m₁.below top → n.run y = m₁.run y) ∧
        ∀ y ∈ m₁.below top, n.Calmed y := by
    intro todo
    induction todo with
    | nil =>
      intro before p e s o h st ot ca
      rw [List.append_nil] at e
      exact ⟨p, rfl, s, o, h, st, by rw [e]; exact ot, by rw [e]; exact ca⟩
    | cons y todo ih =>
      intro before p e s o h st ot ca
      have my : y ∈ m₁.below top := by rw [e]; exact List.mem_append_right _ List.mem_cons_self
      have by₁ := (list y).mp my
      have wy := from₁ y by₁.within
      have pw := pairs
      rw [e, List.pairwise_append] at pw
      obtain ⟨_, pt, pc⟩ := pw
      have nb : y ∉ before := fun hb => pc y hb y List.mem_cons_self (.refl _)
      have hy : m.has y = true := by
        rcases wy.cases with rfl | b
        · exact i
        · exact b.has
      have ry : p.Rooted y := (r₁.of_within by₁.within).of_owners fun z _ => o z
      have ny : y ≠ .world := ne_world_of_within hw wy ne
      obtain ⟨S, C⟩ := steps_restoreLower (m := m) (top := top) (c := c) s ((h y).trans hy) ry ny
        ⟨by rw [ot y nb]; exact (O.same y).1, by rw [ot y nb]; exact (O.same y).2⟩
        (fun t ht ety => by
          obtain ⟨g, hg, eid, _, etr⟩ := says t ht
          have ml := k.hist.member mem (.inr ⟨g, hg, rfl, rfl⟩)
          have len := Trace.upTo_length (k.hist.named.indexed g.id) (k := g.length - 1) (by omega)
          rw [← etr] at len
          cases ht' : t.trace with
          | nil => rw [ht'] at len; cases len
          | cons d s =>
            refine ⟨d, s, rfl, ?_⟩
            rw [← ht', etr, ← ety, eid]
            refine k.hist.inherits top c mem g hg ?_
            rw [← eid, ety]; exact hy)
        (fun t ht ety => by
          obtain ⟨g, hg, eid, _⟩ := says t ht
          rw [← ety, eid]; exact (hh g hg).2)
        (fun z hz => by
          rw [o z] at hz
          have mz : z ∈ m₁.below top := (list z).mpr ⟨y, hz, by₁.within⟩
          rw [e, List.mem_append] at mz
          rcases mz with mz | mz
          · exact (ca z mz).1
          · rcases List.mem_cons.mp mz with rfl | mz
            · exact absurd (.of_owner hz) ((r₁.of_within by₁.within).irrefl hw₁)
            · exact absurd (.up hz (.refl _)) ((List.pairwise_cons.mp pt).1 z mz))
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
        · exact C
  obtain ⟨n, en, s, o, h, st, ot, ca⟩ := go (m₁.below top) [] m₁ rfl O.sound (fun _ => rfl) O.has O.stack (fun _ _ => rfl)
    fun y hy => absurd hy List.not_mem_nil
  rw [en]
  have nt : top ∉ m₁.below top := fun h => r₁.irrefl hw₁ ((list top).mp h)
  have rn : n.Rooted top := r₁.of_owners fun z _ => o z
  have tr : (n.run top).trace = (m.run top).trace := by rw [ot top nt]; exact (O.same top).2
  obtain ⟨t, ht, hi⟩ := Trace.upTo_of_nth hc
  have S := steps_rewind s ((h top).trans i) rn (c := c) (t := t) (by rw [tr, hi]; exact ht) false
  refine ⟨S.sound, fun y hy => ?_, ?_, fun y => (S.has y).trans (h y), S.stack.trans st, fun y hy => ?_⟩
  · rw [S.other y fun e => hy (e ▸ .refl _), ot y fun hm => hy (from₁ y ((list y).mp hm).within)]
    exact O.other y fun t ht e => hy (e ▸ (beneath t ht).within)
  · rw [S.owner, o, above top (.refl _)]
  · rcases (to₁ y hy).cases with rfl | b
    · refine .of_settled (s := c.code) ?_
      unfold rewind
      simp only
      rw [run_record_same]
      rfl
    · refine (ca y ((list y).mpr b)).frame fun z hz => S.other z fun e => ?_
      subst e
      exact rn.irrefl s.world (hz.trans_beneath (b.of_owners fun w _ _ => o w))

end M

end Shepherd
