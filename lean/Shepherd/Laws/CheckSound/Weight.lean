import Shepherd.Laws.CheckSound.Quiet
import Shepherd.Laws.Support.Marked

/-!
# How many steps may record nothing

A weight of the tree: how many more steps, at most, record nothing before something is recorded. Every step that records nothing makes
it less: between two events one run makes local steps, and others only begin what they wait for. It is at most the number of local
steps that the program allows, and of runs, and a few more; and there are no more runs than the log has entries, but for the outermost
owner.
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

/-- Whether the end of taking back will be recorded where nothing waits for its answer: a run is to be discarded, and was not yet. -/
def isDue (m : M) (u : Undoing) : Bool := u.to.isNone && !isGone (m.run u.run).code

/-- Whether a run may begin something, or go on after taking back, without recording it. -/
def mayBegin (m : M) : Code → Nat
  | .settled (.waiting _) => 1
  | .undoing _ (.waiting _) => 0
  | .undoing u (.running ..) => if m.isDue u then 0 else 1
  | .undoing .. => 1
  | _ => 0

/-- How many steps the active run may make without recording them: the local steps that are left, and the begin of its end. Where it is
not running, another run may be active after it, or the same goes on. -/
def stepsLeft (m : M) : Code → Nat
  | .settled (.running _ _ _ n) => m.program.steps - n + 1
  | .undoing u (.running ..) => if m.isDue u then 0 else m.program.steps + 1
  | .undoing .. => 0
  | _ => m.program.steps + 1

/-- The code of the active run. -/
def activeCode (m : M) : Code := match m.stack with
  | [] => .settled .discarded
  | id :: _ => (m.run id).code

/-- How many runs may begin something. -/
def beginnings (m : M) : Nat := (m.runs.map fun r => m.mayBegin r.code).sum

/-- The weight of a tree. -/
def weight (m : M) : Nat := m.beginnings + m.stepsLeft m.activeCode

theorem mayBegin_le (m : M) (code : Code) : m.mayBegin code ≤ 1 := by
  unfold mayBegin
  split
  · omega
  · omega
  · split <;> omega
  · omega
  · omega

theorem stepsLeft_le (m : M) (code : Code) : m.stepsLeft code ≤ m.program.steps + 1 := by
  unfold stepsLeft
  split
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

theorem weight_le (m : M) : m.weight ≤ m.runs.length + (m.program.steps + 1) := by
  have h := sum_le (fun r => m.mayBegin r.code) 1 (fun r => m.mayBegin_le r.code) m.runs
  rw [Nat.one_mul] at h
  exact Nat.add_le_add h (m.stepsLeft_le _)

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

/-- A run gets other code, and is neither discarded before nor after: what others have to do stays. -/
theorem Recoded.beginnings {m n : M} {id : Id} {code : Code} (h : Recoded m n id code) (before : isGone (m.run id).code = false)
    (after : isGone code = false) :
    n.stepsLeft = m.stepsLeft ∧ n.beginnings + m.mayBegin (m.run id).code = m.beginnings + m.mayBegin code := by
  have gone : ∀ x, isGone (n.run x).code = isGone (m.run x).code := fun x => by
    rw [h.run]
    split
    · next e => rw [← e, before]; exact after
    · rfl
  have due : n.isDue = m.isDue := by
    funext u
    simp only [isDue, gone]
  have same : n.mayBegin = m.mayBegin := by
    funext c
    unfold mayBegin
    simp only [due]
  refine ⟨?_, ?_⟩
  · funext c
    unfold stepsLeft
    simp only [due, h.1]
  have put : ∀ r : Run, r.id = id → r.code = code → n.runs = Runs.put m.runs r →
      n.beginnings + m.mayBegin (m.run id).code = m.beginnings + m.mayBegin code := fun r hi hc hr => by
    have i : Runs.has m.runs r.id = true := by
      rw [hi]
      cases e : Runs.has m.runs id with
      | true => rfl
      | false => rw [run_of_not_has (m := m) e] at before; cases before
    have h := sum_put (fun r => m.mayBegin r.code) i
    simp only [hi, hc] at h
    unfold M.beginnings
    rw [same, hr]
    exact h
  exact put { m.run id with code } (run_id m id) rfl h.2

/-- A run has begun what it might begin, whoever is active then. -/
theorem Recoded.less {m n : M} {id : Id} {code : Code} (h : Recoded m n id code) (before : isGone (m.run id).code = false)
    (after : isGone code = false) (may : m.mayBegin (m.run id).code = 1) (calm : m.mayBegin code = 0)
    (most : m.stepsLeft m.activeCode = m.program.steps + 1) : n.weight < m.weight := by
  obtain ⟨hl, hp⟩ := h.beginnings before after
  have := n.stepsLeft_le n.activeCode
  rw [h.1] at this
  unfold weight
  omega

