import Shepherd.Laws.Support.SeenReach

/-!
# What a revert puts back
-/

namespace Shepherd

open Id (MayOwn Over)

namespace M

theorem heads_ids {m : M} {id : Id} {c : Commit} : (m.heads id c).map Then.id = c.heads.map fun h => Id.today c.run id h.id := by
  unfold heads
  rw [List.map_map]
  rfl

theorem nodup_heads {m : M} {id : Id} {c : Commit} (ct : CommitTied c) : ((m.heads id c).map Then.id).Nodup := by
  rw [heads_ids]
  have := ct.nodup
  revert this
  generalize c.heads = l
  induction l with
  | nil => exact fun _ => List.nodup_nil
  | cons h l ih =>
    intro hn
    have hn := List.nodup_cons.mp hn
    rw [List.map_cons]
    refine List.nodup_cons.mpr ⟨fun hm => hn.1 ?_, ih hn.2⟩
    obtain ⟨g, hg, e⟩ := List.mem_map.mp hm
    exact List.mem_map.mpr ⟨g, hg, Id.today_inj e⟩

/-! ## Ownership first -/

theorem run_owns_ne {l : List Then} {m : M} {y : Id} (h : y ∉ l.map Then.id) :
    (l.foldl (fun m h => m.own h.id h.owner h.givers) m).run y = m.run y := by
  induction l generalizing m with
  | nil => rfl
  | cons x l ih =>
    rw [List.map_cons, List.mem_cons, not_or] at h
    rw [List.foldl_cons, ih h.2, run_own_ne _ _ _ (Ne.symm h.1)]

theorem run_owns {l : List Then} {m : M} (n : (l.map Then.id).Nodup) {x : Then} (hx : x ∈ l) :
    (l.foldl (fun m h => m.own h.id h.owner h.givers) m).run x.id = { m.run x.id with owner := some x.owner, givers := x.givers } := by
  induction l generalizing m with
  | nil => exact absurd hx List.not_mem_nil
  | cons z l ih =>
    have n := List.nodup_cons.mp n
    rw [List.foldl_cons]
    cases List.mem_cons.mp hx with
    | inl e =>
      subst e
      rw [run_owns_ne n.1, run_own_same]
    | inr e =>
      rw [ih n.2 e, run_own_ne]
      exact fun h => n.1 (h ▸ List.mem_map.mpr ⟨x, e, rfl⟩)

/-- Once ownership is put back, all that stood below then does again, and so does all that stands below. -/
theorem below_owns {m : M} (td : Tied m) (nm : Named m) {r : Id} {c : Commit} (hc : c ∈ (m.run r).trace) :
    (∀ h ∈ c.heads, ((m.heads r c).foldl (fun m h => m.own h.id h.owner h.givers) m).Below (Id.today c.run r h.id) r) ∧
    ∀ y, m.Below y r → ((m.heads r c).foldl (fun m h => m.own h.id h.owner h.givers) m).Below y r := by
  have ct := td.commits r c hc
  have owner : ∀ h ∈ c.heads, (((m.heads r c).foldl (fun m h => m.own h.id h.owner h.givers) m).run (Id.today c.run r h.id)).owner =
      some (Id.today c.run r h.owner) := by
    intro h hh
    obtain ⟨x, hx, hid, ho⟩ : ∃ x ∈ m.heads r c, x.id = Id.today c.run r h.id ∧ x.owner = Id.today c.run r h.owner := by
      unfold heads
      exact ⟨_, List.mem_map.mpr ⟨h, hh, rfl⟩, rfl, rfl⟩
    rw [← hid, run_owns (nodup_heads ct) hx, ← ho]
  have stood : ∀ y, c.Stood y →
      ((m.heads r c).foldl (fun m h => m.own h.id h.owner h.givers) m).Below (Id.today c.run r y) r := by
    intro y hy
    induction hy with
    | @top h hh e =>
      refine .own ?_
      have := owner h hh
      rwa [e, nm.today r c hc] at this
    | @down h hh _ ih => exact .up (owner h hh) ih
  refine ⟨fun h hh => stood h.id (ct.stood h hh), fun y hy => ?_⟩
  generalize e : r = top at hy
  induction hy with
  | @own y a h =>
    subst e
    by_cases hm : y ∈ (m.heads r c).map Then.id
    · rw [heads_ids] at hm
      obtain ⟨x, hx, rfl⟩ := List.mem_map.mp hm
      exact stood x.id (ct.stood x hx)
    · refine .own ?_
      show (M.run _ y).owner = _
      rw [run_owns_ne hm]; exact h
  | @up y o a h _ ih =>
    subst e
    by_cases hm : y ∈ (m.heads r c).map Then.id
    · rw [heads_ids] at hm
      obtain ⟨x, hx, rfl⟩ := List.mem_map.mp hm
      exact stood x.id (ct.stood x hx)
    · refine .up (o := o) ?_ (ih rfl)
      show (M.run _ y).owner = _
      rw [run_owns_ne hm]; exact h

