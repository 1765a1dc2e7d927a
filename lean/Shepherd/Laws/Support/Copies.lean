import Shepherd.Laws.Support.TiedOutcomes

/-!
# What a fork copies
-/

namespace Shepherd

open Id (MayOwn Over)

namespace M

/-- The copy of one run, before it has recorded `forked`: as the run was right after its commit `k`. -/
def copyRun (before : M) (id fork owner : Id) (c : Commit) (parts : List Then) (h : Then) (k : Commit) (grant : List Layer) : Run :=
  let group := parts.map Then.id
  let old := before.run h.old
  let lent := (h.givers.filter group.contains).map (Id.copy fork)
  let lent := if lent.length < h.givers.length then lent ++ [owner] else lent
  { id := .copy fork h.id, owner := some (if h.id = id then owner else .copy fork h.owner), givers := lent
    agent := old.agent, args := old.args, code := .settled k.code, files := k.files, base := old.base, grant
    handles := copyHandles before id fork c group k.handles, trace := h.trace, inbox := k.inbox, made := k.made }

theorem copyOne_eq (before : M) (id fork owner : Id) (c : Commit) (parts : List Then) (n : M) {h : Then} {k : Commit} {u : Trace}
    (e : h.trace = k :: u) : ∃ grant used,
      M.copyOne before id fork owner c parts n h = { n with used }.put (copyRun before id fork owner c parts h k grant) := by
  unfold M.copyOne
  rw [e]
  exact ⟨_, _, by rw [copyRun, e]⟩

/-- The parts of a fork in the order in which the originals were born. -/
def bornOf (m : M) (parts : List Then) : List Then := m.runs.filterMap fun r => parts.find? fun h => h.old == r.id

theorem copyTree_eq (m : M) (id : Id) (t : Trace) (c : Commit) (fork owner : Id) :
    m.copyTree id t c fork owner = (m.forkParts id owner t c).foldl (markCopy id fork)
      ((m.bornOf (m.forkParts id owner t c)).foldl (copyOne m id fork owner c (m.forkParts id owner t c)) m) := rfl

theorem of_mem_bornOf {m : M} {parts : List Then} {x : Then} (hx : x ∈ m.bornOf parts) : x ∈ parts ∧ m.has x.old = true := by
  obtain ⟨r, hr, hf⟩ := List.mem_filterMap.mp hx
  have := List.find?_some (p := fun h : Then => h.old == r.id) hf
  exact ⟨List.mem_of_find?_eq_some hf, (Runs.has_iff _ _).mpr ⟨r, hr, (beq_iff_eq.mp this).symm⟩⟩

theorem eq_of_nodup_map {α β : Type} {f : α → β} {l : List α} (h : (l.map f).Nodup) {x y : α} (hx : x ∈ l) (hy : y ∈ l)
    (e : f x = f y) : x = y := by
  induction l with
  | nil => exact absurd hx List.not_mem_nil
  | cons z l ih =>
    have h := List.nodup_cons.mp h
    cases List.mem_cons.mp hx with
    | inl hx =>
      cases List.mem_cons.mp hy with
      | inl hy => rw [hx, hy]
      | inr hy => exact absurd (List.mem_map.mpr ⟨y, hy, hx ▸ e.symm⟩) h.1
    | inr hx =>
      cases List.mem_cons.mp hy with
      | inl hy => exact absurd (List.mem_map.mpr ⟨x, hx, hy ▸ e⟩) h.1
      | inr hy => exact ih h.2 hx hy

theorem mem_bornOf {m : M} {parts : List Then} (n : (parts.map Then.old).Nodup) {x : Then} (hx : x ∈ parts)
    (i : m.has x.old = true) : x ∈ m.bornOf parts := by
  obtain ⟨r, hr, hi⟩ := (Runs.has_iff _ _).mp i
  refine List.mem_filterMap.mpr ⟨r, hr, ?_⟩
  cases hf : parts.find? fun h => h.old == r.id with
  | none =>
    have := List.find?_eq_none.mp hf x hx
    rw [hi, beq_self_eq_true] at this
    exact absurd rfl this
  | some y =>
    have hy := List.mem_of_find?_eq_some hf
    have hb : (y.old == r.id) = true := List.find?_some (p := fun h : Then => h.old == r.id) hf
    rw [eq_of_nodup_map n hy hx ((beq_iff_eq.mp hb).trans hi)]

