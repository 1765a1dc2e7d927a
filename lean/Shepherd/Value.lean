/-!
# Values

    v ::= unit | true | false | int | dec | text | blob(hash, size) | [v…] | {l: v…} | C(v…) | agent a | run h

Values are closed data. They contain no code, no run id and no position of a trace: a run stands in them as a *handle*,
an index into the holder's own table of runs.
-/

namespace Shepherd

/-- A value. `dec c s` is `c / 10^s`, normalised; `blob` names bytes by their Git blob hash; the fields of a record are
sorted by label, each label once (`Value.wf` says so); `run h` is a handle. -/
inductive Value where
  | unit
  | bool (b : Bool)
  | int (n : Int)
  | dec (coef : Int) (scale : Nat)
  | text (s : String)
  | blob (hash : String) (size : Nat)
  | list (vs : List Value)
  | record (fs : List (String × Value))
  | con (name : String) (args : List Value)
  | agent (name : String)
  | run (h : Nat)
  deriving Repr, Inhabited

/-! ## Equality

Structural, and so decidable: `1` is not `true`, and a list is not a record. -/

mutual
/-- Equality of values is decidable. -/
def Value.decEq : (a b : Value) → Decidable (a = b)
  | .unit, b => match b with
    | .unit => .isTrue rfl
    | .bool _ | .int _ | .dec .. | .text _ | .blob .. | .list _ | .record _ | .con .. | .agent _ | .run _ =>
      .isFalse nofun
  | .bool x, b => match b with
    | .bool y => if h : x = y then .isTrue (h ▸ rfl) else .isFalse fun e => h (Value.bool.inj e)
    | .unit | .int _ | .dec .. | .text _ | .blob .. | .list _ | .record _ | .con .. | .agent _ | .run _ =>
      .isFalse nofun
  | .int x, b => match b with
    | .int y => if h : x = y then .isTrue (h ▸ rfl) else .isFalse fun e => h (Value.int.inj e)
    | .unit | .bool _ | .dec .. | .text _ | .blob .. | .list _ | .record _ | .con .. | .agent _ | .run _ =>
      .isFalse nofun
  | .dec x m, b => match b with
    | .dec y n =>
      if h : x = y ∧ m = n then .isTrue (h.1 ▸ h.2 ▸ rfl)
      else .isFalse fun e => h ⟨(Value.dec.inj e).1, (Value.dec.inj e).2⟩
    | .unit | .bool _ | .int _ | .text _ | .blob .. | .list _ | .record _ | .con .. | .agent _ | .run _ =>
      .isFalse nofun
  | .text x, b => match b with
    | .text y => if h : x = y then .isTrue (h ▸ rfl) else .isFalse fun e => h (Value.text.inj e)
    | .unit | .bool _ | .int _ | .dec .. | .blob .. | .list _ | .record _ | .con .. | .agent _ | .run _ =>
      .isFalse nofun
  | .blob x m, b => match b with
    | .blob y n =>
      if h : x = y ∧ m = n then .isTrue (h.1 ▸ h.2 ▸ rfl)
      else .isFalse fun e => h ⟨(Value.blob.inj e).1, (Value.blob.inj e).2⟩
    | .unit | .bool _ | .int _ | .dec .. | .text _ | .list _ | .record _ | .con .. | .agent _ | .run _ =>
      .isFalse nofun
  | .list xs, b => match b with
    | .list ys => match Value.decEqList xs ys with
      | .isTrue h => .isTrue (h ▸ rfl)
      | .isFalse h => .isFalse fun e => h (Value.list.inj e)
    | .unit | .bool _ | .int _ | .dec .. | .text _ | .blob .. | .record _ | .con .. | .agent _ | .run _ =>
      .isFalse nofun
  | .record xs, b => match b with
    | .record ys => match Value.decEqFields xs ys with
      | .isTrue h => .isTrue (h ▸ rfl)
      | .isFalse h => .isFalse fun e => h (Value.record.inj e)
    | .unit | .bool _ | .int _ | .dec .. | .text _ | .blob .. | .list _ | .con .. | .agent _ | .run _ =>
      .isFalse nofun
  | .con x xs, b => match b with
    | .con y ys =>
      if h : x = y then match Value.decEqList xs ys with
        | .isTrue h' => .isTrue (h ▸ h' ▸ rfl)
        | .isFalse h' => .isFalse fun e => h' (Value.con.inj e).2
      else .isFalse fun e => h (Value.con.inj e).1
    | .unit | .bool _ | .int _ | .dec .. | .text _ | .blob .. | .list _ | .record _ | .agent _ | .run _ =>
      .isFalse nofun
  | .agent x, b => match b with
    | .agent y => if h : x = y then .isTrue (h ▸ rfl) else .isFalse fun e => h (Value.agent.inj e)
    | .unit | .bool _ | .int _ | .dec .. | .text _ | .blob .. | .list _ | .record _ | .con .. | .run _ =>
      .isFalse nofun
  | .run x, b => match b with
    | .run y => if h : x = y then .isTrue (h ▸ rfl) else .isFalse fun e => h (Value.run.inj e)
    | .unit | .bool _ | .int _ | .dec .. | .text _ | .blob .. | .list _ | .record _ | .con .. | .agent _ =>
      .isFalse nofun

