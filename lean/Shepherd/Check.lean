import Shepherd.Replay

/-!
# The checker

Does some well-formed oracle make the program produce this log? And how far does another program follow it?
-/

namespace Shepherd

/-- What the checker says of a log. -/
inductive Verdict where
  | accepted
  /-- The first `followed` entries can be; the next one cannot. -/
  | rejected (followed : Nat) (expected : Option (Id × Event))
  /-- The bound on quiet steps was too small to say: `quietBound` never is. -/
  | more
  deriving Repr, Inhabited

/-- The verdict of what came of following a log. -/
def Followed.verdict : Followed → Verdict
  | .all _ => .accepted
  | .only n expected => .rejected n expected
  | .more => .more

/-- A bound on quiet steps that is enough for every log of this length (`check_decides`). Between two events one run makes local steps, and
others only begin what they wait for; and there are not more runs than entries, but for the outermost owner. -/
def quietBound (P : Program) (length : Nat) : Nat := P.steps + length + 3

/-- The checker. The empty log is the beginning of every log. -/
def check (bound : Nat) (P : Program) (contents : String → Option Content) (files : Files) (log : Log) : Verdict :=
  match log with
  | [] => .accepted
  | _ => (follow false bound P contents files log).verdict

/-- How far another program follows a log: the longest prefix on which both ask the same. -/
def diverge (bound : Nat) (P : Program) (contents : String → Option Content) (files : Files) (log : Log) : Verdict :=
  match log with
  | [] => .accepted
  | _ => (follow true bound P contents files log).verdict

end Shepherd
