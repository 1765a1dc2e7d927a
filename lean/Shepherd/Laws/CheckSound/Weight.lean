import Shepherd.Laws.CheckSound.Quiet
import Shepherd.Laws.Support.Marked

/-!
# How many steps may record nothing

A weight for each run: how many more steps of it, at most, record nothing before something is recorded. Every step that records nothing
makes the sum of the weights less; and there are no more runs than the log has entries, but for the outermost owner.
-/

namespace Shepherd

theorem Runs.put_put (rs : List Run) (a b : Run) (h : a.id = b.id) : put (put rs a) b = put rs b := by
  induction rs with
  | nil => simp only [put, h, if_true]
  | cons x xs ih =>
    simp only [put, h]
    by_cases e : x.id = b.id
    · simp only [if_pos e, put, h, if_true]
    · simp only [if_neg e, put, ih]

namespace M

/-- Whether a run was discarded. -/
def isGone : Code → Bool
  | .settled .discarded => true
  | _ => false

/-- The weight of code: a local step of a run that is running, of those that are left, and what begins with the last of them; the begin
of an operation; and the end of taking back. A run that ended is discarded, which is recorded, unless that was done meanwhile: then
`undoing` ends without a trace, and its run goes on. -/
def weightOf (m : M) : Code → Nat
  | .settled (.running _ _ _ n) => m.program.steps - n + 3
  | .settled (.waiting _) => 1
  | .undoing _ (.waiting _) => 0
  | .undoing u (.running ..) => if u.to.isNone && !isGone (m.run u.run).code then 1 else m.program.steps + 4
  | .undoing .. => 1
  | _ => 0

/-- The weight of a tree. -/
def weight (m : M) : Nat := (m.runs.map fun r => m.weightOf r.code).sum

theorem weightOf_le (m : M) (code : Code) : m.weightOf code ≤ m.program.steps + 4 := by
  unfold weightOf
  split
  · omega
  · omega
  · omega
  · split <;> omega
  · omega
  · omega

theorem sum_le (f : Run → Nat) (b : Nat) (h : ∀ r, f r ≤ b) (rs : List Run) : (rs.map f).sum ≤ b * rs.length := by
  induction rs with
  | nil => exact Nat.zero_le _
  | cons r rs ih =>
    rw [List.map_cons, List.sum_cons, List.length_cons, Nat.mul_succ]
    have := h r
    omega

theorem weight_le (m : M) : m.weight ≤ (m.program.steps + 4) * m.runs.length :=
  sum_le _ _ (fun r => m.weightOf_le r.code) _

/-- What replacing a run does to a sum over all. -/
theorem sum_put (f : Run → Nat) {rs : List Run} {r : Run} (h : Runs.has rs r.id = true) :
    ((Runs.put rs r).map f).sum + f (Runs.find rs r.id) = (rs.map f).sum + f r := by
  induction rs with
  | nil => cases h
  | cons x xs ih =>
    rw [Runs.put, Runs.find]
    by_cases e : x.id = r.id
    · rw [if_pos e, if_pos e, List.map_cons, List.sum_cons, List.map_cons, List.sum_cons]
      omega
    · rw [if_neg e, if_neg e, List.map_cons, List.sum_cons, List.map_cons, List.sum_cons]
      have hx : Runs.has xs r.id = true := by
        rw [Runs.has_cons, beq_eq_false_iff_ne.mpr e, Bool.false_or] at h
        exact h
      have := ih hx
      omega

theorem Recoded.run {m n : M} {id : Id} {code : Code} (h : Recoded m n id code) (x : Id) :
    n.run x = if id = x then { m.run id with code } else m.run x := by
  show Runs.find n.runs x = _
  rw [h.2, Runs.find_put]
  simp only [run_id]
  rfl

/-- A run gets lighter code, and is neither discarded before nor after: the tree gets lighter. -/
theorem Recoded.lighter {m n : M} {id : Id} {code : Code} (h : Recoded m n id code) (before : isGone (m.run id).code = false)
    (after : isGone code = false) (l : m.weightOf code < m.weightOf (m.run id).code) : n.weight < m.weight := by
  have gone : ∀ x, isGone (n.run x).code = isGone (m.run x).code := fun x => by
    rw [h.run]
    split
    · next e => rw [← e, before]; exact after
    · rfl
  have same : n.weightOf = m.weightOf := by
    funext c
    unfold weightOf
    simp only [gone, h.1]
  have put : ∀ r : Run, r.id = id → r.code = code → n.runs = Runs.put m.runs r → n.weight < m.weight := fun r hi hc hr => by
    have i : Runs.has m.runs r.id = true := by
      rw [hi]
      cases e : Runs.has m.runs id with
      | true => rfl
      | false => rw [run_of_not_has (m := m) e] at before; cases before
    have h := sum_put (fun r => m.weightOf r.code) i
    simp only [hi, hc] at h
    unfold weight
    rw [same, hr]
    have hf : (Runs.find m.runs id).code = (m.run id).code := rfl
    rw [hf] at h
    omega
  exact put { m.run id with code } (run_id m id) rfl h.2