/-- Equality of lists of values is decidable. -/
def Value.decEqList : (xs ys : List Value) → Decidable (xs = ys)
  | [], [] => .isTrue rfl
  | [], _ :: _ => .isFalse nofun
  | _ :: _, [] => .isFalse nofun
  | x :: xs, y :: ys => match Value.decEq x y, Value.decEqList xs ys with
    | .isTrue h, .isTrue h' => .isTrue (h ▸ h' ▸ rfl)
    | .isFalse h, _ => .isFalse fun e => h (List.cons.inj e).1
    | _, .isFalse h => .isFalse fun e => h (List.cons.inj e).2

/-- Equality of lists of fields is decidable. -/
def Value.decEqFields : (xs ys : List (String × Value)) → Decidable (xs = ys)
  | [], [] => .isTrue rfl
  | [], _ :: _ => .isFalse nofun
  | _ :: _, [] => .isFalse nofun
  | (l, x) :: xs, (l', y) :: ys =>
    if hl : l = l' then match Value.decEq x y, Value.decEqFields xs ys with
      | .isTrue h, .isTrue h' => .isTrue (hl ▸ h ▸ h' ▸ rfl)
      | .isFalse h, _ => .isFalse fun e => h (Prod.mk.inj (List.cons.inj e).1).2
      | _, .isFalse h => .isFalse fun e => h (List.cons.inj e).2
    else .isFalse fun e => hl (Prod.mk.inj (List.cons.inj e).1).1
end

instance : DecidableEq Value := Value.decEq

/-! ## Words for common values -/

namespace Value

/-- The variant `None`. -/
def none : Value := .con "None" []

/-- `Some(v)`. -/
def some (v : Value) : Value := .con "Some" [v]

/-- The outcome `Unknown`. -/
def unknown : Value := .con "Unknown" []

/-- The outcome `Ok(v)`. -/
def ok (v : Value) : Value := .con "Ok" [v]

/-- The error value `{code, text}`: what `Err` carries and what a failed run ends with. -/
def error (code text : String) : Value := .record [("code", .text code), ("text", .text text)]

/-- The outcome `Err({code, text})`. -/
def err (code text : String) : Value := .con "Err" [error code text]

/-- The kind of a value, as the primitive `kind` and the texts of faults say it. -/
def kind : Value → String
  | .unit => "unit"
  | .bool _ => "bool"
  | .int _ => "int"
  | .dec .. => "dec"
  | .text _ => "text"
  | .blob .. => "blob"
  | .list _ => "list"
  | .record _ => "record"
  | .con .. => "con"
  | .agent _ => "agent"
  | .run _ => "run"

/-- The values directly inside a value, left to right. -/
def children : Value → List Value
  | .list vs => vs
  | .record fs => fs.map Prod.snd
  | .con _ vs => vs
  | _ => []

end Value

/-! ## Handles -/

mutual
/-- The handles inside a value, left to right, repeated ones too. -/
def Value.handles : Value → List Nat
  | .run h => [h]
  | .list vs => Value.handlesList vs
  | .record fs => Value.handlesFields fs
  | .con _ vs => Value.handlesList vs
  | _ => []

/-- The handles inside a list of values. -/
def Value.handlesList : List Value → List Nat
  | [] => []
  | v :: vs => v.handles ++ Value.handlesList vs

/-- The handles inside a list of fields. -/
def Value.handlesFields : List (String × Value) → List Nat
  | [] => []
  | (_, v) :: fs => v.handles ++ Value.handlesFields fs
end

mutual
/-- Whether a value contains a handle. -/
def Value.hasHandle : Value → Bool
  | .run _ => true
  | .list vs => Value.hasHandleList vs
  | .record fs => Value.hasHandleFields fs
  | .con _ vs => Value.hasHandleList vs
  | _ => false

/-- Whether one of some values contains a handle. -/
def Value.hasHandleList : List Value → Bool
  | [] => false
  | v :: vs => v.hasHandle || Value.hasHandleList vs

/-- Whether one of some fields contains a handle. -/
def Value.hasHandleFields : List (String × Value) → Bool
  | [] => false
  | (_, v) :: fs => v.hasHandle || Value.hasHandleFields fs
end

mutual
/-- `v` with each handle `h` in it, left to right, replaced by what `f` makes of it, which may thread a state. -/
def Value.mapHandles {σ : Type} (f : σ → Nat → σ × Value) : σ → Value → σ × Value
  | s, .run h => f s h
  | s, .list vs => let r := Value.mapHandlesList f s vs; (r.1, .list r.2)
  | s, .record fs => let r := Value.mapHandlesFields f s fs; (r.1, .record r.2)
  | s, .con c vs => let r := Value.mapHandlesList f s vs; (r.1, .con c r.2)
  | s, v => (s, v)

/-- The same for a list of values. -/
def Value.mapHandlesList {σ : Type} (f : σ → Nat → σ × Value) : σ → List Value → σ × List Value
  | s, [] => (s, [])
  | s, v :: vs =>
    let r := Value.mapHandles f s v
    let rs := Value.mapHandlesList f r.1 vs
    (rs.1, r.2 :: rs.2)

/-- The same for a list of fields. -/
def Value.mapHandlesFields {σ : Type} (f : σ → Nat → σ × Value) : σ → List (String × Value) → σ × List (String × Value)
  | s, [] => (s, [])
  | s, (l, v) :: fs =>
    let r := Value.mapHandles f s v
    let rs := Value.mapHandlesFields f r.1 fs
    (rs.1, (l, r.2) :: rs.2)
end

end Shepherd
