import Shepherd.Laws.MergeConflictFree.Maps

/-!
# What a merge without conflict says at each path
-/

namespace Shepherd

namespace Files

/-- Files say of a path what stands there; of the entry of an empty folder they say also that it is a folder which now holds
something, so that there is no entry. -/
def Says (fs : Files) (path : String) (what : Option Entry) : Prop :=
  fs.get path = what ∨ (what = some .emptyFolder ∧ fs.get path = none ∧ fs.isFolder path = true)

/-- The entry is there, or it is that of an empty folder and a folder is there. -/
def Stands (fs : Files) (path : String) (e : Entry) : Prop :=
  fs.get path = some e ∨ (e = .emptyFolder ∧ fs.isFolder path = true)

/-- Nothing is in the way of `e` at `path`: only empty folders stand above it, and below it only what makes an empty folder's entry
mean nothing. -/
structure Free (fs : Files) (path : String) (e : Entry) : Prop where
  above : ∀ q f, fs.get q = some f → liesBelow q path = true → f = .emptyFolder
  below : ∀ q f, fs.get q = some f → liesBelow path q = true → e = .emptyFolder

theorem Free.not_below {fs : Files} {p : String} {e : Entry} (free : Free fs p e) (h : ¬(e = .emptyFolder ∧ fs.isFolder p = true))
    {q : String} {f : Entry} (hq : fs.get q = some f) : liesBelow p q = false := by
  cases b : liesBelow p q with
  | false => rfl
  | true => exact absurd ⟨free.below q f hq b, isFolder_iff.mpr (.inr (.inr ⟨q, f, hq, b⟩))⟩ h

/-- What `put` puts stands. -/
theorem stands_put_self (fs : Files) (p : String) (e : Entry) : (fs.put p e).Stands p e := by
  by_cases h : e = .emptyFolder ∧ fs.isFolder p = true
  · have : fs.put p e = fs := by unfold put; rw [if_pos h]
    rw [this]; exact .inr h
  · exact .inl (by rw [get_put, if_neg h, if_pos rfl])

/-- What stood elsewhere stands after `put`, if nothing was in the way. -/
theorem Stands.put {fs : Files} {p q : String} {e f : Entry} (s : fs.Stands q f) (free : Free fs p e) (ne : q ≠ p) :
    (fs.put p e).Stands q f := by
  by_cases h : e = .emptyFolder ∧ fs.isFolder p = true
  · have : fs.put p e = fs := by unfold Files.put; rw [if_pos h]
    rw [this]; exact s
  · have here : (fs.put p e).get p = some e := by rw [get_put, if_neg h, if_pos rfl]
    have entry : ∀ {r g}, fs.get r = some g → r ≠ p → liesBelow r p = false → (fs.put p e).get r = some g := by
      intro r g hr n b
      rw [get_put, if_neg h, if_neg n, free.not_below h hr, b, Bool.or_self, if_neg Bool.false_ne_true, hr]
    have folder : ∀ {r}, liesBelow r p = true → (fs.put p e).isFolder r = true := fun b =>
      isFolder_iff.mpr (.inr (.inr ⟨p, e, here, b⟩))
    cases s with
    | inl s =>
      cases b : liesBelow q p with
      | true => exact .inr ⟨free.above q f s b, folder b⟩
      | false => exact .inl (entry s ne b)
    | inr s =>
      refine .inr ⟨s.1, ?_⟩
      cases b : liesBelow q p with
      | true => exact folder b
      | false =>
        rcases isFolder_iff.mp s.2 with g | g | ⟨r, g, hr, c⟩
        · exact isFolder_iff.mpr (.inl g)
        · exact isFolder_iff.mpr (.inr (.inl (entry g ne b)))
        · by_cases n : r = p
          · rw [← n, c] at b; cases b
          · cases d : liesBelow r p with
            | true => rw [liesBelow_trans c d] at b; cases b
            | false => exact isFolder_iff.mpr (.inr (.inr ⟨r, g, entry hr n d, c⟩))

