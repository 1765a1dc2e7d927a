import Shepherd.Laws.BranchReplay.Rerun
import Shepherd.Laws.HandlersAreOwners.Driver

/-!
# The events leave no choice
-/

namespace Shepherd

/-- One of two codes leads to the other by local steps. -/
def Goes.Near (P : Program) (a b : Settled) : Prop := Goes P a b ∨ Goes P b a

/-- Two states of a run alone are the same, up to local steps that one has already made. -/
structure Alone.Same (P : Program) (a b : Alone) : Prop where
  code : Goes.Near P a.code b.code
  files : a.files = b.files
  inbox : a.inbox = b.inbox

theorem Goes.linear {P : Program} {a b c : Settled} (h : Goes P a b) (g : Goes P a c) : Near P b c := by
  induction h with
  | refl => exact .inl g
  | step e r ih =>
    cases g with
    | refl => exact .inr (.step e r)
    | step e' g' => rw [e] at e'; cases e'; exact ih g'
    | ends e' _ => rw [e] at e'; cases e'
    | faults e' _ => rw [e] at e'; cases e'
  | ends e r ih =>
    cases g with
    | refl => exact .inr (.ends e r)
    | step e' _ => rw [e] at e'; cases e'
    | ends e' g' => rw [e] at e'; cases e'; exact ih g'
    | faults e' _ => rw [e] at e'; cases e'
  | faults e r ih =>
    cases g with
    | refl => exact .inr (.faults e r)
    | step e' _ => rw [e] at e'; cases e'
    | ends e' _ => rw [e] at e'; cases e'
    | faults e' g' => rw [e] at e'; cases e'; exact ih g'

/-- From two codes of which one leads to the other, further local steps lead to such. -/
theorem Goes.Near.after {P : Program} {a b a' b' : Settled} (n : Near P a b) (h : Goes P a a') (g : Goes P b b') : Near P a' b' := by
  rcases n with n | n
  · exact h.linear (n.trans g)
  · exact (n.trans h).linear g

/-- The end that a run has reached, whatever it still has in hand. -/
theorem ends_again {P : Program} {c : Comp} {ρ : Env} {K : Stack} {n : Nat} {v : Value} (h : P.goesOn c ρ K n = .ends v) :
    P.goesOn (.ret (.lit v)) [] [] 0 = .ends v := by
  unfold Program.goesOn at h ⊢
  split at h
  · cases h
  · next l =>
    rw [if_neg (by omega)]
    have size : checkSize Limits.valueDepth v = .ok () := by
      unfold localStep at h
      split at h
      · split at h
        · cases h
        · split at h
          · split at h
            · cases h
            · next hs => cases h; exact hs
          · cases h
      · cases h
      · split at h <;> cases h
      · split at h <;> cases h
      · split at h
        · cases h
        · split at h <;> cases h
    simp only [localStep, eval, size]

theorem faults_again {P : Program} {c : Comp} {ρ : Env} {K : Stack} {n : Nat} {f : Fault} (h : P.goesOn c ρ K n = .faults f) :
    P.goesOn (.ret (.prim "raise" [.lit f.error])) [] [] 0 = .faults f := by
  unfold Program.goesOn at h ⊢
  by_cases l : P.steps < 1
  · rw [if_pos (by omega)] at h
    rw [if_pos (by omega)]
    exact h
  · rw [if_neg (by omega)]
    simp only [localStep, eval, evalAll, Driving.raise_error]

