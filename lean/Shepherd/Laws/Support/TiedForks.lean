import Shepherd.Laws.Support.Copies
import Shepherd.Laws.Support.Forking
import Shepherd.Laws.Support.TiedOperations

/-!
# Ownership through forks, and all operations on runs
-/

namespace Shepherd

open Id (MayOwn Over)

namespace M

variable {T F : Id → Prop} {B : Prop}

theorem of_mem_forkParts {m : M} (td : Tied m) (nm : Named m) {id asker : Id} (i : m.has id = true)
    {c : Commit} {t : Trace} (hc : c ∈ (m.run id).trace) {h : Then} (hh : h ∈ m.forkParts id asker t c) :
    (h.id = id ∧ h.owner = asker ∧ h.givers = [] ∧ h.trace = t ∧ h.old = c.run) ∨
      (MayOwn h.owner h.id ∧ (∀ g ∈ h.givers, MayOwn g h.id) ∧ h.id ≠ id ∧ ∃ k, h.trace = (m.run h.old).trace.upTo k) := by
  unfold forkParts at hh
  rcases List.mem_append.mp hh with hh | hh
  · have := td.thens nm i hc hh
    refine .inr ⟨this.1, this.2.1, this.2.2.2, ?_⟩
    unfold M.heads at hh
    obtain ⟨x, _, rfl⟩ := List.mem_map.mp hh
    exact ⟨_, rfl⟩
  · rw [List.mem_singleton.mp hh]
    exact .inl ⟨rfl, rfl, rfl, rfl, rfl⟩

theorem deeds_copyOne {m n : M} (td : Tied m) (nm : Named m) (w : Wf m B) (tab : Tabled m.Stamped m) {asker : Id}
    (fresh : ∀ h, m.Stamped h ∨ Newly m asker h → F h) {wt : Waiting} (a : Asks T m asker wt) {id : Id} (i : m.has id = true)
    (_ho : MayOwn asker id) {c : Commit} {t : Trace} (hc : c :: t <:+ (m.run id).trace) {h : Then}
    (hh : h ∈ m.forkParts id asker (c :: t) c) (d : Deeds T F m n) :
    Deeds T F m (M.copyOne m id (.made asker (m.run asker).made) asker c (m.forkParts id asker (c :: t) c) n h) := by
  have hcm : c ∈ (m.run id).trace := hc.subset List.mem_cons_self
  have part := of_mem_forkParts td nm i hcm hh
  unfold M.copyOne
  split
  · exact d
  · next k u hk =>
    have trace : ∃ old, h.trace <:+ (m.run old).trace := by
      rcases part with ⟨_, _, _, e, _⟩ | ⟨_, _, _, j, e⟩
      · exact ⟨id, e ▸ hc⟩
      · exact ⟨h.old, e ▸ Trace.upTo_suffix _ _⟩
    obtain ⟨old, trace⟩ := trace
    have km : k ∈ (m.run old).trace := trace.subset (by rw [hk]; exact List.mem_cons_self)
    refine .born _ (.used _ d) (a.may _ (MayOwn.copied asker _ h.id).over) (fresh _ (.inr (.inr ⟨h.id, rfl⟩)))
      (fun o e => ?_) (fun g hg => ?_) trivial (fun c hc => ?_) (fun x hx => ?_) (fun f x e => ?_) fun c' u' e => ?_
    · simp only at e
      split at e
      · cases e; exact .copied asker _ _
      · next ne =>
        cases e
        rcases part with ⟨e, _⟩ | ⟨e, _⟩
        · exact absurd e ne
        · exact .copies _ e
    · have lent : ∀ g ∈ (h.givers.filter ((m.forkParts id asker (c :: t) c).map Then.id).contains).map
          (Id.copy (.made asker (m.run asker).made)), MayOwn g (.copy (.made asker (m.run asker).made) h.id) := by
        intro g hg
        obtain ⟨x, hx, rfl⟩ := List.mem_map.mp hg
        rcases part with ⟨_, _, e, _⟩ | ⟨_, e, _⟩
        · rw [e] at hx; exact absurd hx List.not_mem_nil
        · exact .copies _ (e x (List.mem_filter.mp hx).1)
      simp only at hg
      split at hg
      · rcases List.mem_append.mp hg with hg | hg
        · exact lent g hg
        · rw [List.mem_singleton.mp hg]; exact .copied asker _ _
      · exact lent g hg
    · have := trace.subset hc
      exact ⟨td.commits old c this, fun x hx => fresh x (.inl (tab.kept old c this x hx)), fun x hx => d.has (td.heads old c this x hx)⟩
    · unfold copyHandles at hx
      obtain ⟨y, hy, e⟩ := List.mem_map.mp hx
      simp only at e
      split at e
      · exact fresh x (.inr (.inr ⟨_, e.symm⟩))
      · rcases m.meant_cases c.run id y with i | h
        · exact fresh x (.inl (w.fresh x (e ▸ i)))
        · exact fresh x (.inl (e ▸ h.symm ▸ tab.kept old k km y hy))
    · cases e; exact ⟨_, _, rfl⟩
    · have e : h.trace = c' :: u' := e
      rw [hk] at e
      cases e
      refine ⟨.refl, rfl, rfl, fun e => ?_⟩
      have := not_has_copy w asker h.id
      rw [← show k.run = .copy (.made asker (m.run asker).made) h.id from e, w.recorders old k km] at this
      cases this

