import Shepherd.Laws.Support.Reach

/-!
# From event to event

What happens next, named by who does it; and that each move records something.
-/

namespace Shepherd

/-- Who makes the next move of a tree. -/
inductive Act where
  /-- The tree goes on: by itself, or where it cannot, with the answer of the oracle. -/
  | on
  /-- The outermost owner asks for an operation. -/
  | world (op : String) (args : List Value)
  /-- The whole tree is forked from outside. -/
  | fork

namespace M

/-- The moves of `Next`, each with who makes it. -/
inductive Makes (ω : Oracle) : Act → M → M → Prop where
  | own {m q n : M} : Quiet m q → q.step = some n → q.size < n.size → Makes ω .on m n
  | answer {m q n : M} : Quiet m q → q.step = none → q.outer ω = some n → Makes ω .on m n
  | world {m n : M} (op : String) (args : List Value) : m.worldAsks op args = some n → Makes ω (.world op args) m n
  | fork {m n : M} : m.forkRoot = some n → Makes ω .fork m n

/-- Some moves, one after the other. -/
inductive MakesAll (ω : Oracle) : List Act → M → M → Prop where
  | nil (m : M) : MakesAll ω [] m m
  | cons {a : Act} {as : List Act} {m n p : M} : Makes ω a m n → MakesAll ω as n p → MakesAll ω (a :: as) m p

theorem next_iff {ω : Oracle} {m n : M} : Next ω m n ↔ ∃ a, Makes ω a m n := by
  constructor
  · intro h
    cases h with
    | own q s l => exact ⟨_, .own q s l⟩
    | answer q s o => exact ⟨_, .answer q s o⟩
    | world op args s => exact ⟨_, .world op args s⟩
    | fork s => exact ⟨_, .fork s⟩
  · intro ⟨a, h⟩
    cases h with
    | own q s l => exact .own q s l
    | answer q s o => exact .answer q s o
    | world op args s => exact .world op args s
    | fork s => exact .fork s

theorem Makes.next {ω : Oracle} {a : Act} {m n : M} (h : Makes ω a m n) : Next ω m n := next_iff.mpr ⟨a, h⟩

theorem MakesAll.trans {ω : Oracle} {as bs : List Act} {m n p : M} (h : MakesAll ω as m n) (g : MakesAll ω bs n p) :
    MakesAll ω (as ++ bs) m p := by
  induction h with
  | nil => exact g
  | cons d _ k => exact .cons d (k g)

theorem MakesAll.follows {ω : Oracle} {as : List Act} {m n : M} (w : Wf m) (h : MakesAll ω as m n) : Follows m n := by
  induction h with
  | nil => exact .refl w
  | cons d _ k => exact (d.next.follows w).trans (k (d.next.follows w).1)

/-- Every state that can be reached is reached by some moves from the start, and the other way round. -/
theorem _root_.Shepherd.reach_iff {ω : Oracle} {i : Init} {m : M} : Reach ω i m ↔ ∃ as, MakesAll ω as i.start m := by
  constructor
  · intro h
    induction h with
    | start => exact ⟨[], .nil _⟩
    | next _ n k =>
      obtain ⟨as, k⟩ := k
      obtain ⟨a, n⟩ := next_iff.mp n
      exact ⟨as ++ [a], k.trans (.cons n (.nil _))⟩
  · intro ⟨as, h⟩
    suffices ∀ as n m, MakesAll ω as n m → Reach ω i n → Reach ω i m from this as _ _ h .start
    intro as n m h
    induction h with
    | nil => exact id
    | cons d _ k => exact fun r => k (r.next d.next)

/-! ## Each move records something -/

theorem Quiet.size_eq {m n : M} (h : Quiet m n) : n.size = m.size := by
  induction h with
  | refl => rfl
  | step _ e _ k => exact k.trans e

/-- All that is delivered comes after the outcome in the run that asked. -/
theorem extends_deliver {m : M} (w : Wf m) (id : Id) {q : Question} (i : m.has q.asked = true) (answer : Value) (change : Change)
    (by' : By) : Extends (m.answerAsked q.asked answer change by') (m.deliver id q answer change by') := by
  have e : Plain m (m.answerAsked q.asked answer change by') := plain_answerAsked w i answer change by'
  have f : Plain (m.answerAsked q.asked answer change by') (m.deliver id q answer change by') :=
    Plain.foldl (e.wf w) fun n x _ _ wn => plain_relay wn x answer by'
  exact f.extends (e.wf w)

theorem size_lt_deliver {m : M} (w : Wf m) (id : Id) {q : Question} (i : m.has q.asked = true) (answer : Value) (change : Change)
    (by' : By) : m.size < (m.deliver id q answer change by').size :=
  Nat.lt_of_lt_of_le (Nat.lt_succ_self m.size) (extends_deliver w id i answer change by').size_le

theorem size_lt_answer {m n : M} (w : Wf m) {answer : Value} {change : Change} (h : m.answer answer change = some n) :
    m.size < n.size := by
  have deliver : ∀ {id : Id} {n : M}, (m.shown id).map (fun q => m.deliver id q answer change .world) = some n →
      m.size < n.size := by
    intro id n h
    obtain ⟨q, hq, rfl⟩ := Option.map_eq_some_iff.mp h
    exact size_lt_deliver w id (has_of_shown w.codes hq).1 _ _ _
  unfold M.answer at h
  split at h
  · split at h
    · cases h
    · split at h
      · split at h
        · cases h; exact Nat.lt_succ_self _
        · exact deliver h
      · exact deliver h
  · cases h

theorem size_lt_worldAsks {m n : M} (w : Wf m) {op : String} {args : List Value} (h : m.worldAsks op args = some n) :
    m.size < n.size :=
  Nat.lt_of_lt_of_le (Nat.lt_succ_self m.size) (follows_worldAsks w h).2.size_le

theorem size_lt_forkRoot {m n : M} (h : m.forkRoot = some n) : m.size < n.size := by
  have grow : ∀ (f : M → Id → M) (l : List Id) (p : M), (∀ p x, (f p x).size = p.size + 1) →
      (l.foldl f p).size = p.size + l.length := by
    intro f l
    induction l with
    | nil => exact fun p _ => rfl
    | cons x l ih => exact fun p hf => by rw [List.foldl_cons, ih _ hf, hf, List.length_cons]; omega
  unfold forkRoot at h
  split at h
  · split at h
    · cases h
    · simp only at h
      cases h
      rw [grow _ _ _ (fun _ _ => rfl), family, List.length_append]
      show m.size < m.size + _
      simp only [List.length_singleton]
      omega
  · cases h

/-- Each move records something. -/
theorem Next.size_lt {ω : Oracle} {m n : M} (w : Wf m) (h : Next ω m n) : m.size < n.size := by
  cases h with
  | own q _ l => rw [← q.size_eq]; exact l
  | answer q _ o =>
    rw [← q.size_eq]
    unfold outer at o
    split at o
    · cases o
    · exact size_lt_answer (q.follows w).1 o
  | world op args s => exact size_lt_worldAsks w s
  | fork s => exact size_lt_forkRoot s

/-- The place in the log of the next commit is its length. -/
theorem Wf.size {m : M} (w : Wf m) : m.size = m.log.length := by
  have h := w.numbered
  unfold M.size
  revert h
  cases m.log with
  | nil => exact fun _ => rfl
  | cons c cs => exact fun h => by rw [List.length_cons]; show c.seq + 1 = _; rw [h.1]; omega

end M

end Shepherd
