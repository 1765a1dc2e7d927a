import Shepherd.Laws.TransparentSupervision.Operations

/-!
# Marked runs do the same in both trees: forks, and all operations on runs
-/

namespace Shepherd

open Id (MayOwn Over)

namespace M

variable {G : Field} {φ : Nat → Nat} {m m' : M}

theorem forkParts_at (k : Agree G φ m m') (o : Closed G) (mk : SameMakers m m') {id asker : Id} (g : G id = true)
    (i : m.has id = true) {c : Commit} {t : Trace} (hc : ∀ h ∈ c.heads, G h.id = true) :
    m'.forkParts id asker (t.at φ) (c.at φ) = (m.forkParts id asker t c).map (Then.at φ) := by
  unfold M.forkParts
  rw [k.heads o mk g i hc, List.map_append]
  rfl

theorem bornOf_at (k : Agree G φ m m') {parts : List Then} (old : ∀ h ∈ parts, G h.old = true) :
    m'.bornOf (parts.map (Then.at φ)) = (m.bornOf parts).map (Then.at φ) := by
  have each : ∀ (rs : List Run), (rs.filterMap fun r => parts.find? fun h => h.old == r.id) =
      ((rs.map Run.id).filter G.mark).filterMap fun x => parts.find? fun h => h.old == x := by
    intro rs
    rw [List.filterMap_filter, List.filterMap_map]
    refine congrArg (fun f => List.filterMap f rs) (funext fun r => ?_)
    show _ = if G r.id = true then _ else _
    split
    · rfl
    · next g =>
      refine List.find?_eq_none.mpr fun h hh e => g ?_
      rw [← beq_iff_eq.mp e]; exact old h hh
  have found : ∀ x : Id, (parts.map (Then.at φ)).find? (fun h => h.old == x) = (parts.find? fun h => h.old == x).map (Then.at φ) :=
    fun x => List.find?_map ..
  unfold M.bornOf
  simp only [found]
  rw [each m.runs, ← k.ids, ← each m'.runs, List.map_filterMap]

theorem Agree.copyGrant (k : Agree G φ m m') (o : Closed G) (id fork : Id) (c : Commit) (inside : List Id) (used : Used)
    (grant : List Layer) : M.copyGrant m' id fork (c.at φ) inside used grant = M.copyGrant m id fork c inside used grant := by
  have layer : ∀ u l, copyLayer m' id fork (c.at φ) inside u l = copyLayer m id fork c inside u l := fun u l => by
    unfold copyLayer
    simp only [show (c.at φ).run = c.run from rfl, show (c.at φ).used = c.used from rfl, k.meant o]
  induction grant generalizing used with
  | nil => rfl
  | cons l ls ih =>
    unfold M.copyGrant
    simp only [layer, ih]

theorem Agree.copyHandles (k : Agree G φ m m') (o : Closed G) (id fork : Id) (c : Commit) (group handles : List Id) :
    M.copyHandles m' id fork (c.at φ) group handles = M.copyHandles m id fork c group handles := by
  unfold M.copyHandles
  refine List.map_congr_left fun x _ => ?_
  simp only [show (c.at φ).run = c.run from rfl]
  rw [k.meant o]

theorem copyHandles_known (o : Closed G) (id fork : Id) (c : Commit) (group : List Id) {handles : List Id}
    (hh : ∀ x ∈ handles, Known G x) : ∀ x ∈ M.copyHandles m id fork c group handles, Known G x := by
  unfold M.copyHandles
  intro x hx
  obtain ⟨y, hy, rfl⟩ := List.mem_map.mp hx
  simp only
  split
  · exact .inl (o.copy _ _)
  · exact meant_known o (hh y hy) _ _

/-- A part of a fork. -/
structure Part (G : Field) (m : M) (id owner : Id) (h : Then) : Prop where
  old : G h.old = true
  trace : ∃ x, G x = true ∧ h.trace <:+ (m.run x).trace
  owner : h.id ≠ id → MayOwn h.owner h.id
  givers : ∀ g ∈ h.givers, MayOwn g h.id

/-- While copies are made, both trees agree, and nothing is recorded. -/
structure CopiedSo (G : Field) (φ : Nat → Nat) (m n n' : M) : Prop where
  agree : Agree G φ n n'
  logged : ∀ i, Logged G m i → Logged G n i
  size : n.size = m.size

theorem Agree.copyOne (k : Agree G φ m m') (o : Closed G) {id owner : Id} {j : Nat} {c : Commit} {parts : List Then}
    (fresh : ∀ x, m.has (.copy (.made owner j) x) = false) {n n' : M}
    (kept : CopiedSo G φ m n n' ∧ ∀ x, (∀ y, x ≠ .copy (.made owner j) y) → n.run x = m.run x)
    {h : Then} (part : Part G m id owner h) :
    CopiedSo G φ m (M.copyOne m id (.made owner j) owner c parts n h)
      (M.copyOne m' id (.made owner j) owner (c.at φ) (parts.map (Then.at φ)) n' (h.at φ)) ∧
      ∀ x, (∀ y, x ≠ .copy (.made owner j) y) → (M.copyOne m id (.made owner j) owner c parts n h).run x = m.run x := by
  obtain ⟨kn, same⟩ := kept
  have group : (parts.map (Then.at φ)).map Then.id = parts.map Then.id := by rw [List.map_map]; rfl
  have inside : (parts.map (Then.at φ)).map Then.old = parts.map Then.old := by rw [List.map_map]; rfl
  unfold M.copyOne
  cases ht : h.trace with
  | nil =>
    simp only [Then.at, ht, Trace.at_nil]
    exact ⟨kn, same⟩
  | cons d t =>
    obtain ⟨x, gx, hx⟩ := part.trace
    have within : ∀ e ∈ d :: t, e.Within G m.size := fun e he => k.commits x gx e (hx.subset (ht ▸ he))
    have wd := within d List.mem_cons_self
    simp only [Then.at, ht, Trace.at_cons, group, inside, show (d.at φ).handles = d.handles from rfl, k.grant part.old,
      kn.agree.used, k.copyGrant o, k.agent part.old, k.args part.old, k.base part.old, k.copyHandles o]
    refine ⟨⟨(kn.agree.useAlso _).put ⟨rfl, o.copy _ _, ⟨rfl, .same _, rfl⟩, .inl ⟨rfl, rfl⟩, ?_, ?_, ?_, copyHandles_known o _ _ _ _ wd.handles, ?_⟩ ?_, ?_, ?_⟩, ?_⟩
    · intro x e
      have e := Option.some.inj e
      show MayOwn x (.copy (.made owner j) h.id)
      rw [← e]
      split
      · exact .copied owner _ _
      · next ne => exact .copies _ (part.owner ne)
    · intro x e
      have e := Option.some.inj e
      show MayOwn x (.copy (.made owner j) h.id)
      rw [← e]
      split
      · exact .copied owner _ _
      · next ne => exact .copies _ (part.owner ne)
    · have lent : ∀ g ∈ (h.givers.filter (parts.map Then.id).contains).map (Id.copy (.made owner j)),
          MayOwn g (.copy (.made owner j) h.id) := by
        intro g hg
        obtain ⟨y, hy, rfl⟩ := List.mem_map.mp hg
        exact .copies _ (part.givers y (List.mem_filter.mp hy).1)
      intro g hg
      simp only at hg
      split at hg
      · rcases List.mem_append.mp hg with hg | hg
        · exact lent g hg
        · rw [List.mem_singleton.mp hg]; exact .copied owner _ _
      · exact lent g hg
    · intro e he
      have : ({ n with used := (M.copyGrant m id (Id.made owner j) c (parts.map Then.old) n.used (m.run h.old).grant).1 } : M).size = m.size :=
        kn.size
      rw [this]
      exact within e (ht ▸ he)
    · intro e he
      exact kn.logged _ ⟨x, e, gx, hx.subset (ht ▸ he), rfl⟩
    · intro i ⟨y, e, gy, he, ei⟩
      refine ⟨y, e, gy, ?_, ei⟩
      have ne : ∀ z, y ≠ .copy (.made owner j) z := fun z ey => by
        rw [ey, run_of_not_has (fresh z)] at he
        exact absurd he List.not_mem_nil
      have := same y ne
      rw [run_put_ne _ fun e => ne _ e.symm]
      show e ∈ (n.run y).trace
      rw [this]; exact he
    · exact kn.size
    · intro y ne
      rw [run_put_ne _ fun e => ne _ e.symm]
      exact same y ne

theorem Alike.markCopy (k : Alike G m m') (o : Closed G) (id fork : Id) (χ : Nat → Nat) (h : Then) :
    Alike G (M.markCopy id fork m h) (M.markCopy id fork m' (h.at χ)) := by
  unfold M.markCopy
  cases ht : h.trace with
  | nil => simp only [Then.at, ht, Trace.at_nil]; exact k
  | cons d t =>
    have g : G (.copy fork h.id) = true := o.copy _ _
    simp only [Then.at, ht, Trace.at_cons, show (d.at χ).code = d.code from rfl, show (d.at χ).index = d.index from rfl,
      k.choose_spec.handles g, k.choose_spec.takenUp g]
    exact k.recordCode g _ (.same _)

theorem Agree.copyTree (k : Agree G φ m m') (o : Closed G) (mk : SameMakers m m') (td : Tied m) (nm : Named m) {id owner : Id} {j : Nat}
    (fresh : ∀ x, m.has (.copy (.made owner j) x) = false) (i : m.has id = true) (g : G id = true) {c : Commit} {t : Trace}
    (ht : c :: t <:+ (m.run id).trace) :
    Alike G (m.copyTree id (c :: t) c (.made owner j) owner) (m'.copyTree id (Trace.at φ (c :: t)) (c.at φ) (.made owner j) owner) := by
  have hc : c ∈ (m.run id).trace := ht.subset List.mem_cons_self
  have wc := k.commits id g c hc
  have parts : ∀ h ∈ m.forkParts id owner (c :: t) c, Part G m id owner h := fun h hh => by
    have p := of_mem_forkParts td nm i hc hh
    have old : G h.old = true := by
      unfold M.forkParts at hh
      rcases List.mem_append.mp hh with hh | hh
      · unfold M.heads at hh
        obtain ⟨x, hx, rfl⟩ := List.mem_map.mp hh
        exact wc.heads x hx
      · rw [List.mem_singleton.mp hh]; exact wc.run
    rcases p with ⟨e, _, e', e'', _⟩ | ⟨p1, p2, p3, n, p4⟩
    · exact ⟨old, ⟨id, g, e'' ▸ ht⟩, fun ne => absurd e ne, fun x hx => absurd (e' ▸ hx) List.not_mem_nil⟩
    · exact ⟨old, ⟨h.old, old, p4 ▸ Trace.upTo_suffix _ _⟩, fun _ => p1, p2⟩
  rw [copyTree_eq, copyTree_eq, forkParts_at k o mk g i wc.heads, bornOf_at k fun h hh => (parts h hh).old, List.foldl_map, List.foldl_map]
  refine Alike.foldl (fun n n' h _ kn => kn.markCopy o id _ φ h) ?_
  have go : ∀ (l : List Then), (∀ h ∈ l, Part G m id owner h) → ∀ n n',
      (CopiedSo G φ m n n' ∧ ∀ x, (∀ y, x ≠ .copy (.made owner j) y) → n.run x = m.run x) →
      Alike G (l.foldl (M.copyOne m id (.made owner j) owner c (m.forkParts id owner (c :: t) c)) n)
        (l.foldl (fun n' h => M.copyOne m' id (.made owner j) owner (c.at φ) ((m.forkParts id owner (c :: t) c).map (Then.at φ)) n' (h.at φ)) n') := by
    intro l
    induction l with
    | nil => exact fun _ n n' kn => kn.1.agree.alike
    | cons h l ih =>
      intro hl n n' kn
      exact ih (fun h hh => hl h (List.mem_cons_of_mem _ hh)) _ _ (k.copyOne o fresh kn (hl h List.mem_cons_self))
  exact go _ (fun h hh => parts h (of_mem_bornOf hh).1) m m' ⟨⟨k, fun _ h => h, rfl⟩, fun _ _ => rfl⟩

theorem Alike.fork (k : Alike G m m') (o : Closed G) (mk : SameMakers m m') (td : Tied m) (nm : Named m) {a : Id} (g : G a = true)
    (fresh : ∀ x, m.has (.copy (.made a (m.run a).made) x) = false) (w : Waiting) : Alike G (m.fork a w) (m'.fork a w) := by
  have k' := k
  obtain ⟨φ, k⟩ := k
  unfold M.fork
  split
  · next v i _ =>
    rw [k.owned g]
    split
    · exact k'.reply g _ _
    · next id h =>
      have gi := k.mark_owned g h
      cases i with
      | negSucc => exact k'.reply g _ _
      | ofNat n =>
        simp only [k.trace gi, Trace.upTo_at, k.made g]
        have suf := Trace.upTo_suffix (m.run id).trace n
        revert suf
        generalize Trace.upTo (m.run id).trace n = t
        intro suf
        cases t with
        | nil => exact k'.reply g _ _
        | cons c t => exact (k.copyTree o mk td nm fresh (has_of_owned h) gi suf).answerRun g _ (o.copy _ _)
  · exact k'.wrong g _

/-- What the active marked run asks of the machine is done alike in both trees. -/
theorem Alike.perform (k : Alike G m m') (o : Closed G) (mk : SameMakers m m') (w : Wf m) (td : Tied m) (nm : Named m)
    (tab : Tabled m.Stamped m) {a : Id} (g : G a = true) (hq : ShowsMarked G m a) (wt : Waiting) : Twin G (m.perform a wt) (m'.perform a wt) := by
  unfold M.perform
  split
  · exact .go (k.take g _)
  · unfold M.answerOp
    split
    · exact .go (k.ownerAnswers g hq _ _ _)
    · exact .go (k.wrong g _)
  · unfold M.denyOp
    split
    · exact .go (k.ownerAnswers g hq _ _ _)
    · exact .go (k.wrong g _)
  · exact .go (k.discardOp o mk g _)
  · exact .go (k.fork o mk td nm g (not_has_copy w a) _)
  · exact .go (k.inject g _)
  · exact .go (k.merge g _)
  · exact .go (k.next g _)
  · exact .go (k.pass g _)
  · exact k.pick g _
  · exact .go (k.revert o mk g _)
  · exact .go (k.spawn o g (stamped_given tab a) _)
  · exact .go (k.traceOp o g _)
  · exact .go (k.reply g _ _)

end M

end Shepherd
