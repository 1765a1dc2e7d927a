import Shepherd.Laws.TransparentSupervision.Launch

/-!
# A run is awaited, through any number of supervisors
-/

namespace Shepherd

open Id (MayOwn Over)

namespace Supervision

open M

variable {G : Field} {m n : M} {a c w : Id}

theorem Chain.snoc : ∀ {os : List Watch} {c : Id} {o : Watch}, Chain G m c os → Link G m o (top c os) → Chain G m c (os ++ [o])
  | [], _, _, _, l => ⟨l, trivial⟩
  | _ :: _, _, _, h, l => ⟨h.1, Chain.snoc h.2 l⟩

theorem top_snoc : ∀ (os : List Watch) (c : Id) (o : Watch), top c (os ++ [o]) = o.id
  | [], _, _ => rfl
  | p :: os, _, o => top_snoc os p.id o

theorem top_mem : ∀ (os : List Watch) (c : Id), top c os = c ∨ top c os ∈ idsOf os
  | [], _ => .inl rfl
  | p :: os, _ => by
    right
    rcases top_mem os p.id with h | h
    · show top p.id os ∈ _
      rw [h]; exact List.mem_cons_self
    · exact List.mem_cons_of_mem _ h

/-- The agent of a supervisor, and what it is spawned with. -/
structure Supervisor (P : Program) where
  name : String
  param : String
  agent : P.agent? name = some (Await.supDef param)
  request : Value
  clauses : Request
  asks : requestOf request = .ok clauses
  small : checkSize Limits.valueDepth request = .ok ()
  next : Free "run.next" clauses
  pass : Free "run.pass" clauses

/-- The run `a`, driven by the world, is about to await the run `c`, its handle `h`, through a supervisor more for each of `names`. -/
structure AboutTo (G : Field) (m : M) (a : Id) (K : Stack) (c : Id) {P : Program} (sup : Supervisor P) (names : List (String × String)) (h : Nat) : Prop where
  program : m.program = P
  sound : Sound m
  low : Await.LoweredIn m.program
  out : G a = false
  later : ∀ j, (m.run a).made ≤ j → G (.made a j) = false
  notWorld : a ≠ .world
  stack : m.stack = [a, .world]
  code : ∃ ρ e k, (m.run a).code = .settled (.running (Await.supervised sup.name sup.request names e) ρ K k) ∧
    evalAll ρ [e] = .ok [.run h] ∧ k ≤ 5
  handle : (m.run a).handles[h]? = some c
  owns : m.owns a c = true
  grant : Passes (m.run a).grant
  spawns : ∀ l ∈ (m.run a).grant, Free "run.spawn" l.clauses

/-- Runs that will await each other once they are driven: each is on the way to do so. -/
structure Dormant (G : Field) (m : M) (a w : Id) (os : List Watch) : Prop where
  chain : Chain G m w os
  ready : ∀ o ∈ os, Ready m o
  nodup : (idsOf os).Nodup
  apart : a ∉ idsOf os
  marked : w ≠ a

/-- They all drive, and the run `w` is the active one. -/
theorem launch_last {os : List Watch} {K : Stack} {h : Nat} {P : Program} {sup : Supervisor P} (t : AboutTo G m a K (top w os) sup [] h)
    (dor : Dormant G m a w os) : ∃ n, Path G m n ∧
      (let all := os ++ [⟨a, h, Await.lastFrame h :: K⟩]
       n.stack = w :: idsOf all ++ [.world] ∧ Chain G n w all ∧ Drives n w all ∧ (idsOf all).Nodup) := by
  obtain ⟨ρ, e, k, code, he, hk⟩ := t.code
  have ne : top w os ≠ a := (t.sound.bound.tied.owns t.owns).ne.symm
  have link : Link G m ⟨a, h, Await.lastFrame h :: K⟩ (top w os) := ⟨t.out, t.notWorld, ne, t.owns, t.handle, t.grant⟩
  have ready : Ready m ⟨a, h, Await.lastFrame h :: K⟩ :=
    ⟨(Await.await e, ρ, K), 6, k, code, Await.trip_await t.low he, by have := t.low.steps; omega⟩
  have nodup : (idsOf (os ++ [⟨a, h, Await.lastFrame h :: K⟩])).Nodup := by
    unfold idsOf
    rw [List.map_append]
    refine List.nodup_append.mpr ⟨dor.nodup, List.pairwise_singleton _ _, fun x hx y hy e => ?_⟩
    rw [List.map_cons, List.map_nil, List.mem_singleton] at hy
    have e : x = a := e.trans hy
    exact dor.apart (e ▸ hx)
  have chain := dor.chain.snoc link
  have all : ∀ o ∈ os ++ [⟨a, h, Await.lastFrame h :: K⟩], Ready m o := fun o ho => by
    rcases List.mem_append.mp ho with ho | ho
    · exact dor.ready o ho
    · rw [List.mem_singleton.mp ho]; exact ready
  obtain ⟨n, p, ts, st, dr⟩ := fall (rest := [.world]) (List.append_ne_nil_of_right_ne_nil _ (List.cons_ne_nil _ _)) chain nodup all
    (by rw [top_snoc]; exact t.stack)
  exact ⟨n, p, st, chain.turns ts, dr, nodup⟩

