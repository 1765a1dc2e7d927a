import Shepherd.Laws.TransparentSupervision.Await

/-!
# The moves of one owner that only passes
-/

namespace Shepherd

open Id (MayOwn Over)

/-- One layer of a grant lets a run ask for `op` as often as it likes, with any arguments, and counts it not: a clause that is about it
holds for all arguments, and no limited clause is about it. -/
def Free (op : String) (r : Request) : Prop :=
  (∃ c ∈ r, c.names op = true ∧ c.args = []) ∧ ∀ c ∈ r, c.names op = true → c.limit = none

/-- A grant lets a run drive and pass as often as it likes, and counts neither. -/
def Passes (grant : List Layer) : Prop := ∀ l ∈ grant, Free "run.next" l.clauses ∧ Free "run.pass" l.clauses

theorem Free.allowed {grant : List Layer} {op : String} (p : ∀ l ∈ grant, Free op l.clauses) (used : Used) (args : List Value) :
    allowed used grant op args = true := by
  unfold Shepherd.allowed Layer.allowsNow
  refine List.all_eq_true.mpr fun l hl => List.any_eq_true.mpr ?_
  obtain ⟨c, hc, hn, ha⟩ := (p l hl).1
  have mem : c ∈ (l.clauses.zipIdx).map Prod.fst := by rw [List.zipIdx_map_fst]; exact hc
  obtain ⟨x, hx, rfl⟩ := List.mem_map.mp mem
  refine ⟨x, hx, ?_⟩
  unfold Clause.allowsNow Clause.allows
  rw [hn, ha, (p l hl).2 _ hc hn]
  rfl

theorem Free.charge {grant : List Layer} {op : String} (p : ∀ l ∈ grant, Free op l.clauses) (used : Used) (args : List Value) :
    charge used grant op args = used := by
  have none : ∀ l ∈ grant, l.charged op args = [] := fun l hl => by
    unfold Layer.charged
    rw [List.filter_eq_nil_iff.mpr, List.map_nil]
    intro x hx
    have hc : x.1 ∈ l.clauses := by rw [← List.zipIdx_map_fst 0 l.clauses]; exact List.mem_map.mpr ⟨x, hx, rfl⟩
    unfold Clause.allows
    cases hn : x.1.names op with
    | false => rw [Bool.false_and, Bool.and_false]; exact Bool.false_ne_true
    | true => rw [(p l hl).2 _ hc hn]; exact Bool.false_ne_true
  unfold Shepherd.charge
  rw [List.flatMap_eq_nil_iff.mpr none]
  rfl

theorem Passes.free {grant : List Layer} (p : Passes grant) {op : String} (h : op = "run.next" ∨ op = "run.pass") :
    ∀ l ∈ grant, Free op l.clauses := fun l hl => by
  rcases h with rfl | rfl
  · exact (p l hl).1
  · exact (p l hl).2

namespace Supervision

open M

/-- A run that awaits another: its id, the handle that it holds, and the frames to which the last stop returns. -/
structure Watch where
  id : Id
  handle : Nat
  frames : Stack

variable {G : Field} {m n : M} {o : Watch} {c : Id}

/-- The run `o` awaits the run `c`, which it owns, and may go on to. -/
structure Link (G : Field) (m : M) (o : Watch) (c : Id) : Prop where
  out : G o.id = false
  world : o.id ≠ .world
  ne : c ≠ o.id
  owns : m.owns o.id c = true
  handle : (m.run o.id).handles[o.handle]? = some c
  grant : Passes (m.run o.id).grant

/-- From `m` to `n` only the run `o`, which is not marked, has done something, which counts for no one. -/
structure Turn (G : Field) (o : Id) (m n : M) : Prop where
  beside : Beside G m n
  others : ∀ x, x ≠ o → n.run x = m.run x
  owner : (n.run o).owner = (m.run o).owner
  handles : (m.run o).handles <+: (n.run o).handles
  grant : (n.run o).grant = (m.run o).grant

theorem Turn.refl (o : Id) (m : M) : Turn G o m m := ⟨.refl m, fun _ _ => rfl, rfl, List.prefix_refl _, rfl⟩

theorem Turn.trans {o : Id} {p : M} (h : Turn G o m n) (g : Turn G o n p) : Turn G o m p :=
  ⟨h.beside.trans g.beside, fun x hx => (g.others x hx).trans (h.others x hx), g.owner.trans h.owner, h.handles.trans g.handles,
    g.grant.trans h.grant⟩

