import Shepherd.Laws.GrantSafe.Shared
import Shepherd.Laws.GrantSafe.Steps

/-!
# Nothing outside the grant
-/

namespace Shepherd

/-- No operation outside the grant (compensations of granted ones apart) is performed, nor more often than it says.

An operation is asked for by an `intent`, recorded before anything is done. `M.After ω i.start m`: the tree of runs started from `i`
can become `m`, the outside being the oracle `ω`. The log `m.log` has the newest commit first: in `c :: earlier <:+ m.log`, `earlier`
is all that was recorded before `c`. A grant is a list of layers, one a spawn; it never changes (`grant_narrows`).
`m.uses earlier o k` counts the intents in `earlier` that the clause `k` allows and that were recorded by any run which holds the layer
given to `o`: by `o` itself and by all it made. Nothing is left out, also where it was reverted later. Then

- every intent is inside the grant of the run that records it: each layer of that grant has a clause `k`, its `n`-th, that allows the
  operation with these arguments; and where that clause has a limit, fewer than that many uses of it came before;
- so a limited clause is used, over the whole log, at most as often as it says, by the run it was given to and all that run made
  together, if no other clause of its layer allows the same (`Layer.Alone`; else the other one may allow it again).

`before o n` is how many uses of the `n`-th clause of the layer given to `o` count as used up when that layer comes to be. It is none
where `o` was spawned or is the root run. A fork refills nothing: where a copy `copy f x` holds a layer of its own, for its original `o`
held one, it is what the clause of `o` had used up right after the event `c` at which the fork `f` was made (`M.ForkedAt`; `c` was
recorded by `o` or by a run above it). A layer given to a run above all that was copied is shared with that run; in a copy of a copy
with the copy of that run, where the earlier fork copied it too (`M.copyLayer_above`): neither branch of a fork uses up what the other may.

A compensation is an `undo`, no intent: it is not asked of the grant, and not counted. The intents of the outermost owner meet no
grant: it holds no layer. -/
theorem grant_safe {ω : Oracle} {i : Init} {m : M} (h : M.After ω i.start m) : ∃ before : Id → Nat → Nat,
    (∀ c earlier op args, c :: earlier <:+ m.log → c.event = .intent op args → ∀ l ∈ (m.run c.run).grant,
      ∃ n k, l.clauses[n]? = some k ∧ k.allows op args = true ∧
        ∀ most, k.limit = some most → before l.origin n + m.uses earlier l.origin k < most) ∧
    (∀ r, ∀ l ∈ (m.run r).grant, ∀ n k most, l.clauses[n]? = some k → k.limit = some most → l.Alone n →
      before l.origin n + m.uses m.log l.origin k ≤ most) ∧
    (∀ o n, (∀ f x, o ≠ .copy f x) → before o n = 0) ∧
    (∀ f x, ∀ l ∈ (m.run (.copy f x)).grant, l.origin = .copy f x →
      ∃ c earlier o, c :: earlier <:+ m.log ∧ m.ForkedAt f c ∧ Id.CopyOf o x ∧ c.Names o ∧
        { l with origin := o } ∈ (m.run o).grant ∧
        ∀ n k, l.clauses[n]? = some k → k.limit.isSome = true →
          before (.copy f x) n = before o n + m.uses (c :: earlier) o k) := by
  obtain ⟨before, t⟩ := h.tally
  exact ⟨before, t.intents, fun r l hl n k most hk hm alone => t.alone _ r l n k most rfl hl hk hm alone, t.zero, t.copies⟩

end Shepherd