/-! ## Then the runs below, each once -/

/-- What comes later in the list does not change what `y` or any run before it has become. -/
theorem foldl_each_in {f : M → Id → M} (other : ∀ n z y, z ≠ y → (f n z).run y = n.run y) {l : List Id} {m : M} (nd : l.Nodup)
    {y : Id} (hy : y ∈ l) {P : M → Prop} (h₀ : P m) (keep : ∀ n z, z ∈ l → P n → P (f n z)) :
    ∃ n s t, l = s ++ y :: t ∧ P n ∧ n.run y = m.run y ∧ (l.foldl f m).run y = (f n y).run y ∧
      ∀ z, z ≠ y → z ∉ t → (l.foldl f m).run z = n.run z := by
  induction l generalizing m with
  | nil => exact absurd hy List.not_mem_nil
  | cons z l ih =>
    have nd := List.nodup_cons.mp nd
    rw [List.foldl_cons]
    by_cases e : y = z
    · subst e
      have rest : ∀ x, x ∉ l → (l.foldl f (f m y)).run x = (f m y).run x := fun x hx =>
        foldl_keeps (P := fun n => n.run x = (f m y).run x) rfl fun n z hz e => (other n z x (fun h => hx (h ▸ hz))).trans e
      exact ⟨m, [], l, rfl, h₀, rfl, rest y nd.1, fun x ne hx => (rest x hx).trans (other m y x (Ne.symm ne))⟩
    · have hy := (List.mem_cons.mp hy).resolve_left e
      obtain ⟨n, s, t, hl, hn, h₁, h₂, h₃⟩ := ih nd.2 hy (keep m z List.mem_cons_self h₀)
        fun n x hx => keep n x (List.mem_cons_of_mem _ hx)
      exact ⟨n, z :: s, t, by rw [hl]; rfl, hn, h₁.trans (other m z y (Ne.symm e)), h₂, h₃⟩

theorem foldl_each {f : M → Id → M} (other : ∀ n z y, z ≠ y → (f n z).run y = n.run y) {l : List Id} {m : M} (nd : l.Nodup)
    {y : Id} (hy : y ∈ l) {P : M → Prop} (h₀ : P m) (keep : ∀ n z, z ∈ l → P n → P (f n z)) :
    ∃ n, P n ∧ n.run y = m.run y ∧ (l.foldl f m).run y = (f n y).run y := by
  obtain ⟨n, _, _, _, h₀, h₁, h₂, _⟩ := foldl_each_in other nd hy h₀ keep
  exact ⟨n, h₀, h₁, h₂⟩

theorem run_discard_ne {n : M} {z y : Id} (h : z ≠ y) : (n.discard z).run y = n.run y := by
  unfold discard
  split
  · rfl
  · rw [run_recordCode_ne _ _ _ h]

theorem run_rewind_ne {n : M} {z y : Id} (h : z ≠ y) (c : Commit) (lower : Bool) : (n.rewind z c lower).run y = n.run y := by
  unfold rewind
  exact run_record_ne _ _ _ h

theorem run_restoreLower_ne (hs : List Then) (n : M) (z y : Id) (h : z ≠ y) : (restoreLower hs n z).run y = n.run y := by
  unfold restoreLower
  split
  · exact run_discard_ne h
  · split
    · rfl
    · simp only
      split
      · exact run_rewind_ne h _ _
      · split
        · exact run_setCode_ne _ _ h
        · rfl

theorem code_discard (n : M) (y : Id) : ((n.discard y).run y).code = .settled .discarded := by
  unfold discard
  split
  · next h => exact h
  · rw [run_recordCode_same]

