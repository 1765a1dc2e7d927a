import Shepherd.Laws.BranchReplay.Retold

/-!
# Who waits has asked
-/

namespace Shepherd

namespace Trace

/-- After a revert to event `k`, the open question is the one after event `k`. -/
theorem questionFrom_some {t : Trace} (h : Indexed t) {k : Nat} (l : k < t.length) :
    questionFrom (some k) t = question (upTo t k) := by
  induction t with
  | nil => exact absurd l (Nat.not_lt_zero _)
  | cons c t ih =>
    have hi : c.index = t.length := h.1
    unfold upTo
    rw [List.dropWhile_cons]
    by_cases e : c.index = k
    · rw [e, bne_self_eq_false, if_neg Bool.false_ne_true]
      unfold question questionFrom
      simp only [Option.all_some, Option.all_none, e, beq_self_eq_true, if_true]
    · rw [bne_iff_ne.mpr e, if_pos rfl]
      unfold questionFrom
      have n : ((some k).all fun x => x == c.index) = false := by
        rw [Option.all_some]; exact beq_eq_false_iff_ne.mpr (Ne.symm e)
      rw [n, if_neg Bool.false_ne_true]
      rw [List.length_cons] at l
      exact ih h.2 (by omega)

theorem length_upTo {t : Trace} (h : Indexed t) {k : Nat} (l : k < t.length) : (upTo t k).length = k + 1 := by
  induction t with
  | nil => exact absurd l (Nat.not_lt_zero _)
  | cons c t ih =>
    have hi : c.index = t.length := h.1
    unfold upTo
    rw [List.dropWhile_cons]
    by_cases e : c.index = k
    · rw [e, bne_self_eq_false, if_neg Bool.false_ne_true, List.length_cons, ← hi, e]
    · rw [bne_iff_ne.mpr e, if_pos rfl]
      rw [List.length_cons] at l
      exact ih h.2 (by omega)

end Trace

theorem suffix_eq {α : Type} {a b l : List α} (ha : a <:+ l) (hb : b <:+ l) (h : a.length = b.length) : a = b := by
  obtain ⟨p, rfl⟩ := ha
  obtain ⟨q, hq⟩ := hb
  have hl := congrArg List.length hq
  rw [List.length_append, List.length_append] at hl
  exact (List.append_inj hq (by omega)).2.symm

/-- The open question of a trace is the intent whose outcome the run waits for. -/
def Asks (t : Trace) (w : Waiting) : Prop := ∃ c, Trace.question t = some c ∧ c.event = .intent w.op w.args

theorem Goes.of_waiting {P : Program} {a b : Settled} (h : Goes P a b) {w : Waiting} (e : b = .waiting w) : a = .waiting w := by
  induction h with
  | refl => exact e
  | step _ _ ih => exact nomatch ih e
  | ends _ _ ih => exact nomatch ih e
  | faults _ _ ih => exact nomatch ih e

/-- A run alone that waits has asked for that. -/
theorem Rerun.asks {P : Program} {agent : String} {args : List Value} {base : Files} {events : List Fixed} {s : Alone}
    (h : Rerun P agent args base events s) : ∀ t : Trace, Trace.Indexed t → t.fixed = events → ∀ w, s.code = .waiting w → Asks t w := by
  have cons : ∀ {t : Trace} {f : Fixed} {es : List Fixed}, t.fixed = f :: es → ∃ c u, t = c :: u ∧ c.event = f.event ∧ Trace.fixed u = es := by
    intro t f es e
    cases t with
    | nil => cases e
    | cons c u =>
      have e : c.fixed :: Trace.fixed u = f :: es := e
      cases e
      exact ⟨c, u, rfl, rfl, rfl⟩
  have keep : ∀ {c : Commit} {u : Trace} {w}, ((∃ v, c.event = .injected v) ∨ ∃ o k, c.event = .forked o k) → Asks u w → Asks (c :: u) w := by
    intro c u w hc ⟨d, hd, he⟩
    refine ⟨d, ?_, he⟩
    unfold Trace.question Trace.questionFrom
    rcases hc with ⟨v, hc⟩ | ⟨o, k, hc⟩ <;> rw [hc] <;> exact hd
  induction h with
  | start => exact fun _ _ _ _ e => nomatch e
  | goes _ g ih =>
    intro t ht e w hw
    exact ih t ht e w (g.of_waiting hw)
  | intent => 
    intro t ht e w hw
    obtain ⟨c, u, rfl, hc, hu⟩ := cons e
    cases hw
    refine ⟨c, ?_, hc⟩
    unfold Trace.question Trace.questionFrom
    rw [hc]; rfl
  | denied => exact fun _ _ _ _ e => nomatch e
  | outcome => exact fun _ _ _ _ e => nomatch e
  | undone _ _ _ _ _ n => exact fun _ _ _ w e => absurd e (n w)
  | injected v _ _ ih =>
    intro t ht e w hw
    obtain ⟨c, u, rfl, hc, hu⟩ := cons e
    exact keep (.inl ⟨_, hc⟩) (ih u ht.2 hu w hw)
  | forked o k _ _ ih =>
    intro t ht e w hw
    obtain ⟨c, u, rfl, hc, hu⟩ := cons e
    exact keep (.inr ⟨_, _, hc⟩) (ih u ht.2 hu w hw)
  | undo _ _ _ _ _ n => exact fun _ _ _ w e => absurd e (n w)
  | @reverted events before s s' k _ _ hs hl _ _ ih =>
    intro t ht e w hw
    obtain ⟨c, u, rfl, hc, hu⟩ := cons e
    have lu : k < u.length := by
      have := hs.length_le
      rw [← hu] at this
      unfold Trace.fixed at this
      rw [List.length_map] at this
      omega
    have same : Trace.fixed (Trace.upTo u k) = before := by
      refine suffix_eq (l := events) ?_ hs ?_
      · obtain ⟨p, hp⟩ := Trace.upTo_suffix u k
        rw [← hu]
        unfold Trace.fixed
        conv => rhs; rw [← hp]
        rw [List.map_append]
        exact List.suffix_append _ _
      · unfold Trace.fixed
        rw [List.length_map, Trace.length_upTo ht.2 lu, hl]
    obtain ⟨d, hd, he⟩ := ih (Trace.upTo u k) (ht.2.of_suffix (Trace.upTo_suffix u k)) same w hw
    refine ⟨d, ?_, he⟩
    unfold Trace.question Trace.questionFrom
    rw [hc]
    simp only [Option.all_none, if_true]
    rw [Trace.questionFrom_some ht.2 lu]
    exact hd
  | done => exact fun _ _ _ _ e => nomatch e
  | failed => exact fun _ _ _ _ e => nomatch e
  | discarded => exact fun _ _ _ _ e => nomatch e

end Shepherd
