import Shepherd.Laws.Support.Meant
import Shepherd.Laws.Support.TiedQuestions

/-!
# Ownership through outcomes and taking back
-/

namespace Shepherd

open Id (MayOwn Over)

namespace M

variable {T F : Id → Prop} {B : Prop}

/-! ## Outcomes -/

theorem deeds_answerAsked {m : M} (td : Tied m) {id : Id} (t : T id) (i : m.has id = true) (answer : Value) (change : Change)
    (by' : By) : Deeds T F m (m.answerAsked id answer change by') := by
  unfold M.answerAsked
  refine .record id _ _ .refl t i ?_ fun _ h => .inl h
  simp only
  split
  · trivial
  · exact td.codes id

theorem deeds_relay {m : M} (td : Tied m) {id : Id} (t : T id) (answer : Value) (by' : By) :
    Deeds T F m (m.relay id answer by') := by
  have ok := td.codes id
  unfold M.relay
  split
  · next hc => exact deeds_recordCode t (has_of_code (by rw [hc]; exact nofun)) _ trivial
  · next u o hc =>
    rw [hc] at ok
    refine deeds_setCode t (has_of_code (by rw [hc]; exact nofun)) ?_ (.inr ?_)
    · refine ⟨?_, fun d hd => ?_⟩
      · rw [next_run]; exact ok.1
      · rw [next_run]; exact ok.2 d (next_todo u answer d hd)
    · rw [hc]; exact .refl
  · exact .refl

theorem deeds_deliver {m : M} (td : Tied m) {id : Id} {q : Question} (i : m.has q.asked = true) (t : T q.asked)
    (path : ∀ z ∈ id :: q.path, T z) (answer : Value) (change : Change) (by' : By) :
    Deeds T F m (m.deliver id q answer change by') := by
  unfold M.deliver
  have e : Deeds T F m (m.answerAsked q.asked answer change by') := deeds_answerAsked td t i answer change by'
  refine e.trans (Deeds.foldl (e.tied td) fun n x hx _ tn => deeds_relay tn (path x ?_) answer by')
  exact List.dropLast_subset _ (List.mem_reverse.mp hx)

/-! ## Taking back -/

theorem deeds_abandonOne {m : M} (td : Tied m) {id : Id} (t : T id) (i : m.has id = true) : Deeds T F m (m.abandonOne id) := by
  unfold M.abandonOne
  simp only
  split
  · exact .refl
  · exact deeds_recordCode t i _ (td.codes id)
  · split
    · exact deeds_recordCode t i _ trivial
    · exact .refl

theorem deeds_abandon {m : M} (td : Tied m) {id : Id} (t : ∀ x, Over id x → T x) (i : m.has id = true) :
    Deeds T F m (m.abandon id) :=
  Deeds.foldl td fun _ x hx d tn => deeds_abandonOne tn (t x (td.over_of_family hx)) (d.has (has_of_mem_family i hx))

theorem Tied.debts {m : M} (td : Tied m) {id : Id} (to : Option Nat) (hs : List Then) :
    ∀ d ∈ (m.planFor id to hs).debts, Over id d.run := by
  intro d hd
  unfold planFor at hd
  simp only [List.mem_mergeSort, List.mem_flatMap] at hd
  obtain ⟨x, hx, hd⟩ := hd
  rw [(debts_run d hd).1]
  exact td.over_of_family hx

theorem plan_debts {m : M} {id : Id} {to : Option Nat} {p : Plan} (h : m.plan id to = .ok p) :
    ∃ hs, p = m.planFor id to hs := by
  unfold plan at h
  split at h
  · cases h; exact ⟨_, rfl⟩
  · simp only at h
    split at h
    · cases h
    · split at h
      · cases h
      · split at h
        · cases h
        · cases h; exact ⟨_, rfl⟩

theorem deeds_begin {m n : M} (td : Tied m) {asker id : Id} (t : ∀ x, Over asker x → T x) (ia : m.has asker = true)
    (ho : MayOwn asker id) (i : m.has id = true) {origin : Settled} (lead : (m.run asker).code.settle.Leads m.program origin)
    {to : Option Nat} (h : m.begin asker origin id to = .ok n) : Deeds T F m n := by
  unfold M.begin at h
  split at h
  · cases h
  · next p hp =>
    cases h
    obtain ⟨hs, rfl⟩ := plan_debts hp
    have e₀ : Deeds (Over id) F m (m.abandon id) := deeds_abandon td (fun _ h => h) i
    have e : Deeds T F m (m.abandon id) := e₀.mono fun x h => t x (ho.over.trans h)
    refine e.trans (deeds_setCode (t asker (.refl _)) (e.has ia) ⟨ho, fun d hd => td.debts to hs d hd⟩ (.inr ?_))
    rw [e₀.run ho.acyclic, e₀.program]
    exact lead

theorem deeds_discard {m : M} {id : Id} (t : T id) : Deeds T F m (m.discard id) := by
  unfold M.discard
  split
  · exact .refl
  · next hc => exact deeds_recordCode t (has_of_code fun e => hc e) _ trivial

theorem deeds_rewind {m : M} (td : Tied m) (fresh : ∀ h, m.has h = true → F h) {id : Id} (t : T id) (i : m.has id = true)
    {c : Commit} (hc : ∀ h ∈ c.handles, F h) (lower : Bool) : Deeds T F m (m.rewind id c lower) := by
  unfold M.rewind
  refine .record id _ _ .refl t i ?_ fun h hh => .inr ?_
  · simp only
    split
    · exact td.takenUp _ _ _
    · trivial
  · exact (of_mem_handlesToday hh).elim (hc h) (fresh h)

theorem deeds_restoreLower {m : M} (td : Tied m) (fresh : ∀ h, m.has h = true → F h) {hs : List Then}
    (hhs : ∀ x ∈ hs, ∀ c ∈ x.trace, ∀ h ∈ c.handles, F h) {id : Id} (t : T id) (i : m.has id = true) :
    Deeds T F m (restoreLower hs m id) := by
  unfold restoreLower
  split
  · exact deeds_discard t
  · next x hx =>
    split
    · exact .refl
    · next c u hc =>
      simp only
      split
      · exact deeds_rewind td fresh t i
          (hhs x (List.mem_of_find?_eq_some hx) c (by rw [hc]; exact List.mem_cons_self)) true
      · split
        · next u' o hu =>
          exact deeds_setCode t i trivial (.inr (by rw [hu]; exact .refl))
        · exact .refl

theorem _root_.Shepherd.Id.copy_of_today {r id : Id} (h : r ≠ id) (e : Id.today r id r = id) : ∃ f x, id = .copy f x := by
  cases id with
  | copy f x => exact ⟨f, x, rfl⟩
  | _ => exact absurd e h

theorem today_copy_ne {r f old x : Id} (h : Id.copy f old ≠ r) : Id.today r (.copy f old) x = .copy f (Id.today r old x) := by
  rw [today_copy, if_neg h]

theorem _root_.Shepherd.Id.mayOwn_of_mem_lenders {r g x : Id} (id : Id) (h : MayOwn g x) :
    ∀ l ∈ Id.lenders r id g, MayOwn l (Id.today r id x) := by
  induction id with
  | copy f old _ ih =>
    unfold Id.lenders Id.today
    split
    · intro l hl; rw [List.mem_singleton.mp hl]; exact h
    · intro l hl
      rcases List.mem_append.mp hl with hl | hl
      · obtain ⟨y, hy, rfl⟩ := List.mem_map.mp hl
        exact .copies f (ih y hy)
      · cases f with
        | made a n =>
          rw [List.mem_singleton.mp hl]
          exact .copied a n _
        | _ => exact absurd hl List.not_mem_nil
  | _ =>
    intro l hl
    rw [List.mem_singleton.mp hl]
    exact h

/-- Who has lent a run from above may own it, in copies too. -/
theorem mayOwn_lender {m : M} {c : Commit} {g x : Id} (id : Id) (h : MayOwn g x) :
    MayOwn (m.lender id c g) (Id.today c.run id x) := by
  unfold M.lender
  cases e : (Id.lenders c.run id g).find? m.has with
  | none => exact h.today id
  | some l => exact Id.mayOwn_of_mem_lenders id h l (List.mem_of_find?_eq_some e)

/-- What stood below a run at an earlier event, today. -/
theorem Tied.thens {m : M} (td : Tied m) (nm : Named m) {id : Id} (_i : m.has id = true) {c : Commit} (hc : c ∈ (m.run id).trace)
    {h : Then} (hh : h ∈ m.heads id c) : MayOwn h.owner h.id ∧ (∀ g ∈ h.givers, MayOwn g h.id) ∧ Over id h.id ∧ h.id ≠ id := by
  have ct := td.commits id c hc
  have today := nm.today id c hc
  unfold M.heads at hh
  obtain ⟨x, hx, rfl⟩ := List.mem_map.mp hh
  refine ⟨(ct.owner x hx).today id, fun g hg => ?_, ?_, fun e => (ct.over x hx).2 (Id.today_inj (e.trans today.symm))⟩
  · unfold giversToday at hg
    rcases List.mem_append.mp hg with hg | hg
    · obtain ⟨y, hy, rfl⟩ := List.mem_map.mp hg
      exact (ct.givers x hx y (List.mem_filter.mp hy).1).today id
    · obtain ⟨y, hy, rfl⟩ := List.mem_map.mp (mem_of_mem_eraseDups hg)
      exact mayOwn_lender id (ct.givers x hx y (List.mem_filter.mp hy).1)
  · have := (ct.over x hx).1.today (r := c.run) id
    rwa [today] at this

theorem deeds_restore {m : M} (td : Tied m) (nm : Named m) (fresh : ∀ h, m.Stamped h → F h) (w : Wf m B) (tab : Tabled F m)
    {id : Id} (t : ∀ x, Over id x → T x) (i : m.has id = true) {to : Option Nat}
    (ok : ∀ k, to = some k → ∃ c, (m.run id).trace.nth k = some c ∧ ∀ h ∈ c.heads, m.has (Id.today c.run id h.id) = true) :
    Deeds T F m (m.restore id to) := by
  have fresh' : ∀ h, m.has h = true → F h := fun h hh => fresh h (w.fresh h hh)
  unfold M.restore
  split
  · exact Deeds.foldl td fun n x hx _ _ => deeds_discard (t x (td.over_of_family hx))
  · next k =>
    obtain ⟨c, hc, hh⟩ := ok k rfl
    rw [hc]
    simp only
    have hm : c ∈ (m.run id).trace := Trace.nth_mem hc
    have same : ∀ {n : M}, Deeds T F m n → ∀ h, n.has h = true → F h := fun d h hh =>
      (d.of_has hh).elim (fresh' h) fun f => f
    have e₁ : Deeds T F m ((m.heads id c).foldl (fun m h => m.own h.id h.owner h.givers) m) :=
      Deeds.foldl td fun n x hx d _ =>
        have ht := td.thens nm i hm hx
        .own _ _ _ .refl (t _ ht.2.2.1) (d.has (heads_has hh x hx)) ht.1 ht.2.1
    have t₁ := e₁.tied td
    have tr : ∀ x ∈ m.heads id c, ∀ c ∈ x.trace, ∀ h ∈ c.handles, F h := by
      intro x hx d hd
      unfold M.heads at hx
      obtain ⟨y, _, rfl⟩ := List.mem_map.mp hx
      exact tab.kept y.id d ((Trace.upTo_suffix _ _).subset hd)
    have below : ∀ x ∈ ((m.heads id c).foldl (fun m h => m.own h.id h.owner h.givers) m).below id, Over id x :=
      fun x hx => t₁.over_of_below (t₁.mem_below.mp hx)
    have e₂ := Deeds.foldl (T := T) (F := F) (f := restoreLower (m.heads id c)) t₁
      (l := ((m.heads id c).foldl (fun m h => m.own h.id h.owner h.givers) m).below id)
      fun n x hx d tn => deeds_restoreLower tn (same (e₁.trans d)) tr (t x (below x hx)) (d.has (has_of_mem_below hx))
    have e := e₁.trans e₂
    exact e.trans (deeds_rewind (e.tied td) (same e) (t id (.refl _)) (e.has i) (tab.kept id c hm) false)

end M

end Shepherd
