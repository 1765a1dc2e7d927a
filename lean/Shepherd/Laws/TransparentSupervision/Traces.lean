import Shepherd.Laws.TransparentSupervision.Changes
import Shepherd.Laws.Support.Seen

/-!
# Traces at other places of the log

What the machine reads of a trace does not depend on the places in the log, but for the order of debts.
-/

namespace Shepherd

variable {φ : Nat → Nat}

namespace Trace

theorem at_cons (c : Commit) (t : Trace) : Trace.at φ (c :: t) = c.at φ :: t.at φ := rfl
theorem at_nil : Trace.at φ [] = [] := rfl

theorem upTo_at (t : Trace) (k : Nat) : (t.at φ).upTo k = (t.upTo k).at φ := by
  unfold upTo Trace.at
  induction t with
  | nil => rfl
  | cons c t ih =>
    rw [List.map_cons, List.dropWhile_cons, List.dropWhile_cons]
    show (if (c.index != k) = true then _ else _) = _
    split
    · exact ih
    · rw [List.map_cons]

theorem nth_at (t : Trace) (k : Nat) : (t.at φ).nth k = (t.nth k).map (Commit.at φ) := by
  unfold nth
  rw [upTo_at]
  cases t.upTo k <;> rfl

theorem livesFrom_at (t : Trace) (want : Option Nat) :
    livesFrom want (t.at φ) = (livesFrom want t).map fun p => (p.1.at φ, p.2.at φ) := by
  induction t generalizing want with
  | nil => rfl
  | cons c t ih =>
    rw [at_cons]
    unfold livesFrom
    simp only [show (c.at φ).index = c.index from rfl, show (c.at φ).event = c.event from rfl]
    split
    · cases c.event <;> simp only [ih, List.map_cons]
    · exact ih _

theorem live_at (t : Trace) : (t.at φ).live = t.live.at φ := by
  unfold live
  rw [livesFrom_at, List.map_map]
  unfold Trace.at
  rw [List.map_map]
  rfl

theorem questionFrom_at (t : Trace) (want : Option Nat) :
    questionFrom want (t.at φ) = (questionFrom want t).map (Commit.at φ) := by
  induction t generalizing want with
  | nil => rfl
  | cons c t ih =>
    rw [at_cons]
    unfold questionFrom
    simp only [show (c.at φ).index = c.index from rfl, show (c.at φ).event = c.event from rfl]
    split
    · cases c.event <;> simp only [ih, Option.map_some, Option.map_none]
    · exact ih _

theorem question_at (t : Trace) : (t.at φ).question = t.question.map (Commit.at φ) := questionFrom_at t none

theorem question_event_at (t : Trace) : (t.at φ).question.map Commit.event = t.question.map Commit.event := by
  rw [question_at, Option.map_map]; rfl

theorem lastForked_at (t : Trace) : (t.at φ).lastForked = t.lastForked := by
  unfold lastForked Trace.at
  rw [List.find?_map, Option.map_map]
  rfl

theorem events_at (t : Trace) : (t.at φ).events = t.events := by
  unfold events Trace.at
  rw [List.map_map]; rfl

end Trace

/-- A question and its outcome at other places of the log. -/
def Answered.at (φ : Nat → Nat) (a : Answered) : Answered := ⟨a.question.at φ, a.outcome.at φ⟩

theorem answered_at (start : Nat) (t : Trace) : answered start (t.at φ) = (answered start t).map (Answered.at φ) := by
  induction t with
  | nil => rfl
  | cons c t ih =>
    rw [Trace.at_cons]
    unfold answered
    simp only [show (c.at φ).index = c.index from rfl, show (c.at φ).event = c.event from rfl, Trace.question_at]
    split
    · rfl
    · cases Trace.question t with
      | none => cases c.event <;> simp only [Option.map_none, ih]
      | some q => cases c.event <;> simp only [Option.map_some, ih, List.map_cons] <;> rfl

/-- A debt for an outcome at another place of the log. -/
def Debt.shift (φ : Nat → Nat) (d : Debt) : Debt := { d with seq := φ d.seq }

theorem owe_at (P : Program) (run : Id) (a : Answered) (owed : List Debt) :
    owe P run (a.at φ) (owed.map (Debt.shift φ)) = (owe P run a owed).map (Debt.shift φ) := by
  unfold owe
  simp only [show (a.at φ).question.event = a.question.event from rfl, show (a.at φ).outcome.event = a.outcome.event from rfl]
  split
  · split
    · rfl
    · rw [List.filter_map]; rfl
  · split
    · split
      · rfl
      · rfl
    · rfl
  · rfl

