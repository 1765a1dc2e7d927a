import Shepherd.Laws.Support.TiedReach

/-!
# `forked` in the copies
-/

namespace Shepherd

open Id (MayOwn Over)

/-- The commit `d` says that the run `copy` was forked from `of` right after its commit `k`, and holds what that one does. -/
structure Forking (d : Commit) (copy of : Id) (k : Commit) : Prop where
  run : d.run = copy
  event : d.event = .forked of k.index
  code : d.code = k.code
  files : d.files = k.files
  inbox : d.inbox = k.inbox
  made : d.made = k.made

namespace M

/-- The run `copy` has the code, the files and all else of the commit `k`, before which the trace `t` was, and has recorded, last, that
it was forked from `of` there. -/
structure JustForked (n : M) (copy of : Id) (k : Commit) (t : Trace) : Prop where
  code : (n.run copy).code.settle = k.code
  files : (n.run copy).files = k.files
  inbox : (n.run copy).inbox = k.inbox
  made : (n.run copy).made = k.made
  trace : ∃ d, (n.run copy).trace = d :: k :: t ∧ Forking d copy of k

theorem markCopy_eq (id fork : Id) (n : M) {h : Then} {k : Commit} {u : Trace} (e : h.trace = k :: u) :
    M.markCopy id fork n h = n.recordCode (.copy fork h.id) (.forked h.id k.index)
      (if h.id = id then .settled k.code else n.takenUp (.copy fork h.id) (n.run (.copy fork h.id)).handles k.code) := by
  unfold M.markCopy
  rw [e]

/-- Each copy records `forked` once. -/
theorem run_marks (id fork : Id) {l : List Then} (n : M) (h : (l.map Then.id).Nodup) {x : Then} (hx : x ∈ l) {k : Commit} {u : Trace}
    (e : x.trace = k :: u) : ∃ code d, (l.foldl (M.markCopy id fork) n).run (.copy fork x.id) =
        { n.run (.copy fork x.id) with code, trace := d :: (n.run (.copy fork x.id)).trace } ∧
      code.settle = k.code ∧ (x.id = id → code = .settled k.code) ∧ d.run = .copy fork x.id ∧ d.event = .forked x.id k.index ∧
      d.code = k.code ∧ d.files = (n.run (.copy fork x.id)).files ∧ d.inbox = (n.run (.copy fork x.id)).inbox ∧
      d.made = (n.run (.copy fork x.id)).made := by
  induction l generalizing n with
  | nil => exact absurd hx List.not_mem_nil
  | cons y l ih =>
    have h := List.nodup_cons.mp h
    rw [List.foldl_cons]
    cases List.mem_cons.mp hx with
    | inr hx =>
      have ne : Id.copy fork y.id ≠ .copy fork x.id := fun e =>
        h.1 ((Id.copy.inj e).2 ▸ List.mem_map.mpr ⟨x, hx, rfl⟩)
      have := ih (M.markCopy id fork n y) h.2 hx
      rwa [run_markCopy ne] at this
    | inl hx =>
      subst hx
      have keep : ∀ (l : List Then) (n : M), x.id ∉ l.map Then.id →
          (l.foldl (M.markCopy id fork) n).run (.copy fork x.id) = n.run (.copy fork x.id) := by
        intro l
        induction l with
        | nil => exact fun _ _ => rfl
        | cons y l ih =>
          intro n hn
          rw [List.map_cons, List.mem_cons, not_or] at hn
          rw [List.foldl_cons, ih _ hn.2, run_markCopy]
          exact fun e => hn.1 (Id.copy.inj e).2.symm
      rw [keep l _ h.1, markCopy_eq id fork n e]
      refine ⟨_, _, run_recordCode_same _ _ _ _, ?_, ?_, rfl, rfl, ?_, rfl, rfl, rfl⟩
      · split
        · rfl
        · exact settle_takenUp _ _ _ _
      · intro e; rw [if_pos e]
      · show Code.settle _ = _
        simp only
        split
        · rfl
        · exact settle_takenUp _ _ _ _