theorem nodup_bornOf {m : M} (n : (m.runs.map Run.id).Nodup) (parts : List Then) : ((m.bornOf parts).map Then.old).Nodup := by
  unfold bornOf
  have : ∀ l : List Run, (l.map Run.id).Nodup →
      ((l.filterMap fun r => parts.find? fun h => h.old == r.id).map Then.old).Nodup := by
    intro l
    induction l with
    | nil => exact fun _ => List.nodup_nil
    | cons r l ih =>
      intro h
      have h := List.nodup_cons.mp h
      rw [List.filterMap_cons]
      split
      · exact ih h.2
      · next x hx =>
        rw [List.map_cons]
        refine List.nodup_cons.mpr ⟨fun hm => h.1 ?_, ih h.2⟩
        obtain ⟨y, hy, e⟩ := List.mem_map.mp hm
        obtain ⟨r', hr', hf⟩ := List.mem_filterMap.mp hy
        have hx : (x.old == r.id) = true := List.find?_some (p := fun h : Then => h.old == r.id) hx
        have hy : (y.old == r'.id) = true := List.find?_some (p := fun h : Then => h.old == r'.id) hf
        refine List.mem_map.mpr ⟨r', hr', ?_⟩
        rw [← beq_iff_eq.mp hy, e, beq_iff_eq.mp hx]
  exact this m.runs n

theorem forkParts_old {m : M} (nm : Named m) {id asker : Id} {c : Commit} {t : Trace} (hc : c ∈ (m.run id).trace) :
    ∀ x ∈ m.forkParts id asker t c, x.id = Id.today c.run id x.old := by
  intro x hx
  unfold forkParts at hx
  cases List.mem_append.mp hx with
  | inl hx => unfold M.heads at hx; obtain ⟨y, _, rfl⟩ := List.mem_map.mp hx; rfl
  | inr hx => rw [List.mem_singleton.mp hx]; exact (nm.today id c hc).symm

theorem forkParts_nodup {m : M} {id asker : Id} {c : Commit} {t : Trace} (ct : CommitTied c) :
    ((m.forkParts id asker t c).map Then.old).Nodup := by
  have e : (m.forkParts id asker t c).map Then.old = c.heads.map Head.id ++ [c.run] := by
    unfold forkParts M.heads
    rw [List.map_append, List.map_map]
    rfl
  rw [e]
  refine List.nodup_append.mpr ⟨ct.nodup, List.pairwise_singleton _ _, fun x hx y hy => ?_⟩
  obtain ⟨h, hh, rfl⟩ := List.mem_map.mp hx
  rw [List.mem_singleton.mp hy]
  exact (ct.over h hh).2

theorem nodup_ids {m : M} (nm : Named m) {id asker : Id} {c : Commit} {t : Trace} (hc : c ∈ (m.run id).trace) {l : List Then}
    (hl : ∀ x ∈ l, x ∈ m.forkParts id asker t c) (h : (l.map Then.old).Nodup) : (l.map Then.id).Nodup := by
  induction l with
  | nil => exact List.nodup_nil
  | cons x l ih =>
    have h := List.nodup_cons.mp h
    rw [List.map_cons]
    refine List.nodup_cons.mpr ⟨fun hm => h.1 ?_, ih (fun y hy => hl y (List.mem_cons_of_mem _ hy)) h.2⟩
    obtain ⟨y, hy, e⟩ := List.mem_map.mp hm
    rw [forkParts_old nm hc y (hl y (List.mem_cons_of_mem _ hy)), forkParts_old nm hc x (hl x List.mem_cons_self)] at e
    exact List.mem_map.mpr ⟨y, hy, Id.today_inj e⟩