theorem Link.turn (l : Link G m o c) {x : Id} (t : Turn G x m n) : Link G n o c := by
  have owner : (n.run c).owner = (m.run c).owner := by
    by_cases e : c = x
    · rw [e]; exact t.owner
    · rw [t.others c e]
  refine ⟨l.out, l.world, l.ne, ?_, ?_, ?_⟩
  · have := l.owns
    unfold M.owns at this ⊢
    rw [owner]; exact this
  · by_cases e : o.id = x
    · have h := t.handles
      rw [← e] at h
      obtain ⟨s, hs⟩ := h
      have := l.handle
      rw [← hs, List.getElem?_append_left]
      · exact this
      · exact (List.getElem?_eq_some_iff.mp this).1
    · rw [t.others _ e]; exact l.handle
  · by_cases e : o.id = x
    · rw [e, t.grant, ← e]; exact l.grant
    · rw [t.others _ e]; exact l.grant

theorem Turn.setCode {o : Id} (g : G o = false) (m : M) (code : Code) : Turn G o m (m.setCode o code) := by
  refine ⟨(Beside.refl m).setCode g _, fun x hx => run_setCode_ne _ _ hx.symm, ?_, ?_, ?_⟩
  all_goals rw [run_setCode_same]
  exact List.prefix_refl _

theorem Turn.setHandles {o : Id} (g : G o = false) (m : M) {hs : List Id} (h : (m.run o).handles <+: hs) :
    Turn G o m (m.setHandles o hs) := by
  refine ⟨(Beside.refl m).setHandles g _, fun x hx => run_setHandles_ne _ _ hx.symm, ?_, ?_, ?_⟩
  all_goals rw [run_setHandles_same]
  exact h

theorem Turn.recordCode {o : Id} (g : G o = false) (nw : o ≠ .world) (m : M) (ev : Event) (code : Code) : Turn G o m (m.recordCode o ev code) := by
  refine ⟨(Beside.refl m).record g nw _ _, fun x hx => run_recordCode_ne _ _ _ hx.symm, ?_, ?_, ?_⟩
  all_goals rw [run_recordCode_same]
  exact List.prefix_refl _

theorem Turn.reply {o : Id} (g : G o = false) (nw : o ≠ .world) (m : M) (w : Waiting) (answer : Value) : Turn G o m (m.reply o w answer) := by
  rw [reply_eq]
  refine ⟨(Beside.refl m).record g nw _ _, fun x hx => run_record_ne _ _ _ hx.symm, ?_, ?_, ?_⟩
  all_goals rw [run_record_same]
  exact List.prefix_refl _

theorem Turn.stack {o : Id} (m : M) (stack : List Id) : Turn G o m { m with stack } :=
  ⟨(Beside.refl m).stack _, fun _ _ => rfl, rfl, List.prefix_refl _, rfl⟩

/-- Steps of the tree, beside the marked runs. -/
inductive Path (G : Field) : M → M → Prop where
  | refl (m : M) : Path G m m
  | step {m n p : M} : m.step = some n → Beside G m n → Path G n p → Path G m p

theorem Path.trans {p : M} (h : Path G m n) (g : Path G n p) : Path G m p := by
  induction h with
  | refl => exact g
  | step s b _ ih => exact .step s b (ih g)

theorem Path.beside (h : Path G m n) : Beside G m n := by
  induction h with
  | refl => exact .refl _
  | step _ b _ ih => exact b.trans ih

/-- One step of the run `o`. -/
theorem Path.one (s : m.step = some n) {o : Id} (t : Turn G o m n) : Path G m n := .step s t.beside (.refl n)

/-! ## Local steps, and questions -/

