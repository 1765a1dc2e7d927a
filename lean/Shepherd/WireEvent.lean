import Shepherd.Event
import Shepherd.Files
import Shepherd.Names
import Shepherd.WireValue

/-!
# Events and run ids in canonical form

`spec/contract.md`, "Events in canonical text" and "Run ids"; `core/wire_event.py`.

    {"start":{"version":1,"program":h,"agent":a,"args":[…],"grant":v,"files":h}}
    {"intent":{"op":o,"args":[…]}}         {"denied":{"op":o,"args":[…]}}       {"injected":{"value":v}}
    {"outcome":{"answer":v,"by":"world","files":[[path,[mode,hash]|null]…]}}
    {"forked":{"of":id,"at":k}}            {"undo":{"at":j,"op":o,"args":[…]}}  {"reverted":{"to":k}}
    {"end":{"kind":"done"|"failed"|"discarded","value":v}}
-/

namespace Shepherd

/-! ## Run ids -/

namespace Wire

/-- The number of which `n` is written so far, continued by the digits at the beginning of `cs`, and what follows. -/
def idDigits : (cs : List Nat) → (n : Nat) → Nat × List Nat
  | [], n => (n, [])
  | c :: cs, n => if 48 ≤ c && c ≤ 57 then idDigits cs (10 * n + (c - 48)) else (n, c :: cs)

/-- The number without superfluous zeros at the beginning of `cs`, and what follows. -/
def idNumber : (cs : List Nat) → Option (Nat × List Nat)
  | [] => none
  | 48 :: c :: cs => if 48 ≤ c && c ≤ 57 then none else some (0, c :: cs)
  | c :: cs => if 48 ≤ c && c ≤ 57 then some (idDigits (c :: cs) 0) else none

/-- The id of which `id` was read so far, with `cs` to come; `forks` are the ids before open brackets, innermost first. Each
turn uses up a byte. -/
def readId : (fuel : Nat) → (id : Option Id) → (cs : List Nat) → (forks : List Id) → Option Id
  | 0, _, _, _ => none
  | _ + 1, some id, [], [] => some id
  | fuel + 1, some id, 46 :: cs, forks => match idNumber cs with
    | some (n, cs) => readId fuel (some (.made id n)) cs forks
    | none => none
  | fuel + 1, some id, 40 :: cs, forks => readId fuel none cs (id :: forks)
  | fuel + 1, some id, 41 :: cs, fork :: forks => readId fuel (some (.copy fork id)) cs forks
  | fuel + 1, none, 114 :: 111 :: 111 :: 116 :: cs, forks => readId fuel (some .root) cs forks
  | fuel + 1, none, 119 :: 111 :: 114 :: 108 :: 100 :: cs, forks => readId fuel (some .world) cs forks
  | _, _, _, _ => none

end Wire

/-- The id that a text says. -/
def Id.ofText? (s : String) : Option Id := Wire.readId (s.utf8ByteSize + 1) none (Json.bytes s) []

/-- The id that a JSON value says. -/
def Id.ofJson : Json → Except String Id
  | .str s => match Id.ofText? s with
    | some id => .ok id
    | none => Wire.expected "a run id"
  | _ => Wire.expected "a run id"

/-! ## Changes -/

/-- A mode as six octal digits. -/
def Wire.modeText (mode : Nat) : String := Wire.padLeft 6 (octalText mode)

/-- The canonical form of an entry. -/
def Entry.toJson (e : Entry) : Json := .arr [.str (Wire.modeText e.mode), .str e.hash]

/-- The canonical form of a change. -/
def Wire.changeToJson (ch : Change) : Json :=
  .arr (ch.map fun x => .arr [.str x.1, match x.2 with | none => .null | some e => e.toJson])

namespace Wire

/-- The number that octal digits write, continuing `n`. -/
def octal : List Nat → (n : Nat) → Option Nat
  | [], n => some n
  | c :: cs, n => if 48 ≤ c && c ≤ 55 then octal cs (8 * n + (c - 48)) else none

/-- The mode of an entry: a regular file's, a link's or an empty folder's. -/
def mode (s : String) : Option Nat :=
  if s.utf8ByteSize ≠ 6 then none
  else match octal (Json.bytes s) 0 with
    | some m => if m / 4096 = 8 ∨ m = 0o120000 ∨ m = 0o040000 then some m else none
    | none => none

/-- The entry that a JSON value says. -/
def entry : Json → Except String Entry
  | .arr [.str m, .str h] => match mode m with
    | none => expected "a mode"
    | some m =>
      if m = 0o040000 then if h = "" then .ok ⟨m, h⟩ else .error "a folder has no hash"
      else if isHash h then .ok ⟨m, h⟩
      else expected "a hash of 40 hexadecimal digits"
  | _ => expected "[mode, hash]"

