import Shepherd.Laws.BranchReplay.HeldRestore
import Shepherd.Laws.ForkIsolated

/-!
# Who waits for whom in a fork
-/

namespace Shepherd

open Id (MayOwn Over InFork)

namespace M

variable {B : Prop} {m : M}

/-- The copies, put in and not yet marked. -/
structure PutIn (m : M) (id fork owner : Id) (parts : List Then) (n : M) : Prop where
  mild : Mild True owner m n
  same : ∀ j, m.has j = true → n.run j = m.run j
  new : ∀ j, m.has j = false → (∃ s, (n.run j).code = .settled s) ∧ (n.has j = true → ∃ y ∈ parts, j = .copy fork y.id ∧
    (n.run j).owner = some (if y.id = id then owner else .copy fork y.owner))

theorem PutIn.copyOne {id fork owner : Id} {parts : List Then} {n : M} (k : PutIn m id fork owner parts n)
    (absent : ∀ x, m.has (.copy fork x) = false) (c : Commit) {x : Then} (hx : x ∈ parts) :
    PutIn m id fork owner parts (M.copyOne m id fork owner c parts n x) := by
  cases ht : x.trace with
  | nil => unfold M.copyOne; rw [ht]; exact k
  | cons d u =>
    obtain ⟨grant, used, e⟩ := copyOne_eq m id fork owner c parts n ht
    rw [e]
    have rid : (copyRun m id fork owner c parts x d grant).id = .copy fork x.id := rfl
    refine ⟨?_, fun j i => ?_, fun j i => ?_⟩
    · exact (k.mild.same (p := { n with used }) (fun _ => rfl) (fun _ _ => rfl) (fun _ => rfl) rfl (fun _ => rfl)
        fun _ => rfl).put (absent x.id)
    · rw [run_put_ne]
      · exact k.same j i
      · rw [rid]; intro e; rw [← e, absent] at i; cases i
    · rw [run_put, M.has_put]
      by_cases ej : (copyRun m id fork owner c parts x d grant).id = j
      · rw [if_pos ej]
        exact ⟨⟨_, rfl⟩, fun _ => ⟨x, hx, ej.symm.trans rid, rfl⟩⟩
      · rw [if_neg ej, beq_eq_false_iff_ne.mpr ej, Bool.false_or]
        exact k.new j i

theorem forkParts_order {id owner : Id} {c : Commit} {t : Trace} (ct : CommitTied c) :
    (m.forkParts id owner t c).Pairwise fun a b => b.id = id ∨ b.owner ≠ a.id := by
  unfold forkParts
  refine List.pairwise_append.mpr ⟨?_, List.pairwise_singleton _ _, fun x _ y hy => ?_⟩
  · unfold M.heads
    rw [List.pairwise_map]
    exact ct.order.imp fun h => .inr fun e => h (Id.today_inj e)
  · rw [List.mem_singleton.mp hy]; exact .inl rfl