theorem debts_at (P : Program) (id : Id) (t : Trace) (start : Nat) :
    debts P id (t.at φ) start = (debts P id t start).map (Debt.shift φ) := by
  have go : ∀ l : List Answered, (l.map (Answered.at φ)).foldr (owe P id) [] = (l.foldr (owe P id) []).map (Debt.shift φ) := by
    intro l
    induction l with
    | nil => rfl
    | cons a l ih => rw [List.map_cons, List.foldr_cons, List.foldr_cons, ih, owe_at]
  unfold debts
  rw [answered_at, go, Trace.lastForked_at]
  simp only
  split
  · rfl
  · rw [List.filter_map]; rfl

theorem madeUndone_at (t : Trace) (k : Nat) : madeUndone (t.at φ) k = madeUndone t k := by
  have live : ((t.at φ).upTo k).live.map Commit.index = (t.upTo k).live.map Commit.index := by
    rw [Trace.upTo_at, Trace.live_at]
    unfold Trace.at
    rw [List.map_map]; rfl
  unfold madeUndone
  simp only [live, answered_at, List.filterMap_map]
  rfl

theorem undoneIn_at (t : Trace) (start : Nat) : undoneIn (t.at φ) start = undoneIn t start := by
  unfold undoneIn
  rw [Trace.live_at]
  unfold Trace.at
  rw [List.takeWhile_map, List.filter_map, List.length_map]
  rfl

theorem lasting_at (P : Program) (c : Commit) (t : Trace) :
    lasting P (c.at φ) (t.at φ) = (lasting P c t).map fun s => (φ s.1, s.2) := by
  unfold lasting
  rw [Trace.question_event_at]
  simp only [show (c.at φ).event = c.event from rfl, show (c.at φ).seq = φ c.seq from rfl]
  repeat' split
  all_goals rfl

theorem lastingIn_at (P : Program) (t : Trace) (start : Nat) :
    lastingIn P (t.at φ) start = (lastingIn P t start).map fun s => (φ s.1, s.2) := by
  unfold lastingIn
  rw [Trace.lastForked_at]
  simp only [Trace.livesFrom_at, List.takeWhile_map, List.filterMap_map, List.map_filterMap]
  refine congrArg (fun f => List.filterMap f _) (funext fun p => ?_)
  exact lasting_at P p.1 p.2

/-! ## Order -/