/-- After a fork, every copy is as its original was, and has recorded that. -/
theorem run_copyTree_copy {m : M} (td : Tied m) (nm : Named m) {id asker fork : Id} {c : Commit} {t : Trace}
    (hc : c ∈ (m.run id).trace) {x : Then} (hx : x ∈ m.forkParts id asker t c) {k : Commit} {u : Trace} (e : x.trace = k :: u) :
    JustForked (m.copyTree id t c fork asker) (.copy fork x.id) x.id k u ∧
      ((m.copyTree id t c fork asker).run (.copy fork x.id)).handles =
        copyHandles m id fork c ((m.forkParts id asker t c).map Then.id) k.handles ∧
      ((m.copyTree id t c fork asker).run (.copy fork x.id)).owner = some (if x.id = id then asker else .copy fork x.owner) ∧
      (x.id = id → ((m.copyTree id t c fork asker).run (.copy fork x.id)).code = .settled k.code) := by
  obtain ⟨grant, he, _⟩ := run_bornOf (fork := fork) td nm hc hx e
  rw [copyTree_eq]
  obtain ⟨code, d, hr, h₁, h₂, h₃, h₄, h₅, h₆, h₇, h₈⟩ := run_marks id fork
    ((m.bornOf (m.forkParts id asker t c)).foldl (M.copyOne m id fork asker c (m.forkParts id asker t c)) m)
    (nodup_ids nm hc (fun _ h => h) (forkParts_nodup (td.commits id c hc))) hx e
  rw [he] at hr h₆ h₇ h₈
  rw [hr]
  refine ⟨⟨?_, ?_, ?_, ?_, d, ?_, h₃, h₄, h₅, h₆, h₇, h₈⟩, rfl, rfl, h₂⟩
  · rw [hr]; exact h₁
  · rw [hr]; rfl
  · rw [hr]; rfl
  · rw [hr]; rfl
  · rw [hr]; show d :: x.trace = _; rw [e]

theorem owner_markCopy (id fork : Id) (n : M) (h : Then) (z : Id) : ((M.markCopy id fork n h).run z).owner = (n.run z).owner := by
  unfold M.markCopy
  split
  · rfl
  · rw [recordCode_eq, owner_record]

/-- In what a fork copies, a run comes before its owner. -/
theorem parts_before {m : M} {id asker : Id} {c : Commit} {t : Trace} (ct : CommitTied c) :
    (m.forkParts id asker t c).Pairwise fun a b => b.id ≠ id → b.owner ≠ a.id := by
  unfold forkParts
  refine List.pairwise_append.mpr ⟨?_, List.pairwise_singleton _ _, fun a _ b hb ne => absurd ?_ ne⟩
  · unfold M.heads
    rw [List.pairwise_map]
    exact ct.order.imp fun h _ e => h (Id.today_inj e)
  · rw [List.mem_singleton.mp hb]

