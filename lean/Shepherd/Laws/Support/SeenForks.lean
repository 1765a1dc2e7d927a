import Shepherd.Laws.Support.SeenSteps

/-!
# Traces in the order of the log, in copies
-/

namespace Shepherd

open Id (MayOwn Over)

namespace M

variable {B : Prop}

theorem before_before {n k : Nat} (l : n ≤ k) (t : Trace) : Trace.before n (Trace.before k t) = Trace.before n t := by
  unfold Trace.before
  rw [List.filter_filter]
  refine List.filter_congr fun d _ => ?_
  by_cases h : d.seq < n
  · rw [decide_eq_true h, decide_eq_true (Nat.lt_of_lt_of_le h l)]; rfl
  · rw [decide_eq_false h, Bool.false_and]

/-- What was recorded before the first of a suffix, or with it, is in the suffix. -/
theorem before_suffix {n : Nat} {c : Commit} {t u : Trace} (h : c :: t <:+ u) (sorted : u.Pairwise fun a b => b.seq < a.seq)
    (l : n ≤ c.seq) : Trace.before n u = Trace.before n (c :: t) := by
  obtain ⟨s, rfl⟩ := h
  have all := (List.pairwise_append.mp sorted).2.2
  unfold Trace.before
  rw [List.filter_append, List.filter_eq_nil_iff.mpr fun d hd => ?_, List.nil_append]
  have := all d hd c List.mem_cons_self
  rw [decide_eq_true_eq]
  omega