/-- The links among runs that the new owner of the outermost one leaves as they are. -/
theorem Chain.lent : ∀ {os : List Watch} {c : Id}, Chain G m c os →
    (∀ o ∈ os, (n.run o.id).handles = (m.run o.id).handles ∧ (n.run o.id).grant = (m.run o.id).grant) →
    (∀ x, (x = c ∨ ∃ o ∈ os, o.id = x) → x ≠ top c os → (n.run x).owner = (m.run x).owner) → (idsOf os).Nodup → c ∉ idsOf os → Chain G n c os
  | [], _, _, _, _, _, _ => trivial
  | o :: os, c, ch, same, owner, nd, nc => by
    have so := same o List.mem_cons_self
    have nt : c ≠ top c (o :: os) := fun e => by
      rcases top_mem os o.id with h | h
      · exact nc (by rw [e]; show top o.id os ∈ _; rw [h]; exact List.mem_cons_self)
      · exact nc (by rw [e]; exact List.mem_cons_of_mem _ h)
    refine ⟨⟨ch.1.out, ch.1.world, ch.1.ne, ?_, by rw [so.1]; exact ch.1.handle, by rw [so.2]; exact ch.1.grant⟩,
      Chain.lent ch.2 (fun x hx => same x (List.mem_cons_of_mem _ hx)) (fun x hx => owner x ?_) (List.nodup_cons.mp nd).2
        (List.nodup_cons.mp nd).1⟩
    · have := ch.1.owns
      unfold M.owns at this ⊢
      rw [owner c (.inl rfl) nt]; exact this
    · rcases hx with rfl | ⟨p, hp, e⟩
      · exact .inr ⟨o, List.mem_cons_self, rfl⟩
      · exact .inr ⟨p, List.mem_cons_of_mem _ hp, e⟩

