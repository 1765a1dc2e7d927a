import Shepherd.Laws.Support.Entries

/-!
# Following a log

Complete: a log that an execution has is followed.
-/

namespace Shepherd

namespace M

/-! ## A move is found again in the log -/

theorem outsideMove_inward {other : Bool} {e₁ e : Id × Event} (h : sameEntry other e₁ e = true) (hi : Inward e₁.1 e₁.2) (m : M) :
    m.outsideMove e = none := by
  have he : Inward e.1 e.2 := by
    rcases eq_of_sameEntry h with rfl | ⟨_, id, v, d, d', agent, args, grant, files, rfl, rfl⟩
    · exact hi
    · exact ⟨fun _ _ _ => nofun, fun _ => nofun⟩
  unfold outsideMove
  split
  · next op args => exact absurd rfl (he.1 rfl op args)
  · next id of' k =>
    rw [if_neg]
    intro e
    subst e
    exact he.2 k rfl
  · rfl

theorem entries_foldl_markFork (c : Commit) (l : List Id) (p : M) : p.entries <+: (l.foldl (markFork c) p).entries := by
  induction l generalizing p with
  | nil => exact List.prefix_rfl
  | cons x l ih =>
    refine List.IsPrefix.trans ?_ (ih (markFork c p x))
    unfold markFork
    simp only [recordCode_eq, entries_record]
    exact List.prefix_append _ _

/-- From the first entry that a move adds to the log, the move is found again. -/
theorem move_complete {ω : Oracle} {m n : M} (w : Wf m) (h : Next ω m n) :
    ∃ e₁, Firsts m n e₁ ∧ ∃ b₀, ∀ b, b₀ ≤ b → ∀ other e rest, sameEntry other e₁ e = true → m.move b (e :: rest) = .to n := by
  cases h with
  | @own q _ hq s l =>
    have f := hq.follows w
    have g := step_follows f.1 s
    have hl : q.log.length < n.log.length := by rw [← f.1.size, ← g.1.1.size]; exact l
    obtain ⟨e₁, hf, hi⟩ := Firsts.of_inward g.2 hl
    obtain ⟨b₀, hb⟩ := advance_recorded hq s l
    refine ⟨e₁, hf.congr (f.2.log_eq hq.size_eq).symm, b₀, fun b le other e rest he => ?_⟩
    simp only [move, outsideMove_inward he hi, hb b le]
  | @answer q _ hq s o =>
    have f := hq.follows w
    unfold outer at o
    split at o
    · cases o
    · next a ha =>
      obtain ⟨x, st, _, ext, hgiven, _⟩ := answer_given f.1 ha o
      obtain ⟨b₀, hb⟩ := advance_stopped hq s
      refine ⟨_, (Firsts.of_record ext).congr (f.2.log_eq hq.size_eq).symm, b₀, fun b le other e rest he => ?_⟩
      have hout := outsideMove_inward he (inward_outcome _ _ _ _) m
      rcases eq_of_sameEntry he with rfl | ⟨_, id, v, d, d', agent, args, grant, files, h, _⟩
      · simp only [move, hout, hb b le, answerAs, ha, if_true, hgiven]
      · cases h
  | world op args s =>
    have ext := (follows_worldAsks w s).2
    rw [recordCode_eq] at ext
    refine ⟨_, (Firsts.of_record ext).congr rfl, 0, fun b _ other e rest he => ?_⟩
    rcases eq_of_sameEntry he with rfl | ⟨_, id, v, d, d', agent, args, grant, files, h, _⟩
    · simp only [move, outsideMove, s]
    · cases h
  | fork s =>
    have hs := s
    obtain ⟨c, t, ht, rfl⟩ := forkRoot_eq s
    generalize hp : ({ m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used } : M) = p at hs ⊢
    have hlog : p.log = m.log := by rw [← hp]
    obtain ⟨x, l, hx⟩ : ∃ x l, p.family .root = x :: l := by
      unfold family
      cases p.below .root with
      | nil => exact ⟨_, _, rfl⟩
      | cons y ys => exact ⟨_, _, rfl⟩
    rw [hx] at hs ⊢
    have hfirst : Firsts p ((x :: l).foldl (markFork c) p) (x, .forked x ((p.run x).trace.size - 1)) := by
      unfold Firsts
      have := entries_foldl_markFork c l (markFork c p x)
      rw [List.foldl_cons]
      refine List.IsPrefix.trans ?_ this
      unfold markFork
      simp only [recordCode_eq, entries_record]
      exact List.prefix_rfl
    refine ⟨_, hfirst.congr hlog.symm, 0, fun b _ other e rest he => ?_⟩
    rcases eq_of_sameEntry he with rfl | ⟨_, id, v, d, d', agent, args, grant, files, h, _⟩
    · have ho : m.outsideMove (x, .forked x ((p.run x).trace.size - 1)) = m.forkRoot := by
        unfold outsideMove
        cases x <;> exact if_pos rfl
      simp only [move, ho, hs]
    · cases h

