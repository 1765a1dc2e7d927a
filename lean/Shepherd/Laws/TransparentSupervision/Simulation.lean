import Shepherd.Laws.TransparentSupervision.Sync

/-!
# Two trees in which the same run is awaited go on alike
-/

namespace Shepherd

open Id (MayOwn Over)

namespace Supervision

open M

variable {G : Field} {ω : Oracle} {m m' n n' : M} {w z : Id} {os os' : List Watch}

/-! ## The family by itself -/

/-- A run of the family waits for an answer to `run.pick`. -/
theorem Sync.picks (y : Sync ω G w os os' m m') (marks : Marks G w) {F : List Id} (st : m.stack = F ++ w :: idsOf os ++ [.world])
    (st' : m'.stack = F ++ w :: idsOf os' ++ [.world]) (hF : ∀ x ∈ F, Over w x) {rest rest' : List Id} (top : m.stack = z :: rest)
    (top' : m'.stack = z :: rest') (hz : Over w z) (still : m.step = none) (still' : m'.step = none) {q : Waiting}
    (code : (m.run z).code = .settled (.waiting q)) (pick : q.op = "run.pick") : Next ω G w os os' m m' := by
  have g := marks.family z hz
  obtain ⟨φ, k⟩ := y.alike
  have code' : (m'.run z).code = .settled (.waiting q) := by have c := k.code g; rw [code] at c; exact c.settled
  have out : ∀ {p : M} {rest : List Id}, p.stack = z :: rest → (p.run z).code = .settled (.waiting q) →
      p.outer ω = if (!goodAnswer p.program q.op (ω z (p.run z).trace.events q.op q.args).1 (ω z (p.run z).trace.events q.op q.args).2) = true
        then none else some (p.picked z q (ω z (p.run z).trace.events q.op q.args).1) := by
    intro p rest top code
    have asked : p.asked = some { run := z, op := q.op, args := q.args } := by
      unfold M.asked
      rw [top]
      simp only [code, pick, if_true]
    unfold M.outer
    rw [asked]
    simp only [M.answer, asked, top, code, pick, if_true]
  have o := out top code
  have o' := out top' code'
  rw [k.program, k.trace g, Trace.events_at] at o'
  by_cases good : (!goodAnswer m.program q.op (ω z (m.run z).trace.events q.op q.args).1 (ω z (m.run z).trace.events q.op q.args).2) = true
  · rw [if_pos good] at o o'
    exact .stuck (.refl m) (.refl m') ⟨still, o⟩ ⟨still', o'⟩
  · rw [if_neg good] at o o'
    have ne : ∀ {p : M} {a : Value} {x : Id}, ¬ Over w x → (p.picked z q a).run x = p.run x := fun {p a x} hx => by
      unfold M.picked
      exact run_recordCode_ne _ _ _ fun e => hx (e ▸ hz)
    refine y.family marks (.inr ⟨still, o⟩) (.inr ⟨still', o'⟩) ?_ st st' hF (fun x hx => ne hx) fun x hx => ne hx
    unfold M.picked
    exact (Alike.recordCode ⟨φ, k⟩ g _ (.same _))

/-- A run of the family that is at no stop goes on. -/
theorem Sync.moves (y : Sync ω G w os os' m m') (marks : Marks G w) {F : List Id} (st : m.stack = F ++ w :: idsOf os ++ [.world])
    (st' : m'.stack = F ++ w :: idsOf os' ++ [.world]) (hF : ∀ x ∈ F, Over w x) {rest rest' : List Id} (top : m.stack = z :: rest)
    (top' : m'.stack = z :: rest') (hz : Over w z) (ns : ¬ m.Stops z) : Next ω G w os os' m m' := by
  have nz : z ≠ .world := fun e => by
    have := marks.family z hz
    rw [e, marks.world] at this; cases this
  have ns' : ¬ m'.Stops z := fun h => ns ((y.alike.stops (marks.family z hz)).mp h)
  rcases y.alike.moves marks.closed y.left.sound y.right.sound marks.family hz nz top top' ns with ⟨s, s', q, code, pick⟩ | ⟨n, n', F', s, s', k, h, h', hF'⟩
  · exact y.picks marks st st' hF top top' hz s s' code pick
  · refine y.family marks (F' := F' ++ F) (.inl s) (.inl s') k ?_ ?_ (fun x hx => ?_)
      (fun x hx => step_apart y.left.sound top hz nz s (fun h => absurd h ns) hx)
      fun x hx => step_apart y.right.sound top' hz nz s' (fun h => absurd h ns') hx
    · rw [h, st, List.append_assoc, List.append_assoc, List.append_assoc]
    · rw [h', st', List.append_assoc, List.append_assoc, List.append_assoc]
    · rcases List.mem_append.mp hx with hx | hx
      · exact hF' x hx
      · exact hF x hx

/-- A run of the family at a stop is shown to the one of the family that drives it. -/
theorem Sync.inner (y : Sync ω G w os os' m m') (marks : Marks G w) {F : List Id} {owner : Id} {b b' : List Id}
    (st : m.stack = z :: F ++ w :: idsOf os ++ [.world]) (st' : m'.stack = z :: F ++ w :: idsOf os' ++ [.world])
    (hz : Over w z) (hF : ∀ x ∈ F, Over w x) (own : F ++ w :: idsOf os ++ [.world] = owner :: b)
    (own' : F ++ w :: idsOf os' ++ [.world] = owner :: b') (ho : Over w owner) (s : m.Stops z) : Next ω G w os os' m m' := by
  have world : ∀ {x}, Over w x → x ≠ .world := fun hx e => by
    have := marks.family _ hx
    rw [e, marks.world] at this; cases this
  have top : m.stack = z :: owner :: b := by rw [st, ← own]; rfl
  have top' : m'.stack = z :: owner :: b' := by rw [st', ← own']; rfl
  obtain ⟨n, n', h, h', k, stacks⟩ := y.alike.inner y.left.sound.bound.tied marks.family hz ho (world ho) top top' s
  have ap := fun x hx => step_apart (y := x) y.left.sound top hz (world hz) h (fun _ => ⟨owner, b, rfl, ho, world ho⟩) hx
  have ap' := fun x hx => step_apart (y := x) y.right.sound top' hz (world hz) h' (fun _ => ⟨owner, b', rfl, ho, world ho⟩) hx
  rcases stacks with ⟨e, e'⟩ | ⟨e, e'⟩
  · refine y.family marks (F' := z :: F) (.inl h) (.inl h') k (e.trans st) (e'.trans st') (fun x hx => ?_) ap ap'
    cases List.mem_cons.mp hx with
    | inl e => exact e ▸ hz
    | inr h => exact hF x h
  · exact y.family marks (F' := F) (.inl h) (.inl h') k (e.trans own.symm) (e'.trans own'.symm) hF ap ap'

/-! ## Through the owners -/

theorem Link.keep {o : Watch} {c : Id} (l : Link G m o c) (run : n.run o.id = m.run o.id) (owner : (n.run c).owner = (m.run c).owner) :
    Link G n o c :=
  ⟨l.out, l.world, l.ne, by have := l.owns; unfold M.owns at this ⊢; rw [owner]; exact this, by rw [run]; exact l.handle,
    by rw [run]; exact l.grant⟩

theorem Chain.keep : ∀ {os : List Watch} {c : Id}, Chain G m c os → (∀ o ∈ os, n.run o.id = m.run o.id) →
    (n.run c).owner = (m.run c).owner → Chain G n c os
  | [], _, _, _, _ => trivial
  | o :: _, _, h, run, owner =>
    ⟨h.1.keep (run o List.mem_cons_self) owner, Chain.keep h.2 (fun x hx => run x (List.mem_cons_of_mem _ hx))
      (by rw [run o List.mem_cons_self])⟩

theorem Carries.keep : ∀ {os : List Watch} {c : Id} {q : Question}, Carries m c q os → (∀ o ∈ os, n.run o.id = m.run o.id) →
    Carries n c q os
  | [], _, _, _, _ => trivial
  | o :: _, _, _, h, run =>
    ⟨by rw [run o List.mem_cons_self]; exact h.1, Carries.keep h.2 fun x hx => run x (List.mem_cons_of_mem _ hx)⟩

/-- The outcome reaches the family of `w`, by which `k` becomes `f`, and then those that pass, by which it becomes `d`. They go on, and
the family is active again. -/
theorem Awaited.resumes (a : Awaited ω G w os m) {k f d : M} {q : Question} {answer : Value} {by' : By} (p : Path G m k)
    (t : Turns G (idsOf os) m k) (mv : Move ω k d) (hd : d = (idsOf os).foldl (fun m x => m.relay x answer by') f)
    (apart : ∀ o ∈ os, f.run o.id = k.run o.id) (owner : (f.run w).owner = (k.run w).owner) (prog : f.program = k.program)
    (ca : Carries k w q os) (st : f.stack = [top w os, .world]) :
    ∃ n, Trail ω G m m d ∧ Path G d n ∧ Awaited ω G w os n ∧ Beside G f d ∧ n.stack = w :: idsOf os ++ [.world] := by
  have out := a.chain.out
  obtain ⟨tf, an⟩ := relays (m := f) answer by' (fun o ho => ⟨out o ho, a.chain.nw o ho⟩) a.nodup (ca.keep apart)
  rw [← hd] at tf an
  have dst : d.stack = top w os :: [.world] := by
    rw [hd]
    exact (level_foldl (fun n x => level_relay x answer by') _ _).trans st
  have low : Await.LoweredIn d.program := by
    rw [tf.beside.program, prog, t.beside.program]; exact a.low
  have chain : Chain G d w os := ((a.chain.turns t).keep apart owner).turns tf
  obtain ⟨n, pn, tn, st', dr⟩ := fall a.ne chain a.nodup
    (fun o ho => by obtain ⟨s, code⟩ := an o ho; exact ready_answered low code) dst
  obtain ⟨i, r⟩ := a.reached
  have rn : After ω i.start n := r.trans (p.after.trans (mv.after.trans pn.after))
  exact ⟨n, p.trail (.refl m) (.last p.beside mv), pn, ⟨⟨i, rn⟩, tn.beside.program ▸ low, a.ne, a.nodup, chain.turns tn, dr⟩,
    tf.beside, st'⟩

theorem owner_deliver (id : Id) (q : Question) (answer : Value) (change : Change) (by' : By) (x : Id) :
    ((m.deliver id q answer change by').run x).owner = (m.run x).owner := by
  unfold M.deliver
  refine foldl_keeps (P := fun n : M => (n.run x).owner = (m.run x).owner) (owner_answerAsked _ _ _ _ x) fun n y _ e => ?_
  unfold M.relay
  split
  · rw [recordCode_eq, owner_record]; exact e
  · rw [run_setCode]
    split
    · next h => subst h; exact e
    · exact e
  · exact e

theorem level_program (id : Id) (q : Question) (answer : Value) (change : Change) (by' : By) :
    (m.deliver id q answer change by').program = m.program := by
  unfold M.deliver
  refine foldl_keeps (P := fun n : M => n.program = m.program) rfl fun n y _ e => ?_
  unfold M.relay
  split <;> exact e

/-- The tree in which `op(args)` has written a text to a file. -/
def wrote (m : M) (op : String) (args : List Value) (change : Change) : M :=
  match op, args, change with
  | "file.write", [_, .text s], _ :: _ => { m with written := (gitBlobHash s, s) :: m.written }
  | _, _, _ => m

theorem answerFile_eq (id : Id) (q : Question) : m.answerFile id q =
    (wrote m q.op q.args (FileOps.perform (m.run q.asked).files m.content q.op q.args).2).deliver id q
      (FileOps.perform (m.run q.asked).files m.content q.op q.args).1
      (FileOps.perform (m.run q.asked).files m.content q.op q.args).2 .machine := rfl

theorem wrote_keeps (m : M) (op : String) (args : List Value) (change : Change) : (wrote m op args change).run = m.run ∧
    (wrote m op args change).stack = m.stack ∧ (wrote m op args change).program = m.program := by
  unfold wrote
  split <;> exact ⟨rfl, rfl, rfl⟩

theorem wrote_alike (k : Alike G m m') (op : String) (args : List Value) (change : Change) :
    Alike G (wrote m op args change) (wrote m' op args change) := by
  unfold wrote
  split
  · exact ⟨_, { k.choose_spec with written := by rw [k.choose_spec.written] }⟩
  · exact k

theorem Carries.passing : ∀ {os : List Watch} {c : Id} {q : Question}, os ≠ [] → Carries m c q os →
    ∃ chain op args wt, (m.run (top c os)).code = .passing chain op args wt
  | [], _, _, ne, _ => absurd rfl ne
  | [_], _, _, _, h => ⟨_, _, _, _, h.1.choose_spec⟩
  | _ :: o :: os, _, _, _, h => Carries.passing (os := o :: os) (List.cons_ne_nil _ _) h.2

/-- The answer of the oracle to the question `q`. -/
def said (ω : Oracle) (m : M) (q : Question) : Value × Change := ω q.asked (m.run q.asked).trace.events q.op q.args

/-- Where all pass the question, the machine answers it, or the oracle. -/
theorem Carries.outermost {q : Question} (ne : os ≠ []) (ca : Carries m w q os) (hq : m.shown w = some q)
    (st : m.stack = [top w os, .world]) :
    m.step = (if FileOps.isFileOp q.op then some (m.answerFile (top w os) (carried w q os)) else none) ∧
      m.outer ω = if (!goodAnswer m.program q.op (said ω m q).1 (said ω m q).2) = true then none
        else some (m.deliver (top w os) (carried w q os) (said ω m q).1 (said ω m q).2 .world) := by
  have hs := ca.shown hq
  obtain ⟨e1, e2, e3, _⟩ := carried_eq os w q
  obtain ⟨chain, op, args, wt, code⟩ := ca.passing ne
  refine ⟨?_, ?_⟩
  · rw [step_active st, code]
    simp only [M.atStop, ne_eq, not_true_eq_false, if_false, hs, e2]
  · have asked : m.asked = some { run := q.asked, op := q.op, args := q.args } := by
      unfold M.asked
      rw [st]
      simp only [code, hs, Option.map_some, e1, e2, e3]
    unfold M.outer
    rw [asked]
    simp only [M.answer, asked, st, code, hs, Option.map_some]
    rfl

/-- The question of `w` reaches the outermost level in both trees, and so does the outcome the family, if there is one. -/
theorem Sync.through (y : Sync ω G w os os' m m') (marks : Marks G w) (st : m.stack = w :: idsOf os ++ [.world])
    (st' : m'.stack = w :: idsOf os' ++ [.world]) {q : Question} (hq : m.shown w = some q) : Next ω G w os os' m m' := by
  have gw := marks.family w (.refl w)
  have hq' : m'.shown w = some q := (y.alike.choose_spec.shown gw).trans hq
  have asks : NamesMarked G q := y.left.sound.bound.tied.asks marks.family (.refl w) hq
  obtain ⟨k, p, t, ks, ca⟩ := rise y.left.ne y.left.low y.left.chain y.left.nodup y.left.drives hq (rest := [.world]) st
  obtain ⟨k', p', t', ks', ca'⟩ := rise y.right.ne y.right.low y.right.chain y.right.nodup y.right.drives hq' (rest := [.world]) st'
  have sk : Sound k := y.left.sound.after (ω := ω) p.after
  have sk' : Sound k' := y.right.sound.after (ω := ω) p'.after
  have kk : Alike G k k' := y.alike.elim fun _ ag => (ag.beside p.beside p'.beside sk.bound.tied sk'.bound.tied).alike
  have notIn : ∀ {m : M} {os : List Watch}, Chain G m w os → w ∉ idsOf os := fun ch h => by
    obtain ⟨o, ho, e⟩ := List.mem_map.mp h
    have := ch.out o ho
    rw [e, gw] at this; cases this
  have hk : k.shown w = some q := (shown_same (t.others w (notIn y.left.chain))).trans hq
  have hk' : k'.shown w = some q := (shown_same (t'.others w (notIn y.right.chain))).trans hq'
  obtain ⟨step, outer⟩ := ca.outermost (ω := ω) y.left.ne hk ks
  obtain ⟨step', outer'⟩ := ca'.outermost (ω := ω) y.right.ne hk' ks'
  have away : ∀ (m k : M) (os : List Watch) (answer : Value) (change : Change) (by' : By), Chain G m w os → ∀ o ∈ os,
      (k.deliver w q answer change by').run o.id = k.run o.id := by
    intro m k os answer change by' ch o ho
    refine Retold.run_deliver_ne _ _ _ fun h => ?_
    have out := ch.out o ho
    have mark : G o.id = true := by
      cases List.mem_cons.mp h with
      | inl e => exact e ▸ asks.1
      | inr h =>
        cases List.mem_cons.mp h with
        | inl e => exact e ▸ gw
        | inr h => exact asks.2 _ h
    rw [out] at mark; cases mark
  -- Both trees get the same outcome.
  have go : ∀ {j j' : M} {answer : Value} {change : Change} {by' : By}, Alike G j j' →
      (j.run = k.run ∧ j.stack = k.stack ∧ j.program = k.program) → (j'.run = k'.run ∧ j'.stack = k'.stack ∧ j'.program = k'.program) →
      Move ω k (j.deliver (top w os) (carried w q os) answer change by') →
      Move ω k' (j'.deliver (top w os') (carried w q os') answer change by') → Next ω G w os os' m m' := by
    intro j j' answer change by' jj e e' mv mv'
    have ff : Alike G (j.deliver w q answer change by') (j'.deliver w q answer change by') := jj.deliver gw asks answer change by'
    obtain ⟨n, tr, pn, an, fd, ns⟩ := y.left.resumes (f := j.deliver w q answer change by') (q := q) p t mv (deliver_carried os w q answer change by')
      (fun o ho => (away m j os answer change by' y.left.chain o ho).trans (congrFun e.1 _)) ((owner_deliver _ _ _ _ _ _).trans (by rw [e.1]))
      ((level_program _ _ _ _ _).trans e.2.2) ca ((level_deliver _ _ _ _ _).trans (e.2.1.trans ks))
    obtain ⟨n', tr', pn', an', fd', ns'⟩ := y.right.resumes (f := j'.deliver w q answer change by') (q := q) p' t' mv' (deliver_carried os' w q answer change by')
      (fun o ho => (away m' j' os' answer change by' y.right.chain o ho).trans (congrFun e'.1 _)) ((owner_deliver _ _ _ _ _ _).trans (by rw [e'.1]))
      ((level_program _ _ _ _ _).trans e'.2.2) ca' ((level_deliver _ _ _ _ _).trans (e'.2.1.trans ks'))
    have sd := y.left.sound.after tr.after
    have sd' := y.right.sound.after tr'.after
    have dd := ff.choose_spec.beside fd fd' sd.bound.tied sd'.bound.tied
    have nn := dd.beside pn.beside pn'.beside an.sound.bound.tied an'.sound.bound.tied
    exact .on tr tr' dd.alike pn pn' ⟨an, an', nn.alike, [], ns, ns', fun _ h => absurd h List.not_mem_nil⟩
  by_cases file : FileOps.isFileOp q.op = true
  · rw [if_pos file] at step step'
    have ce := carried_eq os w q
    have ce' := carried_eq os' w q
    have content : k'.content = k.content := by
      funext h
      unfold M.content
      rw [kk.choose_spec.written, kk.choose_spec.contents]
    rw [answerFile_eq, ce.1, ce.2.1, ce.2.2.1] at step
    rw [answerFile_eq, ce'.1, ce'.2.1, ce'.2.2.1, kk.choose_spec.files asks.1, content] at step'
    exact go (wrote_alike kk _ _ _) (wrote_keeps _ _ _ _) (wrote_keeps _ _ _ _) (.inl step) (.inl step')
  · rw [if_neg file] at step step'
    have same : said ω k' q = said ω k q := by
      unfold said
      rw [kk.choose_spec.trace asks.1, Trace.events_at]
    rw [same, kk.choose_spec.program] at outer'
    by_cases good : (!goodAnswer k.program q.op (said ω k q).1 (said ω k q).2) = true
    · rw [if_pos good] at outer outer'
      exact .stuck p p' ⟨step, outer⟩ ⟨step', outer'⟩
    · rw [if_neg good] at outer outer'
      exact go kk ⟨rfl, rfl, rfl⟩ ⟨rfl, rfl, rfl⟩ (.inr ⟨step, outer⟩) (.inr ⟨step', outer'⟩)

/-- Two trees in which the same run is awaited, and its family is active, go on alike. -/
theorem Sync.next (y : Sync ω G w os os' m m') (marks : Marks G w) :
    Next ω G w os os' m m' := by
  obtain ⟨F, st, st', hF⟩ := y.stacks
  cases F with
  | nil =>
    by_cases s : m.Stops w
    · cases hq : m.shown w with
      | some q => exact y.through marks st st' hq
      | none =>
        refine .ends ⟨st, s, hq⟩ ⟨st', (y.alike.stops (marks.family w (.refl w))).mpr s, ?_⟩
        rw [y.alike.choose_spec.shown (marks.family w (.refl w))]
        exact hq
    · exact y.moves marks (F := []) st st' hF (z := w) (rest := idsOf os ++ [Id.world]) (rest' := idsOf os' ++ [Id.world]) st st' (.refl w) s
  | cons z F =>
    have hz := hF z List.mem_cons_self
    have hF' : ∀ x ∈ F, Over w x := fun x hx => hF x (List.mem_cons_of_mem _ hx)
    by_cases s : m.Stops z
    · cases F with
      | nil =>
        exact y.inner marks (F := []) (owner := w) (b := idsOf os ++ [.world]) (b' := idsOf os' ++ [.world]) st st' hz hF' rfl rfl (.refl w) s
      | cons o F =>
        exact y.inner marks (F := o :: F) (owner := o) (b := F ++ w :: idsOf os ++ [.world]) (b' := F ++ w :: idsOf os' ++ [.world]) st st' hz hF'
          rfl rfl (hF' o List.mem_cons_self) s
    · exact y.moves marks st st' hF (z := z) (rest := F ++ w :: idsOf os ++ [Id.world]) (rest' := F ++ w :: idsOf os' ++ [Id.world]) st st' hz s

end Supervision

end Shepherd