/-- From where a run is about to await another, through supervisors more, to where all of them drive, and that one is active. -/
theorem launch (ω : Oracle) {P : Program} {sup : Supervisor P} {K : Stack} : ∀ (names : List (String × String)) {os : List Watch} {m : M} {h : Nat},
    AboutTo G m a K (top w os) sup names h → Dormant G m a w os → G w = true ∧ w = G.lone →
    ∃ n os', Path G m n ∧ n.stack = w :: idsOf os' ++ [.world] ∧ Chain G n w os' ∧ Drives n w os' ∧ (idsOf os').Nodup ∧
      os'.length = os.length + names.length + 1
  | [], os, m, h, t, dor, _ => by
    obtain ⟨n, p, st, ch, dr, nd⟩ := launch_last t dor
    exact ⟨n, _, p, st, ch, dr, nd, by rw [List.length_append]; rfl⟩
  | (o, v) :: names, os, m, h, t, dor, gw => by
    obtain ⟨ρ, e, k, code, he, hk⟩ := t.code
    have room := t.low.steps
    let frame : Frame := ⟨o, .let v (.call (.lit (.agent "do'")) [.var o, .lit (.text "run.spawn")])
      (Await.supervised sup.name sup.request names (.var v)), ρ⟩
    let wt : Waiting := { op := "run.spawn", args := [.agent sup.name, .list [.run h], sup.request], stack := frame :: K }
    -- The asker takes up the `let`, and asks.
    obtain ⟨m₁, p₁, t₁, s₁, c₁⟩ := go_trip (G := G) (o := ⟨a, h, []⟩) t.out 1 t.stack
      (p := (Await.supervised sup.name sup.request ((o, v) :: names) e, ρ, K)) code
      (q := (.op "run.spawn" [.lit (.agent sup.name), .prim "list" [e], .lit sup.request], ρ, frame :: K)) ⟨_, rfl, rfl⟩ (by omega)
    have prog₁ : m₁.program = m.program := t₁.program
    have g₁ : (m₁.run a).grant = (m.run a).grant := t₁.grant
    have fr : ∀ l ∈ (m₁.run a).grant, Free "run.spawn" l.clauses := by rw [g₁]; exact t.spawns
    have s₂ : m₁.step = some (m₁.recordCode a (.intent "run.spawn" wt.args) (.settled (.waiting wt))) := by
      rw [step_active s₁, c₁]
      simp only [M.localMove, if_neg (show ¬ m₁.program.steps < k + 1 + 1 by rw [prog₁]; omega), Await.local_spawn he sup.small, M.ask,
        Free.allowed fr, if_true, Free.charge fr]
      rfl
    have t₂ := Turn.recordCode t.out t.notWorld m₁ (.intent "run.spawn" wt.args) (.settled (.waiting wt))
    have c₂ : ((m₁.recordCode a (.intent "run.spawn" wt.args) (.settled (.waiting wt))).run a).code = .settled (.waiting wt) := by
      rw [run_recordCode_same]
    revert s₂ t₂ c₂
    generalize m₁.recordCode a (.intent "run.spawn" wt.args) (.settled (.waiting wt)) = m₂
    intro s₂ t₂ c₂
    have tt := t₁.trans t₂
    have pp : Path G m m₂ := p₁.trans (Path.one s₂ t₂)
    have sound₂ : Sound m₂ := t.sound.after (ω := ω) pp.after
    have more : (m.run a).made ≤ (m₂.run a).made := (pp.after (ω := ω) |>.follows t.sound.wf).2.made a
    have prog₂ : m₂.program = m.program := tt.program
    have st₂ : m₂.stack = [a, .world] := by
      have : m₂.stack = m₁.stack := by
        have h := level_ask (m := m₁) a "run.spawn" wt.args wt.stack
        have e : m₁.step = some (m₁.ask a "run.spawn" wt.args wt.stack) := by
          rw [step_active s₁, c₁]
          simp only [M.localMove, if_neg (show ¬ m₁.program.steps < k + 1 + 1 by rw [prog₁]; omega), Await.local_spawn he sup.small]
          rfl
        rw [s₂] at e
        exact (congrArg M.stack (Option.some.inj e)).trans h
      exact this.trans s₁
    -- The machine makes the supervisor.
    have hh₂ : (m₂.run a).handles[h]? = some (top w os) := by
      obtain ⟨x, hx⟩ := tt.handles
      rw [← hx, List.getElem?_append_left (List.getElem?_eq_some_iff.mp t.handle).1]
      exact t.handle
    have ne : top w os ≠ a := (t.sound.bound.tied.owns t.owns).ne.symm
    have own₂ : m₂.owns a (top w os) = true := by
      have := t.owns
      unfold M.owns at this ⊢
      rw [tt.others _ ne]; exact this
    have ia : m₂.has a = true := has_of_code (by rw [c₂]; exact nofun)
    have gs := t.later _ more
    have lone : G (top w os) = true → top w os = G.lone := fun h => by
      rcases top_mem os w with e | e
      · rw [e]; exact gw.2
      · obtain ⟨o, ho, e⟩ := List.mem_map.mp e
        have := dor.chain.out o ho
        rw [e, h] at this; cases this
    have sp := spawn_one (G := G) (K := frame :: K) sound₂.wf (by rw [prog₂, t.program]; exact sup.agent) sup.asks t.out gs hh₂ own₂ ne ia t.notWorld lone
    have fresh := not_has_made sound₂.wf a
    have s₃ : m₂.step = some (m₂.spawn a wt) := by
      rw [step_active st₂, c₂]
      simp only [wt, Driving.isRunOp_spawn, if_true, M.perform]
    revert sp s₃
    show Spawned G a (.made a (m₂.run a).made) (top w os) sup.name sup.clauses (frame :: K) m₂ (m₂.spawn a wt) → _
    generalize m₂.spawn a wt = m₃
    generalize hs : Id.made a (m₂.run a).made = s at gs fresh ⊢
    intro sp s₃
    have pp₃ : Path G m m₃ := pp.trans (.step s₃ sp.beside (.refl m₃))
    have sa : s ≠ a := fun e => by rw [e, ia] at fresh; cases fresh
    obtain ⟨h', code₃, held₃⟩ := sp.code
    -- The asker goes on.
    obtain ⟨m₄, p₄, t₄, s₄, c₄⟩ := go_trip (G := G) (o := ⟨a, h', []⟩) t.out 5 (k := 0) (sp.stack.trans st₂)
      (p := (.ret (.lit (.ok (.run h'))), [], frame :: K)) code₃
      (Await.trip_spawned (h := h') (K := K) (sp.beside.program ▸ prog₂ ▸ t.low) o v
        (Await.supervised sup.name sup.request names (.var v)) ρ)
      (by rw [sp.beside.program, prog₂]; omega)
    have pp₄ : Path G m m₄ := pp₃.trans p₄
    have prog₃ : m₃.program = m.program := sp.beside.program.trans prog₂
    have prog₄ : m₄.program = m.program := t₄.program.trans prog₃
    have low₃ : Await.LoweredIn m₃.program := prog₃ ▸ t.low
    let S : Watch := ⟨s, 0, [Await.lastFrame 0]⟩
    have grant₃ : (m₃.run a).grant = (m.run a).grant := sp.grant.trans tt.grant
    have grant₄ : (m₄.run a).grant = (m.run a).grant := t₄.grant.trans grant₃
    have there : ∀ o ∈ os, m₂.has o.id = true := fun o ho => by
      have : (m.run o.id).handles ≠ [] := by
        have go : ∀ {os : List Watch} {c : Id}, Chain G m c os → ∀ o ∈ os, (m.run o.id).handles ≠ [] := by
          intro os
          induction os with
          | nil => exact fun _ o ho => absurd ho List.not_mem_nil
          | cons p os ih =>
            intro c ch o ho
            cases List.mem_cons.mp ho with
            | inl e => subst e; intro e; have := ch.1.handle; rw [e] at this; cases this
            | inr ho => exact ih ch.2 o ho
        exact go dor.chain o ho
      rw [← tt.others o.id fun e => dor.apart (List.mem_map.mpr ⟨o, ho, e⟩)] at this
      cases i : m₂.has o.id with
      | true => rfl
      | false => rw [run_of_not_has i] at this; exact absurd rfl this
    have notS : ∀ o ∈ os, o.id ≠ s := fun o ho e => by rw [← e, there o ho] at fresh; cases fresh
    have notA : ∀ o ∈ os, o.id ≠ a := fun o ho e => dor.apart (List.mem_map.mpr ⟨o, ho, e⟩)
    have ws : w ≠ s := fun e => by rw [← e, gw.1] at gs; cases gs
    have nw : w ∉ idsOf os := fun h => by
      obtain ⟨o, ho, e⟩ := List.mem_map.mp h
      have := dor.chain.out o ho
      rw [e, gw.1] at this; cases this
    have turns₂ : Turns G [a] m m₂ := tt.turns List.mem_cons_self
    have chain₃ : Chain G m₃ w os := by
      refine (dor.chain.turns turns₂).lent (fun o ho => ?_) (fun x hx hn => ?_) dor.nodup nw
      · rw [(sp.others o.id (notA o ho) (notS o ho)).1]; exact ⟨rfl, rfl⟩
      · rcases hx with rfl | ⟨o, ho, rfl⟩
        · exact (sp.others x dor.marked ws).2 hn
        · exact (sp.others o.id (notA o ho) (notS o ho)).2 hn
    have link₃ : Link G m₃ S (top w os) := by
      refine ⟨gs, fun e => ?_, fun e => ?_, ?_, ?_, ?_⟩
      · have e : s = .world := e
        rw [← hs] at e; cases e
      · have e : top w os = s := e
        rw [← e, has_of_owns own₂] at fresh; cases fresh
      · unfold M.owns
        rw [sp.moved]
        exact beq_self_eq_true _
      · show (m₃.run s).handles[0]? = _
        rw [sp.table]; rfl
      · show Passes (m₃.run s).grant
        rw [sp.granted]
        intro l hl
        rcases List.mem_append.mp hl with hl | hl
        · exact t.grant l (tt.grant ▸ hl)
        · rw [List.mem_singleton.mp hl]
          exact ⟨sup.next, sup.pass⟩
    have ready₃ : ∀ o ∈ os ++ [S], Ready m₃ o := fun o ho => by
      rcases List.mem_append.mp ho with ho | ho
      · refine (dor.ready o ho).still ?_ prog₃
        rw [(sp.others o.id (notA o ho) (notS o ho)).1, tt.others o.id (notA o ho)]
      · rw [List.mem_singleton.mp ho]
        exact ⟨(.call (.lit (.agent sup.name)) [.lit (.run 0)], [], []), 7, 0, sp.begins,
          Await.trip_sup low₃ (by rw [prog₃, t.program]; exact sup.agent), by rw [prog₃]; omega⟩
    have t₄' : Turns G [a] m₃ m₄ := t₄.turns List.mem_cons_self
    have dor₄ : Dormant G m₄ a w (os ++ [S]) := by
      refine ⟨(chain₃.snoc link₃).turns t₄', fun o ho => ?_, ?_, fun h => ?_, dor.marked⟩
      · refine (ready₃ o ho).same (t₄.others _ ?_) t₄.program
        rcases List.mem_append.mp ho with ho | ho
        · exact notA o ho
        · rw [List.mem_singleton.mp ho]; exact sa
      · unfold idsOf
        rw [List.map_append]
        refine List.nodup_append.mpr ⟨dor.nodup, List.pairwise_singleton _ _, fun x hx y hy e => ?_⟩
        rw [List.map_cons, List.map_nil, List.mem_singleton] at hy
        obtain ⟨o, ho, e'⟩ := List.mem_map.mp hx
        exact notS o ho (e'.trans (e.trans hy))
      · obtain ⟨o, ho, e⟩ := List.mem_map.mp h
        rcases List.mem_append.mp ho with ho | ho
        · exact notA o ho e
        · rw [List.mem_singleton.mp ho] at e; exact sa e
    have next : AboutTo G m₄ a K (top w (os ++ [S])) sup names h' := by
      rw [top_snoc]
      refine
        { program := prog₄.trans t.program, sound := t.sound.after (ω := ω) pp₄.after, low := prog₄ ▸ t.low, out := t.out
          later := fun j hj => t.later j (Nat.le_trans (((pp₄.after (ω := ω)).follows t.sound.wf).2.made a) hj), notWorld := t.notWorld
          stack := s₄, code := ⟨_, .var v, 5, c₄, Await.eval_var v _ _, Nat.le_refl 5⟩, handle := ?_, owns := ?_
          grant := by rw [grant₄]; exact t.grant, spawns := by rw [grant₄]; exact t.spawns }
      · obtain ⟨x, hx⟩ := t₄.handles
        have hx : (m₃.run a).handles ++ x = (m₄.run a).handles := hx
        rw [← hx, List.getElem?_append_left (List.getElem?_eq_some_iff.mp held₃).1]
        exact held₃
      · show m₄.owns a s = true
        unfold M.owns
        rw [t₄.others s sa, sp.owned]
        exact beq_self_eq_true _
    obtain ⟨n, os', pn, st, ch, dr, nd, len⟩ := launch ω names next dor₄ gw
    refine ⟨n, os', pp₄.trans pn, st, ch, dr, nd, ?_⟩
    rw [len, List.length_append, List.length_singleton, List.length_cons]
    omega

end Supervision

end Shepherd
