import Shepherd.Unwind
import Shepherd.TraceValue
import Shepherd.Permit

/-!
# Operations on runs

Answered by the machine in a step of their own, which looks only at the state. The asker must own the run, else `Err(own)`; for
`run.trace` holding it is enough.
-/

namespace Shepherd

namespace M

/-- The answer to arguments of the wrong number or kind. -/
def wrong (m : M) (id : Id) (w : Waiting) : M := m.reply id w (.err "type" s!"`{w.op}` got arguments it does not take")

/-- The run that a value is a handle to, if the asker owns it; else the `Err` to answer. -/
def owned (m : M) (asker : Id) (v : Value) : Except Value Id :=
  match v with
  | .run h => match (m.run asker).handles[h]? with
    | some id => if m.owns asker id then .ok id else .error (.err "own" "the run is not owned by the one that asks")
    | none => .error (.err "type" "a run is expected")
  | _ => .error (.err "type" "a run is expected")

/-- An owned run that shows an intent, and what it shows; else the `Err` to answer. -/
def atIntent (m : M) (asker : Id) (v : Value) : Except Value (Id × Question) :=
  match m.owned asker v with
  | .error e => .error e
  | .ok id => match m.shown id with
    | some q => .ok (id, q)
    | none => .error (.err "stop" "the run is not at an intent; `run.next` brings it to one")

/-- `Ok(run h)` for the run `made` just made by the asker. -/
def answerRun (m : M) (asker : Id) (w : Waiting) (id : Id) : M :=
  let r := m.run asker
  let held := hold r.handles id
  (m.put { r with handles := held.1, made := r.made + 1 }).reply asker w (.ok (.run held.2))

/-! ## Starting -/

/-- One handle of the asker in an argument of a spawn, as the new run with the table `table` reads it. -/
def give (held : List Id) (table : List Id) (h : Nat) : List Id × Value := renumber held table h

/-- One run among the arguments becomes the new run's own, if the asker owns it. -/
def lend (asker id : Id) (m : M) (held : Id) : M :=
  if m.owns asker held then m.own held id (asker :: (m.run held).givers) else m

/-- `run.spawn(agent, args, request)`: a new run on the asker's files; runs among the arguments become its own. -/
def spawn (m : M) (asker : Id) (w : Waiting) : M :=
  match w.args with
  | [.agent a, .list args, request] =>
    if ((m.program.agent? a).map fun d => d.params.length) ≠ some args.length then
      m.reply asker w (.err "name" s!"no agent `{a}` of {args.length} arguments")
    else match requestOf request with
      | .error why => m.reply asker w (.err "grant" why)
      | .ok request =>
        let r := m.run asker
        let id := Id.made asker r.made
        let given := Value.mapHandlesList (give r.handles) [] args
        let grant := r.grant ++ [{ origin := id, clauses := request }]
        let m := m.put
          { id, owner := some asker, givers := [], agent := a, args := given.2, code := bodyOf a given.2, files := r.files,
            base := r.files, grant, handles := given.1, trace := [], inbox := [], made := 0 }
        let m := given.1.foldl (lend asker id) m
        let m := m.recordCode id
          (.start formatVersion m.program.digest a given.2 (grantValue grant) r.files.hash) (bodyOf a given.2)
        m.answerRun asker w id
  | _ => m.wrong asker w

/-! ## Forking -/

/-- One layer of the grant of a run that is copied, and the counts: what was given to a run of the group counts for the copies by
itself, from where it was at commit `c` of run `id`. What was given to a run above the group is shared with the run which that one
means today. `before` is the machine before the fork. -/
def copyLayer (before : M) (id fork : Id) (c : Commit) (inside : List Id) (used : Used) (l : Layer) : Used × Layer :=
  if inside.contains l.origin then
    let origin := Id.copy fork (Id.today c.run id l.origin)
    ((l.clauses.zipIdx.filter fun p => p.1.limit.isSome).foldl
      (fun u p => u.set (origin, p.2) (c.used.get (l.origin, p.2))) used, { l with origin })
  else (used, { l with origin := before.meant c.run id l.origin })

/-- The same for all layers of a grant. -/
def copyGrant (before : M) (id fork : Id) (c : Commit) (inside : List Id) (used : Used) : List Layer → Used × List Layer
  | [] => (used, [])
  | l :: ls =>
    let r := copyLayer before id fork c inside used l
    let rs := copyGrant before id fork c inside r.1 ls
    (rs.1, r.2 :: rs.2)

/-- The table of a copy: copies of runs of the group for these, any other run as it reads today. `before` is the machine before the fork. -/
def copyHandles (before : M) (id fork : Id) (c : Commit) (group : List Id) (handles : List Id) : List Id :=
  handles.map fun held =>
    let now := Id.today c.run id held
    if group.contains now then .copy fork now else before.meant c.run id held

