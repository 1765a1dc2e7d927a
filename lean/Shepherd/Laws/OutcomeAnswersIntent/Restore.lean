import Shepherd.Laws.OutcomeAnswersIntent.TakeBack

/-!
# What is taken back is put back, or discarded
-/

namespace Shepherd

namespace Trace

theorem upTo_of_suffix {t s : Trace} {c : Commit} (ht : Indexed t) (h : c :: s <:+ t) : upTo t c.index = c :: s := by
  have hc : Indexed (c :: s) := ht.of_suffix h
  have e := upTo_suffix_eq h ht (k := c.index) (by rw [List.length_cons, hc.1]; exact Nat.lt_succ_self _)
  rw [e]
  unfold upTo
  rw [List.dropWhile_cons, bne_self_eq_false, if_neg Bool.false_ne_true]

theorem upTo_of_nth {t : Trace} {k : Nat} {c : Commit} (h : nth t k = some c) : ∃ s, upTo t k = c :: s ∧ c.index = k := by
  have hi := nth_index h
  unfold nth at h
  cases e : upTo t k with
  | nil => rw [e] at h; cases h
  | cons d s => rw [e] at h; cases h; exact ⟨s, rfl, hi⟩

end Trace

namespace M

theorem settled_takenUp (m : M) (id : Id) (handles : List Id) (s : Settled) : (m.takenUp id handles s).settle = s := by
  unfold takenUp
  repeat' split
  all_goals rfl

/-- Code taken up passes what an own run shows, or is settled. -/
theorem takenUp_cases (m : M) (id : Id) (handles : List Id) (s : Settled) : (∃ t, m.takenUp id handles s = .settled t) ∨
    ∃ w child q, m.takenUp id handles s = .passing (child :: q.path) q.op q.args w ∧ (m.run child).owner = some id ∧
      m.shown child = some q := by
  unfold takenUp
  split
  · split
    · split
      · next h _ child _ =>
        split
        · next ho hs =>
          refine .inr ⟨_, child, _, rfl, ?_, hs⟩
          unfold owns at ho
          exact beq_iff_eq.mp ho
        · exact .inl ⟨_, rfl⟩
      · exact .inl ⟨_, rfl⟩
    · exact .inl ⟨_, rfl⟩
  · exact .inl ⟨_, rfl⟩

/-- What a run shows is open, and it takes none back. -/
def Calmed (m : M) (y : Id) : Prop := m.Link y ∧ ∀ u o, (m.run y).code ≠ .undoing u o

theorem Calmed.of_settled {m : M} {y : Id} {s : Settled} (h : (m.run y).code = .settled s) : m.Calmed y := by
  refine ⟨?_, fun u o => by rw [h]; exact nofun⟩
  unfold Link
  rw [h]; trivial

theorem Calmed.frame {m n : M} {y : Id} (h : m.Calmed y) (same : ∀ z, m.Within z y → n.run z = m.run z) : n.Calmed y :=
  ⟨h.1.frame (fun z hz => .of_run (same z hz)) fun z hz => by rw [same z hz.within], fun u o => by
    rw [same y (.refl y)]; exact h.2 u o⟩

/-- A run that is restored, or any change of one run that is not at or below `y`. -/
theorem calmed_takenUp {m n : M} (hw : (m.run .world).owner = none) {y : Id} (r : m.Rooted y) {handles : List Id} {s : Settled}
    (hc : (n.run y).code = m.takenUp y handles s) (other : ∀ z, y ≠ z → n.run z = m.run z)
    (kids : ∀ z, (m.run z).owner = some y → m.Link z) : n.Calmed y := by
  rcases m.takenUp_cases y handles s with ⟨t, e⟩ | ⟨w, child, q, e, ho, hs⟩
  · exact .of_settled (hc.trans e)
  · refine ⟨?_, fun u o => by rw [hc, e]; exact nofun⟩
    have ne : ∀ z, m.Within z child → y ≠ z := fun z hz h => by
      subst h
      exact r.irrefl hw (hz.trans_beneath (.of_owner ho))
    have sh : m.Exposes child q := (kids child ho).shows hs
    have sh' : n.Exposes child q := sh.frame (fun z hz => .of_run (other z (ne z hz))) fun z hz => by rw [other z (ne z hz.within)]
    unfold Link
    rw [hc, e]
    exact ⟨_, .passes (hc.trans e) (by rw [other child (ne child (.refl _))]; exact ho) sh'⟩

/-- What becomes of the runs that are taken back, from `m` to `n`. -/
structure Restored (m n : M) (top : Id) : Prop where
  sound : n.Steady
  other : ∀ y, ¬ m.Within y top → n.run y = m.run y
  topOwner : (n.run top).owner = (m.run top).owner
  has : ∀ y, n.has y = m.has y
  stack : n.stack = m.stack
  calmed : ∀ y, m.Within y top → n.Calmed y

/-- A run records something, and its code is settled. -/
structure Steps (m n : M) (id : Id) : Prop where
  sound : n.Steady
  other : ∀ y, id ≠ y → n.run y = m.run y
  owner : ∀ y, (n.run y).owner = (m.run y).owner
  has : ∀ y, n.has y = m.has y
  stack : n.stack = m.stack

