import Shepherd.Laws.TransparentSupervision

/-!
# Theorem 11 says something

A program to which it applies: `main(plain)` spawns a worker and awaits it, itself or through a supervisor.
-/

namespace Shepherd

open Id (MayOwn Over)

namespace Supervision

open M

namespace Instance

/-- What is spawned, where it is not granted more than a request says. -/
structure Asked where
  request : Value
  clauses : Request
  asks : requestOf request = .ok clauses
  small : checkSize Limits.valueDepth request = .ok ()
  next : Free "run.next" clauses
  pass : Free "run.pass" clauses

/-- Spawn a worker, and await it through supervisors. -/
def awaits (k : Asked) (names : List (String × String)) : Comp :=
  .let "outcome" (.op "run.spawn" [.lit (.agent "worker"), .lit (.list []), .lit k.request])
    (.let "w" (.call (.lit (.agent "do'")) [.var "outcome", .lit (.text "run.spawn")])
      (Await.supervised "sup" k.request names (.var "w")))

/-- `main(plain)`: awaits a worker, itself where `plain`, else through one supervisor. -/
def mainDef (k : Asked) : Def :=
  { params := ["plain"], body := .ite (.var "plain") (awaits k []) (awaits k [("outcome'2", "t")]) }

/-- The worker asks once, and has the answer as its value. -/
def workerDef : Def := { params := [], body := .op "tool.ask" [] }

/-- The program. -/
def program (k : Asked) : Program where
  defs := [("main", mainDef k), ("worker", workerDef), ("sup", Await.supDef "r"), ("await'", Await.awaitDef), ("next'", Await.nextDef),
    ("pass'", Await.passDef), ("drive'", Await.driveDef), ("do'", Await.unwrapDef)]
  ops := [("tool.ask", .pure)]
  steps := 12
  digest := ""

/-- What the root run is granted. -/
def granted : Request := [{ op := "run.spawn", args := [], limit := none }, { op := "run.next", args := [], limit := none },
  { op := "run.pass", args := [], limit := none }, { op := "tool.ask", args := [], limit := none }]

/-- The start of `main(plain)`. -/
def init (k : Asked) (plain : Bool) : Init :=
  { program := program k, contents := fun _ => none, agent := "main", args := [.bool plain], request := granted, files := [] }

theorem lowered (k : Asked) : Await.LoweredIn (program k) := ⟨rfl, rfl, rfl, rfl, rfl, Nat.le_refl 12⟩

/-- Its supervisor. -/
def supervisor (k : Asked) : Supervisor (program k) where
  name := "sup"
  param := "r"
  agent := rfl
  request := k.request
  clauses := k.clauses
  asks := k.asks
  small := k.small
  next := k.next
  pass := k.pass

theorem free : ∀ op ∈ ["run.spawn", "run.next", "run.pass"], Free op granted := by
  have unlimited : ∀ c ∈ granted, c.limit = none := by
    unfold granted
    intro c hc
    simp only [List.mem_cons, List.not_mem_nil, or_false] at hc
    rcases hc with rfl | rfl | rfl | rfl <;> rfl
  have named : ∀ op, ({ op, args := [], limit := none } : Clause).names op = true := fun op => by
    unfold Clause.names
    rw [beq_self_eq_true, Bool.true_or]
  intro op hop
  refine ⟨⟨{ op, args := [], limit := none }, ?_, named op, rfl⟩, fun c hc _ => unlimited c hc⟩
  simp only [List.mem_cons, List.not_mem_nil, or_false] at hop
  unfold granted
  rcases hop with rfl | rfl | rfl
  · exact List.mem_cons_self
  · exact List.mem_cons_of_mem _ List.mem_cons_self
  · exact List.mem_cons_of_mem _ (List.mem_cons_of_mem _ List.mem_cons_self)

/-- The id of the worker. -/
abbrev worker : Id := .made .root 0

/-- What the theorem speaks of: all runs but the root run, the world, and what the root run makes after the worker. -/
abbrev marked : Field := besides 1 worker

theorem run_absent (k : Asked) (plain : Bool) {x : Id} (nr : x ≠ .root) (nw : x ≠ .world) :
    (init k plain).start.run x = Run.absent x := by
  unfold Init.start M.start
  simp only
  rw [run_recordCode_ne _ _ _ nr.symm]
  unfold M.run
  simp only [Runs.find]
  rw [if_neg (show ¬ worldRun.id = x from nw.symm), if_neg (show ¬ Id.root = x from nr.symm)]

