import Shepherd.Forest
import Shepherd.Step

/-!
# A run alone, told its recorded events again

What a run of an agent comes to where its recorded events stand in the place of the answers: it makes its local steps, it asks what
the events say that it asked, and is told what they say that it was told. No other run, no owner, no oracle and no id is there.
-/

namespace Shepherd

/-- The state of a run alone: what it does next, its files, the messages it has not yet taken. -/
structure Alone where
  code : Settled
  files : Files
  inbox : List Value

/-- A recorded event, as it is fixed. An event does not hold the text with which an operation outside the grant was refused: `why`. -/
structure Fixed where
  event : Event
  why : String

/-- The local step of a run that made `n` since its last event. -/
def Program.goesOn (P : Program) (c : Comp) (ρ : Env) (K : Stack) (n : Nat) : Local :=
  if P.steps < n + 1 then .faults (tooMany P) else localStep P c ρ K

/-- Local steps. A run that is about to end stays so, whatever it still has in hand. -/
inductive Goes (P : Program) : Settled → Settled → Prop where
  | refl (s : Settled) : Goes P s s
  | step {c c' : Comp} {ρ ρ' : Env} {K K' : Stack} {n : Nat} {s : Settled} : P.goesOn c ρ K n = .running c' ρ' K' →
      Goes P (.running c' ρ' K' (n + 1)) s → Goes P (.running c ρ K n) s
  | ends {c : Comp} {ρ : Env} {K : Stack} {n : Nat} {v : Value} {s : Settled} : P.goesOn c ρ K n = .ends v →
      Goes P (.running (.ret (.lit v)) [] [] 0) s → Goes P (.running c ρ K n) s
  | faults {c : Comp} {ρ : Env} {K : Stack} {n : Nat} {f : Fault} {s : Settled} : P.goesOn c ρ K n = .faults f →
      Goes P (.running (.ret (.prim "raise" [.lit f.error])) [] [] 0) s → Goes P (.running c ρ K n) s

/-- The code of a run whose intent got `answer`. -/
def Waiting.told (w : Waiting) (answer : Value) : Settled := .running (.ret (.lit answer)) [] w.stack 0

/-- The messages that are left: the machine answers `inbox.take` with the oldest, which is taken. -/
def Waiting.leaves (w : Waiting) (answer : Value) (by' : By) : List Value → List Value
  | [] => []
  | v :: inbox => if w.op = "inbox.take" ∧ by' = .machine ∧ answer = .ok (.some v) then inbox else v :: inbox

/-- `Rerun P agent args base events s`: a run of `agent(args…)` on the files `base`, alone, can be in the state `s` once the recorded
`events` (newest first) happened to it, and maybe after local steps. -/
inductive Rerun (P : Program) (agent : String) (args : List Value) (base : Files) : List Fixed → Alone → Prop where
  /-- It starts. -/
  | start (version : Nat) (digest : String) (grant : Value) (hash why : String) :
      Rerun P agent args base [⟨.start version digest agent args grant hash, why⟩]
        ⟨.running (.call (.lit (.agent agent)) (args.map .lit)) [] [] 0, base, []⟩
  /-- Local steps. -/
  | goes {events : List Fixed} {s : Alone} {code : Settled} : Rerun P agent args base events s → Goes P s.code code →
      Rerun P agent args base events { s with code }
  /-- It asks what it is said to have asked. -/
  | intent {events : List Fixed} {s : Alone} {c : Comp} {ρ : Env} {K K' : Stack} {n : Nat} {op : String} {params : List Value}
      (why : String) : Rerun P agent args base events s → s.code = .running c ρ K n → P.goesOn c ρ K n = .asks op params K' →
      Rerun P agent args base (⟨.intent op params, why⟩ :: events)
        { s with code := .waiting { op, args := params, stack := K' } }
  /-- It asks what it is said to have been refused. -/
  | denied {events : List Fixed} {s : Alone} {c : Comp} {ρ : Env} {K K' : Stack} {n : Nat} {op : String} {params : List Value}
      (why : String) : Rerun P agent args base events s → s.code = .running c ρ K n → P.goesOn c ρ K n = .asks op params K' →
      Rerun P agent args base (⟨.denied op params, why⟩ :: events)
        { s with code := .running (.ret (.lit (.err "denied" why))) [] K' 0 }
  /-- Its intent is answered, and its files change. -/
  | outcome {events : List Fixed} {s : Alone} {w : Waiting} (answer : Value) (change : Change) (by' : By) (why : String) :
      Rerun P agent args base events s → s.code = .waiting w →
      Rerun P agent args base (⟨.outcome answer change by', why⟩ :: events)
        ⟨w.told answer, s.files.apply change, w.leaves answer by' s.inbox⟩
  /-- A compensation is answered. -/
  | undone {events : List Fixed} {s : Alone} (answer : Value) (change : Change) (by' : By) (why : String) :
      Rerun P agent args base events s → (∀ w, s.code ≠ .waiting w) →
      Rerun P agent args base (⟨.outcome answer change by', why⟩ :: events) { s with files := s.files.apply change }
  /-- A message. -/
  | injected {events : List Fixed} {s : Alone} (v : Value) (why : String) : Rerun P agent args base events s →
      Rerun P agent args base (⟨.injected v, why⟩ :: events) { s with inbox := s.inbox ++ [v] }
  /-- It was copied. -/
  | forked {events : List Fixed} {s : Alone} (of' : Id) (k : Nat) (why : String) : Rerun P agent args base events s →
      Rerun P agent args base (⟨.forked of' k, why⟩ :: events) s
  /-- A compensation is raised, of a run that waits for no answer. -/
  | undo {events : List Fixed} {s : Alone} (j : Nat) (op : String) (params : List Value) (why : String) :
      Rerun P agent args base events s → (∀ w, s.code ≠ .waiting w) → Rerun P agent args base (⟨.undo j op params, why⟩ :: events) s
  /-- It is again as it was after event `k`. -/
  | reverted {events before : List Fixed} {s s' : Alone} (k : Nat) (why : String) : Rerun P agent args base events s →
      before <:+ events → before.length = k + 1 → Rerun P agent args base before s' →
      Rerun P agent args base (⟨.reverted k, why⟩ :: events) s'
  /-- It ends with a value. -/
  | done {events : List Fixed} {s : Alone} {c : Comp} {ρ : Env} {K : Stack} {n : Nat} {v : Value} (why : String) :
      Rerun P agent args base events s → s.code = .running c ρ K n → P.goesOn c ρ K n = .ends v →
      Rerun P agent args base (⟨.ended .done v, why⟩ :: events) { s with code := .done v }
  /-- It ends by a fault. -/
  | failed {events : List Fixed} {s : Alone} {c : Comp} {ρ : Env} {K : Stack} {n : Nat} {f : Fault} (why : String) :
      Rerun P agent args base events s → s.code = .running c ρ K n → P.goesOn c ρ K n = .faults f →
      Rerun P agent args base (⟨.ended .failed f.error, why⟩ :: events) { s with code := .failed f.error }
  /-- It is discarded. -/
  | discarded {events : List Fixed} {s : Alone} (v : Value) (why : String) : Rerun P agent args base events s →
      Rerun P agent args base (⟨.ended .discarded v, why⟩ :: events) { s with code := .discarded }

/-! ## What a trace fixes -/

/-- The text with which the run goes on to be refused, where it is. -/
def Settled.refused : Settled → String
  | .running (.ret (.lit (.con "Err" [.record [_, (_, .text why)]]))) _ _ _ => why
  | _ => ""

/-- A commit as it is fixed: its event, and the text of the refusal, where the event is one. -/
def Commit.fixed (c : Commit) : Fixed := ⟨c.event, c.code.refused⟩

/-- The events that a trace fixes, newest first. -/
def Trace.fixed (t : Trace) : List Fixed := t.map Commit.fixed

/-- The state that a commit keeps, but for the table of handles. -/
def Commit.alone (c : Commit) : Alone := ⟨c.code, c.files, c.inbox⟩

/-- The state of a run, but for the table of handles. -/
def Run.alone (r : Run) : Alone := ⟨r.code.settle, r.files, r.inbox⟩

/-! ## Lemmas -/

theorem Goes.trans {P : Program} {a b c : Settled} (h : Goes P a b) (g : Goes P b c) : Goes P a c := by
  induction h with
  | refl => exact g
  | step e _ ih => exact .step e (ih g)
  | ends e _ ih => exact .ends e (ih g)
  | faults e _ ih => exact .faults e (ih g)

theorem Waiting.leaves_same {w : Waiting} {answer : Value} {by' : By}
    (h : w.op ≠ "inbox.take" ∨ by' ≠ .machine ∨ ∀ v, answer ≠ .ok (.some v)) (inbox : List Value) :
    w.leaves answer by' inbox = inbox := by
  cases inbox with
  | nil => rfl
  | cons v inbox =>
    rw [Waiting.leaves, if_neg]
    intro ⟨a, b, c⟩
    rcases h with h | h | h
    · exact h a
    · exact h b
    · exact h v c

theorem refused_denied (why : String) (K : Stack) : (resume (.err "denied" why) K).settle.refused = why := rfl

end Shepherd