theorem find_heads {hs : List Then} (nd : (hs.map Then.id).Nodup) {x : Then} (hx : x ∈ hs) :
    hs.find? (fun h => h.id == x.id) = some x := by
  cases hf : hs.find? fun h => h.id == x.id with
  | none =>
    have := List.find?_eq_none.mp hf x hx
    rw [beq_self_eq_true] at this
    exact absurd rfl this
  | some y =>
    have hy := List.mem_of_find?_eq_some hf
    have hb : (y.id == x.id) = true := List.find?_some (p := fun h : Then => h.id == x.id) hf
    rw [eq_of_nodup_map nd hy hx (beq_iff_eq.mp hb)]

theorem rewind_lower (n : M) (id : Id) (c : Commit) : n.rewind id c true = n.record id (.reverted c.index)
    { code := n.takenUp id (n.handlesToday id c) c.code, files := c.files, handles := n.handlesToday id c, inbox := c.inbox } := rfl

theorem handlesToday_same {m n : M} (h : ∀ y, n.has y = m.has y) (id : Id) (c : Commit) :
    n.handlesToday id c = m.handlesToday id c := by
  unfold handlesToday
  rw [show n.meant c.run id = m.meant c.run id from funext (meant_same h _ _)]

theorem has_restoreLower (hs : List Then) {n : M} {z : Id} (i : n.has z = true) (y : Id) :
    (restoreLower hs n z).has y = n.has y := by
  have same : (z == y || n.has y) = n.has y := by
    by_cases e : z = y
    · rw [← e, beq_self_eq_true, i]; rfl
    · rw [beq_eq_false_iff_ne.mpr e, Bool.false_or]
  unfold restoreLower
  split
  · unfold discard
    split
    · rfl
    · rw [recordCode_eq, has_record, same]
  · split
    · rfl
    · simp only
      split
      · unfold rewind; rw [has_record, same]
      · split
        · rw [has_setCode, same]
        · rfl

/-- The run `y`, which stood below then and is in `m` as it is in `n`, is put back to the head `e` of its trace of then. -/
theorem restoreLower_eq {hs : List Then} (nd : (hs.map Then.id).Nodup) {x : Then} (hx : x ∈ hs) {e : Commit} {t : Trace}
    (ht : x.trace = e :: t) (n : M) : restoreLower hs n x.id =
      if (n.run x.id).trace.size ≠ Trace.size (e :: t) then n.rewind x.id e true
      else match (n.run x.id).code with
        | .undoing _ origin => n.setCode x.id (.settled origin)
        | _ => n := by
  unfold restoreLower
  rw [find_heads nd hx]
  simp only [ht]
  rfl

theorem restoreLower_none {hs : List Then} {y : Id} (h : y ∉ hs.map Then.id) (n : M) : restoreLower hs n y = n.discard y := by
  unfold restoreLower
  have : hs.find? (fun h => h.id == y) = none := List.find?_eq_none.mpr fun x hx e =>
    h (List.mem_map.mpr ⟨x, hx, beq_iff_eq.mp e⟩)
  rw [this]

/-! ## All of it -/

/-- What a run that stood below is after the revert: as it was right after its commit `e`, with the trace `t` before. Either it has
recorded that it was put back; or it had recorded nothing since, and is left where steps that record nothing have led it. -/
structure PutBack (m n : M) (y : Id) (e : Commit) (t : Trace) : Prop where
  files : (n.run y).files = e.files
  inbox : (n.run y).inbox = e.inbox
  handles : (n.run y).handles = m.handlesToday y e
  code : ((∃ d, (n.run y).trace = d :: (m.run y).trace ∧ d.event = .reverted e.index) ∧
      (n.run y).code = n.takenUp y (n.run y).handles e.code) ∨
    ((n.run y).trace = e :: t ∧ e.code.Leads m.program (n.run y).code.settle ∧ ∀ u o, (n.run y).code ≠ .undoing u o)

/-- So it stays where neither the run nor one that it owns is changed. -/
theorem PutBack.of_same {m n p : M} {y : Id} {e : Commit} {t : Trace} (same : p.run y = n.run y)
    (own : ∀ child, p.owns y child = n.owns y child) (kids : ∀ child, n.owns y child = true → p.run child = n.run child)
    (h : PutBack m n y e t) : PutBack m p y e t := by
  refine ⟨same ▸ h.files, same ▸ h.inbox, same ▸ h.handles, ?_⟩
  rw [same, takenUp_same own fun child hc => shown_same (kids child hc)]
  exact h.code