theorem get_put_cases {fs : Files} {p q : String} {e f : Entry} (h : (fs.put p e).get q = some f) :
    (q = p ∧ f = e) ∨ fs.get q = some f := by
  rw [get_put] at h
  split at h
  · exact .inr h
  · split at h
    · next e => cases h; exact .inl ⟨e, rfl⟩
    · split at h
      · cases h
      · exact .inr h

/-- What putting all entries of a change into files comes to, where nothing is in the way of any of them and none is in the way of
another. -/
theorem putAll_says {kept : Files} {ch : Change} (hs : Sorted ch)
    (free : ∀ p e, (p, some e) ∈ ch → Free kept p e)
    (apart : ∀ p e q f, (p, some e) ∈ ch → (q, some f) ∈ ch → liesBelow p q = false)
    (kapart : ∀ p e q f, kept.get p = some e → kept.get q = some f → liesBelow p q = false) :
    (∀ q f, (kept.putAll ch).get q = some f → kept.get q = some f ∨ (q, some f) ∈ ch) ∧
    (∀ q f, (q, some f) ∈ ch → (kept.putAll ch).Stands q f) ∧
    (∀ q f, kept.get q = some f → (∀ g, (q, some g) ∉ ch) → (kept.putAll ch).Stands q f) ∧
    (∀ q f, (q, some f) ∈ ch → q ≠ "" → ∀ g, (kept.putAll ch).get q = some g → g = f) := by
  have main : ∀ (done todo : Change) (fs : Files), done ++ todo = ch →
      (∀ q f, fs.get q = some f → kept.get q = some f ∨ (q, some f) ∈ done) →
      (∀ q f, (q, some f) ∈ done → fs.Stands q f) →
      (∀ q f, kept.get q = some f → (∀ g, (q, some g) ∉ ch) → fs.Stands q f) →
      (∀ q f, (q, some f) ∈ done → q ≠ "" → ∀ g, fs.get q = some g → g = f) →
      (∀ q f, (fs.putAll todo).get q = some f → kept.get q = some f ∨ (q, some f) ∈ ch) ∧
      (∀ q f, (q, some f) ∈ ch → (fs.putAll todo).Stands q f) ∧
      (∀ q f, kept.get q = some f → (∀ g, (q, some g) ∉ ch) → (fs.putAll todo).Stands q f) ∧
      (∀ q f, (q, some f) ∈ ch → q ≠ "" → ∀ g, (fs.putAll todo).get q = some g → g = f) := by
    intro done todo
    induction todo generalizing done with
    | nil => intro fs e h₁ h₂ h₃ h₄; rw [List.append_nil] at e; subst e; exact ⟨h₁, h₂, h₃, h₄⟩
    | cons x todo ih =>
      intro fs e h₁ h₂ h₃ h₄
      have e' : (done ++ [x]) ++ todo = ch := by rw [List.append_assoc]; exact e
      have hx : x ∈ ch := by rw [← e]; exact List.mem_append_right _ List.mem_cons_self
      have hd : ∀ y ∈ done, y ∈ ch := fun y hy => by rw [← e]; exact List.mem_append_left _ hy
      have hlt : ∀ y ∈ done, y.1 < x.1 := by
        intro y hy
        unfold Sorted at hs
        rw [← e, List.map_append, List.pairwise_append] at hs
        exact hs.2.2 y.1 (List.mem_map.mpr ⟨y, hy, rfl⟩) x.1 (List.mem_map.mpr ⟨x, List.mem_cons_self, rfl⟩)
      obtain ⟨p, v⟩ := x
      cases v with
      | none =>
        refine ih (done ++ [(p, none)]) fs e' (fun q f h => (h₁ q f h).imp_right (List.mem_append_left _)) (fun q f h => ?_) h₃
          (fun q f h => ?_)
        · cases List.mem_append.mp h with
          | inl h => exact h₂ q f h
          | inr h => cases List.mem_singleton.mp h
        · cases List.mem_append.mp h with
          | inl h => exact h₄ q f h
          | inr h => cases List.mem_singleton.mp h
      | some v =>
        have fr : Free fs p v := by
          constructor
          · intro q f hq b
            cases h₁ q f hq with
            | inl h => exact (free p v hx).above q f h b
            | inr h => rw [apart q f p v (hd _ h) hx] at b; cases b
          · intro q f hq b
            cases h₁ q f hq with
            | inl h => exact (free p v hx).below q f h b
            | inr h => rw [apart p v q f hx (hd _ h)] at b; cases b
        refine ih (done ++ [(p, some v)]) (fs.put p v) e' (fun q f h => ?_) (fun q f h => ?_) (fun q f hq n => ?_)
          (fun q f h ne g hg => ?_)
        · cases get_put_cases h with
          | inl h => exact .inr (List.mem_append_right _ (by rw [h.1, h.2]; exact List.mem_singleton.mpr rfl))
          | inr h => exact (h₁ q f h).imp_right (List.mem_append_left _)
        · cases List.mem_append.mp h with
          | inl h =>
            have l := hlt _ h
            exact (h₂ q f h).put fr fun e => String.lt_irrefl p (e ▸ l)
          | inr h => cases List.mem_singleton.mp h; exact stands_put_self fs p v
        · exact (h₃ q f hq n).put fr fun e => n v (e ▸ hx)
        · cases List.mem_append.mp h with
          | inl h =>
            have l := hlt _ h
            cases get_put_cases hg with
            | inl k => exact absurd (k.1 ▸ l) (String.lt_irrefl _)
            | inr k => exact h₄ q f h ne g k
          | inr h =>
            cases List.mem_singleton.mp h
            rw [get_put] at hg
            split at hg
            · next noop =>
              have hk : kept.get p = some g := by
                cases h₁ p g hg with
                | inl k => exact k
                | inr k => exact absurd (hlt _ k) (String.lt_irrefl _)
              rcases isFolder_iff.mp noop.2 with k | k | ⟨r, x, hr, b⟩
              · exact absurd k ne
              · rw [hg] at k; rw [noop.1]; exact Option.some.inj k
              · cases h₁ r x hr with
                | inl k => rw [kapart p g r x hk k] at b; cases b
                | inr k => rw [apart p v r x hx (hd _ k)] at b; cases b
            · rw [if_pos rfl] at hg; exact (Option.some.inj hg).symm
  exact main [] ch kept rfl (fun q f h => .inl h) (fun q f h => absurd h List.not_mem_nil) (fun q f hq n => .inl hq) fun q f h => absurd h List.not_mem_nil