theorem run_start (k : Asked) (plain : Bool) {x : Id} (h : marked x = true) : (init k plain).start.run x = Run.absent x :=
  run_absent k plain (fun e => by rw [e] at h; cases h) fun e => by rw [e] at h; cases h

theorem start_alike (k : Asked) : Alike marked (init k true).start (init k false).start := by
  have s : ∀ b, Sound (init k b).start := fun b => M.After.sound (ω := fun _ _ _ _ => (.unit, [])) (.refl _)
  have up : ∀ b x o, ((init k b).start.run x).owner = some o → marked o = true → marked x = true := fun b x o h go => by
    cases e : marked x with
    | true => rfl
    | false =>
      by_cases nr : x = .root
      · subst nr
        have h : some Id.world = some o := h
        rw [← Option.some.inj h] at go; cases go
      · by_cases nw : x = .world
        · subst nw; cases h
        · rw [run_absent k b nr nw] at h; cases h
  have nolog : ∀ b i, ¬ Logged marked (init k b).start i := fun b i ⟨x, c, g, hc, _⟩ => by
    rw [run_start k b g] at hc
    exact absurd hc List.not_mem_nil
  refine ⟨fun i => i,
    { program := rfl, contents := rfl, written := rfl, used := rfl, forest := (s true).bound.tied.forest, forest' := (s false).bound.tied.forest
      up := up true, up' := up false, ids := rfl
      owner := fun x g => by rw [run_start k true g, run_start k false g]; exact .refl _ _
      givers := fun x g => by rw [run_start k true g]; exact fun _ h => absurd h List.not_mem_nil
      tables := fun x g => by rw [run_start k true g]; exact fun _ h => absurd h List.not_mem_nil
      commits := fun x g => by rw [run_start k true g]; exact fun _ h => absurd h List.not_mem_nil
      mono := fun i j h => absurd h (nolog true i), bound := fun i h => absurd h (nolog true i)
      runs := fun x g => by rw [run_start k true g, run_start k false g]; exact ⟨rfl, .same _, rfl⟩
      world := ⟨(s true).wf.world, (s false).wf.world⟩, out := rfl, quiet := ⟨rfl, rfl⟩ }⟩

/-- The open `run.spawn` of the root run. -/
def wSpawn (k : Asked) (names : List (String × String)) (b : Bool) : Waiting where
  op := "run.spawn"
  args := [.agent "worker", .list [], k.request]
  stack := [⟨"outcome", .let "w" (.call (.lit (.agent "do'")) [.var "outcome", .lit (.text "run.spawn")])
    (Await.supervised "sup" k.request names (.var "w")), [("plain", .bool b)]⟩]

/-- What of the tree matters on the way: the root run holds `table` and has made `made` runs. -/
structure Way (k : Asked) (table : List Id) (made : Nat) (m : M) : Prop where
  program : m.program = program k
  stack : m.stack = [.root, .world]
  grant : (m.run .root).grant = [{ origin := .root, clauses := granted }]
  handles : (m.run .root).handles = table
  made : (m.run .root).made = made
  files : (m.run .root).files = []

/-- The names of the supervisors. -/
def namesOf (plain : Bool) : List (String × String) := if plain then [] else [("outcome'2", "t")]

theorem go (k : Asked) {table : List Id} {made : Nat} : ∀ (j : Nat) {m : M} {p q : Await.Place} {i : Nat}, Way k table made m →
    (m.run .root).code = .settled (.running p.1 p.2.1 p.2.2 i) → Await.trip (program k) j p q → i + j ≤ 12 →
    ∃ n, Path marked m n ∧ Way k table made n ∧ (n.run .root).code = .settled (.running q.1 q.2.1 q.2.2 (i + j)) ∧
      ∀ x, x ≠ .root → n.run x = m.run x := by
  intro j
  induction j with
  | zero => intro m p q i w c t _; cases t; exact ⟨m, .refl m, w, c, fun _ _ => rfl⟩
  | succ j ih =>
    intro m p q i w c ⟨r, hr, t⟩ l
    have s : m.step = some (m.setCode .root (.settled (.running r.1 r.2.1 r.2.2 (i + 1)))) := by
      rw [step_active w.stack, c]
      have room : ¬ (program k).steps < i + 1 := by show ¬ 12 < i + 1; omega
      simp only [M.localMove, w.program, if_neg room, hr]
    have w' : Way k table made (m.setCode .root (.settled (.running r.1 r.2.1 r.2.2 (i + 1)))) := by
      have e := run_setCode_same m .root (.settled (.running r.1 r.2.1 r.2.2 (i + 1)))
      exact ⟨w.program, w.stack, by rw [e]; exact w.grant, by rw [e]; exact w.handles, by rw [e]; exact w.made, by rw [e]; exact w.files⟩
    obtain ⟨n, p', w'', c'', o⟩ := ih w' (by rw [run_setCode_same]) t (by omega)
    refine ⟨n, .step s ((Beside.refl m).setCode rfl _) p', w'', ?_, fun x hx => (o x hx).trans (run_setCode_ne _ _ hx.symm)⟩
    rw [c'', show i + (j + 1) = i + 1 + j by omega]