/-- A run of a part that has a trace is there. -/
theorem forkParts_has {m : M} (nm : Named m) {id asker : Id} {c : Commit} {t : Trace} (hc : c ∈ (m.run id).trace) :
    ∀ x ∈ m.forkParts id asker t c, x.trace ≠ [] → m.has x.old = true := by
  intro x hx ne
  refine has_of_trace ?_
  unfold forkParts at hx
  cases List.mem_append.mp hx with
  | inl hx =>
    unfold M.heads at hx
    obtain ⟨y, hy, rfl⟩ := List.mem_map.mp hx
    intro e
    refine ne ?_
    show Trace.upTo (m.run y.id).trace _ = []
    have e : (m.run y.id).trace = [] := e
    rw [e]; rfl
  | inr hx =>
    rw [List.mem_singleton.mp hx]
    exact List.length_pos_iff.mp (nm.recorded id c hc)

/-- The copies, before they record `forked`. -/
theorem run_copies (before : M) (id fork owner : Id) (c : Commit) (parts : List Then) {l : List Then} (n : M)
    (h : (l.map Then.id).Nodup) {x : Then} (hx : x ∈ l) {k : Commit} {u : Trace} (e : x.trace = k :: u) : ∃ grant,
      (l.foldl (M.copyOne before id fork owner c parts) n).run (.copy fork x.id) =
        copyRun before id fork owner c parts x k grant ∧
      (l.foldl (M.copyOne before id fork owner c parts) n).has (.copy fork x.id) = true := by
  induction l generalizing n with
  | nil => exact absurd hx List.not_mem_nil
  | cons y l ih =>
    have h := List.nodup_cons.mp h
    rw [List.foldl_cons]
    cases List.mem_cons.mp hx with
    | inr hx => exact ih _ h.2 hx
    | inl hx =>
      subst hx
      obtain ⟨grant, used, e'⟩ := copyOne_eq before id fork owner c parts n e
      have keep : ∀ (l : List Then) (n : M), x.id ∉ l.map Then.id → n.run (.copy fork x.id) = copyRun before id fork owner c parts x k grant ∧
          n.has (.copy fork x.id) = true →
          (l.foldl (M.copyOne before id fork owner c parts) n).run (.copy fork x.id) =
            copyRun before id fork owner c parts x k grant ∧
          (l.foldl (M.copyOne before id fork owner c parts) n).has (.copy fork x.id) = true := by
        intro l
        induction l with
        | nil => exact fun _ _ h => h
        | cons y l ih =>
          intro n hn hr
          rw [List.map_cons, List.mem_cons, not_or] at hn
          refine ih _ hn.2 ?_
          cases ht : y.trace with
          | nil => unfold M.copyOne; rw [ht]; exact hr
          | cons k' u' =>
            obtain ⟨g, us, e⟩ := copyOne_eq before id fork owner c parts n ht
            rw [e]
            refine ⟨?_, Runs.has_put_of_has _ hr.2⟩
            rw [run_put_ne]
            · exact hr.1
            · intro e
              exact hn.1 (Id.copy.inj e).2.symm
      refine ⟨grant, keep l _ h.1 ?_⟩
      rw [e']
      exact ⟨run_put_same _ _, Runs.has_put_self _ _⟩

/-- Every part of a fork that has a trace is copied. -/
theorem run_bornOf {m : M} (td : Tied m) (nm : Named m) {id asker fork : Id} {c : Commit} {t : Trace}
    (hc : c ∈ (m.run id).trace) {x : Then} (hx : x ∈ m.forkParts id asker t c) {k : Commit} {u : Trace} (e : x.trace = k :: u) :
    ∃ grant, ((m.bornOf (m.forkParts id asker t c)).foldl (M.copyOne m id fork asker c (m.forkParts id asker t c)) m).run
        (.copy fork x.id) = copyRun m id fork asker c (m.forkParts id asker t c) x k grant ∧
      ((m.bornOf (m.forkParts id asker t c)).foldl (M.copyOne m id fork asker c (m.forkParts id asker t c)) m).has
        (.copy fork x.id) = true :=
  run_copies _ _ _ _ _ _ _
    (nodup_ids nm hc (fun _ h => (of_mem_bornOf h).1) (nodup_bornOf td.forest.nodup _))
    (mem_bornOf (forkParts_nodup (td.commits id c hc)) hx (forkParts_has nm hc x hx (by rw [e]; exact nofun))) e

end M

end Shepherd
