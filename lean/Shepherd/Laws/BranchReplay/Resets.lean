import Shepherd.Laws.BranchReplay.HeldSteps

/-!
# Runs put back, one after the other, those further down first
-/

namespace Shepherd

open Id (MayOwn Over)

namespace M

/-- What one more run has owned comes before it. -/
theorem Tied.before {m : M} (td : Tied m) (a : Id) {pre post : List Id} {x d : Id} (h : m.below a = pre ++ x :: post)
    (ho : (m.run d).owner = some x) : d ∈ pre := by
  have pw : (m.below a).Pairwise fun a b => (m.run b).owner ≠ some a :=
    Runs.pairwise_under td.forest _ (Runs.nodup_kids td.forest a) fun s hs t ht => Runs.kids_apart td.forest hs ht
  have hx : x ∈ m.below a := by rw [h]; exact List.mem_append_right _ List.mem_cons_self
  have hd : d ∈ m.below a := td.mem_below.mpr (.up ho (td.mem_below.mp hx))
  rw [h] at hd pw
  rcases List.mem_append.mp hd with hd | hd
  · exact hd
  · cases List.mem_cons.mp hd with
    | inl e => rw [e] at ho; exact absurd rfl (td.owner ho).ne
    | inr e =>
      have := (List.pairwise_cons.mp (List.pairwise_append.mp pw).2.1).1 d e
      exact absurd ho this

/-- How a run is put back: it rests, or passes again what a run of its own shows, or stays as it was, waiting for no other. -/
inductive Reset (n : M) (x : Id) : Code → Prop where
  | settled (s : Settled) : Reset n x (.settled s)
  | takenUp (handles : List Id) (s : Settled) : Reset n x (n.takenUp x handles s)
  | same : ¬ (n.run x).code.Watches → Reset n x (n.run x).code