theorem fork_held (w : Wf m) (td : Tied m) (nm : Named m) (tab : Tabled m.Stamped m) {asker : Id} {wt : Waiting}
    (a : Asks (fun _ => True) m asker wt) {id : Id} (own : m.owns asker id = true) {c : Commit} {t : Trace}
    (ht : c :: t <:+ (m.run id).trace) :
    Mild True asker m (m.copyTree id (c :: t) c (.made asker (m.run asker).made) asker) ∧
      ∀ x, m.has x = false → (m.copyTree id (c :: t) c (.made asker (m.run asker).made) asker).WatchOk x ∧
        ∀ u o, ((m.copyTree id (c :: t) c (.made asker (m.run asker).made) asker).run x).code ≠ .undoing u o := by
  have hcm : c ∈ (m.run id).trace := ht.subset List.mem_cons_self
  have i := has_of_owns own
  have ct := td.commits id c hcm
  have o := td.owns own
  rw [copyTree_eq]
  have deeds : Deeds (fun _ => True) (fun h => m.Stamped h ∨ Newly m asker h) m ((m.bornOf (m.forkParts id asker (c :: t) c)).foldl
      (M.copyOne m id (.made asker (m.run asker).made) asker c (m.forkParts id asker (c :: t) c)) m) :=
    foldl_keeps (P := Deeds (fun _ => True) (fun h => m.Stamped h ∨ Newly m asker h) m) .refl fun n x hx d =>
      deeds_copyOne td nm w tab (fun _ h => h) a i o ht (of_mem_bornOf hx).1 d
  have order := forkParts_order (m := m) (id := id) (owner := asker) (t := c :: t) ct
  have nodup := nodup_ids nm (asker := asker) (t := c :: t) hcm (fun _ h => h) (forkParts_nodup ct)
  have kinds := fun x hx => of_mem_forkParts td nm (asker := asker) (t := c :: t) i hcm (h := x) hx
  have absent := not_has_copy w asker
  have tied := deeds.tied td
  have stays : ∀ j, m.has j = true → ¬ InFork asker (m.run asker).made j := fun j i => not_inFork w i
  have putIn : PutIn m id (.made asker (m.run asker).made) asker (m.forkParts id asker (c :: t) c)
      ((m.bornOf (m.forkParts id asker (c :: t) c)).foldl
        (M.copyOne m id (.made asker (m.run asker).made) asker c (m.forkParts id asker (c :: t) c)) m) := by
    refine foldl_keeps (P := PutIn m id (.made asker (m.run asker).made) asker (m.forkParts id asker (c :: t) c)) ?_
      fun n x hx k => k.copyOne absent c (of_mem_bornOf hx).1
    refine ⟨.refl m, fun _ _ => rfl, fun j i => ⟨⟨.discarded, by rw [run_of_not_has i]; rfl⟩, fun h => ?_⟩⟩
    rw [i] at h; cases h
  revert tied putIn
  generalize (m.bornOf (m.forkParts id asker (c :: t) c)).foldl
    (M.copyOne m id (.made asker (m.run asker).made) asker c (m.forkParts id asker (c :: t) c)) m = p
  generalize m.forkParts id asker (c :: t) c = parts at order nodup kinds
  have isFork : ∀ x, InFork asker (m.run asker).made (.copy (.made asker (m.run asker).made) x) := fun x => .inl ⟨rfl, rfl⟩
  generalize Id.made asker (m.run asker).made = fork at absent isFork
  intro tied putIn
  have mild : Mild True asker m (parts.foldl (markCopy id fork) p) :=
    foldl_keeps (P := Mild True asker m) putIn.mild fun n x _ k => by
      unfold M.markCopy
      split
      · exact k
      · exact k.recordCode (.inr (.inl (absent x.id)))
  refine ⟨mild, ?_⟩
  have fold := resets tied (fun x : Then => Id.copy fork x.id) (markCopy id fork) (L := parts)
    (by
      have : parts.map (fun x : Then => Id.copy fork x.id) = (parts.map Then.id).map (Id.copy fork) := by rw [List.map_map]; rfl
      rw [this]
      have inj : ∀ l : List Id, l.Nodup → (l.map (Id.copy fork)).Nodup := by
        intro l
        induction l with
        | nil => exact fun _ => List.nodup_nil
        | cons y l ih =>
          intro hl
          rw [List.nodup_cons] at hl
          rw [List.map_cons, List.nodup_cons]
          refine ⟨fun hy => hl.1 ?_, ih hl.2⟩
          obtain ⟨v, hv, e⟩ := List.mem_map.mp hy
          exact (Id.copy.inj e).2 ▸ hv
      exact inj _ nodup)
    (fun a' x b hl d ho => by
      cases id' : m.has d with
      | true =>
        have ho := (congrArg Run.owner (putIn.same d id')).symm.trans ho
        exact absurd (InFork.mayOwn (td.owner ho) (isFork x.id)) (stays d id')
      | false =>
        obtain ⟨y, hy, hd, ow⟩ := (putIn.new d id').2 (Runs.has_of_owner ho)
        have e := Option.some.inj (ow.symm.trans ho)
        split at e
        · have ia := a.has
          have e : asker = Id.copy fork x.id := e
          rw [e, absent] at ia
          cases ia
        · next ny =>
          have e := (Id.copy.inj e).2
          have hx : x ∈ parts := by rw [hl]; exact List.mem_append_right _ List.mem_cons_self
          rw [hl] at hy order
          rcases List.mem_append.mp hy with hy | hy
          · exact List.mem_map.mpr ⟨y, hy, hd.symm⟩
          · cases List.mem_cons.mp hy with
            | inl ey =>
              subst ey
              rcases kinds y hx with h | h
              · exact absurd h.1 ny
              · exact absurd e h.1.ne
            | inr hy =>
              rcases (List.pairwise_cons.mp (List.pairwise_append.mp order).2.1).1 y hy with h | h
              · exact absurd h ny
              · exact absurd e h)
    (fun _ => True)
    (fun a' x b n hl _ _ hcode => by
      have nx : Id.copy fork x.id ∉ a'.map fun x : Then => Id.copy fork x.id := by
        rw [hl] at nodup
        rw [List.map_append, List.map_cons] at nodup
        intro hm
        obtain ⟨v, hv, e⟩ := List.mem_map.mp hm
        exact (List.nodup_append.mp nodup).2.2 _ (List.mem_map.mpr ⟨v, hv, (Id.copy.inj e).2⟩) _ List.mem_cons_self rfl
      refine ⟨trivial, ?_⟩
      unfold M.markCopy
      split
      · refine ⟨fun _ => rfl, fun _ _ => rfl, ?_⟩
        obtain ⟨s, hs⟩ := (putIn.new _ (absent x.id)).1
        rw [hcode _ nx, hs]
        exact .settled s
      · refine ⟨fun j => owner_record _ _ _ _ _, fun j ne => ?_, ?_⟩
        · rw [run_recordCode_ne _ _ _ ne.symm]
        · rw [run_recordCode_same]
          simp only
          split
          · exact .settled _
          · exact .takenUp _ _) trivial
  obtain ⟨_, _, fc, fw⟩ := fold
  intro x ix
  by_cases hx : x ∈ parts.map fun x : Then => Id.copy fork x.id
  · exact fw x hx
  · obtain ⟨s, hs⟩ := (putIn.new x ix).1
    exact ⟨.of_settled ((fc x hx).trans hs), fun u o e => nomatch ((fc x hx).trans hs).symm.trans e⟩

end M

end Shepherd
