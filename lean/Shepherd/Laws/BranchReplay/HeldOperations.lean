import Shepherd.Laws.BranchReplay.Held
import Shepherd.Laws.BranchReplay.Outcomes

/-!
# Who waits for whom: outcomes, taking back, and the operations on runs
-/

namespace Shepherd

namespace M

variable {O : Prop} {z : Id} {m : M}

theorem calmer_resume (c : Code) (answer : Value) (K : Stack) : Calmer c (resume answer K) := .rest fun _ => nofun

namespace Mild

/-! ## Outcomes -/

theorem reply {n : M} (k : Mild O z m n) (w : Waiting) (answer : Value) (change : Change) : Mild O z m (n.reply z w answer change) :=
  k.record (.inl rfl)

theorem answerAsked {n : M} (k : Mild O z m n) (id : Id) (answer : Value) (change : Change) (by' : By) :
    Mild O z m (n.answerAsked id answer change by') := by
  unfold M.answerAsked
  refine k.record (.inr (.inr ?_))
  simp only
  split
  · exact calmer_resume _ _ _
  · exact .same _

theorem relay {n : M} (k : Mild O z m n) (id : Id) (answer : Value) (by' : By) : Mild O z m (n.relay id answer by') := by
  unfold M.relay
  split
  · exact k.recordCode (.inr (.inr (calmer_resume _ _ _)))
  · next u o hc =>
    refine k.setCode (.inr ?_)
    rw [hc]
    exact .next (next_run u answer) (next_to u answer) (next_todo u answer)
  · exact k

theorem deliver {n : M} (k : Mild O z m n) (id : Id) (q : Question) (answer : Value) (change : Change) (by' : By) :
    Mild O z m (n.deliver id q answer change by') := by
  unfold M.deliver
  exact foldl_keeps (P := Mild O z m) (k.answerAsked _ _ _ _) fun n x _ k => k.relay x answer by'

/-! ## Taking back -/

theorem abandonOne {n : M} (k : Mild O z m n) (id : Id) : Mild O z m (n.abandonOne id) := by
  unfold M.abandonOne
  simp only
  split
  · exact k
  · exact k.recordCode (.inr (.inr (.same _)))
  · split
    · exact k.recordCode (.inr (.inr (calmer_resume _ _ _)))
    · exact k

theorem abandon {n : M} (k : Mild O z m n) (id : Id) : Mild O z m (n.abandon id) := by
  unfold M.abandon
  exact foldl_keeps (P := Mild O z m) k fun n x _ k => k.abandonOne x

theorem discard {n : M} (k : Mild O z m n) (id : Id) : Mild O z m (n.discard id) := by
  unfold M.discard
  split
  · exact k
  · exact k.recordCode (.inr (.inr (.rest fun _ => nofun)))

end Mild

/-- Whoever waits has asked. -/
def AllAsked (m : M) : Prop := ∀ id w, id ≠ .world → (m.run id).code.settle = .waiting w →
  ∃ c, Trace.question (m.run id).trace = some c ∧ c.event = .intent w.op w.args

theorem abandonOne_waits {m : M} {id x : Id} (h : ¬ (m.run x).code.Waits) : ¬ ((m.abandonOne id).run x).code.Waits := by
  intro h'
  by_cases e : id = x
  · subst e
    have k : Mild False .world m (m.abandonOne id) := (Mild.refl m).abandonOne id
    unfold M.abandonOne at h'
    simp only at h'
    split at h'
    · exact h h'
    · rw [run_recordCode_same] at h'; exact h h'
    · split at h'
      · rw [run_recordCode_same] at h'
        obtain ⟨w, hw⟩ := h'
        cases hw
      · exact h h'
  · rw [Retold.run_abandonOne_ne e] at h'; exact h h'

theorem abandonOne_asked {m n : M} (q : AllAsked m) {x : Id} (nw : x ≠ .world) (same : n.run x = m.run x) :
    ¬ ((n.abandonOne x).run x).code.Waits := by
  intro h
  unfold M.abandonOne at h
  simp only at h
  split at h
  · next hq =>
    obtain ⟨w, hw⟩ := h
    rw [same] at hq hw
    obtain ⟨c, hc, _⟩ := q x w nw hw
    rw [hc] at hq
    cases hq
  · next hq =>
    rw [run_recordCode_same] at h
    obtain ⟨w, hw⟩ := h
    have hw : (n.run x).code.settle = .waiting w := hw
    rw [same] at hq hw
    obtain ⟨c, hc, he⟩ := q x w nw hw
    rw [hc] at hq
    have hq : some c.event = some _ := hq
    rw [he] at hq
    cases hq
  · split at h
    · rw [run_recordCode_same] at h
      obtain ⟨w, hw⟩ := h
      cases hw
    · next hw =>
      obtain ⟨w, h⟩ := h
      exact hw w h

/-- After open intents are abandoned, none of the runs waits for anything. -/
theorem abandon_waits {m : M} (q : AllAsked m) (id : Id) (nw : ∀ d ∈ m.family id, d ≠ .world) : ∀ d ∈ m.family id, ¬ ((m.abandon id).run d).code.Waits := by
  have go : ∀ (l : List Id) (n : M), (∀ x ∈ l, x ≠ .world) → (∀ x, n.run x = m.run x ∨ ¬ (n.run x).code.Waits) →
      (∀ x, (l.foldl M.abandonOne n).run x = m.run x ∨ ¬ ((l.foldl M.abandonOne n).run x).code.Waits) ∧
      (∀ x, ¬ (n.run x).code.Waits → ¬ ((l.foldl M.abandonOne n).run x).code.Waits) ∧
      ∀ x ∈ l, ¬ ((l.foldl M.abandonOne n).run x).code.Waits := by
    intro l
    induction l with
    | nil => exact fun n _ h => ⟨h, fun _ h => h, fun x hx => absurd hx List.not_mem_nil⟩
    | cons y l ih =>
      intro n hw h
      have done : ¬ ((n.abandonOne y).run y).code.Waits := by
        rcases h y with h | h
        · exact abandonOne_asked q (hw y List.mem_cons_self) h
        · exact abandonOne_waits h
      have h' : ∀ x, (n.abandonOne y).run x = m.run x ∨ ¬ ((n.abandonOne y).run x).code.Waits := fun x => by
        by_cases e : y = x
        · subst e; exact .inr done
        · rw [Retold.run_abandonOne_ne e]; exact h x
      obtain ⟨h1, h2, h3⟩ := ih _ (fun x hx => hw x (List.mem_cons_of_mem _ hx)) h'
      refine ⟨h1, fun x hx => h2 x (abandonOne_waits hx), fun x hx => ?_⟩
      cases List.mem_cons.mp hx with
      | inl e => rw [e]; exact h2 y done
      | inr e => exact h3 x e
  intro d hd
  exact (go (m.family id) m nw fun x => .inl rfl).2.2 d hd

/-- Below whom a run stands is a matter of owners. -/
theorem Below.of_owner {m n : M} (h : ∀ x p, (m.run x).owner = some p → (n.run x).owner = some p) {d x : Id} (b : m.Below d x) :
    n.Below d x := by
  induction b with
  | own e => exact .own (h _ _ e)
  | up e _ ih => exact .up (h _ _ e) ih

theorem begin_ok {B : Prop} {n : M} (wf : Wf m B) (td : Tied m) (q : AllAsked m) {asker id : Id} {origin : Settled} {to : Option Nat}
    (own : m.owns asker id = true) (h : m.begin asker origin id to = .ok n) : Mild O asker m n ∧ n.WatchOk asker := by
  have i := has_of_owns own
  have ho : (m.run id).owner = some asker := beq_iff_eq.mp own
  unfold M.begin at h
  split at h
  · cases h
  · next p hp =>
    cases h
    have k : ∀ code, Mild False asker m ((m.abandon id).setCode asker code) := fun code =>
      ((Mild.refl m).abandon id).setCode (.inl rfl)
    refine ⟨((Mild.refl m).abandon id).setCode (.inl rfl), fun chain op args w hc => ?_, fun u o hu => ?_⟩
    · rw [run_setCode_same] at hc; cases hc
    · rw [run_setCode_same] at hu
      cases hu
      have below : ∀ {code d x}, m.Below d x → ((m.abandon id).setCode asker code).Below d x := fun {code _ _} b =>
        Below.of_owner (fun x p e => ((k code).owner x p e).resolve_left fun h => h.1) b
      refine ⟨((k _).owner id asker ho).resolve_left fun h => h.1, fun d hd => ?_⟩
      have fam : d = id ∨ m.Below d id := by
        rcases hd with hd | ⟨e, he, hd⟩ | ⟨j, c, hj, hc, x, hx, hd⟩
        · exact .inl hd
        · obtain ⟨hs, rfl⟩ := plan_debts hp
          unfold planFor at he
          simp only [List.mem_mergeSort, List.mem_flatMap] at he
          obtain ⟨y, hy, he⟩ := he
          rw [(debts_run e he).1] at hd
          subst hd
          exact td.mem_family.mp hy
        · simp only at hj hc hd
          subst hj
          unfold plan at hp
          simp only at hp
          split at hp
          · cases hp
          · next c' hc' =>
            have e := plain_abandon wf i (ne_world_of_owns wf.owner own)
            rw [trace_setCode] at hc
            obtain ⟨pre, hpre⟩ := (e.extends wf).trace id
            have := Trace.nth_append (hpre ▸ (e.wf wf).indexed id) hc'
            rw [hpre, hc] at this
            cases this
            split at hp
            · cases hp
            · next hm =>
              obtain ⟨t, ht, hid, _⟩ := heads_id (m := m) (id := id) hx
              simp only [Bool.not_eq_true', Bool.not_eq_false, List.isEmpty_iff, moved, List.filter_eq_nil_iff] at hm
              have := hm t ht
              rw [Bool.and_eq_true] at this
              right
              rw [hd, ← hid]
              exact td.isBelow.mp this.2
      refine ⟨fam.imp_right below, ?_⟩
      have ne : asker ≠ d := by
        have : m.Below d asker := by
          rcases fam with rfl | b
          · exact .own ho
          · exact b.trans (.own ho)
        exact (this.ne td.forest).symm
      rw [run_setCode_ne _ _ ne]
      exact abandon_waits q id (fun d hd => ne_world_of_mem_family wf (ne_world_of_owns wf.owner own) hd) d (td.mem_family.mpr fam)

/-! ## Questions -/

theorem shown_last {id : Id} {q : Question} (h : m.shown id = some q) : (id :: q.path).getLastD z = q.asked := by
  rw [List.getLastD_cons]
  unfold M.shown at h
  split at h
  · split at h
    · cases h
    · cases h; rfl
  · cases h; rfl
  · split at h
    · cases h; rfl
    · cases h
  · cases h

/-- Whoever is asked stands below the one that shows the question, and does nothing meanwhile. -/
theorem shown_ok {id : Id} (h : m.WatchOk id) {q : Question} (hq : m.shown id = some q) :
    (q.asked = id ∨ m.Below q.asked id) ∧ ¬ (m.run q.asked).code.Busy := by
  unfold M.shown at hq
  split at hq
  · next w hc =>
    split at hq
    · cases hq
    · cases hq
      refine ⟨.inl rfl, fun b => b.2 _ hc⟩
  · next chain op args w hc =>
    cases hq
    have := h.pass chain op args w hc
    exact ⟨.inr this.1, this.2⟩
  · next u o hc =>
    split at hq
    · next d ds _ hd =>
      cases hq
      have ok := h.undo u o hc
      obtain ⟨b, n⟩ := ok.2 d.run (.inr (.inl ⟨d, by rw [hd]; exact List.mem_cons_self, rfl⟩))
      refine ⟨.inr ?_, fun b => n b.1⟩
      rcases b with b | b
      · show m.Below d.run id
        rw [b]; exact .own ok.1
      · exact b.trans (.own ok.1)
    · cases hq
  · cases hq

/-- Passing what an owned run shows. -/
theorem pass_ok {n : M} (td : Tied m) (own : ∀ x, (n.run x).owner = (m.run x).owner) {x child : Id} (ho : m.owns x child = true)
    (w : m.WatchOk child) {q : Question} (hq : m.shown child = some q)
    (same : ∀ y, y ≠ x → (n.run y).code = (m.run y).code) : n.PassOk x (child :: q.path) := by
  have ok := shown_ok w hq
  have b : m.Below q.asked x := by
    have o : m.Below child x := .own (beq_iff_eq.mp ho)
    rcases ok.1 with e | b
    · rw [e]; exact o
    · exact b.trans o
  unfold PassOk
  rw [shown_last hq]
  refine ⟨Below.of_owner (fun y p e => (own y).trans e) b, ?_⟩
  rw [same _ (b.ne td.forest)]
  exact ok.2

end M

end Shepherd