/-- The copy of one run of the group, without its `forked`: nothing is copied but the table of handles. -/
def copyOne (before : M) (id fork owner : Id) (c : Commit) (parts : List Then) (m : M) (h : Then) : M :=
  match h.trace with
  | [] => m
  | k :: _ =>
    let group := parts.map Then.id
    let inside := parts.map Then.old
    let old := before.run h.old
    let grant := copyGrant before id fork c inside m.used old.grant
    let lent := (h.givers.filter group.contains).map (Id.copy fork)
    let lent := if lent.length < h.givers.length then lent ++ [owner] else lent
    { m with used := grant.1 }.put
      { id := .copy fork h.id, owner := some (if h.id = id then owner else .copy fork h.owner), givers := lent
        agent := old.agent, args := old.args, code := .settled k.code, files := k.files, base := old.base, grant := grant.2
        handles := copyHandles before id fork c group k.handles, trace := h.trace, inbox := k.inbox, made := k.made }

/-- `forked` in one copy. Below the top one, where a run was passing an intent that is open again, it is again. -/
def markCopy (id fork : Id) (m : M) (h : Then) : M :=
  match h.trace with
  | [] => m
  | k :: _ =>
    let copy := Id.copy fork h.id
    m.recordCode copy (.forked h.id k.index)
      (if h.id = id then .settled k.code else m.takenUp copy (m.run copy).handles k.code)

/-- What a fork of run `id` at the head of `t` copies: what stood below it then, lower runs first, and the run itself, last. -/
def forkParts (m : M) (id owner : Id) (t : Trace) (c : Commit) : List Then :=
  m.heads id c ++ [{ id, old := c.run, owner, givers := [], trace := t }]

/-- Copies of run `id` as it was at the head `c` of `t`, and of all below it then, each with `forked` appended. All copies are
there before one records anything. They are born in the order in which the originals were. -/
def copyTree (m : M) (id : Id) (t : Trace) (c : Commit) (fork owner : Id) : M :=
  let parts := m.forkParts id owner t c
  let born := m.runs.filterMap fun r => parts.find? fun h => h.old == r.id
  let copies := born.foldl (copyOne m id fork owner c parts) m
  parts.foldl (markCopy id fork) copies

/-- `run.fork(r, k)`: r after its event k, with everything below it at that point, copied; then `forked`. -/
def fork (m : M) (asker : Id) (w : Waiting) : M :=
  match w.args with
  | [v, .int k] => match m.owned asker v with
    | .error e => m.reply asker w e
    | .ok id =>
      let t := match k with
        | .ofNat k => (m.run id).trace.upTo k
        | .negSucc _ => []
      match t with
      | [] => m.reply asker w (.err "step" s!"there is no event {k}")
      | c :: _ =>
        let fork := Id.made asker (m.run asker).made
        (m.copyTree id t c fork asker).answerRun asker w (.copy fork id)
  | _ => m.wrong asker w

/-! ## Driving -/

/-- `run.next(r)`: the asker is `driving r`, which becomes the active run. -/
def next (m : M) (asker : Id) (w : Waiting) : M :=
  match w.args with
  | [v] => match m.owned asker v with
    | .error e => m.reply asker w e
    | .ok id => { m.setCode asker (.driving id w) with stack := id :: m.stack }
  | _ => m.reply asker w (.err "type" "`run.next` takes a run")

/-- `run.pass(r)`: the asker becomes `passing`: it shows r's intent to its own owner. -/
def pass (m : M) (asker : Id) (w : Waiting) : M :=
  match w.args with
  | [v] => match m.atIntent asker v with
    | .error e => m.reply asker w e
    | .ok (id, q) => m.setCode asker (.passing (id :: q.path) q.op q.args w)
  | _ => m.reply asker w (.err "type" "`run.pass` takes a run")

/-- An owner gives the whole chain below it the outcome; nothing reaches the world. -/
def ownerAnswers (m : M) (asker : Id) (w : Waiting) (v answer : Value) : M :=
  match m.atIntent asker v with
  | .error e => m.reply asker w e
  | .ok (id, q) =>
    if answer.hasHandle then m.reply asker w (.err "handle" "an answer contains no run")
    else (m.deliver id q answer [] .owner).reply asker w (.ok .unit)

/-- `run.answer(r, v)`: the whole chain gets `Ok(v)` from its owner. -/
def answerOp (m : M) (asker : Id) (w : Waiting) : M :=
  match w.args with
  | [r, v] => m.ownerAnswers asker w r (.ok v)
  | _ => m.wrong asker w

/-- `run.deny(r, text)`: the whole chain gets `Err(denied)` from its owner. -/
def denyOp (m : M) (asker : Id) (w : Waiting) : M :=
  match w.args with
  | [r, .text why] => m.ownerAnswers asker w r (.err "denied" why)
  | _ => m.wrong asker w

/-- The first of some values that is no owned run at an intent, as the `Err` to answer. -/
def firstNotAtIntent (m : M) (asker : Id) : List Value → Option Value
  | [] => none
  | v :: vs => match m.atIntent asker v with
    | .error e => some e
    | .ok _ => firstNotAtIntent m asker vs