/-- The change that JSON values say; `last` is the path before. -/
def changes : List Json → (last : Option String) → (done : Change) → Except String Change
  | [], _, done => .ok done.reverse
  | .arr [.str path, body] :: rest, last, done =>
    if (normalPath path).isNone then .error "not a normal relative path"
    else if (match last with | none => false | some p => !(p < path)) then .error "paths not sorted, or one given twice"
    else match body with
      | .null => changes rest (some path) ((path, none) :: done)
      | _ => match entry body with
        | .ok e => changes rest (some path) ((path, some e) :: done)
        | .error e => .error e
  | _, _, _ => expected "[path, entry]"

/-- The change that a JSON value says. -/
def change : Json → Except String Change
  | .arr items => changes items none []
  | _ => expected "a list"

/-- The outcome that a JSON value says. -/
def answer (j : Json) : Except String Value :=
  match Value.ofJson j with
  | .ok (.con name args) =>
    if (name = "Ok" || name = "Err") && args.length = 1 || name = "Unknown" && args.isEmpty then .ok (.con name args)
    else expected "an outcome"
  | .ok _ => expected "an outcome"
  | .error e => .error e

end Wire

/-! ## Events -/

/-- The canonical form of an event. -/
def Event.toJson : Event → Json
  | .start version program agent args grant files => .obj [("start", .obj [
      ("agent", .str agent), ("args", .arr (Value.toJsonList args)), ("files", .str files), ("grant", grant.toJson),
      ("program", .str program), ("version", .int version)])]
  | .intent op args => .obj [("intent", .obj [("args", .arr (Value.toJsonList args)), ("op", .str op)])]
  | .outcome answer files by' => .obj [("outcome", .obj [
      ("answer", answer.toJson), ("by", .str by'.text), ("files", Wire.changeToJson files)])]
  | .denied op args => .obj [("denied", .obj [("args", .arr (Value.toJsonList args)), ("op", .str op)])]
  | .injected v => .obj [("injected", .obj [("value", v.toJson)])]
  | .forked of' k => .obj [("forked", .obj [("at", .int k), ("of", .str of'.text)])]
  | .undo j op args =>
    .obj [("undo", .obj [("args", .arr (Value.toJsonList args)), ("at", .int j), ("op", .str op)])]
  | .reverted k => .obj [("reverted", .obj [("to", .int k)])]
  | .ended kind v => .obj [("end", .obj [("kind", .str kind.text), ("value", v.toJson)])]

/-- The canonical text of an event. -/
def Event.canonical (e : Event) : String := e.toJson.print

/-- Who answered, as a JSON value says it. -/
def By.ofJson : Json → Except String By
  | .str "world" => .ok .world
  | .str "owner" => .ok .owner
  | .str "machine" => .ok .machine
  | _ => Wire.expected "\"world\", \"owner\" or \"machine\""

/-- How a run ended, as a JSON value says it. -/
def EndKind.ofJson : Json → Except String EndKind
  | .str "done" => .ok .done
  | .str "failed" => .ok .failed
  | .str "discarded" => .ok .discarded
  | _ => Wire.expected "\"done\", \"failed\" or \"discarded\""

/-- The event that a JSON value says. -/
def Event.ofJson : Json → Except String Event
  | .obj [(tag, .obj fs)] => match tag, fs with
    | "intent", [("args", args), ("op", op)] => do return .intent (← Wire.text op) (← Wire.values args)
    | "outcome", [("answer", answer), ("by", by'), ("files", files)] => do
      return .outcome (← Wire.answer answer) (← Wire.change files) (← By.ofJson by')
    | "denied", [("args", args), ("op", op)] => do return .denied (← Wire.text op) (← Wire.values args)
    | "injected", [("value", v)] => do return .injected (← Value.ofJson v)
    | "forked", [("at", k), ("of", of')] => do return .forked (← Id.ofJson of') (← Wire.natural k)
    | "undo", [("args", args), ("at", j), ("op", op)] => do
      return .undo (← Wire.natural j) (← Wire.text op) (← Wire.values args)
    | "reverted", [("to", k)] => do return .reverted (← Wire.natural k)
    | "end", [("kind", kind), ("value", v)] => do return .ended (← EndKind.ofJson kind) (← Value.ofJson v)
    | "start", [("agent", agent), ("args", args), ("files", files), ("grant", grant), ("program", program),
        ("version", .int version)] => do
      if version ≠ 1 then .error "expected the format version 1"
      return .start 1 (← Wire.hash program) (← Wire.text agent) (← Wire.values args) (← Value.ofJson grant)
        (← Wire.hash files)
    | _, _ => Wire.expected "an event"
  | _ => Wire.expected "an event"

end Shepherd
