import Shepherd.Value

/-!
# Decimals

Exact: `coef / 10^scale`, the scale the smallest that fits (`dec` in `shepherd_dsl/core/value.py`, `dec_text` in
`wire_print.py`).
-/

namespace Shepherd

/-- The decimal `coef / 10^scale`. -/
structure Decimal where
  coef : Int
  scale : Nat

namespace Decimal

/-- `coef / 10^scale` without the zeros at the end of its fraction. -/
def strip (coef : Int) : (scale : Nat) → Decimal
  | 0 => ⟨coef, 0⟩
  | scale + 1 => if coef % 10 = 0 then strip (coef / 10) scale else ⟨coef, scale + 1⟩

/-- The normalised decimal `coef / 10^scale`; `scale` may be negative. -/
def ofInt (coef scale : Int) : Decimal :=
  if coef = 0 then ⟨0, 0⟩
  else match scale with
    | .ofNat scale => strip coef scale
    | .negSucc n => ⟨coef * 10 ^ (n + 1), 0⟩

/-- The value that a decimal is. -/
def value (d : Decimal) : Value := .dec d.coef d.scale

/-- The digits of a decimal: `-0.05`, `12`, `1.5`; no exponent and no zero that could be left out. -/
def text (d : Decimal) : String :=
  let sign := if d.coef < 0 then "-" else ""
  if d.scale = 0 then sign ++ toString d.coef.natAbs
  else
    let whole := d.coef.natAbs / 10 ^ d.scale
    let part := toString (d.coef.natAbs % 10 ^ d.scale)
    sign ++ toString whole ++ "." ++ "".pushn '0' (d.scale - part.length) ++ part

end Decimal

end Shepherd