theorem Stands.says {fs : Files} {p : String} {e : Entry} (s : fs.Stands p e) (only : ∀ f, fs.get p = some f → f = e) :
    fs.Says p (some e) := by
  cases h : fs.get p with
  | some f => rw [only f h] at h; exact .inl h
  | none =>
    cases s with
    | inl s => rw [h] at s; cases s
    | inr s => exact .inr ⟨by rw [s.1], h, s.2⟩

/-! ## No conflict -/

theorem sortPaths_nil {ps : List String} (h : sortPaths ps = []) : ps = [] := by
  cases ps with
  | nil => rfl
  | cons p ps =>
    have : ∀ l, sortPaths.insertPath p l ≠ [] := by
      intro l
      cases l with
      | nil => exact nofun
      | cons q l =>
        unfold sortPaths.insertPath
        split
        · exact nofun
        · split <;> exact nofun
    exact absurd h (this _)

theorem clash_nil {kept : Files} {p : String} {e : Entry} (h : clash kept p e = []) : Free kept p e := by
  have nil : kept.filter (fun x => liesBelow x.1 p && x.2 != Entry.emptyFolder) ++
      (if e = Entry.emptyFolder then [] else kept.under p) = [] := by
    unfold clash at h
    simp only at h
    split at h
    · next g => exact g
    · cases h
  rw [List.append_eq_nil_iff] at nil
  constructor
  · intro q f hq b
    have := List.filter_eq_nil_iff.mp nil.1 (q, f) (lookup_mem hq)
    simp only [b, Bool.true_and, bne_iff_ne, ne_eq, Decidable.not_not] at this
    exact this
  · intro q f hq b
    by_cases g : e = .emptyFolder
    · exact g
    · have n := nil.2
      rw [if_neg g] at n
      unfold under at n
      split at n
      · rw [n] at hq; cases hq
      · have := List.filter_eq_nil_iff.mp n (q, f) (lookup_mem hq)
        exact absurd b this