theorem Goes.of_asks {P : Program} {c : Comp} {ρ : Env} {K : Stack} {n : Nat} {op : String} {args : List Value} {K' : Stack}
    {s : Settled} (e : P.goesOn c ρ K n = .asks op args K') (h : Goes P (.running c ρ K n) s) : s = .running c ρ K n := by
  cases h with
  | refl => rfl
  | step e' _ => rw [e] at e'; cases e'
  | ends e' _ => rw [e] at e'; cases e'
  | faults e' _ => rw [e] at e'; cases e'

/-- What ends, ends with the same value wherever local steps lead. -/
theorem Goes.of_ends {P : Program} {a b : Settled} (h : Goes P a b) : ∀ {c ρ K n v}, a = .running c ρ K n → P.goesOn c ρ K n = .ends v →
    ∃ c' ρ' K' n', b = .running c' ρ' K' n' ∧ P.goesOn c' ρ' K' n' = .ends v := by
  induction h with
  | refl => exact fun e h => ⟨_, _, _, _, e, h⟩
  | step e _ _ => intro c ρ K n v ea h; cases ea; rw [e] at h; cases h
  | ends e _ ih => intro c ρ K n v ea h; cases ea; rw [e] at h; cases h; exact ih rfl (ends_again e)
  | faults e _ _ => intro c ρ K n v ea h; cases ea; rw [e] at h; cases h

theorem Goes.of_faults {P : Program} {a b : Settled} (h : Goes P a b) : ∀ {c ρ K n f}, a = .running c ρ K n →
    P.goesOn c ρ K n = .faults f → ∃ c' ρ' K' n', b = .running c' ρ' K' n' ∧ P.goesOn c' ρ' K' n' = .faults f := by
  induction h with
  | refl => exact fun e h => ⟨_, _, _, _, e, h⟩
  | step e _ _ => intro c ρ K n v ea h; cases ea; rw [e] at h; cases h
  | ends e _ _ => intro c ρ K n v ea h; cases ea; rw [e] at h; cases h
  | faults e _ ih => intro c ρ K n v ea h; cases ea; rw [e] at h; cases h; exact ih rfl (faults_again e)

theorem Goes.of_rest {P : Program} {a b : Settled} (h : Goes P a b) (n : ∀ c ρ K k, a ≠ .running c ρ K k) : b = a := by
  cases h with
  | refl => rfl
  | _ => exact absurd rfl (n _ _ _ _)

theorem Goes.Near.symm {P : Program} {a b : Settled} (h : Near P a b) : Near P b a := Or.symm h

theorem Goes.Near.refl (P : Program) (a : Settled) : Near P a a := .inl (.refl a)

/-- Where one of the two asks, they are the same. -/
theorem Goes.Near.asks {P : Program} {c d : Comp} {ρ σ : Env} {K L : Stack} {n k : Nat} {op op' : String} {args args' : List Value}
    {K' L' : Stack} (h : Near P (.running c ρ K n) (.running d σ L k)) (e : P.goesOn c ρ K n = .asks op args K')
    (e' : P.goesOn d σ L k = .asks op' args' L') : K' = L' := by
  rcases h with h | h
  · have := h.of_asks e; cases this; rw [e] at e'; cases e'; rfl
  · have := h.of_asks e'; cases this; rw [e] at e'; cases e'; rfl

theorem Goes.waits_before {P : Program} {a b : Settled} (h : Goes P a b) {w : Waiting} (e : b = .waiting w) : a = .waiting w := by
  induction h with
  | refl => exact e
  | step _ _ ih => exact nomatch ih e
  | ends _ _ ih => exact nomatch ih e
  | faults _ _ ih => exact nomatch ih e

theorem Goes.Near.waits {P : Program} {a b : Settled} (h : Near P a b) {w : Waiting} (e : a = .waiting w) : b = .waiting w := by
  rcases h with h | h
  · rw [h.of_rest (fun _ _ _ _ e' => nomatch e.symm.trans e')]; exact e
  · exact h.waits_before e

/-- What one event does to a run alone that is in the state `p`. -/
inductive Rerun.Turn (P : Program) (agent : String) (args : List Value) (base : Files) (events : List Fixed) (p : Alone) :
    Fixed → Alone → Prop where
  | intent {c : Comp} {ρ : Env} {K K' : Stack} {n : Nat} {op : String} {params : List Value} (why : String) :
      p.code = .running c ρ K n → P.goesOn c ρ K n = .asks op params K' →
      Turn P agent args base events p ⟨.intent op params, why⟩ { p with code := .waiting { op, args := params, stack := K' } }
  | denied {c : Comp} {ρ : Env} {K K' : Stack} {n : Nat} {op : String} {params : List Value} (why : String) :
      p.code = .running c ρ K n → P.goesOn c ρ K n = .asks op params K' →
      Turn P agent args base events p ⟨.denied op params, why⟩ { p with code := .running (.ret (.lit (.err "denied" why))) [] K' 0 }
  | outcome {w : Waiting} (answer : Value) (change : Change) (by' : By) (why : String) : p.code = .waiting w →
      Turn P agent args base events p ⟨.outcome answer change by', why⟩
        ⟨w.told answer, p.files.apply change, w.leaves answer by' p.inbox⟩
  | undone (answer : Value) (change : Change) (by' : By) (why : String) : (∀ w, p.code ≠ .waiting w) →
      Turn P agent args base events p ⟨.outcome answer change by', why⟩ { p with files := p.files.apply change }
  | injected (v : Value) (why : String) : Turn P agent args base events p ⟨.injected v, why⟩ { p with inbox := p.inbox ++ [v] }
  | forked (of' : Id) (k : Nat) (why : String) : Turn P agent args base events p ⟨.forked of' k, why⟩ p
  | undo (j : Nat) (op : String) (params : List Value) (why : String) : Turn P agent args base events p ⟨.undo j op params, why⟩ p
  | reverted {before : List Fixed} {s' : Alone} (k : Nat) (why : String) : before <:+ events → before.length = k + 1 →
      Rerun P agent args base before s' → Turn P agent args base events p ⟨.reverted k, why⟩ s'
  | done {c : Comp} {ρ : Env} {K : Stack} {n : Nat} {v : Value} (why : String) :
      p.code = .running c ρ K n → P.goesOn c ρ K n = .ends v →
      Turn P agent args base events p ⟨.ended .done v, why⟩ { p with code := .done v }
  | failed {c : Comp} {ρ : Env} {K : Stack} {n : Nat} {f : Fault} (why : String) :
      p.code = .running c ρ K n → P.goesOn c ρ K n = .faults f →
      Turn P agent args base events p ⟨.ended .failed f.error, why⟩ { p with code := .failed f.error }
  | discarded (v : Value) (why : String) :
      Turn P agent args base events p ⟨.ended .discarded v, why⟩ { p with code := .discarded }

/-- A run alone, told some events, has started, or came about by the newest one; and made local steps then. -/
theorem Rerun.last {P : Program} {agent : String} {args : List Value} {base : Files} {events : List Fixed} {s : Alone}
    (h : Rerun P agent args base events s) : ∃ s₀, (s₀.files = s.files ∧ s₀.inbox = s.inbox ∧ Goes P s₀.code s.code) ∧
      ((∃ x, events = [x] ∧ (∃ v d g h, x.event = .start v d agent args g h) ∧
        s₀ = ⟨.running (.call (.lit (.agent agent)) (args.map .lit)) [] [] 0, base, []⟩) ∨
        ∃ x rest p, events = x :: rest ∧ Rerun P agent args base rest p ∧ Turn P agent args base rest p x s₀) := by
  induction h with
  | start v d g hash why =>
    exact ⟨_, ⟨rfl, rfl, .refl _⟩, .inl ⟨_, rfl, ⟨v, d, g, hash, rfl⟩, rfl⟩⟩
  | goes _ g ih =>
    obtain ⟨s₀, ⟨h1, h2, h3⟩, hx⟩ := ih
    exact ⟨s₀, ⟨h1, h2, h3.trans g⟩, hx⟩
  | intent why r hc he _ => exact ⟨_, ⟨rfl, rfl, .refl _⟩, .inr ⟨_, _, _, rfl, r, .intent why hc he⟩⟩
  | denied why r hc he _ => exact ⟨_, ⟨rfl, rfl, .refl _⟩, .inr ⟨_, _, _, rfl, r, .denied why hc he⟩⟩
  | outcome a c b why r hc _ => exact ⟨_, ⟨rfl, rfl, .refl _⟩, .inr ⟨_, _, _, rfl, r, .outcome a c b why hc⟩⟩
  | undone a c b why r hc _ => exact ⟨_, ⟨rfl, rfl, .refl _⟩, .inr ⟨_, _, _, rfl, r, .undone a c b why hc⟩⟩
  | injected v why r _ => exact ⟨_, ⟨rfl, rfl, .refl _⟩, .inr ⟨_, _, _, rfl, r, .injected v why⟩⟩
  | forked o k why r _ => exact ⟨_, ⟨rfl, rfl, .refl _⟩, .inr ⟨_, _, _, rfl, r, .forked o k why⟩⟩
  | undo j op ps why r _ _ => exact ⟨_, ⟨rfl, rfl, .refl _⟩, .inr ⟨_, _, _, rfl, r, .undo j op ps why⟩⟩
  | reverted k why r hs hl r' _ _ => exact ⟨_, ⟨rfl, rfl, .refl _⟩, .inr ⟨_, _, _, rfl, r, .reverted k why hs hl r'⟩⟩
  | done why r hc he _ => exact ⟨_, ⟨rfl, rfl, .refl _⟩, .inr ⟨_, _, _, rfl, r, .done why hc he⟩⟩
  | failed why r hc he _ => exact ⟨_, ⟨rfl, rfl, .refl _⟩, .inr ⟨_, _, _, rfl, r, .failed why hc he⟩⟩
  | discarded v why r _ => exact ⟨_, ⟨rfl, rfl, .refl _⟩, .inr ⟨_, _, _, rfl, r, .discarded v why⟩⟩

theorem fixed_suffix_eq {a b l : List Fixed} (ha : a <:+ l) (hb : b <:+ l) (h : a.length = b.length) : a = b := by
  obtain ⟨p, rfl⟩ := ha
  obtain ⟨q, hq⟩ := hb
  have hl := congrArg List.length hq
  rw [List.length_append, List.length_append] at hl
  exact (List.append_inj hq (by omega)).2.symm

/-- The events leave no choice: a run alone that is told them comes to one state, but for local steps that it may have made. -/
theorem Rerun.unique {P : Program} {agent : String} {args : List Value} {base : Files} : ∀ (n : Nat) {events : List Fixed} {s t : Alone},
    events.length = n → Rerun P agent args base events s → Rerun P agent args base events t → s.Same P t := by
  intro n
  induction n using Nat.strongRecOn with
  | _ n ih =>
    intro events s t hn hs ht
    obtain ⟨s₀, ⟨s1, s2, s3⟩, hs⟩ := hs.last
    obtain ⟨t₀, ⟨t1, t2, t3⟩, ht⟩ := ht.last
    have fin : s₀.Same P t₀ → s.Same P t := fun h =>
      ⟨h.code.after s3 t3, s1.symm.trans (h.files.trans t1), s2.symm.trans (h.inbox.trans t2)⟩
    refine fin ?_
    rcases hs with ⟨x, ex, ⟨v, d, g, hh, hx⟩, rfl⟩ | ⟨x, rest, p, ex, hp, turn⟩
    · rcases ht with ⟨y, ey, _, rfl⟩ | ⟨y, rest, q, ey, hq, turn⟩
      · exact ⟨.refl _ _, rfl, rfl⟩
      · rw [ex] at ey
        obtain ⟨rfl, rfl⟩ := List.cons.inj ey
        cases turn <;> cases hx
    · rcases ht with ⟨y, ey, ⟨v, d, g, hh, hy⟩, rfl⟩ | ⟨y, rest', q, ey, hq, turn'⟩
      · rw [ex] at ey
        obtain ⟨rfl, rfl⟩ := List.cons.inj ey
        cases turn <;> cases hy
      · rw [ex] at ey
        obtain ⟨rfl, rfl⟩ := List.cons.inj ey
        have lt : rest.length < n := by rw [← hn, ex, List.length_cons]; exact Nat.lt_succ_self _
        have same := ih _ lt rfl hp hq
        obtain ⟨sc, sf, si⟩ := same
        cases turn with
        | intent why hc he =>
          cases turn' with
          | intent _ hc' he' =>
            rw [hc, hc'] at sc
            exact ⟨by rw [sc.asks he he']; exact .refl _ _, sf, si⟩
        | denied why hc he =>
          cases turn' with
          | denied _ hc' he' =>
            rw [hc, hc'] at sc
            exact ⟨by rw [sc.asks he he']; exact .refl _ _, sf, si⟩
        | outcome a ch b why hc =>
          cases turn' with
          | outcome _ _ _ _ hc' =>
            have := sc.waits hc
            rw [hc'] at this
            cases this
            exact ⟨.refl _ _, by show p.files.apply ch = q.files.apply ch; rw [sf], by show Waiting.leaves _ _ _ p.inbox = _; rw [si]⟩
          | undone _ _ _ _ nc => exact absurd (sc.waits hc) (nc _)
        | undone a ch b why nc =>
          cases turn' with
          | outcome _ _ _ _ hc' => exact absurd (sc.symm.waits hc') (nc _)
          | undone _ _ _ _ _ => exact ⟨sc, by show p.files.apply ch = q.files.apply ch; rw [sf], si⟩
        | injected v why =>
          cases turn' with
          | injected => exact ⟨sc, sf, by show p.inbox ++ [v] = q.inbox ++ [v]; rw [si]⟩
        | forked o k why =>
          cases turn' with
          | forked => exact ⟨sc, sf, si⟩
        | undo j op ps why =>
          cases turn' with
          | undo => exact ⟨sc, sf, si⟩
        | reverted k why hs hl r =>
          cases turn' with
          | reverted _ _ hs' hl' r' =>
            have e := fixed_suffix_eq hs hs' (hl.trans hl'.symm)
            subst e
            exact ih _ (Nat.lt_of_le_of_lt hs.length_le lt) rfl r r'
        | done why hc he =>
          cases turn' with
          | done _ _ _ => exact ⟨.refl _ _, sf, si⟩
        | @failed c ρ K n f why hc he =>
          generalize hy : (⟨.ended .failed f.error, why⟩ : Fixed) = y at turn'
          cases turn' with
          | failed _ hc' he' =>
            refine ⟨?_, sf, si⟩
            have e := (Event.ended.inj (Fixed.mk.inj hy).1).2
            show Goes.Near P (.failed f.error) (.failed _)
            rw [e]; exact .refl _ _
          | _ => cases hy
        | discarded v why =>
          cases turn' with
          | discarded => exact ⟨.refl _ _, sf, si⟩

end Shepherd