/-- Who waits for another's question in some runs of a list, each of which had nothing of its own come after it. -/
theorem resets {α : Type} {p : M} (td : Tied p) (key : α → Id) (f : M → α → M) {L : List α} (nodup : (L.map key).Nodup)
    (before : ∀ a x b, L = a ++ x :: b → ∀ d, (p.run d).owner = some (key x) → d ∈ a.map key) (Q : M → Prop)
    (step : ∀ a x b n, L = a ++ x :: b → Q n → (∀ j, (n.run j).owner = (p.run j).owner) →
      (∀ j, j ∉ a.map key → (n.run j).code = (p.run j).code) →
      Q (f n x) ∧ (∀ j, ((f n x).run j).owner = (n.run j).owner) ∧ (∀ j, j ≠ key x → ((f n x).run j).code = (n.run j).code) ∧
        Reset n (key x) ((f n x).run (key x)).code)
    (q : Q p) :
    Q (L.foldl f p) ∧ (∀ j, ((L.foldl f p).run j).owner = (p.run j).owner) ∧
      (∀ j, j ∉ L.map key → ((L.foldl f p).run j).code = (p.run j).code) ∧
      ∀ y ∈ L.map key, (L.foldl f p).WatchOk y ∧ ∀ u o, ((L.foldl f p).run y).code ≠ .undoing u o := by
  have closed : ∀ {a b y d}, L = a ++ b → y ∈ a.map key → p.Below d y → d ∈ a.map key := by
    intro a b y d h hy bl
    have own : ∀ {y d}, y ∈ a.map key → (p.run d).owner = some y → d ∈ a.map key := by
      intro y d hy ho
      obtain ⟨x, hx, rfl⟩ := List.mem_map.mp hy
      obtain ⟨a1, a2, rfl⟩ := List.append_of_mem hx
      have := before a1 x (a2 ++ b) (by rw [h, List.append_assoc, List.cons_append]) d ho
      rw [List.map_append]
      exact List.mem_append_left _ this
    induction bl with
    | own ho => exact own hy ho
    | up ho _ ih => exact own (ih hy) ho
  have go : ∀ (b a : List α) (n : M), L = a ++ b → (Q n ∧ (∀ j, (n.run j).owner = (p.run j).owner) ∧
      (∀ j, j ∉ a.map key → (n.run j).code = (p.run j).code) ∧
      ∀ y ∈ a.map key, n.WatchOk y ∧ ∀ u o, (n.run y).code ≠ .undoing u o) →
      Q (b.foldl f n) ∧ (∀ j, ((b.foldl f n).run j).owner = (p.run j).owner) ∧
      (∀ j, j ∉ L.map key → ((b.foldl f n).run j).code = (p.run j).code) ∧
      ∀ y ∈ L.map key, (b.foldl f n).WatchOk y ∧ ∀ u o, ((b.foldl f n).run y).code ≠ .undoing u o := by
    intro b
    induction b with
    | nil =>
      intro a n h i
      rw [List.append_nil] at h
      subst h
      exact i
    | cons x b ih =>
      intro a n h ⟨hq, ho, hc, hw⟩
      obtain ⟨sq, so, sc, sp⟩ := step a x b n h hq ho hc
      have fresh : key x ∉ a.map key := by
        rw [h, List.map_append, List.map_cons] at nodup
        intro hx
        exact (List.nodup_append.mp nodup).2.2 _ hx _ List.mem_cons_self rfl
      have toP : ∀ {d y}, n.Below d y → p.Below d y := fun bl => Below.of_owner (fun j q e => (ho j).symm.trans e) bl
      have toF : ∀ {d y}, n.Below d y → (f n x).Below d y := fun bl => Below.of_owner (fun j q e => (so j).trans e) bl
      refine ih (a ++ [x]) (f n x) (by rw [h, List.append_assoc]; rfl) ⟨sq, fun j => (so j).trans (ho j), fun j hj => ?_, fun y hy => ?_⟩
      · rw [List.map_append, List.mem_append] at hj
        have nx : j ≠ key x := fun e => hj (.inr (by rw [e]; exact List.mem_singleton.mpr rfl))
        rw [sc j nx]
        exact hc j fun h => hj (.inl h)
      · rw [List.map_append, List.mem_append] at hy
        rcases hy with hy | hy
        · have nx : y ≠ key x := fun e => fresh (e ▸ hy)
          obtain ⟨w, u⟩ := hw y hy
          refine ⟨⟨fun chain op args wt e => ?_, fun u' o e => absurd ((sc y nx).symm.trans e) (u u' o)⟩, fun u' o e =>
            u u' o ((sc y nx).symm.trans e)⟩
          have ok := w.pass chain op args wt ((sc y nx).symm.trans e)
          refine ⟨toF ok.1, ?_⟩
          rw [sc _ fun e => fresh (e ▸ closed h hy (toP ok.1))]
          exact ok.2
        · have hy : y = key x := List.mem_singleton.mp hy
          subst hy
          revert sp
          generalize hcode : ((f n x).run (key x)).code = code
          intro sp
          cases sp with
          | settled s => exact ⟨.of_settled hcode, fun u o e => nomatch e⟩
          | same nw =>
            refine ⟨⟨fun chain op args wt e => absurd ?_ nw, fun u o e => absurd ?_ nw⟩, fun u o e => absurd ?_ nw⟩
            · exact .inl ⟨chain, op, args, wt, hcode.symm.trans e⟩
            · exact .inr ⟨u, o, hcode.symm.trans e⟩
            · exact .inr ⟨u, o, e⟩
          | takenUp handles s =>
            refine ⟨⟨fun chain op args wt e => ?_, fun u o e => absurd (hcode.symm.trans e) (takenUp_not_undoing _ _ _ _ _ _)⟩,
              fun u o e => absurd e (takenUp_not_undoing _ _ _ _ _ _)⟩
            have e := hcode.symm.trans e
            unfold M.takenUp at e
            split at e
            · split at e
              · split at e
                · next child _ =>
                  split at e
                  · next qn hown hs =>
                    cases e
                    have oc : (n.run child).owner = some (key x) := beq_iff_eq.mp hown
                    have ok := shown_ok (hw child (before a x b h child ((ho child).symm.trans oc))).1 hs
                    have bl : n.Below qn.asked (key x) := by
                      rcases ok.1 with e | bl
                      · rw [e]; exact .own oc
                      · exact bl.trans (.own oc)
                    unfold PassOk
                    rw [shown_last hs]
                    refine ⟨toF bl, ?_⟩
                    rw [sc _ ((toP bl).ne td.forest)]
                    exact ok.2
                  · cases e
                · cases e
              · cases e
            · cases e
  exact go L [] p rfl ⟨q, fun _ => rfl, fun _ _ => rfl, fun y hy => absurd hy List.not_mem_nil⟩

end M

end Shepherd