theorem wf.apart {fs : Files} (h : fs.wf) {p q : String} {e f : Entry} (hp : fs.get p = some e) (hq : fs.get q = some f) :
    liesBelow p q = false := by
  cases b : liesBelow p q with
  | false => rfl
  | true =>
    exfalso
    have l := lt_of_liesBelow b
    have mp : p ∈ fs.paths := List.mem_map.mpr ⟨_, lookup_mem hp, rfl⟩
    have mq : q ∈ fs.paths := List.mem_map.mpr ⟨_, lookup_mem hq, rfl⟩
    have both := h.1.and h.2
    revert mp mq both
    generalize fs.paths = ps
    induction ps with
    | nil => exact fun h => absurd h List.not_mem_nil
    | cons x xs ih =>
      intro mp mq both
      rw [List.pairwise_cons] at both
      cases List.mem_cons.mp mp with
      | inl hx =>
        cases List.mem_cons.mp mq with
        | inl hy => rw [hx, hy] at l; exact String.lt_irrefl _ l
        | inr hy =>
          have := (both.1 q hy).2
          rw [← hx, b] at this; cases this
      | inr hx =>
        cases List.mem_cons.mp mq with
        | inl hy =>
          have := (both.1 p hx).1
          rw [← hy] at this
          exact String.lt_asymm l this
        | inr hy => exact ih hx hy both.2

