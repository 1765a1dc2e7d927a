import Shepherd.Laws.TransparentSupervision.Forks
import Shepherd.Laws.BranchReplay.HeldRestore

/-!
# What the stack of driving runs becomes

Only `run.next` and a stop change it.
-/

namespace Shepherd

namespace M

variable {m : M}

/-- One tree has the stack of another. -/
abbrev Level (m n : M) : Prop := n.stack = m.stack

theorem level_foldl {α : Type} {f : M → α → M} (h : ∀ n x, Level n (f n x)) (l : List α) (m : M) : Level m (l.foldl f m) :=
  foldl_keeps (P := Level m) rfl fun n x _ e => (h n x).trans e

theorem level_relay (id : Id) (answer : Value) (by' : By) : Level m (m.relay id answer by') := by
  unfold M.relay
  split <;> rfl

theorem level_deliver (id : Id) (q : Question) (answer : Value) (change : Change) (by' : By) :
    Level m (m.deliver id q answer change by') :=
  (level_foldl (fun _ x => level_relay x answer by') _ _).trans rfl

theorem level_abandonOne (id : Id) : Level m (m.abandonOne id) := by
  unfold M.abandonOne
  simp only
  split
  · rfl
  · rfl
  · split <;> rfl

theorem level_abandon (id : Id) : Level m (m.abandon id) := level_foldl (fun _ x => level_abandonOne x) _ _

theorem level_begin {n : M} {asker id : Id} {origin : Settled} {to : Option Nat} (h : m.begin asker origin id to = .ok n) : Level m n := by
  unfold M.begin at h
  split at h
  · cases h
  · cases h; exact level_abandon id

theorem level_takeBack (asker : Id) (w : Waiting) (id : Id) (to : Option Nat) : Level m (m.takeBack asker w id to) := by
  unfold M.takeBack
  split
  · rfl
  · next h => exact level_begin h

theorem level_undoStep {n : M} {id : Id} {u : Undoing} {origin : Settled} (h : m.undoStep id u origin = some n) : Level m n := by
  unfold M.undoStep at h
  split at h
  · cases h
  · split at h
    · cases h; rfl
    · simp only at h
      split at h
      · cases h; exact stack_restore u.run u.to
      · cases h; exact stack_restore u.run u.to

theorem level_discardMade {n : M} {id : Id} {again : Comp} (h : m.discardMade id again = some n) : Level m n := by
  unfold M.discardMade at h
  split at h
  · cases h
  · split at h
    · next hb => cases h; exact level_begin hb
    · cases h

theorem level_giveBack (id : Id) : Level m (m.giveBack id) := by
  unfold M.giveBack
  refine level_foldl (fun n x => ?_) _ _
  split <;> rfl

theorem level_finish (id : Id) (again : Comp) (kind : EndKind) (v : Value) (code : Settled) :
    Level m (m.finish id again kind v code) := by
  unfold M.finish
  split
  · next h => exact level_discardMade h
  · exact level_giveBack id

theorem level_ask (id : Id) (op : String) (args : List Value) (K : Stack) : Level m (m.ask id op args K) := by
  unfold M.ask
  simp only
  split <;> rfl

theorem level_localMove (id : Id) (c : Comp) (ρ : Env) (K : Stack) (n : Nat) : Level m (m.localMove id c ρ K n) := by
  unfold M.localMove M.fault
  split
  · exact level_finish _ _ _ _ _
  · split
    · rfl
    · exact level_finish _ _ _ _ _
    · exact level_finish _ _ _ _ _
    · exact level_ask _ _ _ _

theorem level_spawn (asker : Id) (w : Waiting) : Level m (m.spawn asker w) := by
  unfold M.spawn
  split
  · split
    · rfl
    · split
      · rfl
      · refine (level_foldl (fun n x => ?_) _ _).trans (rfl : Level m _)
        unfold M.lend
        split <;> rfl
  · rfl

theorem level_fork (asker : Id) (w : Waiting) : Level m (m.fork asker w) := by
  unfold M.fork
  split
  · split
    · rfl
    · simp only
      split
      · rfl
      · show Level m (M.copyTree m _ _ _ _ _)
        rw [copyTree_eq]
        refine (level_foldl (fun n x => ?_) _ _).trans (level_foldl (fun n x => ?_) _ _)
        · unfold M.markCopy
          split <;> rfl
        · unfold M.copyOne
          split <;> rfl
  · rfl

theorem level_ownerAnswers (asker : Id) (w : Waiting) (v answer : Value) : Level m (m.ownerAnswers asker w v answer) := by
  unfold M.ownerAnswers
  split
  · rfl
  · split
    · rfl
    · exact level_deliver _ _ _ _ _

/-- An operation of the machine for the active run, `run.next` apart, leaves the stack. -/
theorem level_perform {n : M} {asker : Id} {w : Waiting} (ne : w.op ≠ "run.next") (h : m.perform asker w = some n) : Level m n := by
  have level : ∀ {p : M}, some p = some n → Level m p → Level m n := fun e l => by cases e; exact l
  unfold M.perform at h
  split at h
  · refine level h ?_
    unfold M.take
    split <;> rfl
  · refine level h ?_
    unfold M.answerOp
    split
    · exact level_ownerAnswers _ _ _ _
    · rfl
  · refine level h ?_
    unfold M.denyOp
    split
    · exact level_ownerAnswers _ _ _ _
    · rfl
  · refine level h ?_
    unfold M.discardOp
    split
    · split
      · rfl
      · split
        · rfl
        · exact level_takeBack _ _ _ _
    · rfl
  · exact level h (level_fork _ _)
  · refine level h ?_
    unfold M.inject
    split
    · split
      · rfl
      · split
        · rfl
        · split <;> rfl
    · rfl
  · refine level h ?_
    unfold M.merge
    split
    · split
      · rfl
      · simp only
        split
        · rfl
        · split <;> rfl
    · rfl
  · next e => exact absurd e ne
  · refine level h ?_
    unfold M.pass
    split
    · split <;> rfl
    · rfl
  · unfold M.pick at h
    split at h
    · split at h
      · exact level h rfl
      · cases h
    · exact level h rfl
  · refine level h ?_
    unfold M.revert
    split
    · split
      · rfl
      · split
        · exact level_takeBack _ _ _ _
        · rfl
    · rfl
  · exact level h (level_spawn _ _)
  · refine level h ?_
    unfold M.traceOp
    split
    · split
      · rfl
      · simp only
        split <;> rfl
    · rfl
  · exact level h rfl

end M

end Shepherd