theorem steps_record {m : M} {id : Id} (i : m.has id = true) (event : Event) (s : State) (sound : (m.record id event s).Steady) :
    Steps m (m.record id event s) id where
  sound := sound
  other := fun y e => run_record_ne m event s e
  owner := fun y => owner_record m id event s y
  has := fun y => by
    rw [has_record]
    by_cases e : id = y
    · rw [← e, beq_self_eq_true, Bool.true_or, i]
    · rw [beq_eq_false_iff_ne.mpr e, Bool.false_or]
  stack := rfl

theorem Steps.refl {m : M} (k : m.Steady) (id : Id) : Steps m m id := ⟨k, fun _ _ => rfl, fun _ => rfl, fun _ => rfl, rfl⟩

theorem steps_setCode {m : M} {id : Id} (i : m.has id = true) (code : Code) (sound : (m.setCode id code).Steady) :
    Steps m (m.setCode id code) id where
  sound := sound
  other := fun y e => run_setCode_ne m code e
  owner := fun y => by rw [run_setCode]; split <;> rename_i e <;> first | rw [← e] | rfl
  has := fun y => by
    rw [has_setCode]
    by_cases e : id = y
    · rw [← e, beq_self_eq_true, Bool.true_or, i]
    · rw [beq_eq_false_iff_ne.mpr e, Bool.false_or]
  stack := rfl

theorem steps_discard {m : M} (k : m.Steady) {id : Id} (i : m.has id = true) (r : m.Rooted id) :
    Steps m (m.discard id) id ∧ ((m.discard id).run id).code = .settled .discarded := by
  unfold discard
  split
  · next hc => exact ⟨.refl k id, hc⟩
  · exact ⟨steps_record i _ _ (k.closes i r (.inl rfl) _ _ (fun h => nomatch h) rfl rfl), by rw [run_recordCode_same]⟩

/-- Code and files are again those after a commit of the own trace. -/
theorem steps_rewind {m : M} (k : m.Steady) {id : Id} (i : m.has id = true) (r : m.Rooted id) {c : Commit} {t : Trace}
    (h : (m.run id).trace.upTo c.index = c :: t) (lower : Bool) : Steps m (m.rewind id c lower) id := by
  refine steps_record i _ _ (k.record i r (.inl rfl) _ _ (fun h => nomatch h) ?_)
  have hs : c :: t <:+ (m.run id).trace := h ▸ Trace.upTo_suffix _ _
  rw [Trace.asksIntent_of_question (Trace.question_reverted (k := c.index) rfl _), h, (k.good id c t hs).2]
  simp only
  split
  · rw [settled_takenUp]
  · rfl

theorem Steps.rooted {m n : M} {id : Id} (e : Steps m n id) {y : Id} (h : m.Rooted y) : n.Rooted y :=
  h.of_owners fun z _ => e.owner z

/-- A run is discarded, and all below it. -/
theorem restored_discard {m : M} (k : m.Steady) {top : Id} (i : m.has top = true) (r : m.Rooted top) :
    Restored m ((m.family top).foldl discard m) top := by
  have fam : ∀ {y}, y ∈ m.family top ↔ m.Within y top := mem_family_iff k.nodup k.world r
  have go : ∀ (l : List Id) (p : M), p.Steady → (∀ y, (p.run y).owner = (m.run y).owner) → (∀ y, p.has y = m.has y) →
      (∀ y ∈ l, m.Within y top) → (l.foldl discard p).Steady ∧ (∀ y, y ∉ l → (l.foldl discard p).run y = p.run y) ∧
      (∀ y, ((l.foldl discard p).run y).owner = (m.run y).owner) ∧ (∀ y, (l.foldl discard p).has y = m.has y) ∧
      (l.foldl discard p).stack = p.stack ∧ ∀ y, (y ∈ l ∨ (p.run y).code = .settled .discarded) →
        ((l.foldl discard p).run y).code = .settled .discarded := by
    intro l
    induction l with
    | nil => exact fun p s o h _ => ⟨s, fun _ _ => rfl, o, h, rfl, fun y hy => hy.resolve_left List.not_mem_nil⟩
    | cons x l ih =>
      intro p s o h hl
      have hx := hl x List.mem_cons_self
      have ix : m.has x = true := hx.cases.elim (fun e => e ▸ i) Beneath.has
      obtain ⟨S, code⟩ := steps_discard s ((h x).trans ix) ((r.of_within hx).of_owners fun z _ => o z)
      obtain ⟨a, b, c, d, e, f⟩ := ih (p.discard x) S.sound (fun y => (S.owner y).trans (o y)) (fun y => (S.has y).trans (h y))
        fun y hy => hl y (List.mem_cons_of_mem _ hy)
      refine ⟨a, fun y hy => ?_, c, d, e.trans S.stack, fun y hy => ?_⟩
      · rw [List.foldl_cons, b y fun h => hy (List.mem_cons_of_mem _ h)]
        exact S.other y fun e => hy (e ▸ List.mem_cons_self)
      · refine f y ?_
        by_cases e : x = y
        · exact .inr (e ▸ code)
        · rw [S.other y e]
          exact hy.imp_left fun h => (List.mem_cons.mp h).resolve_left fun h => e h.symm
  obtain ⟨a, b, c, d, e, f⟩ := go (m.family top) m k (fun _ => rfl) (fun _ => rfl) fun y hy => fam.mp hy
  exact ⟨a, fun y hy => b y fun h => hy (fam.mp h), c top, d, e, fun y hy => .of_settled (f y (.inl (fam.mpr hy)))⟩

end M

end Shepherd