theorem owns_record (n : M) (id : Id) (ev : Event) (s : State) (asker child : Id) :
    (n.record id ev s).owns asker child = n.owns asker child := by
  unfold owns
  rw [owner_record]

theorem owner_restoreLower (hs : List Then) (n : M) (z y : Id) : ((restoreLower hs n z).run y).owner = (n.run y).owner := by
  unfold restoreLower
  split
  · unfold discard
    split
    · rfl
    · rw [recordCode_eq, owner_record]
  · split
    · rfl
    · simp only
      split
      · unfold rewind; rw [owner_record]
      · split
        · rw [run_setCode]
          split
          · next e => subst e; rfl
          · rfl
        · rfl

theorem restored_lower {m n : M} (td : Tied m) {hs : List Then} (nd : (hs.map Then.id).Nodup) {x : Then} (hx : x ∈ hs)
    {e : Commit} {t : Trace} (ht : x.trace = e :: t) (ne : x.id ≠ .world)
    (now : n.run x.id = { m.run x.id with owner := some x.owner, givers := x.givers })
    (there : ∀ y, n.has y = m.has y) (self : ∀ child, n.owns x.id child = true → x.id ≠ child)
    (untouched : (m.run x.id).trace.size = Trace.size (e :: t) → (m.run x.id).trace = e :: t ∧ e.run = x.id) :
    PutBack m (restoreLower hs n x.id) x.id e t ∧ ((restoreLower hs n x.id).run x.id).owner = some x.owner ∧
      ((restoreLower hs n x.id).run x.id).givers = x.givers := by
  have tr : (n.run x.id).trace = (m.run x.id).trace := by rw [now]
  rw [restoreLower_eq nd hx ht]
  split
  · rw [rewind_lower]
    refine ⟨⟨?_, ?_, ?_, .inl ⟨⟨_, trace_record_same _ _ _ _ |>.trans (congrArg _ tr), rfl⟩, ?_⟩⟩, ?_, ?_⟩
    · rw [run_record_same]
    · rw [run_record_same]
    · rw [run_record_same]; exact handlesToday_same there _ _
    · rw [run_record_same]
      exact (takenUp_same (owns_record n x.id _ _ x.id) (fun child hc => shown_same (run_record_ne n _ _ (self child hc))) _ _).symm
    · rw [run_record_same]; show (n.run x.id).owner = _; rw [now]
    · rw [run_record_same]; show (n.run x.id).givers = _; rw [now]
  · next hsz =>
    obtain ⟨same, own⟩ := untouched (by rw [← tr]; exact Decidable.of_not_not hsz)
    have s := td.snaps x.id ne e t same
    have code : (n.run x.id).code = (m.run x.id).code := by rw [now]
    have handles : (n.run x.id).handles = m.handlesToday x.id e := by
      rw [now]
      unfold handlesToday
      rw [if_pos own]
      exact s.handles (by rw [run_id]; exact own)
    split
    · next u o hc =>
      refine ⟨⟨?_, ?_, ?_, .inr ⟨?_, ?_, fun u o h => ?_⟩⟩, ?_, ?_⟩
      · rw [run_setCode_same]; show (n.run x.id).files = _; rw [now]; exact s.files
      · rw [run_setCode_same]; show (n.run x.id).inbox = _; rw [now]; exact s.inbox
      · rw [run_setCode_same]; exact handles
      · rw [trace_setCode, tr, same]
      · rw [run_setCode_same]
        have := s.code
        rw [← code, hc] at this
        exact this
      · rw [run_setCode_same] at h; cases h
      · rw [run_setCode_same]; show (n.run x.id).owner = _; rw [now]
      · rw [run_setCode_same]; show (n.run x.id).givers = _; rw [now]
    · next hc =>
      refine ⟨⟨?_, ?_, ?_, .inr ⟨?_, ?_, fun u o h => hc u o h⟩⟩, ?_, ?_⟩
      · rw [now]; exact s.files
      · rw [now]; exact s.inbox
      · exact handles
      · rw [tr, same]
      · rw [code]; exact s.code
      · rw [now]
      · rw [now]

end M

end Shepherd
