import Shepherd.Laws.TransparentSupervision.Turns
import Shepherd.Laws.BranchReplay.HeldOperations

/-!
# Owners that only pass, one above the other
-/

namespace Shepherd

open Id (MayOwn Over)

namespace Supervision

open M

variable {G : Field} {m n : M} {c : Id}

/-- Each of these runs awaits the one before it, the first one the run `c`. -/
def Chain (G : Field) (m : M) : Id → List Watch → Prop
  | _, [] => True
  | c, o :: os => Link G m o c ∧ Chain G m o.id os

/-- Each of them drives the run that it awaits. -/
def Drives (m : M) : Id → List Watch → Prop
  | _, [] => True
  | c, o :: os => (m.run o.id).code = .driving c (Await.wNext o.handle o.frames) ∧ Drives m o.id os

/-- Each of them passes the question `q` of the run `c`. -/
def Carries (m : M) : Id → Question → List Watch → Prop
  | _, _, [] => True
  | c, q, o :: os => (∃ s, (m.run o.id).code = .passing (c :: q.path) q.op q.args (Await.wPass o.handle s o.frames)) ∧
      Carries m o.id { q with path := c :: q.path } os

/-- Each of them has the outcome `answer` of its `run.pass`. -/
def Answers (m : M) (answer : Value) (os : List Watch) : Prop :=
  ∀ o ∈ os, ∃ s, (m.run o.id).code = resume (.ok answer) (Await.passFrames o.handle s o.frames)

/-- From `m` to `n` only the runs `ids`, which are not marked, have done something, which counts for no one. -/
structure Turns (G : Field) (ids : List Id) (m n : M) : Prop where
  beside : Beside G m n
  others : ∀ x, x ∉ ids → n.run x = m.run x
  links : ∀ o c, Link G m o c → Link G n o c

theorem Turn.turns {x : Id} (t : Turn G x m n) {ids : List Id} (h : x ∈ ids) : Turns G ids m n :=
  ⟨t.beside, fun y hy => t.others y fun e => hy (e ▸ h), fun _ _ l => l.turn t⟩

theorem Turns.refl (ids : List Id) (m : M) : Turns G ids m m := ⟨.refl m, fun _ _ => rfl, fun _ _ h => h⟩

theorem Turns.trans {ids : List Id} {p : M} (h : Turns G ids m n) (g : Turns G ids n p) : Turns G ids m p :=
  ⟨h.beside.trans g.beside, fun x hx => (g.others x hx).trans (h.others x hx), fun o c l => g.links o c (h.links o c l)⟩

theorem Turns.mono {ids ids' : List Id} (h : Turns G ids m n) (s : ∀ x ∈ ids, x ∈ ids') : Turns G ids' m n :=
  ⟨h.beside, fun x hx => h.others x fun hx' => hx (s x hx'), h.links⟩

theorem Chain.turns {ids : List Id} (t : Turns G ids m n) : ∀ {os : List Watch} {c : Id}, Chain G m c os → Chain G n c os
  | [], _, _ => trivial
  | o :: _, c, h => ⟨t.links o c h.1, Chain.turns t h.2⟩

theorem Drives.same : ∀ {os : List Watch} {c : Id}, Drives m c os → (∀ o ∈ os, n.run o.id = m.run o.id) → Drives n c os
  | [], _, _, _ => trivial
  | o :: os, _, h, s => ⟨by rw [s o List.mem_cons_self]; exact h.1, Drives.same h.2 fun x hx => s x (List.mem_cons_of_mem _ hx)⟩

/-- The ids of the runs of a chain. -/
abbrev idsOf (os : List Watch) : List Id := os.map Watch.id

/-- The outermost run of a chain. -/
def top (c : Id) : List Watch → Id
  | [] => c
  | o :: os => top o.id os

theorem not_mem_of_nodup {o : Watch} {os : List Watch} (h : (idsOf (o :: os)).Nodup) : ∀ x ∈ os, x.id ≠ o.id := fun x hx e => by
  have := (List.nodup_cons.mp h).1
  exact this (List.mem_map.mpr ⟨x, hx, e⟩)