theorem asks_worker (k : Asked) (plain : Bool) : ∃ n, Path marked (init k plain).start n ∧ Way k [] 0 n ∧
    (n.run .root).code = .settled (.waiting (wSpawn k (namesOf plain) plain)) := by
  have way : Way k [] 0 (init k plain).start := ⟨rfl, rfl, rfl, rfl, rfl, rfl⟩
  have code : ((init k plain).start.run .root).code = .settled (.running (.call (.lit (.agent "main")) [.lit (.bool plain)]) [] [] 0) := rfl
  have trip : Await.trip (program k) 3 (.call (.lit (.agent "main")) [.lit (.bool plain)], [], [])
      (.op "run.spawn" [.lit (.agent "worker"), .lit (.list []), .lit k.request], [("plain", .bool plain)],
        (wSpawn k (namesOf plain) plain).stack) := by
    cases plain
    · exact ⟨((mainDef k).body, [("plain", .bool false)], []), rfl, (awaits k [("outcome'2", "t")], [("plain", .bool false)], []), rfl, _, rfl, rfl⟩
    · exact ⟨((mainDef k).body, [("plain", .bool true)], []), rfl, (awaits k [], [("plain", .bool true)], []), rfl, _, rfl, rfl⟩
  obtain ⟨n, p, w, c, _⟩ := go k 3 (i := 0) way code trip (by omega)
  have free' : ∀ l ∈ (n.run .root).grant, Free "run.spawn" l.clauses := by
    rw [w.grant]
    intro l hl
    rw [List.mem_singleton.mp hl]
    exact free _ (by decide)
  have ask : localStep n.program (.op "run.spawn" [.lit (.agent "worker"), .lit (.list []), .lit k.request]) [("plain", .bool plain)]
      (wSpawn k (namesOf plain) plain).stack = .asks "run.spawn" [.agent "worker", .list [], k.request] (wSpawn k (namesOf plain) plain).stack := by
    have ho : isRunOp "run.spawn" = true := by decide
    have hl : checkSize Limits.valueDepth (.list []) = .ok () := rfl
    have ha : checkSize Limits.valueDepth (.agent "worker") = .ok () := rfl
    have args : evalAll [("plain", .bool plain)] [.lit (.agent "worker"), .lit (.list []), .lit k.request] =
        .ok [.agent "worker", .list [], k.request] := rfl
    simp only [localStep, args, checkArgs, ha, hl, k.small, ho, Bool.not_true, Bool.false_and, Bool.false_eq_true, if_false]
  have s : n.step = some (n.recordCode .root (.intent "run.spawn" [.agent "worker", .list [], k.request])
      (.settled (.waiting (wSpawn k (namesOf plain) plain)))) := by
    rw [step_active w.stack, c]
    have room : ¬ n.program.steps < 0 + 3 + 1 := by rw [w.program]; show ¬ 12 < 4; omega
    simp only [M.localMove, if_neg room, ask, M.ask, Free.allowed free', if_true, Free.charge free']
    rfl
  have e := run_recordCode_same n .root (.intent "run.spawn" [.agent "worker", .list [], k.request])
      (.settled (.waiting (wSpawn k (namesOf plain) plain)))
  refine ⟨_, p.trans (.step s ((Beside.refl n).record (id := .root) rfl nofun _ _) (.refl _)),
    ⟨w.program, w.stack, by rw [e]; exact w.grant, by rw [e]; exact w.handles, by rw [e]; exact w.made, by rw [e]; exact w.files⟩, by rw [e]⟩

/-- The worker as it is spawned. -/
def born (k : Asked) : Run :=
  { id := worker, owner := some .root, givers := [], agent := "worker", args := [], code := bodyOf "worker" [], files := [], base := [],
    grant := [{ origin := .root, clauses := granted }] ++ [{ origin := worker, clauses := k.clauses }], handles := [], trace := [],
    inbox := [], made := 0 }

/-- The start of the worker. -/
def starts (k : Asked) : Event :=
  .start formatVersion "" "worker" []
    (grantValue ([{ origin := .root, clauses := granted }] ++ [{ origin := worker, clauses := k.clauses }])) (Files.hash [])