/-! ## More room changes nothing -/

theorem move_mono {b b' : Nat} (le : b ≤ b') {m : M} {rest : Log} (h : m.move b rest ≠ .more) : m.move b' rest = m.move b rest := by
  cases rest with
  | nil => rfl
  | cons e rest =>
    simp only [move] at h ⊢
    cases ho : m.outsideMove e with
    | some n => rfl
    | none =>
      rw [ho] at h
      simp only at h ⊢
      rw [advance_mono le (m := m)]
      intro hm
      rw [hm] at h
      exact h rfl

end M

theorem followFrom_mono {other : Bool} {b b' : Nat} (le : b ≤ b') {fuel : Nat} {m : M} {done : Nat} {rest : Log}
    (h : followFrom other b fuel m done rest ≠ .more) :
    followFrom other b' fuel m done rest = followFrom other b fuel m done rest := by
  induction fuel generalizing m done rest with
  | zero => cases rest with
    | nil => rfl
    | cons e rest => rfl
  | succ fuel ih =>
    cases rest with
    | nil => rfl
    | cons e rest =>
      simp only [followFrom] at h ⊢
      rw [M.move_mono le (m := m)]
      · split
        · rfl
        · rfl
        · next n hn =>
          rw [hn] at h
          simp only at h
          split
          · next r hr =>
            rw [hr] at h
            exact ih h
          · rfl
          · rfl
      · intro hm
        rw [hm] at h
        exact h rfl

/-- What was followed before is not taken back. -/
theorem followFrom_ge {other : Bool} {b fuel : Nat} {m : M} {done n : Nat} {rest : Log} {x : Option (Id × Event)}
    (h : followFrom other b fuel m done rest = .only n x) : done ≤ n := by
  induction fuel generalizing m done rest with
  | zero => cases rest <;> cases h
  | succ fuel ih =>
    cases rest with
    | nil => cases h
    | cons e rest =>
      simp only [followFrom] at h
      split at h
      · cases h
      · cases h; exact Nat.le_refl _
      · split at h
        · exact Nat.le_trans (Nat.le_add_right _ _) (ih h)
        · cases h
        · cases h; exact Nat.le_add_right _ _

/-! ## Complete -/

/-- `m'` is the first state, right after an event, of the execution from `m` to `M'` whose log begins with `l`. -/
structure FirstWith (ω : Oracle) (m M' : M) (l : Log) (m' : M) : Prop where
  before : ∃ as, M.MakesAll ω as m m'
  after : ∃ as, M.MakesAll ω as m' M'
  log : l <+: m'.entries
  /-- It is where the execution begins, or one move before the log did not yet begin so. -/
  first : m' = m ∨ ∃ p as, M.MakesAll ω as m p ∧ M.Next ω p m' ∧ ¬ l <+: p.entries

