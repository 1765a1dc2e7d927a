import Shepherd.Laws.ForwardSimulation.Labels
import Shepherd.Machine

/-!
# The run that is active in a tree
-/

namespace Shepherd

namespace Simulation

/-! ## Looking up runs -/

theorem find_id (rs : List Run) (id : Id) : (Runs.find rs id).id = id := by
  induction rs with
  | nil => rfl
  | cons r rs ih =>
    rw [Runs.find]
    by_cases h : r.id = id
    · rw [if_pos h, h]
    · rw [if_neg h, ih]

theorem find_put_same (rs : List Run) (r : Run) : Runs.find (Runs.put rs r) r.id = r := by
  induction rs with
  | nil => rw [Runs.put, Runs.find, if_pos rfl]
  | cons x xs ih =>
    rw [Runs.put]
    by_cases h : x.id = r.id
    · rw [if_pos h, Runs.find, if_pos rfl]
    · rw [if_neg h, Runs.find, if_neg h, ih]

theorem find_put_other {rs : List Run} {r : Run} {id : Id} (h : r.id ≠ id) :
    Runs.find (Runs.put rs r) id = Runs.find rs id := by
  induction rs with
  | nil => simp only [Runs.put, Runs.find, if_neg h]
  | cons x xs ih =>
    rw [Runs.put]
    by_cases hx : x.id = r.id
    · rw [if_pos hx, Runs.find, if_neg h, Runs.find, if_neg (hx ▸ h)]
    · rw [if_neg hx, Runs.find, Runs.find, ih]

theorem run_id (m : M) (id : Id) : (m.run id).id = id := find_id _ _

theorem run_put {m : M} {r : Run} {id : Id} (h : r.id = id) : (m.put r).run id = r := by
  subst h; exact find_put_same _ _

theorem run_put_other {m : M} {r : Run} {id : Id} (h : r.id ≠ id) : (m.put r).run id = m.run id := find_put_other h

theorem run_setCode (m : M) (id : Id) (code : Code) : (m.setCode id code).run id = { m.run id with code } :=
  run_put (r := { m.run id with code }) (run_id m id)

theorem run_record (m : M) (id : Id) (event : Event) (s : State) :
    (m.record id event s).run id = { m.run id with code := s.code, files := s.files, handles := s.handles, inbox := s.inbox, trace := m.commitOf id event s :: (m.run id).trace } := by
  have h := find_put_same m.runs { m.run id with code := s.code, files := s.files, handles := s.handles, inbox := s.inbox, trace := m.commitOf id event s :: (m.run id).trace }
  rw [show ({ m.run id with code := s.code, files := s.files, handles := s.handles, inbox := s.inbox, trace := m.commitOf id event s :: (m.run id).trace } : Run).id = id from run_id m id] at h
  exact h

/-- Only owner and givers change when a run gets another owner. -/
theorem run_own_code (m : M) (k id : Id) (o : Id) (gs : List Id) :
    ((m.own k o gs).run id).code = (m.run id).code ∧ ((m.own k o gs).run id).trace = (m.run id).trace := by
  by_cases h : k = id
  · subst h
    rw [show (m.own k o gs).run k = { m.run k with owner := some o, givers := gs } from run_put (run_id m k)]
    exact ⟨rfl, rfl⟩
  · have hr : (m.own k o gs).run id = m.run id :=
      run_put_other (r := { m.run k with owner := some o, givers := gs }) (fun e => h ((run_id m k).symm.trans e))
    rw [hr]
    exact ⟨rfl, rfl⟩

/-- Code and traces stay as they are when runs go back to those who lent them. -/
theorem run_giveBack (m : M) (a id : Id) :
    ((m.giveBack a).run id).code = (m.run id).code ∧ ((m.giveBack a).run id).trace = (m.run id).trace := by
  rw [M.giveBack]
  generalize m.kids a = ks
  induction ks generalizing m with
  | nil => exact ⟨rfl, rfl⟩
  | cons k ks ih =>
    rw [List.foldl_cons]
    refine ⟨(ih _).1.trans ?_, (ih _).2.trans ?_⟩ <;> split
    · exact (run_own_code ..).1
    · rfl
    · exact (run_own_code ..).2
    · rfl