theorem go_trip {rest : List Id} (out : G o.id = false) : ∀ (j : Nat) {m : M} {p q : Await.Place} {k : Nat}, m.stack = o.id :: rest →
    (m.run o.id).code = .settled (.running p.1 p.2.1 p.2.2 k) → Await.trip m.program j p q → k + j ≤ m.program.steps →
    ∃ n, Path G m n ∧ Turn G o.id m n ∧ n.stack = o.id :: rest ∧ (n.run o.id).code = .settled (.running q.1 q.2.1 q.2.2 (k + j))
  | 0, m, p, q, k, top, code, t, _ => by
    cases t
    exact ⟨m, .refl m, .refl _ m, top, code⟩
  | j + 1, m, p, q, k, top, code, t, l => by
    obtain ⟨r, hr, t⟩ := t
    have s : m.step = some (m.setCode o.id (.settled (.running r.1 r.2.1 r.2.2 (k + 1)))) := by
      rw [step_active top, code]
      simp only [M.localMove, if_neg (show ¬ m.program.steps < k + 1 by omega), hr]
    have tn := Turn.setCode out m (.settled (.running r.1 r.2.1 r.2.2 (k + 1)))
    obtain ⟨n, pa, tu, st, co⟩ := go_trip out j (m := m.setCode o.id (.settled (.running r.1 r.2.1 r.2.2 (k + 1)))) (p := r) (q := q)
      (k := k + 1) top (by rw [run_setCode_same]) t (by show k + 1 + j ≤ m.program.steps; omega)
    refine ⟨n, (Path.one s tn).trans pa, tn.trans tu, st, ?_⟩
    rw [co, show k + (j + 1) = k + 1 + j by omega]

theorem go_ask {rest : List Id} (out : G o.id = false) (nw : o.id ≠ .world) (pass : Passes (m.run o.id).grant) {op : String}
    (ho : op = "run.next" ∨ op = "run.pass") {K : Stack} {k : Nat} (top : m.stack = o.id :: rest)
    (code : (m.run o.id).code = .settled (.running (.op op [Await.run]) (Await.env o.handle) K k)) (l : k < m.program.steps) :
    ∃ n, Path G m n ∧ Turn G o.id m n ∧ n.stack = o.id :: rest ∧
      (n.run o.id).code = .settled (.waiting { op, args := [.run o.handle], stack := K }) := by
  have isRun : isRunOp op = true := by rcases ho with rfl | rfl <;> decide
  have s : m.step = some (m.recordCode o.id (.intent op [.run o.handle]) (.settled (.waiting { op, args := [.run o.handle], stack := K }))) := by
    rw [step_active top, code]
    simp only [M.localMove, if_neg (show ¬ m.program.steps < k + 1 by omega), Await.local_ask op isRun, M.ask, Free.allowed (pass.free ho), if_true,
      Free.charge (pass.free ho)]
  have t := Turn.recordCode out nw m (.intent op [.run o.handle]) (.settled (.waiting { op, args := [.run o.handle], stack := K }))
  exact ⟨_, Path.one s t, t, top, by rw [run_recordCode_same]⟩

theorem Link.owned (l : Link G m o c) : m.owned o.id (.run o.handle) = .ok c := by
  simp only [M.owned, l.handle, l.owns, if_true]

theorem go_next {rest : List Id} (l : Link G m o c) {K : Stack} (top : m.stack = o.id :: rest)
    (code : (m.run o.id).code = .settled (.waiting { op := "run.next", args := [.run o.handle], stack := K })) :
    ∃ n, Path G m n ∧ Turn G o.id m n ∧ n.stack = c :: o.id :: rest ∧
      (n.run o.id).code = .driving c { op := "run.next", args := [.run o.handle], stack := K } := by
  have s : m.step = some { m.setCode o.id (.driving c { op := "run.next", args := [.run o.handle], stack := K }) with
      stack := c :: m.stack } := by
    rw [step_active top, code]
    simp only [Driving.isRunOp_next, if_true, M.perform, M.next, l.owned]
  have t := (Turn.setCode l.out m (.driving c { op := "run.next", args := [.run o.handle], stack := K })).trans (Turn.stack _ (c :: m.stack))
  refine ⟨_, Path.one s t, t, by rw [top], ?_⟩
  show ((m.setCode o.id _).run o.id).code = _
  rw [run_setCode_same]

theorem go_pass {rest : List Id} (l : Link G m o c) {q : Question} (hq : m.shown c = some q) {K : Stack} (top : m.stack = o.id :: rest)
    (code : (m.run o.id).code = .settled (.waiting { op := "run.pass", args := [.run o.handle], stack := K })) :
    ∃ n, Path G m n ∧ Turn G o.id m n ∧ n.stack = o.id :: rest ∧
      (n.run o.id).code = .passing (c :: q.path) q.op q.args { op := "run.pass", args := [.run o.handle], stack := K } := by
  have s : m.step = some (m.setCode o.id (.passing (c :: q.path) q.op q.args { op := "run.pass", args := [.run o.handle], stack := K })) := by
    rw [step_active top, code]
    simp only [Driving.isRunOp_pass, if_true, M.perform, M.pass, M.atIntent, l.owned, hq]
  have t := Turn.setCode l.out m (.passing (c :: q.path) q.op q.args { op := "run.pass", args := [.run o.handle], stack := K })
  exact ⟨_, Path.one s t, t, top, by rw [run_setCode_same]⟩