theorem followFrom_stay {ω : Oracle} {as : List Act} {m M' : M} (h : M.MakesAll ω as m M') (other : Bool) (r : Log)
    (b fuel done : Nat) : (∀ n x, followFrom other b fuel m done r = .only n x → done ≤ n) ∧
      (r = [] → ∃ m', followFrom other b fuel m done r = .all m' ∧ FirstWith ω m M' (m.entries ++ []) m') := by
  refine ⟨fun n x hn => followFrom_ge hn, fun hr => ?_⟩
  subst hr
  refine ⟨m, by cases fuel <;> rfl, ⟨[], .nil m⟩, ⟨as, h⟩, ?_, .inl rfl⟩
  rw [List.append_nil]; exact List.prefix_rfl

theorem followFrom_complete {ω : Oracle} {as : List Act} {m M' : M} (w : M.Wf m) (h : M.MakesAll ω as m M') (other : Bool)
    (t s r : Log) (ht : m.entries ++ t <+: M'.entries) (hs : alike other t s) :
    ∃ b₀, ∀ b, b₀ ≤ b → ∀ fuel, (s ++ r).length ≤ fuel → ∀ done,
      (∀ n x, followFrom other b fuel m done (s ++ r) = .only n x → done + s.length ≤ n) ∧
      (r = [] → ∃ m', followFrom other b fuel m done (s ++ r) = .all m' ∧ FirstWith ω m M' (m.entries ++ t) m') := by
  induction h generalizing t s with
  | nil m =>
    have htn : t = [] := by
      obtain ⟨u, hu⟩ := ht
      have := congrArg List.length hu
      simp only [List.length_append] at this
      exact List.eq_nil_of_length_eq_zero (by omega)
    have hsn : s = [] := by
      subst htn
      cases s with
      | nil => rfl
      | cons y ys => exact hs.elim
    subst htn; subst hsn
    exact ⟨0, fun b _ fuel _ done => followFrom_stay (.nil m) other r b fuel done⟩
  | @cons a as m n M' d rest ih =>
    cases s with
    | nil =>
      have htn : t = [] := by
        cases t with
        | nil => rfl
        | cons y ys => exact hs.elim
      subst htn
      exact ⟨0, fun b _ fuel _ done => followFrom_stay (.cons d rest) other r b fuel done⟩
    | cons e s' =>
      cases t with
      | nil => exact hs.elim
      | cons e' t' =>
        have f := d.next.follows w
        have lt := d.next.size_lt w
        have later := (rest.follows f.1).2
        obtain ⟨e₁, hfirst, b₁, hmove⟩ := M.move_complete w d.next
        have hmade := M.entries_since f.2
        have hne := M.since_ne_nil f.2 lt
        generalize hg : n.since m.size = made at hmade hne
        obtain ⟨v, hv⟩ := M.entries_prefix later
        have hM : M'.entries = m.entries ++ (made ++ v) := by rw [← hv, hmade, List.append_assoc]
        have htp : (e' :: t') <+: made ++ v := by
          rw [hM] at ht
          exact (List.prefix_append_right_inj _).mp ht
        have he : e₁ = e' := by
          have h₁ : [e₁] <+: made := by
            rw [M.Firsts, hmade] at hfirst
            exact (List.prefix_append_right_inj _).mp hfirst
          obtain ⟨u, hu⟩ := h₁
          obtain ⟨u', hu'⟩ := htp
          rw [← hu] at hu'
          exact (List.cons.inj hu').1.symm
        subst he
        have hto := fun b hb rest => hmove b hb other e rest hs.1
        rcases Nat.le_total made.length (e₁ :: t').length with le | le
        · -- The whole move is in the log.
          obtain ⟨t₂, ht₂⟩ : made <+: e₁ :: t' := List.prefix_of_prefix_length_le (List.prefix_append _ _) htp le
          rw [← ht₂] at hs ht
          obtain ⟨s₁, s₂, hs₁₂, ha₁, ha₂⟩ := hs.split_left
          have ht' : n.entries ++ t₂ <+: M'.entries := by rw [hmade, List.append_assoc]; exact ht
          obtain ⟨b₂, hb₂⟩ := ih f.1 t₂ s₂ ht' ha₂
          refine ⟨max b₁ b₂, fun b hb fuel hfuel done => ?_⟩
          cases fuel with
          | zero => simp only [List.cons_append, List.length_cons] at hfuel; omega
          | succ fuel =>
            have hstep : followFrom other b (fuel + 1) m done (e :: s' ++ r) =
                followFrom other b fuel n (done + made.length) (s₂ ++ r) := by
              have hmv := hto b (Nat.le_trans (Nat.le_max_left _ _) hb) (s' ++ r)
              rw [List.cons_append]
              simp only [followFrom, hmv, hg]
              have hag : agree other made (e :: (s' ++ r)) 0 = .first (s₂ ++ r) := by
                rw [← List.cons_append, hs₁₂, List.append_assoc]
                exact agree_first ha₁ _ _
              rw [hag]
            have hlen : (e :: s').length = made.length + s₂.length := by
              rw [hs₁₂, List.length_append, ha₁.length]
            have hml : 0 < made.length := List.length_pos_iff.mpr hne
            have hfuel' : (s₂ ++ r).length ≤ fuel := by
              rw [List.length_append] at hfuel ⊢
              omega
            obtain ⟨ho, hall⟩ := hb₂ b (Nat.le_trans (Nat.le_max_right _ _) hb) fuel hfuel' (done + made.length)
            rw [hstep]
            refine ⟨fun n' x hn => ?_, fun hr => ?_⟩
            · have := ho n' x hn; omega
            · obtain ⟨m', hm', fw⟩ := hall hr
              refine ⟨m', hm', ?_⟩
              have hl : n.entries ++ t₂ = m.entries ++ e₁ :: t' := by rw [hmade, List.append_assoc, ht₂]
              rw [hl] at fw
              obtain ⟨as', h'⟩ := fw.before
              refine ⟨⟨_, .cons d h'⟩, fw.after, fw.log, .inr ?_⟩
              rcases fw.first with rfl | ⟨p, as'', hp, hnext, hnot⟩
              · refine ⟨m, [], .nil m, d.next, fun hpre => ?_⟩
                obtain ⟨u, hu⟩ := hpre
                have := congrArg List.length hu
                simp only [List.length_append, List.length_cons] at this
                omega
              · exact ⟨p, _, .cons d hp, hnext, hnot⟩
        · -- The log ends within the move, or differs from there.
          obtain ⟨u, hu⟩ : e₁ :: t' <+: made := List.prefix_of_prefix_length_le htp (List.prefix_append _ _) le
          refine ⟨b₁, fun b hb fuel hfuel done => ?_⟩
          cases fuel with
          | zero => simp only [List.cons_append, List.length_cons] at hfuel; omega
          | succ fuel =>
            have hmv := hto b hb (s' ++ r)
            have hml : (e :: s').length ≤ made.length := by rw [← hs.length]; exact le
            constructor
            · intro n' x hn
              rw [List.cons_append] at hn
              simp only [followFrom, hmv, hg] at hn
              split at hn
              · have := followFrom_ge hn
                omega
              · cases hn
              · next k z hag =>
                cases hn
                rw [← hu, ← List.cons_append] at hag
                have := agree_differ_ge hs hag
                omega
            · intro hr
              subst hr
              refine ⟨n, ?_, ⟨[a], .cons d (.nil n)⟩, ⟨as, rest⟩, ?_, .inr ⟨m, [], .nil m, d.next, fun hpre => ?_⟩⟩
              · rw [List.append_nil] at hmv ⊢
                simp only [followFrom, hmv, hg]
                cases u with
                | nil =>
                  rw [List.append_nil] at hu
                  have hag : agree other made (e :: s') 0 = .first [] := by
                    have := agree_first hs [] 0
                    rw [List.append_nil, hu] at this
                    exact this
                  rw [hag]
                  cases fuel <;> rfl
                | cons y u =>
                  rw [← hu, agree_second hs y u 0]
              · rw [hmade, ← hu]
                exact (List.prefix_append_right_inj _).mpr (List.prefix_append _ _)
              · obtain ⟨u', hu'⟩ := hpre
                have := congrArg List.length hu'
                simp only [List.length_append, List.length_cons] at this
                omega

end Shepherd
