import Shepherd.Laws.BranchReplay.HeldOutside

/-!
# Who is apart from whom
-/

namespace Shepherd

open Id (MayOwn Over InFork)

namespace M

variable {B : Prop} {m : M}

/-- What the invariants say of who is apart from whom. -/
theorem Held.apart (w : Wf m B) (td : Tied m) (nm : Named m) (tab : Tabled m.Stamped m) (k : Retold World m) (h : Held m)
    (seen : Seen m) : Apart m where
  shown := fun id q hq wt hs => by
    have ok := shown_ok (h.watch id) hq
    have nb : ∃ s, (m.run q.asked).code = .settled s := Classical.byContradiction fun n =>
      ok.2 ⟨⟨wt, hs⟩, fun s e => n ⟨s, e⟩⟩
    obtain ⟨s, e⟩ := nb
    rw [e] at hs ⊢
    have hs : s = .waiting wt := hs
    rw [hs]
  undo := fun id c j op args nw hq he wt hs => by
    obtain ⟨c', hc', he'⟩ := k.allAsked w id wt nw hs
    rw [hq] at hc'
    cases hc'
    rw [he] at he'
    cases he'
  owing := fun id u o hc d hd wt hs => by
    exact (((h.watch id).undo u o hc).2 d.run (.inr (.inl ⟨d, hd, rfl⟩))).2 ⟨wt, hs⟩
  kids := fun a id hk => beq_iff_eq.mpr ((Runs.mem_kids_iff td.forest.nodup).mp hk)
  family := fun a id own hm => (td.owns own).acyclic (td.over_of_family hm)
  chain := fun a id q own hq hm => by
    have s := td.shown hq
    have o := td.owns own
    have no : ∀ {z}, Over id z → a ≠ z := fun ov e => o.acyclic (e ▸ ov)
    cases List.mem_cons.mp hm with
    | inl e => exact no (s.2 id List.mem_cons_self) e
    | inr e =>
      cases List.mem_cons.mp e with
      | inl e => exact no (.refl id) e
      | inr e => exact no ((List.pairwise_cons.mp s.1).1 a e) rfl
  undoing := fun id u o hc => by
    have ck := w.codes id
    have ct := td.codes id
    rw [hc] at ck ct
    have d := deeds_restore (T := Over u.run) (F := m.Stamped) td nm (fun _ h => h) w tab (fun _ h => h) ck.2.1 ck.2.2.2
    rw [d.run ct.1.acyclic, hc]
  shares := fun id u o j c hc hj hk x hx => by
    have ck := w.codes id
    rw [hc] at ck
    obtain ⟨c', hk', hh⟩ := ck.2.2.2 j hj
    rw [hk] at hk'
    cases hk'
    have hcm := Trace.nth_mem hk
    unfold M.heads at hx
    obtain ⟨y, hy, rfl⟩ := List.mem_map.mp hx
    show (m.run y.id).trace.upTo (y.length - 1) <:+ (m.run (Id.today c.run u.run y.id)).trace
    rw [seen.upTo w.indexed hcm hy, ← seen.same u.run c hcm y hy (hh y hy)]
    have sorted := seen.sorted (Id.today c.run u.run y.id)
    generalize (m.run (Id.today c.run u.run y.id)).trace = t at sorted
    induction t with
    | nil => exact List.suffix_refl _
    | cons d t ih =>
      have sorted := List.pairwise_cons.mp sorted
      by_cases e : d.seq < c.seq
      · rw [before_all fun x hx => ?_]
        · exact List.suffix_refl _
        · cases List.mem_cons.mp hx with
          | inl h => rw [h]; exact e
          | inr h => exact Nat.lt_trans (sorted.1 x h) e
      · rw [before_cons_ge (by omega)]
        exact (ih sorted.2).trans (List.suffix_cons _ _)
  heads := fun id c hc x hx => ((td.commits id c hc).over x hx).2

end M

end Shepherd