/-- The active run makes a local step. -/
theorem Recoded.local {m n : M} {id : Id} {rest : List Id} {code : Code} (h : Recoded m n id code) (hm : m.stack = id :: rest)
    (hs : n.stack = m.stack) (before : isGone (m.run id).code = false) (after : isGone code = false)
    (same : m.mayBegin code = m.mayBegin (m.run id).code) (l : m.stepsLeft code < m.stepsLeft (m.run id).code) : n.weight < m.weight := by
  obtain ⟨hl, hp⟩ := h.beginnings before after
  have ha : m.activeCode = (m.run id).code := by unfold activeCode; rw [hm]
  have hb : n.activeCode = code := by
    unfold activeCode
    rw [hs, hm]
    simp only
    rw [h.run, if_pos rfl]
  unfold weight
  rw [ha, hb, hl]
  omega

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

theorem mayBegin_le_weight {m : M} {id : Id} (h : isGone (m.run id).code = false) : m.mayBegin (m.run id).code ≤ m.weight := by
  refine Nat.le_trans (le_sum (fun r => m.mayBegin r.code) ?_) (Nat.le_add_right _ _)
  cases e : Runs.has m.runs id with
  | true => rfl
  | false => rw [run_of_not_has (m := m) e] at h; cases h

/-! ## Every step that records nothing makes the tree lighter -/

/-- A tree whose next step, if there is one, records something. -/
def Loud (m : M) : Prop := ∀ n, m.step = some n → m.size < n.size

theorem gone_of_waiting {c : Code} {w : Waiting} (h : Underway w c) : isGone c = false := by
  rcases h with ⟨r, rfl⟩ | ⟨_, _, _, rfl⟩ | ⟨u, rfl⟩ <;> rfl

theorem mayBegin_underway (m : M) {c : Code} {w : Waiting} (h : Underway w c) : m.mayBegin c = 0 := by
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
    · refine Nat.lt_of_lt_of_le ?_ (mayBegin_le_weight before)
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
    have due : m.isDue u = false := by simp only [isDue, gone, Bool.not_true, Bool.and_false]
    have heavy : m.mayBegin (m.run id).code = 1 := by
      rw [hc]
      simp only [mayBegin, due, Bool.false_eq_true, if_false]
    have most : m.stepsLeft m.activeCode = m.program.steps + 1 := by
      have ha : m.activeCode = (m.run id).code := by unfold activeCode; rw [hst]
      rw [ha, hc]
      simp only [stepsLeft, due, Bool.false_eq_true, if_false]
    left
    unfold afterWorld at hn
    split at hn
    · subst hn
      exact hr.less before rfl heavy rfl most
    · next h =>
      have h : id = .world := Classical.byContradiction h
      subst h
      rw [hcode] at hn
      simp only at hn
      subst hn
      refine Recoded.less (code := .driving .root { op := "run.next", args := [.run 0], stack := [] }) ⟨rfl, ?_⟩ before rfl heavy rfl most
      show Runs.put (Runs.put m.runs _) _ = _
      rw [hr.run, if_pos rfl]
      exact Runs.put_put _ _ _ rfl
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
      obtain ⟨hs, ⟨hk, c', ρ', K', r⟩ | ⟨u, again, ht, hg, r⟩⟩ := localMove_quiet rfl e
      · refine .inl (r.local hst hs before rfl (by rw [hc]; rfl) ?_)
        rw [hc]
        simp only [stepsLeft]
        omega
      · have hg' : isGone (m.run u.run).code = false := by
          unfold isGone
          split
          · next h => exact absurd h hg
          · rfl
        have due : m.isDue u = true := by simp only [isDue, ht, hg', Option.isNone_none, Bool.not_false, Bool.and_self]
        refine .inl (r.local hst hs before rfl ?_ ?_)
        · rw [hc]
          simp only [mayBegin, due, if_true]
        · rw [hc]
          simp only [stepsLeft, due, if_true]
          omega
    · next w hc =>
      split at h
      · obtain ⟨code, r, hu⟩ := perform_quiet h e
        refine .inl (r.less (by rw [hc]; rfl) (gone_of_waiting hu) (by rw [hc]; rfl) (mayBegin_underway m hu) ?_)
        have ha : m.activeCode = (m.run id).code := by unfold activeCode; rw [hst]
        rw [ha, hc]; rfl
      · exact stop h
    · next u origin hc =>
      split at h
      · next m' hu =>
        exact undoStep_quiet wf p hst hc hu (Option.some.inj h) e
      · exact stop h
    · exact stop h

end M

end Shepherd