theorem merge_says {base ours theirs merged : Files} (hb : base.wf) (ho : ours.wf) (ht : theirs.wf)
    (h : merge base ours theirs = .ok merged) {path : String} (named : path ≠ "") :
    (ours.get path ≠ base.get path → theirs.get path ≠ base.get path → ours.get path = theirs.get path) ∧
    merged.Says path (if theirs.get path = base.get path then ours.get path else theirs.get path) := by
  -- What is new of theirs, and that it is nowhere of ours.
  have mine : ∀ q, (diff base ours).lookup q = if base.get q = ours.get q then none else some (ours.get q) := lookup_diff hb.1 ho.1
  have yours : ∀ q, (diff base theirs).lookup q = if base.get q = theirs.get q then none else some (theirs.get q) :=
    lookup_diff hb.1 ht.1
  have ysorted : Sorted (diff base theirs) := diff_sorted hb.1 ht.1
  have sorted : Sorted (news base ours theirs) := List.Pairwise.sublist (List.filter_sublist.map Prod.fst) ysorted
  have mem : ∀ q v, (q, v) ∈ news base ours theirs ↔
      (base.get q ≠ theirs.get q ∧ v = theirs.get q) ∧ (diff base ours).lookup q ≠ some v := by
    intro q v
    unfold news
    simp only [List.mem_filter, bne_iff_ne]
    refine and_congr ⟨fun g => ?_, fun g => ?_⟩ Iff.rfl
    · have := lookup_of_mem ysorted g
      rw [yours] at this
      split at this
      · cases this
      · next n => cases this; exact ⟨n, rfl⟩
    · refine lookup_mem ?_
      rw [yours, if_neg g.1, g.2]
  have none' : conflicts base ours theirs = [] ∧ merged = ours.apply (news base ours theirs) := by
    unfold merge at h
    split at h
    · next g => cases h; exact ⟨g, rfl⟩
    · cases h
  obtain ⟨hc, rfl⟩ := none'
  unfold conflicts at hc
  simp only at hc
  have hc := List.flatMap_eq_nil_iff.mp (sortPaths_nil hc)
  have alone : ∀ x ∈ news base ours theirs, (diff base ours).lookup x.1 = none := by
    intro x hx
    have := hc x hx
    cases g : (diff base ours).lookup x.1 with
    | none => rfl
    | some v =>
      rw [g] at this
      exact absurd this nofun
  have whole : (news base ours theirs).filter (fun x => !((diff base ours).lookup x.1).isSome) = news base ours theirs :=
    List.filter_eq_self.mpr fun x hx => by rw [alone x hx]; rfl
  rw [whole] at hc
  have free : ∀ p e, (p, some e) ∈ news base ours theirs → Free (ours.removeAll (news base ours theirs)) p e := by
    intro p e hx
    have := hc _ hx
    rw [alone _ hx] at this
    exact clash_nil this
  have apart : ∀ p e q f, (p, some e) ∈ news base ours theirs → (q, some f) ∈ news base ours theirs → liesBelow p q = false :=
    fun p e q f hp hq =>
      ht.apart ((mem p _).mp hp).1.2.symm ((mem q _).mp hq).1.2.symm
  have kapart : ∀ p e q f, (ours.removeAll (news base ours theirs)).get p = some e →
      (ours.removeAll (news base ours theirs)).get q = some f → liesBelow p q = false := by
    have inOurs : ∀ {p e}, (ours.removeAll (news base ours theirs)).get p = some e → ours.get p = some e := by
      intro p e g
      rw [get_removeAll] at g
      split at g
      · exact g
      · cases g
    exact fun p e q f hp hq => ho.apart (inOurs hp) (inOurs hq)
  obtain ⟨only, new, old, same⟩ := putAll_says sorted free apart kapart
  have alike : ours.get path ≠ base.get path → theirs.get path ≠ base.get path → ours.get path = theirs.get path := by
    intro a b
    refine Classical.byContradiction fun n => ?_
    have hx : (path, theirs.get path) ∈ news base ours theirs := by
      refine (mem _ _).mpr ⟨⟨Ne.symm b, rfl⟩, ?_⟩
      rw [mine, if_neg (Ne.symm a)]
      exact fun e => n (Option.some.inj e)
    have := alone _ hx
    rw [mine, if_neg (Ne.symm a)] at this
    cases this
  refine ⟨alike, ?_⟩
  have keep : (ours.removeAll (news base ours theirs)).get path =
      if (news base ours theirs).lookup path != some none then ours.get path else none := get_removeAll _ _ _
  by_cases hx : ∃ v, (path, v) ∈ news base ours theirs
  · obtain ⟨v, hx⟩ := hx
    have hv := (mem _ _).mp hx
    rw [if_neg (Ne.symm hv.1.1), ← hv.1.2]
    have uniq : ∀ f, (path, some f) ∈ news base ours theirs → v = some f := fun f hf =>
      hv.1.2.trans ((mem _ _).mp hf).1.2.symm
    cases v with
    | some e =>
      exact (new path e hx).says (same path e hx named)
    | none =>
      left
      cases g : (ours.apply (news base ours theirs)).get path with
      | none => rfl
      | some f =>
        cases only path f g with
        | inr g => exact absurd (uniq f g) nofun
        | inl g =>
          rw [keep, lookup_of_mem sorted hx] at g
          exact absurd g nofun
  · have n : (news base ours theirs).lookup path = none := by
      cases g : (news base ours theirs).lookup path with
      | none => rfl
      | some v => exact absurd ⟨v, lookup_mem g⟩ hx
    rw [n] at keep
    have keep : (ours.removeAll (news base ours theirs)).get path = ours.get path := keep
    have eq : (if theirs.get path = base.get path then ours.get path else theirs.get path) = ours.get path := by
      split
      · rfl
      · next b =>
        refine Classical.byContradiction fun ne => hx ⟨theirs.get path, (mem _ _).mpr ⟨⟨Ne.symm b, rfl⟩, ?_⟩⟩
        rw [mine]
        split
        · exact nofun
        · exact fun e => ne (Option.some.inj e).symm
    rw [eq]
    cases g : ours.get path with
    | none =>
      left
      cases g' : (ours.apply (news base ours theirs)).get path with
      | none => rfl
      | some f =>
        cases only path f g' with
        | inr k => exact absurd ⟨_, k⟩ hx
        | inl k => rw [keep, g] at k; cases k
    | some e =>
      refine (old path e (keep.trans g) fun f hf => hx ⟨_, hf⟩).says fun f hf => ?_
      cases only path f hf with
      | inr k => exact absurd ⟨_, k⟩ hx
      | inl k => rw [keep, g] at k; exact (Option.some.inj k).symm

end Files

end Shepherd