/-- Which intent a copy below the top one passes again. -/
theorem code_copyTree {m : M} (td : Tied m) (nm : Named m) {id asker fork : Id} (fresh : ∀ x, asker ≠ .copy fork x)
    (i : m.has id = true) {c : Commit} {t : Trace} (hc : c ∈ (m.run id).trace)
    (full : ∀ x ∈ m.forkParts id asker t c, x.trace ≠ []) {x : Then} (hx : x ∈ m.forkParts id asker t c) (ne : x.id ≠ id)
    {k : Commit} {u : Trace} (e : x.trace = k :: u) :
    ((m.copyTree id t c fork asker).run (.copy fork x.id)).code = (m.copyTree id t c fork asker).takenUp (.copy fork x.id)
      ((m.copyTree id t c fork asker).run (.copy fork x.id)).handles k.code := by
  rw [copyTree_eq]
  have owner : ∀ w ∈ m.forkParts id asker t c, (((m.bornOf (m.forkParts id asker t c)).foldl
      (M.copyOne m id fork asker c (m.forkParts id asker t c)) m).run (.copy fork w.id)).owner =
        some (if w.id = id then asker else .copy fork w.owner) := by
    intro w hw
    cases hk : w.trace with
    | nil => exact absurd hk (full w hw)
    | cons d v =>
      obtain ⟨_, e, _⟩ := run_bornOf (fork := fork) td nm hc hw hk
      rw [e]; rfl
  have order := parts_before (m := m) (id := id) (asker := asker) (t := t) (td.commits id c hc)
  have nodup := nodup_ids nm hc (fun _ h => h) (forkParts_nodup (m := m) (asker := asker) (t := t) (td.commits id c hc))
  have self : x.owner ≠ x.id := by
    unfold forkParts at hx
    rcases List.mem_append.mp hx with hx | hx
    · exact (td.thens nm i hc hx).1.ne
    · rw [List.mem_singleton.mp hx] at ne; exact absurd rfl ne
  generalize (m.bornOf (m.forkParts id asker t c)).foldl (M.copyOne m id fork asker c (m.forkParts id asker t c)) m = N at owner ⊢
  obtain ⟨front, back, hl⟩ := List.append_of_mem hx
  have sub : ∀ w ∈ x :: back, w ∈ m.forkParts id asker t c := fun w hw => by
    rw [hl]; exact List.mem_append_right _ hw
  have order := (List.pairwise_cons.mp (List.pairwise_append.mp (hl ▸ order)).2.1).1
  have nodup : x.id ∉ back.map Then.id := by
    rw [hl, List.map_append, List.map_cons] at nodup
    exact (List.nodup_cons.mp (List.nodup_append.mp nodup).2.1).1
  rw [hl, List.foldl_append, List.foldl_cons]
  have keep : ∀ (n : M) z, (∀ w ∈ back, Id.copy fork w.id ≠ z) → (back.foldl (M.markCopy id fork) n).run z = n.run z := fun n z h =>
    foldl_keeps (P := fun n' => n'.run z = n.run z) rfl fun n' w hw e => (run_markCopy (h w hw)).trans e
  have owners : ∀ (l : List Then) (n : M) z, ((l.foldl (M.markCopy id fork) n).run z).owner = (n.run z).owner := fun l n z =>
    foldl_keeps (P := fun n' => (n'.run z).owner = (n.run z).owner) rfl fun n' w _ e => (owner_markCopy _ _ _ _ _).trans e
  have own := fun z => owners front N z
  generalize front.foldl (M.markCopy id fork) N = n' at own ⊢
  have last := keep (M.markCopy id fork n' x) (.copy fork x.id) fun w hw e =>
    nodup ((Id.copy.inj e).2 ▸ List.mem_map.mpr ⟨w, hw, rfl⟩)
  have mark := markCopy_eq id fork n' e
  rw [if_neg ne] at mark
  rw [last, mark, run_recordCode_same, ← mark]
  refine (takenUp_same (fun child => ?_) (fun child h => shown_same ?_) _ _).symm
  · unfold M.owns; rw [owners, owner_markCopy]
  · have off : ∀ w ∈ x :: back, Id.copy fork w.id ≠ child := by
      rintro w hw rfl
      have o := owner w (sub w hw)
      rw [← own, beq_iff_eq.mp h] at o
      split at o
      · exact fresh _ (Option.some.inj o).symm
      · next nw =>
        have o := (Id.copy.inj (Option.some.inj o)).2
        cases List.mem_cons.mp hw with
        | inl e => subst e; exact self o.symm
        | inr e => exact order w e nw o.symm
    rw [keep _ _ fun w hw => off w (List.mem_cons_of_mem _ hw), run_markCopy (off x List.mem_cons_self)]

/-- What a fork records. -/
theorem log_copyTree (m : M) (id : Id) (t : Trace) (c : Commit) (fork owner : Id) : ∃ ds,
    (m.copyTree id t c fork owner).log = ds ++ m.log ∧ ∀ d ∈ ds, ∃ x k, d.run = .copy fork x ∧ d.event = .forked x k := by
  rw [copyTree_eq]
  refine foldl_keeps (P := fun n => ∃ ds, n.log = ds ++ m.log ∧ ∀ d ∈ ds, ∃ x k, d.run = .copy fork x ∧ d.event = .forked x k)
    ?_ fun n x _ h => ?_
  · refine foldl_keeps (P := fun n => ∃ ds, n.log = ds ++ m.log ∧ ∀ d ∈ ds, ∃ x k, d.run = .copy fork x ∧ d.event = .forked x k)
      ⟨[], rfl, fun _ h => absurd h List.not_mem_nil⟩ fun n x _ h => ?_
    unfold M.copyOne
    split
    · exact h
    · exact h
  · obtain ⟨ds, hl, hd⟩ := h
    unfold M.markCopy
    split
    · exact ⟨ds, hl, hd⟩
    · next k _ _ =>
      rw [recordCode_eq, log_record, hl]
      refine ⟨_ :: ds, rfl, fun d h => ?_⟩
      cases List.mem_cons.mp h with
      | inl e => rw [e]; exact ⟨x.id, k.index, rfl, rfl⟩
      | inr e => exact hd d e

/-- What is there after the copies of a fork are made, before they record anything. -/
theorem of_has_copies {m : M} {id asker fork : Id} {c : Commit} {t : Trace} {y : Id}
    (h : ((m.bornOf (m.forkParts id asker t c)).foldl (M.copyOne m id fork asker c (m.forkParts id asker t c)) m).has y = true) :
    m.has y = true ∨ ∃ x ∈ m.forkParts id asker t c, x.trace ≠ [] ∧ y = .copy fork x.id := by
  refine foldl_keeps (P := fun n => n.has y = true → m.has y = true ∨
    ∃ x ∈ m.forkParts id asker t c, x.trace ≠ [] ∧ y = .copy fork x.id) .inl (fun n x hx ih h => ?_) h
  cases ht : x.trace with
  | nil => unfold M.copyOne at h; rw [ht] at h; exact ih h
  | cons k u =>
    obtain ⟨_, _, e⟩ := copyOne_eq m id fork asker c (m.forkParts id asker t c) n ht
    rw [e, has_put, Bool.or_eq_true] at h
    rcases h with h | h
    · exact .inr ⟨x, (of_mem_bornOf hx).1, by rw [ht]; exact nofun, (beq_iff_eq.mp h).symm⟩
    · exact ih h

/-- What is there after a fork. -/
theorem of_has_copyTree {m : M} {id asker fork : Id} {c : Commit} {t : Trace} {y : Id}
    (h : (m.copyTree id t c fork asker).has y = true) :
    m.has y = true ∨ ∃ x ∈ m.forkParts id asker t c, x.trace ≠ [] ∧ y = .copy fork x.id := by
  rw [copyTree_eq] at h
  refine foldl_keeps (P := fun n => n.has y = true → m.has y = true ∨
    ∃ x ∈ m.forkParts id asker t c, x.trace ≠ [] ∧ y = .copy fork x.id) of_has_copies (fun n x hx ih h => ?_) h
  cases ht : x.trace with
  | nil => unfold M.markCopy at h; rw [ht] at h; exact ih h
  | cons k u =>
    rw [markCopy_eq id fork n ht, recordCode_eq, has_record, Bool.or_eq_true] at h
    rcases h with h | h
    · exact .inr ⟨x, hx, by rw [ht]; exact nofun, (beq_iff_eq.mp h).symm⟩
    · exact ih h

end M

end Shepherd