theorem spawn_worker (k : Asked) {m : M} (w : Way k [] 0 m) (names : List (String × String)) (b : Bool) :
    m.spawn .root (wSpawn k names b) =
      ((m.put (born k)).recordCode worker (starts k) (bodyOf "worker" [])).answerRun .root (wSpawn k names b) worker := by
  have params : (m.program.agent? "worker").map (fun d => d.params.length) = some ([] : List Value).length := by rw [w.program]; rfl
  unfold M.spawn wSpawn
  simp only [params, ne_eq, not_true_eq_false, if_false, k.asks, w.made, w.grant, w.files, Value.mapHandlesList, List.foldl_nil]
  have digest : (m.put (born k)).program.digest = "" := by
    show m.program.digest = ""
    rw [w.program]; rfl
  unfold starts
  rw [← digest]
  rfl

/-- The root run after the spawn of the worker. -/
structure Has (k : Asked) (names : List (String × String)) (b : Bool) (m q n : M) : Prop where
  step : m.step = some n
  spawned : q = (m.put (born k)).recordCode worker (starts k) (bodyOf "worker" [])
  beside : Beside marked q n
  way : Way k [worker] 1 n
  code : (n.run .root).code = resume (.ok (.run 0)) (wSpawn k names b).stack
  owner : (n.run worker).owner = some .root

theorem has_worker (k : Asked) {m : M} (w : Way k [] 0 m) {names : List (String × String)} {b : Bool}
    (c : (m.run .root).code = .settled (.waiting (wSpawn k names b))) : ∃ q n, Has k names b m q n := by
  have s : m.step = some (m.spawn .root (wSpawn k names b)) := by
    rw [step_active w.stack, c]
    simp only [wSpawn, Driving.isRunOp_spawn, if_true, M.perform]
  rw [spawn_worker k w] at s
  generalize hq : (m.put (born k)).recordCode worker (starts k) (bodyOf "worker" []) = q at s
  have qr : q.run .root = m.run .root := by
    rw [← hq, run_recordCode_ne _ _ _ (by decide), run_put_ne m (r := born k) (by show worker ≠ .root; decide)]
  have qw : (q.run worker).owner = some .root := by
    rw [← hq, run_recordCode_same]
    have e : (m.put (born k)).run worker = born k := run_put_same m (born k)
    show ((m.put (born k)).run worker).owner = _
    rw [e]; rfl
  have qs : q.stack = [.root, .world] := by rw [← hq]; exact w.stack
  have qp : q.program = program k := by rw [← hq]; exact w.program
  -- The root run is told.
  have ans : q.answerRun .root (wSpawn k names b) worker =
      (q.put { m.run .root with handles := [worker], made := 1 }).reply .root (wSpawn k names b) (.ok (.run 0)) := by
    unfold M.answerRun
    simp only [qr, w.handles, w.made]
    rfl
  rw [ans] at s
  have put : ∀ x, (q.put { m.run .root with handles := [worker], made := 1 }).run x = if Id.root = x then
      { m.run .root with handles := [worker], made := 1 } else q.run x := fun x => by
    rw [run_put]; simp only [run_id]
  have bp : Beside marked q (q.put { m.run .root with handles := [worker], made := 1 }) :=
    (Beside.refl q).put (by rw [run_id]; rfl) (by simp only [run_id, qr]) (fun e => by simp only [run_id] at e; cases e)
  have pr := (put .root).trans (if_pos rfl)
  have pw := (put worker).trans (if_neg (by decide))
  have ps : (q.put { m.run .root with handles := [worker], made := 1 }).stack = [.root, .world] := qs
  have pp : (q.put { m.run .root with handles := [worker], made := 1 }).program = program k := qp
  revert s bp pr pw ps pp
  generalize q.put { m.run .root with handles := [worker], made := 1 } = p
  intro s bp pr pw ps pp
  have e : (p.reply .root (wSpawn k names b) (.ok (.run 0))).run .root = { p.run .root with
      code := resume (.ok (.run 0)) (wSpawn k names b).stack, files := (p.run .root).files.apply [],
      trace := ((p.reply .root (wSpawn k names b) (.ok (.run 0))).run .root).trace } := by
    rw [reply_eq, run_record_same]; rfl
  have o : (p.reply .root (wSpawn k names b) (.ok (.run 0))).run worker = p.run worker := by
    rw [reply_eq]; exact run_record_ne _ _ _ (by decide)
  refine ⟨q, _, s, hq.symm, bp.trans (Turn.reply (o := .root) rfl nofun p _ _).beside, ⟨pp, ps, ?_, ?_, ?_, ?_⟩, ?_, ?_⟩
  · rw [e, pr]; exact w.grant
  · rw [e, pr]
  · rw [e, pr]
  · rw [e, pr]
    show (m.run .root).files.apply [] = []
    rw [w.files]; rfl
  · rw [e]
  · rw [o, pw]; exact qw

