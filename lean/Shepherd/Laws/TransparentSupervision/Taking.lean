import Shepherd.Laws.TransparentSupervision.Outcomes

/-!
# Marked runs do the same in both trees: local steps, ends, and taking back
-/

namespace Shepherd

open Id (MayOwn Over)

namespace M

variable {G : Field} {φ : Nat → Nat} {m m' : M}

/-- Both trees refuse with the same error, or go on alike. -/
inductive Refuses (G : Field) : Except Value M → Except Value M → Prop where
  | error (e : Value) : Refuses G (.error e) (.error e)
  | ok {n n' : M} : Alike G n n' → Refuses G (.ok n) (.ok n')

/-- Neither tree goes on, or both do, alike. -/
inductive Twin (G : Field) : Option M → Option M → Prop where
  | rest : Twin G none none
  | go {n n' : M} : Alike G n n' → Twin G (some n) (some n')

theorem Twin.of_some {n : M} {o' : Option M} (h : Twin G (some n) o') : ∃ n', o' = some n' ∧ Alike G n n' := by
  cases h with
  | go k => exact ⟨_, rfl, k⟩

/-! ## Plans -/

theorem Agree.plan (k : Agree G φ m m') (o : Closed G) {id : Id} (g : G id = true) (to : Option Nat)
    (mk : to = none ∨ SameMakers m m') :
    (∃ e, m.plan id to = .error e ∧ m'.plan id to = .error e) ∨
      ∃ p p', m.plan id to = .ok p ∧ m'.plan id to = .ok p' ∧ Plan.Like φ p p' := by
  cases to with
  | none => exact .inr ⟨_, _, rfl, rfl, k.planFor g none []⟩
  | some j =>
    unfold M.plan
    simp only [k.trace g, Trace.nth_at]
    cases hc : (m.run id).trace.nth j with
    | none =>
      left
      refine ⟨_, rfl, ?_⟩
      simp only [Option.map_none, noEvent, Trace.size_at]
    | some c =>
      have wc := k.commits id g c (Trace.nth_mem hc)
      have i : m.has id = true := has_of_trace (List.ne_nil_of_mem (Trace.nth_mem hc))
      have hs := k.heads o (mk.resolve_left nofun) g i wc.heads
      have mark := heads_mark (m := m) (id := id) o wc.heads
      have moved : m'.moved id ((m.heads id c).map (Then.at φ)) = (m.moved id (m.heads id c)).map (Then.at φ) := by
        unfold M.moved
        rw [List.filter_map]
        congr 1
        refine List.filter_congr fun h hh => ?_
        show (!(m'.has h.id && m'.isBelow h.id id)) = _
        rw [k.has (mark h hh), k.isBelow g]
      have gone : ((m.heads id c).map (Then.at φ)).flatMap (fun h => madeUndone (m'.run h.id).trace (Trace.size h.trace - 1)) =
          (m.heads id c).flatMap fun h => madeUndone (m.run h.id).trace (Trace.size h.trace - 1) := by
        rw [List.flatMap_map]
        refine congrArg List.flatten (List.map_congr_left fun h hh => ?_)
        show madeUndone (m'.run h.id).trace (Trace.size (h.trace.at φ) - 1) = _
        rw [k.trace (mark h hh), madeUndone_at, Trace.size_at]
      simp only [Option.map_some, hs, moved, madeUndone_at, gone, List.isEmpty_map, List.map_map]
      split
      · exact .inl ⟨_, rfl, rfl⟩
      · split
        · exact .inl ⟨_, rfl, rfl⟩
        · exact .inr ⟨_, _, rfl, rfl, k.planFor g (some j) (m.heads id c)⟩

theorem Alike.begin (k : Alike G m m') (o : Closed G) {asker id : Id} (ga : G asker = true) (g : G id = true) (origin : Settled)
    (to : Option Nat) (mk : to = none ∨ SameMakers m m') : Refuses G (m.begin asker origin id to) (m'.begin asker origin id to) := by
  unfold M.begin
  rcases k.choose_spec.plan o g to mk with ⟨e, h, h'⟩ | ⟨p, p', h, h', like⟩
  · rw [h, h']; exact .error e
  · rw [h, h']
    refine .ok ((k.abandon g).setCode ga ?_)
    rw [like.undone, like.irreversible, like.unknown]
    exact .undoing { run := id, to, todo := p.debts, raised := false, paid := [], failed := p.unknown, undone := p.undone,
                     lasting := p.irreversible } p'.debts origin like.debts

/-! ## Restoring -/

theorem Alike.rewind (k : Alike G m m') (o : Closed G) {id : Id} (g : G id = true) {c : Commit} (hc : ∀ h ∈ c.handles, Known G h)
    (χ : Nat → Nat) (lower : Bool) : Alike G (m.rewind id c lower) (m'.rewind id (c.at χ) lower) := by
  obtain ⟨φ, k⟩ := k
  have hs : m'.handlesToday id (c.at χ) = m.handlesToday id c := k.handlesToday (c := c) o
  unfold M.rewind
  simp only [hs, show (c.at χ).index = c.index from rfl, show (c.at χ).code = c.code from rfl,
    show (c.at χ).files = c.files from rfl, show (c.at χ).inbox = c.inbox from rfl, k.takenUp g]
  exact (k.record g _ ⟨.same _, rfl, rfl, rfl, handlesToday_mark o hc⟩).alike

theorem Alike.restoreLower (k : Alike G m m') (o : Closed G) {hs : List Then} (hh : ∀ h ∈ hs, ∀ c ∈ h.trace, ∀ x ∈ c.handles, Known G x)
    (χ : Nat → Nat) {id : Id} (g : G id = true) :
    Alike G (M.restoreLower hs m id) (M.restoreLower (hs.map (Then.at χ)) m' id) := by
  unfold M.restoreLower
  have f : (hs.map (Then.at χ)).find? (fun h => h.id == id) = (hs.find? fun h => h.id == id).map (Then.at χ) := List.find?_map ..
  rw [f]
  cases e : hs.find? fun h => h.id == id with
  | none => exact k.discard g
  | some h =>
    have mem := List.mem_of_find?_eq_some e
    simp only [Option.map_some, Then.at]
    cases ht : h.trace with
    | nil => exact k
    | cons c t =>
      rw [Trace.at_cons]
      simp only [k.choose_spec.trace g, Trace.size_at, show ∀ t : Trace, Trace.size (c.at χ :: t) = Trace.size (c :: t) from fun _ => rfl,
        show Trace.size (c :: Trace.at χ t) = Trace.size (c :: t) from rfl]
      split
      · exact k.rewind o g (hh h mem c (by rw [ht]; exact List.mem_cons_self)) χ true
      · have lc := k.choose_spec.code g
        generalize (m.run id).code = a, (m'.run id).code = b at lc
        cases lc with
        | same =>
          split
          · exact k.setCode g (.same _)
          · exact k
        | undoing => exact k.setCode g (.same _)

theorem Alike.own (k : Alike G m m') {id o : Id} {gs : List Id} (g : G id = true) (ho : MayOwn o id) (hg : ∀ x ∈ gs, MayOwn x id) :
    Alike G (m.own id o gs) (m'.own id o gs) := ⟨_, k.choose_spec.own g ho hg⟩

theorem foldl_map_then (χ : Nat → Nat) (hs : List Then) (m : M) :
    (hs.map (Then.at χ)).foldl (fun m h => m.own h.id h.owner h.givers) m = hs.foldl (fun m h => m.own h.id h.owner h.givers) m := by
  rw [List.foldl_map]; rfl

theorem Agree.trace_known (k : Agree G φ m m') {id : Id} {c : Commit} (hc : ∀ h ∈ c.heads, G h.id = true) :
    ∀ h ∈ m.heads id c, ∀ d ∈ h.trace, ∀ x ∈ d.handles, Known G x := by
  unfold M.heads
  intro h hh d hd
  obtain ⟨y, hy, rfl⟩ := List.mem_map.mp hh
  exact (k.commits y.id (hc y hy) d ((Trace.upTo_suffix _ _).subset hd)).handles

/-- Who owned a run then may own it. -/
def Regains (m : M) (id : Id) (to : Option Nat) : Prop :=
  ∀ j, to = some j → ∀ c, (m.run id).trace.nth j = some c → ∀ h ∈ m.heads id c, MayOwn h.owner h.id ∧ ∀ g ∈ h.givers, MayOwn g h.id

theorem Alike.restore (k : Alike G m m') (o : Closed G) (mk : SameMakers m m') {id : Id} (g : G id = true) {to : Option Nat} (may : m.Regains id to) :
    Alike G (m.restore id to) (m'.restore id to) := by
  obtain ⟨φ, k⟩ := k
  unfold M.restore
  cases to with
  | none =>
    simp only [k.family g]
    exact k.alike.foldl fun n n' x hx kn => kn.discard (k.family_mark g hx)
  | some j =>
    simp only [k.trace g, Trace.nth_at]
    cases hc : (m.run id).trace.nth j with
    | none => exact k.alike
    | some c =>
      have wc := k.commits id g c (Trace.nth_mem hc)
      have mark := heads_mark (m := m) (id := id) o wc.heads
      have tk := k.trace_known (id := id) wc.heads
      have i : m.has id = true := has_of_trace (List.ne_nil_of_mem (Trace.nth_mem hc))
      simp only [Option.map_some, k.heads o mk g i wc.heads, foldl_map_then]
      have owned : Alike G ((m.heads id c).foldl (fun m h => m.own h.id h.owner h.givers) m)
          ((m.heads id c).foldl (fun m h => m.own h.id h.owner h.givers) m') :=
        k.alike.foldl fun n n' h hh kn => kn.own (mark h hh) (may j rfl c hc h hh).1 (may j rfl c hc h hh).2
      have below := owned.choose_spec.below g
      rw [below]
      refine Alike.rewind ?_ o g wc.handles φ false
      exact owned.foldl fun n n' x hx kn => kn.restoreLower o tk φ (owned.choose_spec.below_mark g hx)

theorem Alike.undoStep (k : Alike G m m') (o : Closed G) (mk : SameMakers m m') {id : Id} (g : G id = true) {u : Undoing} {todo : List Debt}
    {s : Settled} (h : todo.map Debt.bare = u.todo.map Debt.bare) (gu : G u.run = true) (gd : ∀ d ∈ u.todo, G d.run = true)
    (may : m.Regains u.run u.to) : Twin G (m.undoStep id u s) (m'.undoStep id { u with todo } s) := by
  unfold M.undoStep
  simp only
  split
  · exact .rest
  · rcases todo_cases h with ⟨e, rfl⟩ | ⟨d, d', t, t', e, rfl, hd, ht⟩
    · rw [e]
      simp only
      have r := k.restore o mk gu may
      split
      · exact .go (r.reply g _ _)
      · exact .go (r.setCode g (.same _))
    · obtain ⟨h1, h2, h3, h4⟩ := debt_bare hd
      have gd := gd d (by rw [e]; exact List.mem_cons_self)
      rw [e]
      simp only [h1, h2, h3, h4]
      refine .go ((k.recordCode gd _ (k.choose_spec.code gd)).setCode g ?_)
      rw [← e]
      exact Code.Like.undoing { u with raised := true } (d' :: t') s h

/-! ## Ends -/

theorem Agree.kid (k : Agree G φ m m') {a x : Id} (g : G a = true) (ho : (m.run x).owner = some a) :
    (m'.run x).owner = (m.run x).owner ∧ (m'.run x).givers = (m.run x).givers := by
  rcases k.owner x (k.up x a ho g) with h | ⟨_, h, _⟩
  · exact h
  · rw [h a ho] at g; cases g

theorem Agree.newestMade (k : Agree G φ m m') {id : Id} (g : G id = true) : m'.newestMade id = m.newestMade id := by
  unfold M.newestMade
  rw [k.kids g]
  congr 1
  refine List.filter_congr fun x hx => ?_
  rw [(k.kid g ((Runs.mem_kids_iff k.forest.nodup).mp hx)).2, (k.code (k.kids_mark g hx)).isLive]

theorem Alike.discardMade (k : Alike G m m') (o : Closed G) {id : Id} (g : G id = true) (again : Comp) :
    Twin G (m.discardMade id again) (m'.discardMade id again) := by
  unfold M.discardMade
  rw [k.choose_spec.newestMade g]
  split
  · exact .rest
  · next kid hk =>
    have gk : G kid = true := by
      unfold M.newestMade at hk
      exact k.choose_spec.kids_mark g (List.mem_filter.mp (List.mem_of_getLast? hk)).1
    have b := k.begin o g gk (.running again [] [] 0) none (.inl rfl)
    generalize m.begin id (.running again [] [] 0) kid none = x, m'.begin id (.running again [] [] 0) kid none = y at b
    cases b with
    | error => exact .rest
    | ok k => exact .go k

theorem Alike.giveBack (k : Alike G m m') {id : Id} (g : G id = true) : Alike G (m.giveBack id) (m'.giveBack id) := by
  unfold M.giveBack
  rw [k.choose_spec.kids g]
  have go : ∀ (l : List Id) (n n' : M), l.Nodup → Alike G n n' → (∀ x ∈ l, (n.run x).owner = some id) →
      Alike G (l.foldl (fun m k => match (m.run k).givers with
        | g :: gs => m.own k g gs
        | [] => m) n) (l.foldl (fun m k => match (m.run k).givers with
        | g :: gs => m.own k g gs
        | [] => m) n') := by
    intro l
    induction l with
    | nil => exact fun n n' _ k _ => k
    | cons x l ih =>
      intro n n' nodup k own
      have nd := List.nodup_cons.mp nodup
      have kx := k.choose_spec.kid g (own x List.mem_cons_self)
      have gx := k.choose_spec.up x id (own x List.mem_cons_self) g
      rw [List.foldl_cons, List.foldl_cons, kx.2]
      have giv := k.choose_spec.givers x gx
      cases e : (n.run x).givers with
      | nil => exact ih n n' nd.2 k fun y hy => own y (List.mem_cons_of_mem _ hy)
      | cons a as =>
        rw [e] at giv
        refine ih _ _ nd.2 (k.own gx (giv a List.mem_cons_self) fun y hy => giv y (List.mem_cons_of_mem _ hy)) fun y hy => ?_
        rw [run_own_ne _ _ _ fun e : x = y => nd.1 (e ▸ hy)]
        exact own y (List.mem_cons_of_mem _ hy)
  exact go _ _ _ (Runs.nodup_kids k.choose_spec.forest id) k fun x hx => (Runs.mem_kids_iff k.choose_spec.forest.nodup).mp hx

theorem Alike.finish (k : Alike G m m') (o : Closed G) {id : Id} (g : G id = true) (again : Comp) (kind : EndKind) (v : Value)
    (code : Settled) : Alike G (m.finish id again kind v code) (m'.finish id again kind v code) := by
  unfold M.finish
  have d := k.discardMade o g again
  generalize m.discardMade id again = x, m'.discardMade id again = y at d
  cases d with
  | rest => exact (k.recordCode g _ (.same _)).giveBack g
  | go k => exact k

theorem Agree.useAlso (k : Agree G φ m m') (used : Used) : Agree G φ { m with used } { m' with used } := { k with used := rfl }

theorem Alike.ask (k : Alike G m m') {id : Id} (g : G id = true) (op : String) (args : List Value) (K : Stack) :
    Alike G (m.ask id op args K) (m'.ask id op args K) := by
  unfold M.ask
  simp only [k.choose_spec.grant g, k.choose_spec.used]
  split
  · have k' : Alike G { m with used := charge m.used (m.run id).grant op args } { m' with used := charge m.used (m.run id).grant op args } :=
      (k.choose_spec.useAlso _).alike
    exact k'.recordCode g _ (.same _)
  · exact k.recordCode g _ (.same _)

theorem Alike.localMove (k : Alike G m m') (o : Closed G) {id : Id} (g : G id = true) (c : Comp) (ρ : Env) (K : Stack) (n : Nat) :
    Alike G (m.localMove id c ρ K n) (m'.localMove id c ρ K n) := by
  unfold M.localMove M.fault
  rw [k.choose_spec.program]
  split
  · exact k.finish o g _ _ _ _
  · split
    · exact k.setCode g (.same _)
    · exact k.finish o g _ _ _ _
    · exact k.finish o g _ _ _ _
    · exact k.ask g _ _ _

end M

end Shepherd