/-- While the copies of a fork are made, every run that was there stays what it was. -/
theorem run_copyTree_busy {m : M} (w : Wf m B) (id : Id) (t : Trace) (c : Commit) {asker j : Id} (i : m.has j = true) :
    (m.copyTree id t c (.made asker (m.run asker).made) asker).run j = m.run j := by
  have ne : ∀ x : Then, Id.copy (.made asker (m.run asker).made) x.id ≠ j := fun x e => by
    have := not_has_copy w asker x.id
    rw [e, i] at this; cases this
  rw [copyTree_eq]
  refine foldl_keeps (P := fun n => n.run j = m.run j) ?_ fun n x _ e => (run_markCopy (ne x)).trans e
  exact foldl_keeps (P := fun n => n.run j = m.run j) rfl fun n x _ e => (run_copyOne (ne x)).trans e

theorem gives_fork {m : M} (nm : Named m) (w : Wf m True) (tab : Tabled m.Stamped m) {asker : Id} {wt : Waiting}
    (a : Asks T m asker wt) : Gives T m (m.fork asker wt) := by
  unfold M.fork
  split
  · split
    · exact a.gives _
    · next id ho =>
      simp only
      split
      · exact a.gives _
      · next c t ht =>
        have hs : c :: t <:+ (m.run id).trace := by
          rw [← ht]
          split
          · exact Trace.upTo_suffix _ _
          · exact List.nil_suffix
        rw [ht]
        have i := has_of_owned ho
        have o := a.tied.owns (owns_of_owned ho)
        have hcm : c ∈ (m.run id).trace := hs.subset List.mem_cons_self
        refine gives_answerRun a (.inr ⟨id, rfl⟩) ?_ (by rw [run_copyTree_busy w _ _ _ a.has]; exact Nat.le_refl _)
        rw [copyTree_eq]
        have e₁ : Deeds T (fun h => m.Stamped h ∨ Newly m asker h) m ((m.bornOf (m.forkParts id asker (c :: t) c)).foldl
            (M.copyOne m id (.made asker (m.run asker).made) asker c (m.forkParts id asker (c :: t) c)) m) :=
          foldl_keeps (P := Deeds T (fun h => m.Stamped h ∨ Newly m asker h) m) .refl fun n x hx d =>
            deeds_copyOne a.tied nm w tab (fun _ h => h) a i o hs (of_mem_bornOf hx).1 d
        refine e₁.trans (Deeds.foldl (e₁.tied a.tied) fun n x hx d tn => ?_)
        unfold M.markCopy
        split
        · exact .refl
        · next k u hk =>
          obtain ⟨_, _, there⟩ := run_bornOf (fork := .made asker (m.run asker).made) a.tied nm hcm hx hk
          refine deeds_recordCode (a.may _ (MayOwn.copied asker _ x.id).over) (d.has there) _ ?_
          split
          · trivial
          · exact tn.takenUp _ _ _
  · exact a.gives _

theorem gives_perform {m n : M} (nm : Named m) (w : Wf m True) (tab : Tabled m.Stamped m) {asker : Id} {wt : Waiting}
    (a : Asks T m asker wt) (top : ∃ rest, m.stack = asker :: rest) (h : m.perform asker wt = some n) : Gives T m n := by
  have both : ∀ v answer, Gives T m (m.ownerAnswers asker wt v answer) := fun v answer =>
    Deeds.gives fun _ _ => deeds_ownerAnswers w a v answer
  unfold perform at h
  split at h
  · cases h; exact Deeds.gives fun _ _ => deeds_take a
  · cases h
    unfold M.answerOp
    split
    · exact both _ _
    · exact a.gives _
  · cases h
    unfold M.denyOp
    split
    · exact both _ _
    · exact a.gives _
  · cases h; exact Deeds.gives fun _ _ => deeds_discardOp a
  · cases h; exact gives_fork nm w tab a
  · cases h; exact Deeds.gives fun _ _ => deeds_inject a
  · cases h; exact Deeds.gives fun _ _ => deeds_merge a
  · cases h; exact Deeds.gives fun _ _ => deeds_next a top
  · cases h; exact Deeds.gives fun _ _ => deeds_pass a
  · exact Deeds.gives fun _ _ => deeds_pick a h
  · cases h; exact Deeds.gives fun _ _ => deeds_revert a
  · cases h; exact gives_spawn tab (not_has_made w asker) a
  · cases h; exact Deeds.gives fun _ fresh => deeds_traceOp w fresh a
  · cases h; exact Deeds.gives fun _ _ => a.reply _

end M

end Shepherd