theorem spawn_alike (k : Asked) {m m' : M} (a : Alike marked m m') :
    Alike marked ((m.put (born k)).recordCode worker (starts k) (bodyOf "worker" []))
      ((m'.put (born k)).recordCode worker (starts k) (bodyOf "worker" [])) := by
  obtain ⟨φ, ag⟩ := a
  have own : ∀ o, (born k).owner = some o → MayOwn o (born k).id := fun o e => by
    have e : some Id.root = some o := e
    cases e; exact .made .root 0
  have p := ag.put (r := born k) (r' := born k) ⟨rfl, rfl, ⟨rfl, .same _, rfl⟩, .refl _ _, own, own, fun _ h => absurd h List.not_mem_nil,
    fun _ h => absurd h List.not_mem_nil, fun _ h => absurd h List.not_mem_nil⟩ fun _ h => absurd h List.not_mem_nil
  exact p.alike.recordCode rfl _ (.same _)

/-- The tree in which the root run is about to await the worker, itself or through a supervisor. -/
theorem reaches (k : Asked) (plain : Bool) : ∃ m q n, Path marked (init k plain).start m ∧
    Has k (namesOf plain) plain m q n ∧ ∃ e, Path marked n e ∧ Before e worker (supervisor k) (namesOf plain) ∧ (e.run .root).made = 1 := by
  obtain ⟨m, p, w, c⟩ := asks_worker k plain
  obtain ⟨q, n, h⟩ := has_worker k w c
  obtain ⟨e, p', w', c', o⟩ := go k 5 (i := 0) h.way (p := (.ret (.lit (.ok (.run 0))), [], (wSpawn k (namesOf plain) plain).stack)) h.code
    (Await.trip_spawned (lowered k) "outcome" "w" (Await.supervised "sup" k.request (namesOf plain) (.var "w")) [("plain", .bool plain)]) (by omega)
  refine ⟨m, q, n, p, h, e, p',
    { program := w'.program, lowered := lowered k, stack := w'.stack
      code := ⟨_, .var "w", 0, [], 5, c', Nat.le_refl 5, rfl, by rw [w'.handles]; rfl⟩
      owns := ?_, grant := fun op hop l hl => ?_ }, w'.made⟩
  · unfold M.owns
    rw [o worker (by decide), h.owner]
    exact beq_self_eq_true _
  · rw [w'.grant] at hl
    rw [List.mem_singleton.mp hl]
    exact free op hop

/-- The premises of `transparent_supervision` hold of two trees of one program: the one is about to await a worker that asks the outside,
the other to await it through a supervisor. (That the request with which both are spawned reads as clauses which let the supervisor
drive and pass is a matter of texts; `Asked` takes it for granted.) -/
theorem premises (k : Asked) (ω : Oracle) : ∃ m m', (∃ i : Init, After ω i.start m) ∧ (∃ i : Init, After ω i.start m') ∧
    Before m worker (supervisor k) [] ∧ Before m' worker (supervisor k) [("outcome'2", "t")] ∧
    Alike (besides (m.run .root).made worker) m m' ∧ (m'.run .root).made = (m.run .root).made := by
  obtain ⟨m, q, n, p, h, e, p', b, made⟩ := reaches k true
  obtain ⟨m', q', n', r, h', e', r', b', made'⟩ := reaches k false
  have step : ∀ {names b m q n}, Has k names b m q n → After ω m n := fun h => (After.refl _).step h.step
  have am : After ω (init k true).start m := p.after
  have am' : After ω (init k false).start m' := r.after
  have ae : After ω (init k true).start e := (am.trans (step h)).trans p'.after
  have ae' : After ω (init k false).start e' := (am'.trans (step h')).trans r'.after
  refine ⟨e, e', ⟨_, ae⟩, ⟨_, ae'⟩, b, b', ?_, by rw [made, made']⟩
  rw [made]
  have one := ((start_alike k).choose_spec.beside p.beside r.beside am.sound.bound.tied am'.sound.bound.tied).alike
  have two := spawn_alike k one
  rw [← h.spawned, ← h'.spawned] at two
  exact (two.choose_spec.beside (h.beside.trans p'.beside) (h'.beside.trans r'.beside) ae.sound.bound.tied ae'.sound.bound.tied).alike

end Instance

end Supervision

end Shepherd