theorem le_sum (f : Run → Nat) {rs : List Run} {id : Id} (h : Runs.has rs id = true) : f (Runs.find rs id) ≤ (rs.map f).sum := by
  induction rs with
  | nil => cases h
  | cons x xs ih =>
    rw [Runs.find, List.map_cons, List.sum_cons]
    by_cases e : x.id = id
    · rw [if_pos e]; exact Nat.le_add_right _ _
    · rw [if_neg e]
      rw [Runs.has_cons, beq_eq_false_iff_ne.mpr e, Bool.false_or] at h
      exact Nat.le_trans (ih h) (Nat.le_add_left _ _)

theorem weightOf_le_weight {m : M} {id : Id} (h : isGone (m.run id).code = false) : m.weightOf (m.run id).code ≤ m.weight := by
  refine le_sum (fun r => m.weightOf r.code) ?_
  cases e : Runs.has m.runs id with
  | true => rfl
  | false => rw [run_of_not_has (m := m) e] at h; cases h

/-! ## Every step that records nothing makes the tree lighter -/

/-- A tree whose next step, if there is one, records something. -/
def Loud (m : M) : Prop := ∀ n, m.step = some n → m.size < n.size

theorem gone_of_waiting {c : Code} {w : Waiting} (h : Underway w c) : isGone c = false := by
  rcases h with ⟨r, rfl⟩ | ⟨_, _, _, rfl⟩ | ⟨u, rfl⟩ <;> rfl

theorem weight_underway (m : M) {c : Code} {w : Waiting} (h : Underway w c) : m.weightOf c = 0 := by
  rcases h with ⟨r, rfl⟩ | ⟨_, _, _, rfl⟩ | ⟨u, rfl⟩ <;> rfl

theorem drives_of_upward {m : M} {id : Id} {rest : List Id} (p : m.Upward (id :: rest)) :
    ∀ owner rest', rest = owner :: rest' → ∃ r w, (m.run owner).code = .driving r w := by
  rintro owner rest' rfl
  obtain ⟨w, hw⟩ := p.2.1
  exact ⟨_, w, hw⟩

theorem upward_recoded {m n : M} {id : Id} {rest : List Id} {code : Code} (h : Recoded m n id code) (p : m.Upward (id :: rest))
    (nd : ∀ r w, (m.run id).code ≠ .driving r w) : ∀ owner rest', rest = owner :: rest' → ∃ r w, (n.run owner).code = .driving r w := by
  intro owner rest' e
  obtain ⟨r, w, hd⟩ := drives_of_upward p owner rest' e
  refine ⟨r, w, ?_⟩
  rw [h.run, if_neg]
  · exact hd
  · rintro rfl; exact nd r w hd

theorem afterWorld_size (m : M) (id : Id) : (m.afterWorld id).size = m.size := by
  unfold afterWorld
  split
  · rfl
  · split <;> rfl