/-- The run `c` is at an intent, and all drive: they pass it outward, one after the other. -/
theorem rise : ∀ {os : List Watch} {c : Id} {m : M} {q : Question} {rest : List Id}, os ≠ [] → Await.LoweredIn m.program →
    Chain G m c os → (idsOf os).Nodup → Drives m c os → m.shown c = some q → m.stack = c :: idsOf os ++ rest →
    ∃ n, Path G m n ∧ Turns G (idsOf os) m n ∧ n.stack = top c os :: rest ∧ Carries n c q os
  | [], _, _, _, _, ne, _, _, _, _, _, _ => absurd rfl ne
  | o :: os, c, m, q, rest, _, low, ch, nd, dr, hq, st => by
    obtain ⟨n, s, p, t, st', code⟩ := rise_one low ch.1 hq (rest := idsOf os ++ rest) st dr.1
    have ts : Turns G (idsOf (o :: os)) m n := t.turns List.mem_cons_self
    have apart := not_mem_of_nodup nd
    have shown : n.shown o.id = some { q with path := c :: q.path } := by
      unfold M.shown
      rw [code]
      simp only [Option.some.injEq, Question.mk.injEq, and_true]
      exact shown_last hq
    cases os with
    | nil =>
      exact ⟨n, p, ts, st', ⟨s, code⟩, trivial⟩
    | cons o' os =>
      have dr' : Drives n o.id (o' :: os) := dr.2.same fun x hx => t.others _ (apart x hx)
      obtain ⟨k, p', t', st'', ca⟩ := rise (os := o' :: os) (c := o.id) (m := n) (q := { q with path := c :: q.path }) (rest := rest)
        (List.cons_ne_nil _ _) (t.program ▸ low) (ch.2.turns ts) (List.nodup_cons.mp nd).2 dr' shown st'
      refine ⟨k, p.trans p', ts.trans (t'.mono fun x hx => List.mem_cons_of_mem _ hx), st'', ⟨s, ?_⟩, ca⟩
      rw [t'.others o.id fun h => ?_]
      · exact code
      · obtain ⟨x, hx, e⟩ := List.mem_map.mp h
        exact apart x hx e

/-- All are on the way: from the outermost one inward they drive on, and the run `c` is the active one. -/
theorem fall : ∀ {os : List Watch} {c : Id} {m : M} {rest : List Id}, os ≠ [] →
    Chain G m c os → (idsOf os).Nodup → (∀ o ∈ os, Ready m o) → m.stack = top c os :: rest →
    ∃ n, Path G m n ∧ Turns G (idsOf os) m n ∧ n.stack = c :: idsOf os ++ rest ∧ Drives n c os
  | [], _, _, _, ne, _, _, _, _ => absurd rfl ne
  | [o], c, m, rest, _, ch, _, an, st => by
    obtain ⟨n, p, t, st', code'⟩ := fall_one ch.1 st (an o List.mem_cons_self)
    exact ⟨n, p, t.turns List.mem_cons_self, st', code', trivial⟩
  | o :: o' :: os, c, m, rest, _, ch, nd, an, st => by
    have apart := not_mem_of_nodup nd
    have apart' : o.id ∉ idsOf (o' :: os) := (List.nodup_cons.mp nd).1
    obtain ⟨n, p, t, st', dr⟩ := fall (os := o' :: os) (c := o.id) (m := m) (rest := rest) (List.cons_ne_nil _ _)
      ch.2 (List.nodup_cons.mp nd).2 (fun x hx => an x (List.mem_cons_of_mem _ hx)) st
    obtain ⟨k, p', t', st'', code'⟩ := fall_one (t.links _ _ ch.1) (rest := idsOf (o' :: os) ++ rest) st'
      ((an o List.mem_cons_self).same (t.others _ apart') t.beside.program)
    refine ⟨k, p.trans p', (t.mono fun x hx => List.mem_cons_of_mem _ hx).trans (t'.turns List.mem_cons_self), st'', code', ?_⟩
    exact dr.same fun x hx => t'.others _ (apart x hx)

/-! ## The outcome -/

/-- What the outermost run of a chain shows where all pass the question `q`. -/
def carried : Id → Question → List Watch → Question
  | _, q, [] => q
  | c, q, o :: os => carried o.id { q with path := c :: q.path } os

theorem carried_eq : ∀ (os : List Watch) (c : Id) (q : Question), (carried c q os).asked = q.asked ∧ (carried c q os).op = q.op ∧
    (carried c q os).args = q.args ∧ top c os :: (carried c q os).path = (idsOf os).reverse ++ c :: q.path
  | [], _, _ => ⟨rfl, rfl, rfl, rfl⟩
  | o :: os, c, q => by
    have ih := carried_eq os o.id { q with path := c :: q.path }
    refine ⟨ih.1, ih.2.1, ih.2.2.1, ?_⟩
    show top o.id os :: (carried o.id { q with path := c :: q.path } os).path = _
    rw [ih.2.2.2]
    simp only [idsOf, List.map_cons, List.reverse_cons, List.append_assoc, List.singleton_append]

theorem Carries.shown : ∀ {os : List Watch} {c : Id} {q : Question}, Carries m c q os → m.shown c = some q →
    m.shown (top c os) = some (carried c q os)
  | [], _, _, _, h => h
  | o :: os, c, q, ca, h => by
    obtain ⟨s, code⟩ := ca.1
    refine Carries.shown (os := os) ca.2 ?_
    unfold M.shown
    rw [code]
    simp only [Option.some.injEq, Question.mk.injEq, and_true]
    exact shown_last h

/-- The outcome goes to the family of `c` first, then to those that pass, innermost first. -/
theorem deliver_carried (os : List Watch) (c : Id) (q : Question) (answer : Value) (change : Change) (by' : By) :
    m.deliver (top c os) (carried c q os) answer change by' =
      (idsOf os).foldl (fun m x => m.relay x answer by') (m.deliver c q answer change by') := by
  have e := carried_eq os c q
  unfold M.deliver
  rw [e.2.2.2, e.1, List.dropLast_append_of_ne_nil (List.cons_ne_nil _ _), List.reverse_append, List.reverse_reverse, List.foldl_append]

theorem relays : ∀ {os : List Watch} {c : Id} {q : Question} {m : M} (answer : Value) (by' : By), (∀ o ∈ os, G o.id = false ∧ o.id ≠ .world) → (idsOf os).Nodup →
    Carries m c q os → Turns G (idsOf os) m ((idsOf os).foldl (fun m x => m.relay x answer by') m) ∧
      Answers ((idsOf os).foldl (fun m x => m.relay x answer by') m) answer os
  | [], _, _, m, _, _, _, _, _ => ⟨.refl _ m, fun _ h => absurd h List.not_mem_nil⟩
  | o :: os, c, q, m, answer, by', out, nd, ca => by
    obtain ⟨s, code⟩ := ca.1
    have apart := not_mem_of_nodup nd
    have r : m.relay o.id answer by' = m.recordCode o.id (.outcome (.ok answer) [] by')
        (resume (.ok answer) (Await.passFrames o.handle s o.frames)) := by
      unfold M.relay
      rw [code]
      rfl
    have t : Turn G o.id m (m.relay o.id answer by') := by rw [r]; exact .recordCode (out o List.mem_cons_self).1 (out o List.mem_cons_self).2 m _ _
    have same : ∀ (os : List Watch) (c : Id) (q : Question), (∀ x ∈ os, x.id ≠ o.id) → Carries m c q os →
        Carries (m.relay o.id answer by') c q os := by
      intro os
      induction os with
      | nil => exact fun _ _ _ _ => trivial
      | cons x os ih =>
        intro c q ap ca
        refine ⟨?_, ih _ _ (fun y hy => ap y (List.mem_cons_of_mem _ hy)) ca.2⟩
        rw [t.others _ (ap x List.mem_cons_self)]
        exact ca.1
    obtain ⟨ts, an⟩ := relays (os := os) (m := m.relay o.id answer by') answer by' (fun x hx => out x (List.mem_cons_of_mem _ hx))
      (List.nodup_cons.mp nd).2 (same os _ _ apart ca.2)
    refine ⟨(t.turns List.mem_cons_self).trans (ts.mono fun x hx => List.mem_cons_of_mem _ hx), fun x hx => ?_⟩
    cases List.mem_cons.mp hx with
    | inr hx => exact an x hx
    | inl e =>
      subst e
      refine ⟨s, ?_⟩
      show ((List.foldl _ (m.relay x.id answer by') (idsOf os)).run x.id).code = _
      rw [ts.others x.id (List.nodup_cons.mp nd).1, r, run_recordCode_same]

end Supervision

end Shepherd