theorem seen_copies {m : M} (b : Bound m) (nm : Named m) (w : Wf m B) (t : Seen m) {asker id : Id} {c : Commit} {u : Trace}
    (hs : c :: u <:+ (m.run id).trace) :
    Seen ((m.bornOf (m.forkParts id asker (c :: u) c)).foldl
      (copyOne m id (.made asker (m.run asker).made) asker c (m.forkParts id asker (c :: u) c)) m) := by
  have absent := not_has_copy w asker
  have hcm : c ∈ (m.run id).trace := hs.subset List.mem_cons_self
  have old : ∀ j, m.has j = true → ((m.bornOf (m.forkParts id asker (c :: u) c)).foldl
      (copyOne m id (.made asker (m.run asker).made) asker c (m.forkParts id asker (c :: u) c)) m).run j = m.run j := fun j i =>
    foldl_keeps (P := fun n => n.run j = m.run j) rfl fun n x _ e => (run_copyOne fun e => by
      have := absent x.id
      rw [e, i] at this; cases this).trans e
  have size : ((m.bornOf (m.forkParts id asker (c :: u) c)).foldl
      (copyOne m id (.made asker (m.run asker).made) asker c (m.forkParts id asker (c :: u) c)) m).size = m.size :=
    foldl_keeps (P := fun n => n.size = m.size) rfl fun n x _ e => by
      unfold copyOne
      split
      · exact e
      · exact e
  have new : ∀ x ∈ m.forkParts id asker (c :: u) c, x.trace ≠ [] → (((m.bornOf (m.forkParts id asker (c :: u) c)).foldl
      (copyOne m id (.made asker (m.run asker).made) asker c (m.forkParts id asker (c :: u) c)) m).run
        (.copy (.made asker (m.run asker).made) x.id)).trace = x.trace := by
    intro x hx ne
    cases hk : x.trace with
    | nil => exact absurd hk ne
    | cons k v =>
      obtain ⟨_, e, _⟩ := run_bornOf (fork := .made asker (m.run asker).made) b.tied nm hcm hx hk
      rw [e]; exact hk
  have there : ∀ y, _ → _ := fun y => of_has_copies (m := m) (id := id) (asker := asker) (fork := .made asker (m.run asker).made)
    (c := c) (t := c :: u) (y := y)
  generalize hN : (m.bornOf (m.forkParts id asker (c :: u) c)).foldl
      (copyOne m id (.made asker (m.run asker).made) asker c (m.forkParts id asker (c :: u) c)) m = N at *
  -- Each part and the trace it inherits.
  have part : ∀ x ∈ m.forkParts id asker (c :: u) c, x.trace <:+ (m.run x.old).trace ∧
      Trace.before c.seq x.trace = Trace.before c.seq (m.run x.old).trace ∧ ∀ d ∈ x.trace, d.seq ≤ c.seq := by
    intro x hx
    unfold forkParts at hx
    rcases List.mem_append.mp hx with hx | hx
    · unfold M.heads at hx
      obtain ⟨h, hh, rfl⟩ := List.mem_map.mp hx
      have e := t.upTo w.indexed hcm hh
      refine ⟨Trace.upTo_suffix _ _, ?_, fun d hd => ?_⟩
      · simp only [e]; exact before_before (Nat.le_refl _) _
      · simp only [e] at hd
        exact Nat.le_of_lt (of_decide_eq_true (List.mem_filter.mp hd).2)
    · rw [List.mem_singleton.mp hx]
      refine ⟨t.literal id c u hs, (before_suffix (t.literal id c u hs) (t.sorted c.run) (Nat.le_refl _)).symm, fun d hd => ?_⟩
      cases List.mem_cons.mp hd with
      | inl e => rw [e]; exact Nat.le_refl _
      | inr e =>
        have := (t.sorted id).sublist hs.sublist
        exact Nat.le_of_lt ((List.pairwise_cons.mp this).1 d e)
  have cases' : ∀ y, (N.run y).trace ≠ [] → (m.has y = true ∧ (N.run y).trace = (m.run y).trace) ∨
      ∃ x ∈ m.forkParts id asker (c :: u) c, y = .copy (.made asker (m.run asker).made) x.id ∧ (N.run y).trace = x.trace := by
    intro y ne
    rcases there y (has_of_trace ne) with i | ⟨x, hx, nx, rfl⟩
    · exact .inl ⟨i, by rw [old y i]⟩
    · exact .inr ⟨x, hx, rfl, new x hx nx⟩
  have from' : ∀ y, (N.run y).trace ≠ [] → ∃ o, (N.run y).trace <:+ (m.run o).trace := fun y ne => by
    rcases cases' y ne with ⟨_, e⟩ | ⟨x, hx, _, e⟩
    · exact ⟨y, e ▸ List.suffix_refl _⟩
    · exact ⟨x.old, e ▸ (part x hx).1⟩
  constructor
  · intro y
    by_cases e : (N.run y).trace = []
    · rw [e]; exact .nil
    · obtain ⟨o, ho⟩ := from' y e
      exact (t.sorted o).sublist ho.sublist
  · intro y d hd
    obtain ⟨o, ho⟩ := from' y (List.ne_nil_of_mem hd)
    rw [size]; exact t.older o d (ho.subset hd)
  · intro y d hd h hh
    obtain ⟨o, ho⟩ := from' y (List.ne_nil_of_mem hd)
    rw [old h.id (b.tied.heads o d (ho.subset hd) h hh)]
    exact t.length o d (ho.subset hd) h hh
  · intro y d v hd
    obtain ⟨o, ho⟩ := from' y (List.ne_nil_of_mem (hd.subset List.mem_cons_self))
    have hd := hd.trans ho
    rw [old d.run (w.recorders o d (hd.subset List.mem_cons_self))]
    exact t.literal o d v hd
  · intro y d hd h hh i
    have ne := List.ne_nil_of_mem hd
    rcases cases' y ne with ⟨iy, e⟩ | ⟨x, hx, rfl, e⟩
    · rw [e] at hd
      have ih := b.tied.heads y d hd h hh
      have im : m.has (Id.today d.run y h.id) = true := by
        rcases Id.today_cases d.run y h.id with e' | ⟨f, o, z, rfl, e'⟩
        · rw [e']; exact ih
        · refine (there _ i).resolve_right ?_
          rintro ⟨x, _, _, e''⟩
          rw [e'] at e''
          have := absent o
          rw [← (Id.copy.inj e'').1, iy] at this; cases this
      rw [old _ im, old _ ih]
      exact t.same y d hd h hh im
    · rw [e] at hd
      obtain ⟨ps, _, pl⟩ := part x hx
      have hdo := ps.subset hd
      have ih := b.tied.heads x.old d hdo h hh
      have ne' : Id.copy (.made asker (m.run asker).made) x.id ≠ d.run := fun e => by
        have := absent x.id
        rw [e, w.recorders x.old d hdo] at this; cases this
      rw [today_copy, if_neg ne'] at i ⊢
      rcases there _ i with i' | ⟨z, hz, nz, ez⟩
      · rw [absent] at i'; cases i'
      · have ez := (Id.copy.inj ez).2
        have ids := forkParts_old (asker := asker) (t := c :: u) nm hcm
        have eq : z.old = Id.today d.run x.old h.id := by
          have h₁ := ids z hz
          rw [← ez, ids x hx, Id.today_today id h.id (nm.today x.old d hdo)] at h₁
          exact (Id.today_inj h₁).symm
        have iz : m.has z.old = true := forkParts_has nm hcm z hz nz
        rw [ez, new z hz nz, old _ ih]
        have := t.same x.old d hdo h hh (eq ▸ iz)
        rw [← eq] at this
        rw [← this]
        have l := pl d hd
        rw [← before_before l z.trace, (part z hz).2.1, before_before l]

/-- What is needed for what is recorded. -/
structure Writable (m : M) : Prop where
  seen : Seen m
  indexed : ∀ id, Trace.Indexed (m.run id).trace
  owner : ∀ r ∈ m.runs, r.id = .world → r.owner = none
  filled : ∀ y, m.has y = true → y ≠ .world → (m.run y).trace ≠ []

theorem Writable.record {m : M} (r : Writable m) {id : Id} (i : m.has id = true) (ev : Event) (s : State) : Writable (m.record id ev s) where
  seen := r.seen.record r.indexed ev s i fun h hh => r.filled h.id (m.headsAt_has id ev h hh) (headsAt_ne_world r.owner h hh)
  indexed := fun y => by
    by_cases e : id = y
    · subst e
      rw [trace_record_same]
      exact ⟨by rw [commitOf_index, (r.indexed _).size], r.indexed _⟩
    · rw [trace_record_ne _ _ _ e]; exact r.indexed y
  owner := owner_put r.owner (owner_run r.owner id)
  filled := fun y h nw => by
    refine run_ne_nil_record _ _ (.inr (r.filled y ?_ nw))
    rw [has_record, Bool.or_eq_true] at h
    exact h.elim (fun h => beq_iff_eq.mp h ▸ i) fun h => h

theorem seen_fork {m : M} (b : Bound m) (nm : Named m) (w : Wf m B) (a : AllMarked m) (t : Seen m) {asker : Id} (wt : Waiting)
    (i : m.has asker = true) (hb : asker = .world → B) : Seen (m.fork asker wt) := by
  have reply : ∀ v, Seen (m.reply asker wt v) := fun v => (plain_reply ⟨i, hb⟩ wt v).seen w a t
  unfold M.fork
  split
  · split
    · exact reply _
    · next id ho =>
      simp only
      split
      · exact reply _
      · next c u ht =>
        have hs : c :: u <:+ (m.run id).trace := by
          rw [← ht]
          split
          · exact Trace.upTo_suffix _ _
          · exact List.nil_suffix
        rw [ht]
        have hcm : c ∈ (m.run id).trace := hs.subset List.mem_cons_self
        have r₁ : Writable ((m.bornOf (m.forkParts id asker (c :: u) c)).foldl
            (copyOne m id (.made asker (m.run asker).made) asker c (m.forkParts id asker (c :: u) c)) m) := by
          have old : ∀ j, m.has j = true → ((m.bornOf (m.forkParts id asker (c :: u) c)).foldl
              (copyOne m id (.made asker (m.run asker).made) asker c (m.forkParts id asker (c :: u) c)) m).run j = m.run j := fun j i =>
            foldl_keeps (P := fun n => n.run j = m.run j) rfl fun n x _ e => (run_copyOne fun e => by
              have := not_has_copy w asker x.id
              rw [e, i] at this; cases this).trans e
          have each : ∀ y, ((m.bornOf (m.forkParts id asker (c :: u) c)).foldl
              (copyOne m id (.made asker (m.run asker).made) asker c (m.forkParts id asker (c :: u) c)) m).has y = true →
              (m.has y = true ∧ (((m.bornOf (m.forkParts id asker (c :: u) c)).foldl
              (copyOne m id (.made asker (m.run asker).made) asker c (m.forkParts id asker (c :: u) c)) m).run y).trace =
                (m.run y).trace) ∨
              ∃ (x : Then) (k : Commit) (v : Trace) (o : Id), x.trace = k :: v ∧ x.trace <:+ (m.run o).trace ∧ (((m.bornOf (m.forkParts id asker (c :: u) c)).foldl
              (copyOne m id (.made asker (m.run asker).made) asker c (m.forkParts id asker (c :: u) c)) m).run y).trace =
                x.trace := by
            intro y iy
            rcases of_has_copies iy with h | ⟨x, hx, nx, rfl⟩
            · exact .inl ⟨h, by rw [old y h]⟩
            · cases hk : x.trace with
              | nil => exact absurd hk nx
              | cons k v =>
                obtain ⟨_, e, _⟩ := run_bornOf (fork := .made asker (m.run asker).made) b.tied nm hcm hx hk
                obtain ⟨o, ho⟩ := forkParts_trace hs x hx
                exact .inr ⟨x, k, v, o, hk, ho, by rw [e]; rfl⟩
          refine ⟨seen_copies b nm w t hs, fun y => ?_, ?_, fun y iy nw => ?_⟩
          · cases iy : M.has _ y with
            | false => rw [run_of_not_has iy]; trivial
            | true =>
              rcases each y iy with ⟨_, e⟩ | ⟨x, k, v, o, _, ho, e⟩
              · rw [e]; exact w.indexed y
              · rw [e]; exact (w.indexed o).of_suffix ho
          · refine foldl_keeps (P := fun n => ∀ r ∈ n.runs, r.id = .world → r.owner = none) w.owner fun n x _ h => ?_
            unfold copyOne
            split
            · exact h
            · exact owner_put (m := { n with used := _ }) h fun e => nomatch e
          · rcases each y iy with ⟨h, e⟩ | ⟨x, k, v, o, hk, _, e⟩
            · rw [e]; exact (a y h nw).1
            · rw [e, hk]; exact nofun
        have r₂ : Writable (m.copyTree id (c :: u) c (.made asker (m.run asker).made) asker) ∧
            (m.copyTree id (c :: u) c (.made asker (m.run asker).made) asker).has asker = true ∧
            ∀ x ∈ m.forkParts id asker (c :: u) c, x.trace ≠ [] →
              (m.copyTree id (c :: u) c (.made asker (m.run asker).made) asker).has (.copy (.made asker (m.run asker).made) x.id) = true := by
          rw [copyTree_eq]
          refine foldl_keeps (P := fun n => Writable n ∧ n.has asker = true ∧ ∀ x ∈ m.forkParts id asker (c :: u) c, x.trace ≠ [] →
            n.has (.copy (.made asker (m.run asker).made) x.id) = true) ⟨r₁, ?_, fun x hx nx => ?_⟩ fun n x hx h => ?_
          · exact foldl_keeps (P := fun n => n.has asker = true) i fun n x _ ih => has_copyOne _ _ _ _ _ _ _ _ _ (.inl ih)
          · cases hk : x.trace with
            | nil => exact absurd hk nx
            | cons k v => exact (run_bornOf (fork := .made asker (m.run asker).made) b.tied nm hcm hx hk).choose_spec.2
          · unfold markCopy
            split
            · exact h
            · next hk =>
              refine ⟨h.1.record (h.2.2 x hx (by rw [hk]; exact nofun)) _ _, ?_, fun z hz nz => ?_⟩
              · rw [recordCode_eq, has_record, h.2.1, Bool.or_true]
              · rw [recordCode_eq, has_record, h.2.2 z hz nz, Bool.or_true]
        exact r₂.1.seen.answerRun r₂.1.indexed r₂.1.owner r₂.1.filled r₂.2.1 wt _
  · exact reply _

theorem seen_perform {m n : M} (b : Bound m) (nm : Named m) (w : Wf m B) (a : AllMarked m) (t : Seen m) {asker : Id}
    (i : Asker B m asker) {wt : Waiting} (hc : (m.run asker).code = .settled (.waiting wt)) (p : m.perform asker wt = some n) :
    Seen n := by
  unfold perform at p
  split at p
  · cases p; exact (plain_take i wt).seen w a t
  · cases p; exact (plain_answerOp w i wt).seen w a t
  · cases p; exact (plain_denyOp w i wt).seen w a t
  · cases p; exact (plain_discardOp w i wt).seen w a t
  · cases p; exact seen_fork b nm w a t wt i.1 i.2
  · cases p; exact (plain_inject w i wt).seen w a t
  · cases p; exact (plain_merge i wt).seen w a t
  · cases p; exact (plain_next i wt).seen w a t
  · cases p; exact (plain_pass w i wt).seen w a t
  · exact (plain_pick i p).seen w a t
  · cases p; exact (plain_revert w i wt).seen w a t
  · cases p; exact seen_spawn b w a t i.1 i.2 hc
  · cases p; exact (plain_traceOp w i wt).seen w a t
  · cases p; exact (plain_reply i wt _).seen w a t

end M

end Shepherd