/-- `run.pick([r…])`: which of some runs at intents goes on. The oracle answers (none); here only nonsense is answered. -/
def pick (m : M) (asker : Id) (w : Waiting) : Option M :=
  match w.args with
  | [.list (v :: vs)] => match m.firstNotAtIntent asker (v :: vs) with
    | some e => some (m.reply asker w e)
    | none => none
  | _ => some (m.reply asker w (.err "type" "`run.pick` takes a list of runs, not empty"))

/-! ## Looking, and writing into -/

/-- `run.trace(r, from)`: the events of r from index `from` on, as values. Holding r is enough. -/
def traceOp (m : M) (asker : Id) (w : Waiting) : M :=
  match w.args with
  | [.run h, .int start] => match (m.run asker).handles[h]? with
    | none => m.wrong asker w
    | some id =>
      let seen := m.traceValue asker id start.toNat
      match checkSize Limits.traceDepth (.list seen.2) with
      | .error f => m.reply asker w (.err f.code s!"the events cannot be read: {f.text}")
      | .ok () => (m.setHandles asker seen.1).reply asker w (.ok (.list seen.2))
  | _ => m.wrong asker w

/-- `run.inject(r, v)`: appends `injected(v)` to r, which reads it with `inbox.take`. -/
def inject (m : M) (asker : Id) (w : Waiting) : M :=
  match w.args with
  | [v, message] => match m.owned asker v with
    | .error e => m.reply asker w e
    | .ok id =>
      if message.hasHandle then m.reply asker w (.err "handle" "a message contains no run")
      else if !(m.run id).code.isLive then m.reply asker w (.err "ended" "the run has ended")
      else
        let s := m.state id
        (m.record id (.injected message) { s with inbox := s.inbox ++ [message] }).reply asker w (.ok .unit)
  | _ => m.wrong asker w

/-- `inbox.take()`: the oldest message not yet taken, `Some(v)`, or `None`. -/
def take (m : M) (asker : Id) (w : Waiting) : M :=
  match (m.run asker).inbox with
  | [] => m.reply asker w (.ok .none)
  | v :: inbox =>
    let answer := Value.ok (.some v)
    m.record asker (.outcome answer [] .machine) { m.state asker with code := resume answer w.stack, inbox }

/-! ## Files, and taking back -/

/-- `run.merge(r)`: r's files, three-way against its base, into the asker's; a conflict changes nothing. -/
def merge (m : M) (asker : Id) (w : Waiting) : M :=
  match w.args with
  | [v] => match m.owned asker v with
    | .error e => m.reply asker w e
    | .ok id =>
      let r := m.run id
      match r.code with
      | .settled .discarded => m.reply asker w (.err "ended" "the run was discarded")
      | _ =>
        let ours := (m.run asker).files
        match Files.merge r.base ours r.files with
        | .error paths => m.reply asker w (.ok (.con "Conflict" [.list (paths.map .text)]))
        | .ok merged => m.reply asker w (.ok (.con "Merged" [])) (Files.diff ours merged)
  | _ => m.reply asker w (.err "type" "`run.merge` takes a run")

/-- The asker takes run `id` back to event `to`, or discards it. -/
def takeBack (m : M) (asker : Id) (w : Waiting) (id : Id) (to : Option Nat) : M :=
  match m.begin asker (.waiting w) id to with
  | .error e => m.reply asker w e
  | .ok m => m

/-- `run.revert(r, k)`: compensations first, then code and files of r, and of what it owned, are those after k. -/
def revert (m : M) (asker : Id) (w : Waiting) : M :=
  match w.args with
  | [v, .int k] => match m.owned asker v with
    | .error e => m.reply asker w e
    | .ok id => match k with
      | .ofNat k => m.takeBack asker w id (some k)
      | .negSucc _ => m.reply asker w (noEvent (m.run id).trace k)
  | _ => m.wrong asker w

/-- `run.discard(r)`: unwinds r and all below, then ends them. -/
def discardOp (m : M) (asker : Id) (w : Waiting) : M :=
  match w.args with
  | [v] => match m.owned asker v with
    | .error e => m.reply asker w e
    | .ok id => match (m.run id).code with
      | .settled .discarded => m.reply asker w (.err "ended" "the run was discarded before")
      | _ => m.takeBack asker w id none
  | _ => m.wrong asker w

/-- The machine's answer to the open operation on runs of run `asker`; none for `run.pick`, which the oracle answers. -/
def perform (m : M) (asker : Id) (w : Waiting) : Option M :=
  match w.op with
  | "inbox.take" => some (m.take asker w)
  | "run.answer" => some (m.answerOp asker w)
  | "run.deny" => some (m.denyOp asker w)
  | "run.discard" => some (m.discardOp asker w)
  | "run.fork" => some (m.fork asker w)
  | "run.inject" => some (m.inject asker w)
  | "run.merge" => some (m.merge asker w)
  | "run.next" => some (m.next asker w)
  | "run.pass" => some (m.pass asker w)
  | "run.pick" => m.pick asker w
  | "run.revert" => some (m.revert asker w)
  | "run.spawn" => some (m.spawn asker w)
  | "run.trace" => some (m.traceOp asker w)
  | op => some (m.reply asker w (.err "name" s!"no operation `{op}`"))

end M

end Shepherd
