import Shepherd.Laws.GrantSafe.Tally
import Shepherd.Laws.GrantNarrows.Steps

/-!
# The counts when a run asks, and what a new tree has
-/

namespace Shepherd

namespace M

/-- A run asks for what its grant allows. -/
theorem Tally.asks {m n : M} {before : Id → Nat → Nat} (t : Tally m before) (h : MayAsk m n) : Tally n before := by
  obtain ⟨id, op, args, K, hd, ha, rfl⟩ := h
  have i : m.has id = true := has_of_code hd
  let m₁ : M := { m with used := charge m.used (m.run id).grant op args }
  let c : Commit := m₁.commitOf id (.intent op args)
    { m₁.state id with code := .settled (.waiting { op, args, stack := K }) }
  show Tally (m₁.record id (.intent op args) _) before
  generalize hs : ({ m₁.state id with code := .settled (.waiting { op, args, stack := K }) } : State) = s
  have hc : c = m₁.commitOf id (.intent op args) s := by rw [← hs]
  have hlog : (m₁.record id (.intent op args) s).log = c :: m.log := by rw [hc]; rfl
  have grants : ∀ j, ((m₁.record id (.intent op args) s).run j).grant = (m.run j).grant := fun j => grant_record m₁ _ _ _ j
  have has : ∀ j, (m₁.record id (.intent op args) s).has j = m.has j := fun j => by
    rw [has_record]
    show (id == j || m.has j) = m.has j
    by_cases e : id = j
    · rw [← e, i, Bool.or_true]
    · rw [beq_eq_false_iff_ne.mpr e, Bool.false_or]
  have cheads : ∀ h ∈ c.heads, m.has h.id = true := by
    intro x hx
    obtain ⟨j, hj, rfl⟩ := List.mem_map.mp hx
    exact Runs.has_of_mem_under (fun k hk => Runs.has_of_mem_kids hk) hj
  have uses : ∀ cs o k, (m₁.record id (.intent op args) s).uses cs o k = m.uses cs o k := fun cs o k =>
    uses_congr (fun c _ => grants c.run) o k
  have one : ∀ o k, m.uses [c] o k = if (m.run id).grant.any (fun l => l.origin == o) && k.allows op args then 1 else 0 := by
    intro o k
    unfold M.uses
    rw [List.countP_cons, List.countP_nil, Nat.zero_add]
    rfl
  have counts : ∀ r l n k, l ∈ (m.run r).grant → l.clauses[n]? = some k → k.limit.isSome = true →
      (charge m.used (m.run id).grant op args).get (l.origin, n) = before l.origin n + m.uses (c :: m.log) l.origin k := by
    intro r l n k hl hk lim
    rw [show c :: m.log = [c] ++ m.log from rfl, uses_append, one]
    have old := t.counts r l n k hl hk lim
    by_cases h : ∃ l' ∈ (m.run id).grant, l'.origin = l.origin
    · obtain ⟨l', hl', e⟩ := h
      have a := (t.origins id l' hl').2
      rw [e] at a
      have e' : l' = l := eq_of_origin (t.nodup l.origin) a (t.origins r l hl).2 e
      subst e'
      have any : (m.run id).grant.any (fun x => x.origin == l'.origin) = true :=
        List.any_eq_true.mpr ⟨l', hl', beq_self_eq_true _⟩
      unfold charge
      rw [Used.get_foldl, count_charged (t.nodup id) op args hl' hk lim, old, any, Bool.true_and]
      omega
    · have any : (m.run id).grant.any (fun x => x.origin == l.origin) = false := by
        rw [List.any_eq_false]
        exact fun x hx e => h ⟨x, hx, beq_iff_eq.mp e⟩
      rw [get_charge_ne _ op args (fun x hx e => h ⟨x, hx, e⟩), old, any, Bool.false_and, if_neg Bool.false_ne_true,
        Nat.zero_add]
  constructor
  · rw [grants]; exact t.world
  · intro r l hl
    rw [grants] at hl
    rw [has, grants]
    exact t.origins r l hl
  · intro r; rw [grants]; exact t.bases r
  · intro r i ne
    rw [has] at i
    rw [grants, grants]
    exact t.own r i ne
  · intro o n h
    rw [has] at h
    show (charge m.used (m.run id).grant op args).get (o, n) = 0
    rw [get_charge_ne _ op args fun l hl e => ?_]
    · exact t.keys o n h
    · have := (t.origins id l hl).1
      rw [e, h] at this; cases this
  · intro d hd
    rw [hlog] at hd
    rw [has]
    cases List.mem_cons.mp hd with
    | inl h => rw [h]; exact i
    | inr h => exact t.recorders d h
  · intro d hd h hh
    rw [hlog] at hd
    rw [has]
    cases List.mem_cons.mp hd with
    | inl e => exact cheads h (e ▸ hh)
    | inr e => exact t.heads d e h hh
  · intro j hj ne
    rw [has] at hj
    by_cases e : id = j
    · rw [← e, trace_record_same]; exact nofun
    · rw [trace_record_ne m₁ _ _ e]; exact t.traces j hj ne
  · intro j d hd
    rw [hlog]
    by_cases e : id = j
    · rw [← e, trace_record_same, ← hc] at hd
      exact (List.mem_cons.mp hd).elim (fun h => h ▸ List.mem_cons_self) fun h => List.mem_cons_of_mem _ (t.logged id d h)
    · rw [trace_record_ne m₁ _ _ e] at hd; exact List.mem_cons_of_mem _ (t.logged j d hd)
  · intro d h
    show d.used = charge m.used (m.run id).grant op args
    by_cases e : id = .world
    · subst e
      rw [lastInside_record_world] at h
      rw [t.world]
      exact t.last d h
    · rw [lastInside_record_ne _ e] at h
      cases h
      rfl
  · intro r l n k hl hk lim
    rw [grants] at hl
    rw [hlog, uses]
    exact counts r l n k hl hk lim
  · intro d log hs' o ho l n k hl hlo hk lim
    rw [hlog, List.suffix_cons_iff] at hs'
    rw [grants] at hl
    rw [uses]
    rcases hs' with hs' | hs'
    · cases hs'
      subst hlo
      exact counts l.origin l n k hl hk lim
    · exact t.commits d log hs' o ho l n k hl hlo hk lim
  · intro d log op' args' hs' hd l hl
    rw [hlog, List.suffix_cons_iff] at hs'
    rw [grants] at hl
    rcases hs' with hs' | hs'
    · cases hs'
      cases hd
      have al := List.all_eq_true.mp ha l hl
      obtain ⟨p, hp, al⟩ := List.any_eq_true.mp al
      obtain ⟨k, n⟩ := p
      unfold Clause.allowsNow at al
      rw [Bool.and_eq_true] at al
      have hk : l.clauses[n]? = some k := List.mem_zipIdx_iff_getElem?.mp hp
      refine ⟨n, k, hk, al.1, fun most hm => ?_⟩
      have lt := al.2
      rw [hm] at lt
      have lt := of_decide_eq_true lt
      rw [uses, ← t.counts id l n k hl hk (by rw [hm]; rfl)]
      exact lt
    · obtain ⟨n, k, hk, al, hm⟩ := t.intents d log op' args' hs' hd l hl
      exact ⟨n, k, hk, al, fun most h => by rw [uses]; exact hm most h⟩
  · exact t.zero
  · intro f x l hl hlo
    rw [grants] at hl
    obtain ⟨d, log, o, hs', ⟨top, y, hy, hm, hr, he⟩, hco, hn, hl', hb⟩ := t.copies f x l hl hlo
    refine ⟨d, log, o, ?_, ⟨top, y, ?_, ?_, hr, he⟩, hco, hn, by rw [grants]; exact hl',
      fun n k hk lim => by rw [uses]; exact hb n k hk lim⟩
    · rw [hlog]
      exact hs'.trans (List.suffix_cons _ _)
    · by_cases e : id = top
      · rw [← e, trace_record_same]; exact List.mem_cons_of_mem _ (e ▸ hy)
      · rw [trace_record_ne m₁ _ _ e]; exact hy
    · rw [hlog]; exact List.mem_cons_of_mem _ hm

/-- Who recorded something is there. -/
theorem Wf.log_recorders {m : M} {B : Prop} (w : Wf m B) : ∀ c ∈ m.log, m.has c.run = true := by
  intro c hc
  have : c ∈ (m.run c.run).trace.filter fun d => d.run == c.run := by
    rw [w.own]; exact List.mem_filter.mpr ⟨hc, beq_self_eq_true _⟩
  exact w.recorders _ c (List.mem_filter.mp this).1

theorem _root_.Shepherd.Init.tally (i : Init) : Tally i.start fun _ _ => 0 := by
  have k : Tally (i.start : M) fun _ _ => 0 := by
    unfold Init.start start
    simp only
    generalize hm : ({ program := i.program, contents := i.contents, runs := _, stack := _, log := _, used := _, written := _ } : M) = m
    have hroot : m.run .root = { Run.absent .root with
        owner := some .world, agent := i.agent, args := i.args, code := bodyOf i.agent i.args, files := i.files, base := i.files,
        grant := [{ origin := .root, clauses := i.request }] } := by rw [← hm]; rfl
    have hworld : (m.run .world).grant = [] := by rw [← hm]; rfl
    have hlog : m.log = [] := by rw [← hm]
    have hused : m.used = [] := by rw [← hm]
    have ids : ∀ id, id ≠ .root → (m.run id).grant = [] := by
      intro id ne
      rw [← hm]
      unfold M.run
      simp only [Runs.find]
      split
      · rfl
      · split
        · next e => exact absurd e.symm ne
        · rfl
    generalize ev : Event.start _ _ _ _ _ _ = e
    have he : ∀ op args, e ≠ .intent op args := by rw [← ev]; exact fun _ _ => nofun
    generalize bodyOf i.agent i.args = body
    have grants : ∀ j, ((m.recordCode .root e body).run j).grant = (m.run j).grant := fun j => grant_record m _ _ _ j
    have grant : ∀ r l, l ∈ ((m.recordCode .root e body).run r).grant → l = ⟨.root, i.request⟩ := by
      intro r l h
      rw [grants] at h
      by_cases e : r = .root
      · rw [e, hroot] at h; exact List.mem_singleton.mp h
      · rw [ids r e] at h; exact absurd h List.not_mem_nil
    have uses : ∀ o k, (m.recordCode .root e body).uses (m.recordCode .root e body).log o k = 0 := by
      intro o k
      refine uses_eq_zero (fun c hc => .inl ?_) k
      have : (m.recordCode .root e body).log = [m.commitOf .root e { m.state .root with code := body }] := by
        rw [recordCode_eq, log_record, hlog]
      rw [this] at hc
      rw [List.mem_singleton.mp hc]
      exact he
    have used : ∀ key, (m.recordCode .root e body).used.get key = 0 := by
      intro key
      show m.used.get key = 0
      rw [hused]; rfl
    have root : (m.recordCode .root e body).has .root = true := by
      rw [recordCode_eq, has_record, beq_self_eq_true, Bool.true_or]
    have log : (m.recordCode .root e body).log = [m.commitOf .root e { m.state .root with code := body }] := by
      rw [recordCode_eq, log_record, hlog]
    have only : ∀ c log', c :: log' <:+ (m.recordCode .root e body).log →
        c = m.commitOf .root e { m.state .root with code := body } ∧ log' = [] := by
      intro c log' h
      rw [log, List.suffix_cons_iff] at h
      rcases h with h | h
      · cases h; exact ⟨rfl, rfl⟩
      · exact absurd (List.suffix_nil.mp h) nofun
    constructor
    · rw [grants]; exact hworld
    · intro r l hl
      have e := grant r l hl
      subst e
      refine ⟨root, ?_⟩
      rw [grants, hroot]; exact List.mem_singleton.mpr rfl
    · intro r
      rw [grants]
      by_cases e : r = .root
      · rw [e, hroot]; exact List.nodup_cons.mpr ⟨List.not_mem_nil, List.nodup_nil⟩
      · rw [ids r e]; exact List.nodup_nil
    · intro r there ne
      have e : r = .root := by
        rw [recordCode_eq, has_record] at there
        by_cases e : Id.root = r
        · exact e.symm
        · rw [beq_eq_false_iff_ne.mpr e, Bool.false_or, ← hm] at there
          have there : (Id.world == r || (Id.root == r || false)) = true := there
          rw [beq_eq_false_iff_ne.mpr e, beq_eq_false_iff_ne.mpr (Ne.symm ne)] at there
          exact absurd there Bool.false_ne_true
      subst e
      have h : (⟨.root, i.request⟩ : Layer) ∈ (m.run .root).grant := by rw [hroot]; exact List.mem_singleton.mpr rfl
      exact ⟨_, by rw [grants]; exact h, rfl, by rw [grants]; exact h⟩
    · exact fun o n _ => used _
    · intro c hc
      rw [log] at hc
      rw [List.mem_singleton.mp hc]; exact root
    · intro c hc h hh
      rw [log] at hc
      rw [List.mem_singleton.mp hc] at hh
      obtain ⟨j, hj, rfl⟩ := List.mem_map.mp hh
      rw [recordCode_eq, has_record]
      refine Bool.or_eq_true_iff.mpr (.inr (Runs.has_of_mem_under (fun k hk => ?_) hj))
      split at hk
      · exact Runs.has_of_mem_kids (List.mem_filter.mp hk).1
      · exact Runs.has_of_mem_kids (List.mem_filter.mp hk).1
      · exact Runs.has_of_mem_kids hk
    · intro id h ne
      rw [recordCode_eq] at h ⊢
      by_cases e : Id.root = id
      · rw [← e, trace_record_same]; exact nofun
      · rw [has_record, beq_eq_false_iff_ne.mpr e, Bool.false_or, ← hm] at h
        have h : (Id.world == id || (Id.root == id || false)) = true := h
        rw [beq_eq_false_iff_ne.mpr e, beq_eq_false_iff_ne.mpr (Ne.symm ne)] at h
        exact absurd h Bool.false_ne_true
    · intro id c hc
      rw [log]
      rw [recordCode_eq] at hc
      by_cases e : Id.root = id
      · rw [← e, trace_record_same, hroot] at hc; exact hc
      · rw [trace_record_ne m _ _ e] at hc
        refine absurd hc ?_
        suffices (m.run id).trace = [] by rw [this]; exact List.not_mem_nil
        cases i : m.has id with
        | false => rw [run_of_not_has i]; rfl
        | true =>
          have := run_mem i
          rw [← hm] at this ⊢
          cases List.mem_cons.mp this with
          | inl h => rw [h]; rfl
          | inr h => rw [List.mem_singleton.mp h]
    · intro c h
      rw [recordCode_eq, lastInside_record_ne m (id := .root) nofun] at h
      cases h
      rfl
    · intro r l n k _ _ _
      rw [used, uses]
    · intro c log' h o _ l n k _ _ _ _
      obtain ⟨rfl, rfl⟩ := only c log' h
      have := uses o k
      rw [log] at this
      rw [this]
      show m.used.get _ = 0
      rw [hused]; rfl
    · intro c log' op args h hc
      obtain ⟨rfl, rfl⟩ := only c log' h
      exact absurd hc (he op args)
    · exact fun _ _ _ => rfl
    · intro f x l hl hlo
      have := grant _ l hl
      rw [this] at hlo
      cases hlo
  exact k

end M

end Shepherd
