import Shepherd.Oracle

/-!
# Replay, check and first divergence

What a recorded log says about a program. The machine is run again; where it waits for the outside, the next entry of the log must
be an answer, an operation of the outermost owner, or a fork of the whole tree. One function serves all: `replay` rebuilds the
tree, `check` says whether some oracle makes the program produce the log, `diverge` how far an edited program follows it.
-/

namespace Shepherd

/-- An entry of a log. -/
def Commit.entry (c : Commit) : Id × Event := (c.run, c.event)

namespace M

/-- The log of the tree, oldest first. -/
def entries (m : M) : Log := (m.log.map Commit.entry).reverse

/-- What the tree has recorded since its log had the length `n`, oldest first. -/
def since (m : M) (n : Nat) : Log := ((m.log.takeWhile fun c => n ≤ c.seq).map Commit.entry).reverse

/-- What a tree comes to by itself. -/
inductive Advance where
  /-- It recorded something. -/
  | recorded (m : M)
  /-- It waits for an answer from outside, or has ended. -/
  | stopped (m : M)
  /-- It made more quiet steps than the bound allows. -/
  | more

/-- The tree at its next event, or where it waits for the outside; at most `bound` steps are made. -/
def advance : Nat → M → Advance
  | 0, _ => .more
  | n + 1, m => match m.step with
    | none => .stopped m
    | some m' => if m.size < m'.size then .recorded m' else advance n m'

/-- The oracle's answer behind a recorded outcome: for `run.pick`, the index of the run in the list. -/
def asGiven (a : Asked) (answer : Value) : Value :=
  if a.op = "run.pick" then
    match answer, a.args with
    | .con "Ok" [v], [.list vs] => match vs.findIdx? (· == v) with
      | some i => .ok (.int i)
      | none => answer
    | _, _ => answer
  else answer

/-- The tree after the answer that an entry of the log records, where it waits for one. -/
def answerAs (m : M) (e : Id × Event) : Option M :=
  match m.asked, e with
  | some a, (id, .outcome answer change .world) => if a.run = id then m.answer (asGiven a answer) change else none
  | _, _ => none

/-- What comes of following a log for one move. -/
inductive Move where
  | to (m : M)
  /-- The entry is no move that is possible here. -/
  | none
  | more

/-- What the outside does of its own accord, where an entry of the log records that: an operation of the outermost owner, or a fork
of the whole tree. In such a fork the runs keep their ids; a copy that a run made has an id of its own. -/
def outsideMove (m : M) : Id × Event → Option M
  | (.world, .intent op args) => m.worldAsks op args
  | (id, .forked of' _) => if id = of' then m.forkRoot else Option.none
  | _ => Option.none

/-- The move that the log tells next, of a tree that has recorded exactly what the log says before. -/
def move (bound : Nat) (m : M) (rest : Log) : Move :=
  match rest with
  | [] => .none
  | e :: _ => match m.outsideMove e with
    | some n => .to n
    | Option.none => match m.advance bound with
      | .recorded n => .to n
      | .more => .more
      | .stopped q => match q.answerAs e with
        | some n => .to n
        | Option.none => .none

end M

/-! ## Following a log -/

/-- Whether two entries are the same; with `other` the digest of the program in `start` does not count. -/
def sameEntry (other : Bool) (a b : Id × Event) : Bool :=
  a.1 == b.1 && match other, a.2, b.2 with
    | true, .start v _ agent args grant files, .start v' _ agent' args' grant' files' =>
      v == v' && agent == agent' && args == args' && grant == grant' && files == files'
    | _, x, y => x == y

/-- How far two logs agree. -/
inductive Agree where
  /-- The first is the beginning of the second; what follows. -/
  | first (rest : Log)
  /-- The second is a proper beginning of the first. -/
  | second
  /-- They differ after `n` entries, where the first has `made`. -/
  | differ (n : Nat) (made : Id × Event)

/-- How far what was recorded agrees with what a log says. -/
def agree (other : Bool) : (made said : Log) → Nat → Agree
  | [], said, _ => .first said
  | _ :: _, [], _ => .second
  | x :: xs, y :: ys, n => if sameEntry other x y then agree other xs ys (n + 1) else .differ n x

/-- How far a log was followed. -/
inductive Followed where
  /-- The whole log; the tree has recorded it all, and no more unless the log ends within a step. -/
  | all (m : M)
  /-- Only `n` entries: the next one cannot be. `expected` is what the program does there, none where it waits or has ended. -/
  | only (n : Nat) (expected : Option (Id × Event))
  /-- The bound on quiet steps was too small. -/
  | more

/-- Follow the rest of a log, of which the tree has recorded the first `done` entries and nothing else. The first argument bounds the
number of moves: the length of the log is enough. -/
def followFrom (other : Bool) (bound : Nat) : Nat → M → Nat → Log → Followed
  | _, m, _, [] => .all m
  | 0, _, _, _ :: _ => .more
  | n + 1, m, done, e :: rest =>
    match m.move bound (e :: rest) with
    | .more => .more
    | .none => .only done none
    | .to m' => match agree other (m'.since m.size) (e :: rest) 0 with
      | .first rest' => followFrom other bound n m' (done + (m'.since m.size).length) rest'
      | .second => .all m'
      | .differ k made => .only (done + k) (some made)

/-- What a log says its tree started from: the agent, arguments and grant of the first event. -/
def initOf (P : Program) (contents : String → Option Content) (files : Files) (log : Log) : Option Init :=
  match log with
  | (.root, .start _ _ agent args (.list [grant]) _) :: _ => match requestOf grant with
    | .ok request =>
      if (startProblem P agent args).isNone then some { program := P, contents, agent, args, request, files } else none
    | .error _ => none
  | _ => none

/-- Follow a log that is not empty, with the program `P`, on the base `files`. -/
def follow (other : Bool) (bound : Nat) (P : Program) (contents : String → Option Content) (files : Files) (log : Log) :
    Followed :=
  match initOf P contents files log with
  | none => .only 0 none
  | some i => match agree other i.start.entries log 0 with
    | .first rest => followFrom other bound log.length i.start 1 rest
    | .second => .all i.start
    | .differ k made => .only k (some made)

/-- The tree that a log records: code, files and traces. None where the program cannot have produced it. -/
def replay (bound : Nat) (P : Program) (contents : String → Option Content) (files : Files) (log : Log) : Option M :=
  match follow false bound P contents files log with
  | .all m => some m
  | _ => none

end Shepherd
