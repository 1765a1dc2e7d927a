import Shepherd.Laws.OutcomeAnswersIntent.Spawn
import Shepherd.Laws.GrantSafe.Steps

/-!
# The copies of a fork
-/

namespace Shepherd

theorem nodup_map {α β : Type} {f : α → β} {l : List α} (h : l.Nodup) (inj : ∀ x ∈ l, ∀ y ∈ l, f x = f y → x = y) :
    (l.map f).Nodup := by
  induction l with
  | nil => exact List.nodup_nil
  | cons x l ih =>
    rw [List.nodup_cons] at h
    rw [List.map_cons, List.nodup_cons]
    refine ⟨fun hm => ?_, ih h.2 fun a ha b hb => inj a (List.mem_cons_of_mem _ ha) b (List.mem_cons_of_mem _ hb)⟩
    obtain ⟨y, hy, e⟩ := List.mem_map.mp hm
    have := inj y (List.mem_cons_of_mem _ hy) x List.mem_cons_self e
    exact h.1 (this ▸ hy)

/-- Of the heads of a commit, one has an id. -/
theorem Commit.Tree.unique {c : Commit} (t : c.Tree) {g g' : Head} (hg : g ∈ c.heads) (hg' : g' ∈ c.heads) (e : g.id = g'.id) :
    g = g' := by
  have nd := (List.nodup_cons.mp t.nodup).2
  clear t
  revert hg hg' nd
  generalize c.heads = l
  intro hg hg' nd
  induction l with
  | nil => exact absurd hg List.not_mem_nil
  | cons a l ih =>
    rw [List.map_cons, List.nodup_cons] at nd
    rcases List.mem_cons.mp hg with h | hm
    · rcases List.mem_cons.mp hg' with h' | hm'
      · rw [h, h']
      · exact absurd (List.mem_map.mpr ⟨g', hm', by rw [← e, h]⟩) nd.1
    · rcases List.mem_cons.mp hg' with h' | hm'
      · exact absurd (List.mem_map.mpr ⟨g, hm, by rw [e, h']⟩) nd.1
      · exact ih hm hm' nd.2

/-- Names of another time, one after the other. -/
theorem Id.today_compose {r s y : Id} (b z : Id) (h : Id.today r y r = y) :
    Id.today r (Id.today s b y) z = Id.today s b (Id.today r y z) := by
  have le : sizeOf r ≤ sizeOf y := by
    have := (Id.copyOf_today r y r).sizeOf_le
    rw [h] at this; exact this
  induction b with
  | copy f old _ ih =>
    rw [M.today_copy, M.today_copy]
    split
    · rfl
    · rw [M.today_copy, if_neg, ih]
      intro e
      have := (Id.copyOf_today s old y).sizeOf_le
      have e := congrArg sizeOf e
      simp only [Id.copy.sizeOf_spec] at e
      omega
  | _ => rfl

namespace M

/-- While copies are made: the runs that were there are as they were, and a new one is a copy of a part. -/
structure Copied (m : M) (id f asker : Id) (P : List Then) (n : M) : Prop where
  nodup : (n.runs.map Run.id).Nodup
  has : ∀ j, m.has j = true → n.has j = true
  same : ∀ j, m.has j = true → n.run j = m.run j
  new : ∀ j, n.has j = true → m.has j = true ∨ ∃ p ∈ P, ∃ d ds, p.trace = d :: ds ∧ j = .copy f p.id ∧
    (n.run j).trace = d :: ds ∧ (n.run j).code = .settled d.code ∧
    (n.run j).owner = some (if p.id = id then asker else .copy f p.owner)
  stack : n.stack = m.stack

theorem Copied.copyOne {m n : M} {id f asker : Id} {P : List Then} (k : Copied m id f asker P n) (c : Commit) {p : Then} (hp : p ∈ P)
    (absent : m.has (.copy f p.id) = false) : Copied m id f asker P (M.copyOne m id f asker c P n p) := by
  unfold M.copyOne
  split
  · exact k
  · next d ds ht =>
    simp only
    generalize hr : Run.mk (Id.copy f p.id) _ _ _ _ _ _ _ _ _ _ _ _ = r
    have rid : r.id = .copy f p.id := by rw [← hr]
    have rt : r.trace = d :: ds := by rw [← hr]; exact ht
    have rc : r.code = .settled d.code := by rw [← hr]
    have ro : r.owner = some (if p.id = id then asker else .copy f p.owner) := by rw [← hr]
    refine ⟨?_, fun j h => ?_, fun j h => ?_, fun j h => ?_, k.stack⟩
    · show ((Runs.put n.runs r).map Run.id).Nodup
      cases i : n.has r.id with
      | true => exact nodup_put k.nodup i
      | false => exact nodup_put_new k.nodup i
    · exact Runs.has_put_of_has r (k.has j h)
    · show Runs.find (Runs.put n.runs r) j = _
      rw [Runs.find_put, if_neg]
      · exact k.same j h
      · intro e
        rw [rid] at e
        rw [← e, absent] at h; cases h
    · have h : Runs.has (Runs.put n.runs r) j = true := h
      rw [Runs.has_put, Bool.or_eq_true, beq_iff_eq] at h
      show _ ∨ ∃ p ∈ P, ∃ d ds, _ ∧ _ ∧ (Runs.find (Runs.put n.runs r) j).trace = _ ∧ (Runs.find (Runs.put n.runs r) j).code = _ ∧
        (Runs.find (Runs.put n.runs r) j).owner = _
      rw [Runs.find_put]
      split
      · next e => exact .inr ⟨p, hp, d, ds, ht, by rw [← e, rid], rt, rc, ro⟩
      · next e => exact k.new j (h.resolve_left e)

/-- What the parts of a fork are. -/
structure Parts (m : M) (id : Id) (c : Commit) (P : List Then) : Prop where
  ids : ∀ p ∈ P, p.id = Id.today c.run id p.old
  trace : ∀ p ∈ P, ∃ l, c.Member p.old l ∧ p.trace.length = l ∧ p.trace <:+ (m.run p.old).trace
  head : ∀ p ∈ P, p.id ≠ id → ∃ g ∈ c.heads, p.old = g.id ∧ p.owner = Id.today c.run id g.owner
  all : ∀ g ∈ c.heads, ∃ p ∈ P, p.old = g.id
  top : ∃ p ∈ P, p.id = id

theorem parts {m : M} (k : m.Steady) {id asker : Id} {c : Commit} {t : Trace} (ht : c :: t <:+ (m.run id).trace) :
    Parts m id c (m.forkParts id asker (c :: t) c) := by
  have hc : c ∈ (m.run id).trace := ht.subset List.mem_cons_self
  have self := k.hist.named.today id c hc
  have cases' : ∀ p ∈ m.forkParts id asker (c :: t) c, (∃ g ∈ c.heads, p.id = Id.today c.run id g.id ∧ p.old = g.id ∧
      p.owner = Id.today c.run id g.owner ∧ p.trace = (m.run g.id).trace.upTo (g.length - 1)) ∨
      (p.id = id ∧ p.old = c.run ∧ p.trace = c :: t) := by
    intro p hp
    unfold forkParts at hp
    cases List.mem_append.mp hp with
    | inl hp =>
      unfold M.heads at hp
      obtain ⟨g, hg, rfl⟩ := List.mem_map.mp hp
      exact .inl ⟨g, hg, rfl, rfl, rfl, rfl⟩
    | inr hp => rw [List.mem_singleton.mp hp]; exact .inr ⟨rfl, rfl, rfl⟩
  refine ⟨fun p hp => ?_, fun p hp => ?_, fun p hp ne => ?_, fun g hg => ?_, ?_⟩
  · rcases cases' p hp with ⟨g, _, e, e', _⟩ | ⟨e, e', _⟩
    · rw [e, e']
    · rw [e, e', self]
  · rcases cases' p hp with ⟨g, hg, _, e, _, et⟩ | ⟨_, e, et⟩
    · have ml := k.hist.member hc (.inr ⟨g, hg, rfl, rfl⟩)
      refine ⟨g.length, .inr ⟨g, hg, e.symm, rfl⟩, ?_, ?_⟩
      · rw [et, Trace.upTo_length (k.hist.named.indexed g.id) (by omega)]; omega
      · rw [et, e]; exact Trace.upTo_suffix _ _
    · have own := k.hist.own id c t ht
      refine ⟨c.index + 1, .inl ⟨e, rfl⟩, ?_, by rw [et, e]; exact own⟩
      have ix : Trace.Indexed (c :: t) := (k.hist.named.indexed id).of_suffix ht
      rw [et, List.length_cons, ix.1]
  · rcases cases' p hp with ⟨g, hg, _, e, eo, _⟩ | ⟨e, _⟩
    · exact ⟨g, hg, e, eo⟩
    · exact absurd e ne
  · obtain ⟨p, hp, _, e⟩ := heads_id (m := m) (id := id) hg
    exact ⟨p, List.mem_append_left _ hp, e⟩
  · exact ⟨_, List.mem_append_right _ List.mem_cons_self, rfl⟩

theorem parts_nodup {m : M} (k : m.Steady) {id asker : Id} {c : Commit} {t : Trace} (ht : c :: t <:+ (m.run id).trace) :
    ((m.forkParts id asker (c :: t) c).map Then.id).Nodup := by
  have hc : c ∈ (m.run id).trace := ht.subset List.mem_cons_self
  have self := k.hist.named.today id c hc
  have nd := List.nodup_cons.mp (k.hist.tree id c hc).nodup
  have e : (m.heads id c).map Then.id = (c.heads.map Head.id).map (Id.today c.run id) := by
    unfold M.heads
    rw [List.map_map, List.map_map]
    rfl
  unfold forkParts
  rw [List.map_append, e, List.map_cons, List.map_nil, List.nodup_append]
  refine ⟨nodup_map nd.2 fun a _ b _ h => Id.today_inj h, List.nodup_cons.mpr ⟨List.not_mem_nil, List.nodup_nil⟩,
    fun a ha b hb h => ?_⟩
  rw [List.mem_singleton] at hb
  obtain ⟨x, hx, ex⟩ := List.mem_map.mp ha
  refine nd.1 ?_
  have : x = c.run := Id.today_inj (r := c.run) (id := id) (by rw [ex, h, hb, self])
  exact this ▸ hx

/-- Before the copies record anything. -/
theorem Copied.sound {m n : M} {id f asker : Id} {c : Commit} {P : List Then} (k : m.Steady) (pt : Parts m id c P)
    (hc : c ∈ (m.run id).trace) (C : Copied m id f asker P n) (named : Named n) (absent : ∀ x, m.has (.copy f x) = false)
    (world : m.has .world = true) : n.Steady := by
  have from' : ∀ j, (∃ o, (n.run j).trace <:+ (m.run o).trace) := by
    intro j
    cases i : n.has j with
    | false => rw [run_of_not_has i]; exact ⟨j, List.nil_suffix⟩
    | true =>
      rcases C.new j i with h | ⟨p, hp, d, ds, et, _, e, _⟩
      · rw [C.same j h]; exact ⟨j, List.suffix_refl _⟩
      · obtain ⟨_, _, _, hs⟩ := pt.trace p hp
        rw [et] at hs
        rw [e]; exact ⟨p.old, hs⟩
  have grow : ∀ j, m.has j = true → (n.run j).trace = (m.run j).trace := fun j h => by rw [C.same j h]
  refine ⟨C.nodup, ?_, ⟨named, fun x hx ne ne' => ?_, fun x d u hd => ?_, fun x d hd h hh => ?_, fun x d hd => ?_,
    fun x d hd h hh hi => ?_, fun x c₀ hc₀ y l y' l' hy hy' d hd lt h hh ht => ?_⟩, fun x => ?_, fun x hx => ?_⟩
  · rw [C.same _ world]; exact k.world
  · rcases C.new x hx with h | ⟨p, _, d, ds, _, _, e, _⟩
    · rw [C.same x h]; exact k.hist.full x h ne ne'
    · rw [e]; exact nofun
  · obtain ⟨o, ho⟩ := from' x
    have := k.hist.own o d u (hd.trans ho)
    have hm : m.has d.run = true := has_of_trace fun e => by
      rw [e] at this
      exact absurd (List.suffix_nil.mp this) nofun
    rw [grow _ hm]; exact this
  · obtain ⟨o, ho⟩ := from' x
    have := k.hist.heads o d (ho.subset hd) h hh
    exact ⟨C.has _ this.1, this.2⟩
  · obtain ⟨o, ho⟩ := from' x
    exact k.hist.tree o d (ho.subset hd)
  · obtain ⟨o, ho⟩ := from' x
    have hhas := (k.hist.heads o d (ho.subset hd) h hh).1
    have hrun := (k.hist.member (ho.subset hd) (.inl ⟨rfl, rfl⟩)).1
    rw [grow _ hhas]
    have ix : n.has x = true := has_of_trace (List.ne_nil_of_mem hd)
    rcases C.new x ix with hx | ⟨p, hp, d₀, ds, et, ex, e, _⟩
    · rcases C.new _ hi with hy | ⟨p', _, _, _, _, ey, _⟩
      · rw [C.same _ hy]
        rw [grow _ hx] at hd
        exact k.hist.inherits x d hd h hh hy
      · exfalso
        revert ey hx
        cases x with
        | copy f' old' =>
          intro hx ey
          rw [today_copy] at ey
          split at ey
          · rw [ey, absent] at hhas; cases hhas
          · rw [(Id.copy.inj ey).1, absent] at hx; cases hx
        | _ => intro _ ey; rw [show Id.today d.run _ h.id = h.id from rfl] at ey; rw [ey, absent] at hhas; cases hhas
    · rw [e, ← et] at hd
      obtain ⟨l, hm, hl, hs⟩ := pt.trace p hp
      have hdm : d ∈ (m.run p.old).trace := hs.subset hd
      have self := k.hist.named.today p.old d hdm
      have ne : Id.copy f p.id ≠ d.run := fun e => by rw [← e, absent] at hrun; cases hrun
      have ey : Id.today d.run x h.id = .copy f (Id.today c.run id (Id.today d.run p.old h.id)) := by
        rw [ex, today_copy, if_neg ne, pt.ids p hp, Id.today_compose id h.id self]
      rw [ey] at hi ⊢
      rcases C.new _ hi with hy | ⟨p', hp', d', ds', et', ey', e', _⟩
      · rw [absent] at hy; cases hy
      · have eo : Id.today d.run p.old h.id = p'.old := by
          have := (Id.copy.inj ey').2
          rw [pt.ids p' hp'] at this
          exact Id.today_inj this
        obtain ⟨l', hm', hl', hs'⟩ := pt.trace p' hp'
        have iy : m.has p'.old = true := (k.hist.member hc hm').1
        have inh := k.hist.inherits p.old d hdm h hh (eo ▸ iy)
        rw [eo] at inh
        rw [e', ← et']
        refine Trace.suffix_of_length inh hs' ?_
        have ml := k.hist.member hdm (.inr ⟨h, hh, rfl, rfl⟩)
        rw [Trace.upTo_length (k.hist.named.indexed h.id) (by omega), hl']
        have lt : d.index < l := by
          rw [← hl]
          exact Trace.index_lt_of_mem ((k.hist.named.indexed p.old).of_suffix hs) hd
        have := k.hist.since id c hc p.old l p'.old l' hm hm' d hdm lt h hh eo
        omega
  · obtain ⟨o, ho⟩ := from' x
    have hy₀ := (k.hist.member (ho.subset hc₀) hy).1
    rw [grow _ hy₀] at hd
    exact k.hist.since o c₀ (ho.subset hc₀) y l y' l' hy hy' d hd lt h hh ht
  · obtain ⟨o, ho⟩ := from' x
    exact (k.good o).suffix ho
  · cases i : n.has x with
    | false => rw [run_of_not_has i]; rfl
    | true =>
      rcases C.new x i with h | ⟨p, hp, d, ds, et, _, e, ec, _⟩
      · rw [C.same x h] at hx ⊢; exact k.agrees x hx
      · obtain ⟨_, _, _, hs⟩ := pt.trace p hp
        rw [et] at hs
        rw [e, ec]
        exact (k.good p.old d ds hs).2

/-- Each copy is below the asker. -/
theorem Copied.within {m n : M} {id f asker : Id} {c : Commit} {P : List Then} (k : m.Steady) (pt : Parts m id c P)
    (hc : c ∈ (m.run id).trace) (C : Copied m id f asker P n) (absent : ∀ x, m.has (.copy f x) = false)
    (there : ∀ p ∈ P, n.has (.copy f p.id) = true) : ∀ p ∈ P, n.Within (.copy f p.id) asker := by
  have self := k.hist.named.today id c hc
  have owner : ∀ p ∈ P, ∃ q ∈ P, q.id = p.id ∧ (n.run (.copy f p.id)).owner = some (if q.id = id then asker else .copy f q.owner) :=
    fun p hp => by
      rcases C.new _ (there p hp) with h | ⟨q, hq, _, _, _, e, _, _, ho⟩
      · rw [absent] at h; cases h
      · exact ⟨q, hq, (Id.copy.inj e).2.symm, ho⟩
  have top : ∀ p ∈ P, p.id = id → n.Within (.copy f p.id) asker := fun p hp e => by
    obtain ⟨q, _, eq, ho⟩ := owner p hp
    rw [if_pos (eq.trans e)] at ho
    exact .up ho (.refl _)
  have up : ∀ x, c.Up x → ∀ p ∈ P, p.old = x → n.Within (.copy f p.id) asker := by
    intro x hx
    have step : ∀ h ∈ c.heads, (∀ p ∈ P, p.id = Id.today c.run id h.owner → n.Within (.copy f p.id) asker) →
        (∃ q ∈ P, q.id = Id.today c.run id h.owner) → ∀ p ∈ P, p.old = h.id → n.Within (.copy f p.id) asker := by
      intro h hh ih ⟨q₀, hq₀, eq₀⟩ p hp e
      by_cases ei : p.id = id
      · exact top p hp ei
      · obtain ⟨q, hq, eq, ho⟩ := owner p hp
        rw [eq, if_neg ei] at ho
        obtain ⟨g, hg, eg, eo⟩ := pt.head q hq (fun h => ei (eq.symm.trans h))
        have : g.id = h.id := by
          rw [← eg, ← e]
          rw [pt.ids q hq, pt.ids p hp] at eq
          exact Id.today_inj eq
        have := (k.hist.tree id c hc).unique hg hh this
        rw [this] at eo
        rw [eo, ← eq₀] at ho
        exact .up ho (ih q₀ hq₀ eq₀)
    induction hx with
    | @top h hh ho =>
      refine step h hh (fun p hp e => top p hp (by rw [e, ho, self])) ?_
      obtain ⟨p, hp, e⟩ := pt.top
      exact ⟨p, hp, by rw [e, ho, self]⟩
    | @step h g hh hg ho _ ih =>
      refine step h hh (fun p hp e => ih p hp ?_) ?_
      · rw [ho, pt.ids p hp] at e
        exact Id.today_inj e
      · obtain ⟨p, hp, e⟩ := pt.all g hg
        exact ⟨p, hp, by rw [pt.ids p hp, e, ho]⟩
  intro p hp
  by_cases ei : p.id = id
  · exact top p hp ei
  · obtain ⟨g, hg, eg, _⟩ := pt.head p hp ei
    exact up g.id ((k.hist.tree id c hc).up g hg) p hp eg

end M

end Shepherd