/-! ## From one stop to the next -/

theorem stops_of_shown {q : Question} (h : m.shown c = some q) : m.Stops c := by
  unfold M.shown at h
  unfold M.Stops
  split at h
  · next w hc => simp only [hc]; split at h
                 · cases h
                 · next e => exact Bool.not_eq_true _ ▸ e
  · next hc => rw [hc]; trivial
  · next u o hc =>
    rw [hc]
    simp only
    split at h
    · assumption
    · cases h
  · cases h

theorem holdAll_prefix (table ids : List Id) : table <+: (holdAll table ids).1 := by
  induction ids generalizing table with
  | nil => exact List.prefix_refl _
  | cons x ids ih => exact (hold_prefix table x).trans (ih _)

/-- A run at an intent is driven by `o`: that one is told so. -/
theorem told_one {rest : List Id} (l : Link G m o c) {q : Question} (hq : m.shown c = some q)
    (top : m.stack = c :: o.id :: rest) (code : (m.run o.id).code = .driving c (Await.wNext o.handle o.frames)) :
    ∃ n v, Path G m n ∧ Turn G o.id m n ∧ n.stack = o.id :: rest ∧
      (n.run o.id).code = resume (.ok (Driving.intent q.op q.args v)) (Await.nextFrames o.handle o.frames) := by
  have s : m.step = some ((({ m with stack := o.id :: rest } : M).setHandles o.id (holdAll (m.run o.id).handles q.path).1).reply o.id
      (Await.wNext o.handle o.frames)
      (.ok (Driving.intent q.op q.args (.list ((holdAll (m.run o.id).handles q.path).2.map .run))))) := by
    rw [step_stops top (stops_of_shown hq)]
    simp only [M.atStop, if_pos l.world, List.tail_cons, M.toOwner, code]
    have hs : ({ m with stack := o.id :: rest } : M).stopValue o.id c =
        (({ m with stack := o.id :: rest } : M).setHandles o.id (holdAll (m.run o.id).handles q.path).1,
          .ok (.con "Intent" [.text q.op, .list q.args, .list ((holdAll (m.run o.id).handles q.path).2.map .run)])) := by
      have hq' : ({ m with stack := o.id :: rest } : M).shown c = some q := hq
      unfold M.stopValue
      have live : ∀ st, (m.run c).code = .settled st → ∃ w, st = .waiting w := fun st hc => by
        unfold M.shown at hq
        rw [hc] at hq
        cases st with
        | waiting w => exact ⟨w, rfl⟩
        | _ => cases hq
      split
      · next v hc => obtain ⟨w, e⟩ := live _ hc; cases e
      · next v hc => obtain ⟨w, e⟩ := live _ hc; cases e
      · next hc => obtain ⟨w, e⟩ := live _ hc; cases e
      · rw [hq']; rfl
    rw [hs]
  have t := ((Turn.stack (G := G) (o := o.id) m (o.id :: rest)).trans
    (Turn.setHandles l.out _ (hs := (holdAll (m.run o.id).handles q.path).1) (holdAll_prefix _ _))).trans
    (Turn.reply l.out l.world _ (Await.wNext o.handle o.frames)
      (.ok (Driving.intent q.op q.args (.list ((holdAll (m.run o.id).handles q.path).2.map .run)))))
  refine ⟨_, .list ((holdAll (m.run o.id).handles q.path).2.map .run), Path.one s t, t, rfl, ?_⟩
  rw [reply_eq, run_record_same]
  rfl

theorem Turn.program {o : Id} (t : Turn G o m n) : n.program = m.program := t.beside.program

/-- A run at an intent is driven by `o`: that one passes what it shows. -/
theorem rise_one {rest : List Id} (low : Await.LoweredIn m.program) (l : Link G m o c) {q : Question} (hq : m.shown c = some q)
    (top : m.stack = c :: o.id :: rest) (code : (m.run o.id).code = .driving c (Await.wNext o.handle o.frames)) :
    ∃ n s, Path G m n ∧ Turn G o.id m n ∧ n.stack = o.id :: rest ∧
      (n.run o.id).code = .passing (c :: q.path) q.op q.args (Await.wPass o.handle s o.frames) := by
  obtain ⟨m₁, v, p₁, t₁, s₁, c₁⟩ := told_one l hq top code
  have low₁ : Await.LoweredIn m₁.program := t₁.program ▸ low
  obtain ⟨m₂, p₂, t₂, s₂, c₂⟩ := go_trip (G := G) l.out 7 (k := 0)
    (p := (.ret (.lit (.ok (Driving.intent q.op q.args v))), [], Await.nextFrames o.handle o.frames)) s₁ c₁
    (Await.trip_pass (h := o.handle) (K := o.frames) low₁ q.op q.args v) (by have := low₁.steps; omega)
  have l₂ := (l.turn t₁).turn t₂
  have low₂ : Await.LoweredIn m₂.program := t₂.program ▸ low₁
  obtain ⟨m₃, p₃, t₃, s₃, c₃⟩ := go_ask (G := G) l.out l.world l₂.grant (.inr rfl) s₂ c₂ (by have := low₂.steps; omega)
  have l₃ := l₂.turn t₃
  have same : m₃.run c = m.run c := by
    rw [t₃.others _ l.ne, t₂.others _ l.ne, t₁.others _ l.ne]
  have hq₃ : m₃.shown c = some q := by rw [shown_same same]; exact hq
  obtain ⟨m₄, p₄, t₄, s₄, c₄⟩ := go_pass l₃ hq₃ s₃ c₃
  exact ⟨m₄, _, ((p₁.trans p₂).trans p₃).trans p₄, ((t₁.trans t₂).trans t₃).trans t₄, s₄, c₄⟩

/-- The run `o` is on the way to the `run.next` by which it drives the run that it awaits. -/
def Ready (m : M) (o : Watch) : Prop :=
  ∃ (p : Await.Place) (j k : Nat), (m.run o.id).code = .settled (.running p.1 p.2.1 p.2.2 k) ∧
    Await.trip m.program j p (.op "run.next" [Await.run], Await.env o.handle, Await.nextFrames o.handle o.frames) ∧ k + j < m.program.steps

/-- It gets there. -/
theorem fall_one {rest : List Id} (l : Link G m o c) (top : m.stack = o.id :: rest) (ready : Ready m o) :
    ∃ n, Path G m n ∧ Turn G o.id m n ∧ n.stack = c :: o.id :: rest ∧
      (n.run o.id).code = .driving c (Await.wNext o.handle o.frames) := by
  obtain ⟨p, j, k, code, tr, room⟩ := ready
  obtain ⟨m₂, p₂, t₂, s₂, c₂⟩ := go_trip (G := G) l.out j top code tr (Nat.le_of_lt room)
  obtain ⟨m₃, p₃, t₃, s₃, c₃⟩ := go_ask (G := G) l.out l.world (l.turn t₂).grant (.inl rfl) s₂ c₂ (by rw [t₂.program]; exact room)
  obtain ⟨m₄, p₄, t₄, s₄, c₄⟩ := go_next ((l.turn t₂).turn t₃) s₃ c₃
  exact ⟨m₄, (p₂.trans p₃).trans p₄, (t₂.trans t₃).trans t₄, s₄, c₄⟩

theorem Ready.still (h : Ready m o) (run : (n.run o.id).code = (m.run o.id).code) (prog : n.program = m.program) : Ready n o := by
  obtain ⟨p, j, k, code, t, l⟩ := h
  exact ⟨p, j, k, run.trans code, prog ▸ t, prog ▸ l⟩

theorem Ready.same (h : Ready m o) (run : n.run o.id = m.run o.id) (prog : n.program = m.program) : Ready n o :=
  h.still (by rw [run]) prog

/-- Who has the outcome of its `run.pass` is on the way. -/
theorem ready_answered (low : Await.LoweredIn m.program) {answer s : Value}
    (code : (m.run o.id).code = resume (.ok answer) (Await.passFrames o.handle s o.frames)) : Ready m o :=
  ⟨(.ret (.lit (.ok answer)), [], Await.passFrames o.handle s o.frames), 7, 0, code, Await.trip_next low answer s, by
    have := low.steps; omega⟩

end Supervision

end Shepherd