/-- The run goes on that was about to take back another. -/
theorem taken_back {m n : M} {id : Id} {rest : List Id} (path : m.Upward (id :: rest)) (hst : m.stack = id :: rest)
    {u : Undoing} {origin : Settled} (hc : (m.run id).code = .undoing u origin) (hw : ∀ w, origin ≠ .waiting w)
    (gone : isGone (m.run u.run).code = true) (hn : (m.setCode id (.settled origin)).afterWorld id = n) :
    n.weight < m.weight ∨ (0 < m.weight ∧ Loud n) := by
  have before : isGone (m.run id).code = false := by rw [hc]; rfl
  have hr : Recoded m (m.setCode id (.settled origin)) id (.settled origin) := ⟨rfl, rfl⟩
  have hcode : ((m.setCode id (.settled origin)).run id).code = .settled origin := by rw [hr.run, if_pos rfl]
  have ended : (∀ c ρ K k, origin ≠ .running c ρ K k) → n.weight < m.weight ∨ (0 < m.weight ∧ Loud n) := fun hr' => by
    have hn' : n = m.setCode id (.settled origin) := by
      rw [← hn]
      unfold afterWorld
      split
      · rfl
      · next h =>
        have h : id = .world := Classical.byContradiction h
        subst h
        rw [hcode]
        split
        · next h => cases h; exact absurd rfl (hr' _ _ _ _)
        · rfl
    subst hn'
    refine .inr ⟨?_, fun p hp => ?_⟩
    · refine Nat.lt_of_lt_of_le ?_ (weightOf_le_weight before)
      rw [hc]
      cases origin with
      | running c ρ K k => exact absurd rfl (hr' _ _ _ _)
      | waiting w => exact absurd rfl (hw w)
      | done v => exact Nat.one_pos
      | failed v => exact Nat.one_pos
      | discarded => exact Nat.one_pos
    · have hs : (m.setCode id (.settled origin)).stack = id :: rest := hst
      unfold step at hp
      rw [hs] at hp
      simp only [hcode] at hp
      have drives := upward_recoded hr path fun r w h => by rw [hc] at h; cases h
      cases origin with
      | running c ρ K k => exact absurd rfl (hr' _ _ _ _)
      | waiting w => exact absurd rfl (hw w)
      | done v => exact atStop_lt hp drives
      | failed v => exact atStop_lt hp drives
      | discarded => exact atStop_lt hp drives
  cases origin with
  | running c ρ K k =>
    have heavy : m.weightOf (m.run id).code = m.program.steps + 4 := by
      rw [hc]
      simp only [weightOf, gone, Bool.not_true, Bool.and_false, Bool.false_eq_true, if_false]
    left
    unfold afterWorld at hn
    split at hn
    · subst hn
      refine hr.lighter before rfl ?_
      rw [heavy]
      simp only [weightOf]
      omega
    · next h =>
      have h : id = .world := Classical.byContradiction h
      subst h
      rw [hcode] at hn
      simp only at hn
      subst hn
      refine Recoded.lighter (code := .driving .root { op := "run.next", args := [.run 0], stack := [] }) ⟨rfl, ?_⟩ before rfl ?_
      · show Runs.put (Runs.put m.runs _) _ = _
        rw [hr.run, if_pos rfl]
        exact Runs.put_put _ _ _ rfl
      · rw [heavy]; exact Nat.succ_pos _
  | waiting w => exact absurd rfl (hw w)
  | done v => exact ended nofun
  | failed v => exact ended nofun
  | discarded => exact ended nofun

/-- The end of taking back where nothing is recorded: the run goes on. -/
theorem undoStep_quiet {m n p : M} (wf : Wf m) {id : Id} {rest : List Id} (path : m.Upward (id :: rest)) (hst : m.stack = id :: rest)
    {u : Undoing} {origin : Settled} (hc : (m.run id).code = .undoing u origin) (hu : m.undoStep id u origin = some p)
    (hn : p.afterWorld id = n) (e : n.size = m.size) : n.weight < m.weight ∨ (0 < m.weight ∧ Loud n) := by
  have e' : p.size = m.size := by rw [← e, ← hn, afterWorld_size]
  unfold undoStep at hu
  split at hu
  · cases hu
  · split at hu
    · cases hu
      exact absurd e' (Nat.succ_ne_self _)
    · simp only at hu
      have ok := wf.codes id
      rw [hc] at ok
      split at hu
      · cases hu
        rw [size_reply] at e'
        have := restore_le ok
        omega
      · next hw =>
        cases hu
        obtain ⟨same, gone⟩ := restore_quiet ok e'
        rw [same] at hn
        exact taken_back path hst hc hw (by rw [gone]; rfl) hn

theorem quiet_step {m n : M} (wf : Wf m) (p : m.Upward m.stack) (h : m.step = some n) (e : n.size = m.size) :
    n.weight < m.weight ∨ (0 < m.weight ∧ Loud n) := by
  unfold step at h
  split at h
  · cases h
  · next id rest hst =>
    rw [hst] at p
    have stop : ∀ {P : Prop}, m.atStop id rest = some n → P := fun h =>
      absurd e (Nat.ne_of_gt (atStop_lt h (drives_of_upward p)))
    split at h
    · next c ρ K k hc =>
      cases h
      have before : isGone (m.run id).code = false := by rw [hc]; rfl
      rcases localMove_quiet rfl e with ⟨hk, c', ρ', K', r⟩ | ⟨u, again, ht, hg, r⟩
      · refine .inl (r.lighter before rfl ?_)
        rw [hc]
        simp only [weightOf]
        omega
      · refine .inl (r.lighter before rfl ?_)
        have hg' : isGone (m.run u.run).code = false := by
          unfold isGone
          split
          · next h => exact absurd h hg
          · rfl
        rw [hc]
        simp only [weightOf, ht, hg', Option.isNone_none, Bool.not_false, Bool.and_self, if_true]
        omega
    · next w hc =>
      split at h
      · obtain ⟨code, r, hu⟩ := perform_quiet h e
        refine .inl (r.lighter (by rw [hc]; rfl) (gone_of_waiting hu) ?_)
        rw [hc, weight_underway m hu]
        exact Nat.one_pos
      · exact stop h
    · next u origin hc =>
      split at h
      · next m' hu =>
        exact undoStep_quiet wf p hst hc hu (Option.some.inj h) e
      · exact stop h
    · exact stop h

end M

end Shepherd