/-- The asker's code when it starts taking a run back. -/
theorem run_begin {m m' : M} {asker id : Id} {origin : Settled} {to : Option Nat} (h : m.begin asker origin id to = .ok m') :
    ∃ u, (m'.run asker).code = .undoing u origin := by
  rw [M.begin] at h
  split at h
  · exact absurd h nofun
  · injection h with h
    subst h
    exact ⟨_, by rw [run_setCode]⟩

/-- A run that ends records it, or it first discards what it made. -/
theorem run_finish (m : M) (id : Id) (again : Comp) (kind : EndKind) (v : Value) (code : Settled) :
    (((m.finish id again kind v code).run id).code = .settled code ∧
        ∃ commit, commit.event = .ended kind v ∧ ((m.finish id again kind v code).run id).trace = commit :: (m.run id).trace) ∨
      ∃ u, ((m.finish id again kind v code).run id).code = .undoing u (.running again [] [] 0) := by
  rw [M.finish]
  cases hd : m.discardMade id again with
  | none =>
    refine .inl ⟨?_, ?_⟩
    · rw [(run_giveBack ..).1, M.recordCode, run_record]
    · exact ⟨_, rfl, by rw [(run_giveBack ..).2, M.recordCode, run_record]⟩
  | some m' =>
    refine .inr ?_
    rw [M.discardMade] at hd
    split at hd
    · exact absurd hd nofun
    · split at hd
      · rename_i hb
        injection hd with hd
        subst hd
        exact run_begin hb
      · exact absurd hd nofun

end Simulation

/-- What one step of a tree makes of the active run `id`, which stands at the term `t` with `lets` to enter: exactly what the
textbook says of `t`. -/
inductive Follows (m m' : M) (id : Id) (t : Comp) (lets : Nat) : Prop where
  /-- One reduction, or none: then there is one `let` less to enter. Nothing is recorded. -/
  | goesOn {c : Comp} {ρ : Env} {K : Stack} {n : Nat} : (m'.run id).code = .settled (.running c ρ K n) →
      (termOf c ρ K = t ∧ c.lets < lets ∨ textbook m.program t = .reduces (termOf c ρ K)) →
      (m'.run id).trace = (m.run id).trace → m'.log = m.log → Follows m m' id t lets
  /-- The term asks, and the intent is recorded; an answer will go to the place of the `do`. -/
  | intent {op : String} {args : List Value} {K : Stack} {commit : Commit} : textbook m.program t = .asks op args →
      (m'.run id).code = .settled (.waiting { op, args, stack := K }) → commit.event = .intent op args →
      (m'.run id).trace = commit :: (m.run id).trace →
      (∀ answer, ∃ n, resume answer K = .settled (.running (.ret (.lit answer)) [] K n) ∧
        termOf (.ret (.lit answer)) [] K = t.resumeWith answer) → Follows m m' id t lets
  /-- The term asks, the grant refuses: the run is told so at once. -/
  | denied {op : String} {args : List Value} {answer : Value} {K : Stack} {n : Nat} {commit : Commit} :
      textbook m.program t = .asks op args → commit.event = .denied op args →
      (m'.run id).trace = commit :: (m.run id).trace →
      (m'.run id).code = .settled (.running (.ret (.lit answer)) [] K n) →
      termOf (.ret (.lit answer)) [] K = t.resumeWith answer → Follows m m' id t lets
  /-- The term is a value, and the end is recorded. -/
  | done {v : Value} {commit : Commit} : textbook m.program t = .ends v → (m'.run id).code = .settled (.done v) →
      commit.event = .ended .done v → (m'.run id).trace = commit :: (m.run id).trace → Follows m m' id t lets
  /-- The term faults, and the end is recorded. -/
  | failed {f : Fault} {commit : Commit} : textbook m.program t = .faults f →
      (m'.run id).code = .settled (.failed f.error) → commit.event = .ended .failed f.error →
      (m'.run id).trace = commit :: (m.run id).trace → Follows m m' id t lets
  /-- The term is a value; the run first discards what it made, and then stands at that value again. -/
  | doneLater {v : Value} {u : Undoing} : textbook m.program t = .ends v →
      (m'.run id).code = .undoing u (.running (.ret (.lit v)) [] [] 0) → Follows m m' id t lets
  /-- The term faults; the run first discards what it made, and then faults again. -/
  | failedLater {f : Fault} {u : Undoing} : textbook m.program t = .faults f →
      (m'.run id).code = .undoing u (.running (.ret (.prim "raise" [.lit f.error])) [] [] 0) → Follows m m' id t lets

/-- What one step makes of a run that has used up its local steps: the fault `steps`, at once or after it discarded what it made. -/
def GivesUp (m m' : M) (id : Id) : Prop :=
  ((m'.run id).code = .settled (.failed (tooMany m.program).error) ∧
      ∃ commit, commit.event = .ended .failed (tooMany m.program).error ∧ (m'.run id).trace = commit :: (m.run id).trace) ∨
    ∃ u, (m'.run id).code = .undoing u (.running (.ret (.prim "raise" [.lit (tooMany m.program).error])) [] [] 0)

namespace Simulation

theorem ask_follows (m : M) (id : Id) (op : String) (args : List Value) (K : Stack) (t : Comp) (lets : Nat)
    (ht : textbook m.program t = .asks op args)
    (hr : ∀ answer, termOf (.ret (.lit answer)) [] K = t.resumeWith answer) : Follows m (m.ask id op args K) id t lets := by
  rw [M.ask]
  split
  · exact .intent ht (by rw [M.recordCode, run_record]) rfl (by rw [M.recordCode, run_record]; rfl)
      fun answer => ⟨0, rfl, hr answer⟩
  · exact .denied ht rfl (by rw [M.recordCode, run_record]) (by rw [M.recordCode, run_record, resume]) (hr _)

theorem fault_follows (m : M) (id : Id) (f : Fault) (t : Comp) (lets : Nat) (ht : textbook m.program t = .faults f) :
    Follows m (m.fault id f) id t lets := by
  rcases run_finish m id (.ret (.prim "raise" [.lit f.error])) .failed f.error (.failed f.error) with ⟨hc, k, he, hk⟩ | ⟨u, hu⟩
  · exact .failed ht hc he hk
  · exact .failedLater ht hu

theorem localMove_follows (m : M) (id : Id) (c : Comp) (ρ : Env) (K : Stack) (n : Nat) (hn : n < m.program.steps) :
    Follows m (m.localMove id c ρ K n) id (termOf c ρ K) c.lets := by
  rw [M.localMove, if_neg (Nat.not_lt.mpr hn)]
  cases hs : localStep m.program c ρ K with
  | running c' ρ' K' =>
    exact .goesOn (by rw [run_setCode]) (localStep_running hs) (by rw [run_setCode]) rfl
  | ends v =>
    have ht := localStep_stops (by rw [hs]; exact nofun)
    rw [hs] at ht
    rcases run_finish m id (.ret (.lit v)) .done v (.done v) with ⟨hc, k, he, hk⟩ | ⟨u, hu⟩
    · exact .done ht hc he hk
    · exact .doneLater ht hu
  | faults f =>
    have ht := localStep_stops (by rw [hs]; exact nofun)
    rw [hs] at ht
    exact fault_follows m id f _ _ ht
  | asks op args K' =>
    have ht := localStep_stops (by rw [hs]; exact nofun)
    rw [hs] at ht
    exact ask_follows m id op args K' _ _ ht fun answer => termOf_resume hs answer []

theorem localMove_givesUp (m : M) (id : Id) (c : Comp) (ρ : Env) (K : Stack) (n : Nat) (hn : m.program.steps ≤ n) :
    GivesUp m (m.localMove id c ρ K n) id := by
  rw [M.localMove, if_pos (Nat.lt_succ_of_le hn)]
  exact run_finish m id _ .failed _ _

end Simulation

end Shepherd
