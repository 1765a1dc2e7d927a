import Shepherd.Machine

/-!
# The oracle, and what a tree of runs can do

Everything outside a tree of runs, as one function of the id and the whole trace of the run that asks, reverted events included,
and of what it asks. It sees nothing of other runs.

A tree goes from event to event. Between two events it makes *quiet* steps, which record nothing. The outside acts right after
an event: a tree that is taken up again from its log stands there.
-/

namespace Shepherd

/-- ω(id, trace, op, args) = (answer, change to the files of the run that asked). -/
abbrev Oracle := Id → List Event → String → List Value → Value × Change

/-- An oracle whose every answer is well-formed. -/
def Oracle.wf (P : Program) (ω : Oracle) : Prop :=
  ∀ id trace op args, goodAnswer P op (ω id trace op args).1 (ω id trace op args).2 = true

namespace M

/-- One answer from outside; none where nothing waits for one, or where the oracle's answer is not well-formed. -/
def outer (ω : Oracle) (m : M) : Option M :=
  match m.asked with
  | none => none
  | some a =>
    let said := ω a.run (m.run a.run).trace.events a.op a.args
    m.answer said.1 said.2

/-- `q` comes after `m` by steps that record nothing. -/
inductive Quiet : M → M → Prop where
  | refl (m : M) : Quiet m m
  | step {m n q : M} : m.step = some n → n.size = m.size → Quiet n q → Quiet m q

/-- From one event to the next: by the tree itself, by an answer of the oracle where the tree has no step of its own, by an operation
of the outermost owner, or by a fork of the whole tree. -/
inductive Next (ω : Oracle) : M → M → Prop where
  | own {m q n : M} : Quiet m q → q.step = some n → q.size < n.size → Next ω m n
  | answer {m q n : M} : Quiet m q → q.step = none → q.outer ω = some n → Next ω m n
  | world {m n : M} (op : String) (args : List Value) : m.worldAsks op args = some n → Next ω m n
  | fork {m n : M} : m.forkRoot = some n → Next ω m n

end M

/-- What a tree starts from. -/
structure Init where
  program : Program
  contents : String → Option Content
  agent : String
  args : List Value
  request : Request
  files : Files

/-- Whether the root run can be started so: the agent takes the arguments, and the request is one that a value can say (the
`start` event does): each of its clauses is about an operation or a family of operations. -/
def Init.good (i : Init) : Prop :=
  startProblem i.program i.agent i.args = none ∧ requestOf (requestValue i.request) = .ok i.request

/-- The tree with its root run just started. -/
def Init.start (i : Init) : M := M.start i.program i.contents i.agent i.args i.request i.files

/-- The states that a tree can be in right after an event, with the oracle `ω`. -/
inductive Reach (ω : Oracle) (i : Init) : M → Prop where
  | start : Reach ω i i.start
  | next {m n : M} : Reach ω i m → M.Next ω m n → Reach ω i n

end Shepherd
