import Shepherd.Laws.Support.Below

/-!
# The order in which runs below another are listed
-/

namespace Shepherd

namespace Runs

/-- Nobody in the list of what is below a run comes before what it owns. -/
theorem pairwise_under {rs : List Run} (f : Forest rs) (n : Nat) {siblings : List Id} (hn : siblings.Nodup)
    (apart : ∀ s ∈ siblings, ∀ t ∈ siblings, ¬ Below rs s t) :
    (under rs n siblings).Pairwise fun a b => (find rs b).owner ≠ some a := by
  induction n generalizing siblings with
  | zero => exact List.Pairwise.nil
  | succ n ih =>
    have below : ∀ k x, x ∈ under rs n (kids rs k) → Below rs x k := fun k x h => by
      rcases of_mem_under f.nodup h with h | ⟨s, hs, h⟩
      · exact .own ((mem_kids_iff f.nodup).mp h)
      · exact h.trans (.own ((mem_kids_iff f.nodup).mp hs))
    unfold under
    refine List.pairwise_flatMap.mpr ⟨fun k hk => ?_, ?_⟩
    · refine List.pairwise_append.mpr ⟨ih (nodup_kids f k) fun s hs t ht => kids_apart f hs ht, List.pairwise_singleton _ _,
        fun x hx y hy e => ?_⟩
      rw [List.mem_singleton.mp hy] at e
      exact ((below k x hx).trans (.own e)).ne f rfl
    · have rev : siblings.reverse.Nodup := List.pairwise_reverse.mpr (hn.imp fun h => h.symm)
      refine List.Pairwise.imp_of_mem ?_ rev
      intro k j hk hj ne x hx y hy e
      have hk := List.mem_reverse.mp hk
      have hj := List.mem_reverse.mp hj
      simp only [List.mem_append, List.mem_singleton] at hx hy
      have yk : Below rs y k := by
        rcases hx with hx | hx
        · exact .up e (below k x hx)
        · exact hx ▸ .own e
      rcases hy with hy | hy
      · rcases yk.linear (below j y hy) with e | b | b
        · exact ne e
        · exact apart k hk j hj b
        · exact apart j hj k hk b
      · exact apart j hj k hk (hy ▸ yk)

end Runs

end Shepherd