theorem mergeSort_map {α β : Type} {f : α → β} {le : α → α → Bool} {le' : β → β → Bool} (l : List α)
    (h : ∀ a ∈ l, ∀ b ∈ l, le' (f a) (f b) = le a b) : (l.map f).mergeSort le' = (l.mergeSort le).map f :=
  (List.map_mergeSort (fun a ha b hb => (h a ha b hb).symm)).symm

/-! ## What stood below -/

/-- A run as it stood then, at other places of the log. -/
def Then.at (φ : Nat → Nat) (h : Then) : Then := { h with trace := h.trace.at φ }

namespace M

variable {G : Field} {m m' : M}

/-- Copies are among the marked runs, and what marked runs make. -/
structure Closed (G : Field) : Prop where
  copy : ∀ f x, G (.copy f x) = true
  made : ∀ a n, G a = true → G (.made a n) = true

theorem Closed.today (o : Closed G) {x : Id} (g : G x = true) (r id : Id) : G (Id.today r id x) = true := by
  rcases Id.today_cases r id x with e | ⟨f, old, y, _, e⟩
  · rw [e]; exact g
  · rw [e]; exact o.copy f y

theorem Closed.today_known (o : Closed G) {x : Id} (g : Known G x) (r id : Id) : Known G (Id.today r id x) := by
  rcases Id.today_cases r id x with e | ⟨f, old, y, _, e⟩
  · rw [e]; exact g
  · rw [e]; exact .inl (o.copy f y)

/-- In both trees or in none is the one who made the fork of a copy that is in both. -/
def SameMakers (m m' : M) : Prop :=
  ∀ a n old, m.has (.copy (.made a n) old) = true → m'.has (.copy (.made a n) old) = true → m'.has a = m.has a

theorem Wf.sameMakers {B B' : Prop} (w : Wf m B) (w' : Wf m' B') : SameMakers m m' := by
  have there : ∀ {p : M} {B : Prop}, Wf p B → ∀ {a : Id} {n : Nat} {old : Id}, p.has (.copy (.made a n) old) = true → p.has a = true := by
    intro p B w a n old i
    cases e : p.has a with
    | true => rfl
    | false =>
      have fresh : n < (p.run a).made := w.fresh _ i
      rw [run_of_not_has e] at fresh
      exact absurd fresh (Nat.not_lt_zero _)
  exact fun a n old i i' => by rw [there w i, there w' i']

theorem Agree.meant (k : Agree G φ m m') (o : Closed G) (r id x : Id) : m'.meant r id x = m.meant r id x := by
  induction id with
  | copy f old _ ih =>
    unfold M.meant
    simp only [ih, k.has (o.copy f _)]
  | _ => rfl

theorem meant_known (o : Closed G) {x : Id} (g : Known G x) (r id : Id) : Known G (m.meant r id x) := by
  induction id with
  | copy f old _ ih =>
    unfold M.meant
    split
    · exact g
    · simp only
      split
      · exact .inl (o.copy f _)
      · split
        · exact .inl (o.copy f _)
        · exact ih
  | _ => exact g

theorem Agree.handlesToday (k : Agree G φ m m') (o : Closed G) {id : Id} {c : Commit} :
    m'.handlesToday id (c.at φ) = m.handlesToday id c := by
  unfold M.handlesToday
  simp only [show (c.at φ).run = c.run from rfl, show (c.at φ).handles = c.handles from rfl]
  split
  · rfl
  · exact List.map_congr_left fun h _ => k.meant o _ _ h

theorem handlesToday_mark (o : Closed G) {id : Id} {c : Commit} (hc : ∀ h ∈ c.handles, Known G h) :
    ∀ h ∈ m.handlesToday id c, Known G h := by
  unfold M.handlesToday
  split
  · exact hc
  · intro h hh
    obtain ⟨x, hx, rfl⟩ := List.mem_map.mp hh
    exact meant_known o (hc x hx) _ _

theorem find?_congr {α : Type} {p q : α → Bool} : ∀ {l : List α}, (∀ a ∈ l, p a = q a) → l.find? p = l.find? q
  | [], _ => rfl
  | a :: l, h => by
    rw [List.find?_cons, List.find?_cons, h a List.mem_cons_self, find?_congr fun b hb => h b (List.mem_cons_of_mem _ hb)]

theorem find?_singleton_getD {p : Id → Bool} (x : Id) : ([x].find? p).getD x = x := by
  rw [List.find?_cons]
  split <;> rfl

theorem Agree.lender (k : Agree G φ m m') (o : Closed G) (mk : SameMakers m m') {id : Id} (g : G id = true) (i : m.has id = true)
    (c : Commit) (x : Id) : m'.lender id (c.at φ) x = m.lender id c x := by
  unfold M.lender
  simp only [show (c.at φ).run = c.run from rfl]
  cases id with
  | copy f old =>
    unfold Id.lenders Id.today
    split
    · rw [find?_singleton_getD, find?_singleton_getD]
    · refine congrArg (fun y => Option.getD y _) (find?_congr fun y hy => ?_)
      rcases List.mem_append.mp hy with hy | hy
      · obtain ⟨z, _, rfl⟩ := List.mem_map.mp hy
        exact k.has (o.copy f z)
      · cases f with
        | made a n =>
          rw [List.mem_singleton.mp hy]
          exact mk a n old i (by rw [k.has g, i])
        | _ => exact absurd hy List.not_mem_nil
  | _ => exact (find?_singleton_getD x).trans (find?_singleton_getD x).symm

theorem Agree.giversToday (k : Agree G φ m m') (o : Closed G) (mk : SameMakers m m') {id : Id} (g : G id = true)
    (i : m.has id = true) (c : Commit) (h : Head) : m'.giversToday id (c.at φ) h = m.giversToday id c h := by
  unfold M.giversToday
  have far : m'.lender id (c.at φ) = m.lender id c := funext fun x => k.lender o mk g i c x
  simp only [show (c.at φ).run = c.run from rfl, show (c.at φ).heads = c.heads from rfl, far]

theorem Agree.heads (k : Agree G φ m m') (o : Closed G) (mk : SameMakers m m') {id : Id} (g : G id = true) (i : m.has id = true)
    {c : Commit} (hc : ∀ h ∈ c.heads, G h.id = true) : m'.heads id (c.at φ) = (m.heads id c).map (Then.at φ) := by
  unfold M.heads
  simp only [show (c.at φ).run = c.run from rfl, show (c.at φ).heads = c.heads from rfl]
  rw [List.map_map]
  refine List.map_congr_left fun h hh => ?_
  simp only [Function.comp, Then.at, k.trace (hc h hh), Trace.upTo_at, k.giversToday o mk g i c h]

theorem heads_mark (o : Closed G) {id : Id} {c : Commit} (hc : ∀ h ∈ c.heads, G h.id = true) : ∀ h ∈ m.heads id c, G h.id = true := by
  unfold M.heads
  intro h hh
  obtain ⟨x, hx, rfl⟩ := List.mem_map.mp hh
  exact o.today (hc x hx) _ _

end M

end Shepherd
