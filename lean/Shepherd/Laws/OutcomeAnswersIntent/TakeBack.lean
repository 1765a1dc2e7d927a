import Shepherd.Laws.OutcomeAnswersIntent.Deliver

/-!
# A run starts to take another back, and raises its debts
-/

namespace Shepherd

namespace M

/-- The questions of some runs are closed, and nothing else is changed. -/
structure Quieted (m n : M) (l : List Id) : Prop where
  sound : n.Steady
  other : ∀ y, y ∉ l → n.run y = m.run y
  owner : ∀ y, (n.run y).owner = (m.run y).owner
  handles : ∀ y, (n.run y).handles = (m.run y).handles
  has : ∀ y, n.has y = m.has y
  stack : n.stack = m.stack
  questions : ∀ y, Trace.question (n.run y).trace = Trace.question (m.run y).trace ∨ Trace.question (n.run y).trace = none
  closed : ∀ y ∈ l, Trace.question (n.run y).trace = none
  nth : ∀ y k c, (m.run y).trace.nth k = some c → (n.run y).trace.nth k = some c

theorem Quieted.refl {m : M} (k : m.Steady) : Quieted m m [] :=
  ⟨k, fun _ _ => rfl, fun _ => rfl, fun _ => rfl, fun _ => rfl, rfl, fun _ => .inl rfl, fun _ hy => absurd hy List.not_mem_nil,
    fun _ _ _ h => h⟩

theorem Quieted.trans {m n p : M} {l l' : List Id} (e : Quieted m n l) (f : Quieted n p l') : Quieted m p (l ++ l') where
  sound := f.sound
  other := fun y hy => by
    rw [List.mem_append, not_or] at hy
    rw [f.other y hy.2, e.other y hy.1]
  owner := fun y => (f.owner y).trans (e.owner y)
  handles := fun y => (f.handles y).trans (e.handles y)
  has := fun y => (f.has y).trans (e.has y)
  stack := f.stack.trans e.stack
  questions := fun y => (f.questions y).elim (fun h => h ▸ e.questions y) .inr
  closed := fun y hy => by
    cases List.mem_append.mp hy with
    | inl hy => exact (f.questions y).elim (fun h => h.trans (e.closed y hy)) fun h => h
    | inr hy => exact f.closed y hy
  nth := fun y k c h => f.nth y k c (e.nth y k c h)

theorem quieted_record {m : M} (k : m.Steady) {id : Id} (i : m.has id = true) (r : m.Rooted id) (event : Event) (code : Code)
    (asked : Trace.asksIntent (m.run id).trace = true ∨ Trace.asksUndo (m.run id).trace = true) (hc : event.closes = true)
    (hs : code.settle.waits = false) : Quieted m (m.recordCode id event code) [id] := by
  have s := k.closes i r (.inl rfl) event { m.state id with code } (fun _ => asked) hc hs
  refine ⟨s, fun y hy => run_recordCode_ne m _ _ fun e => hy (by rw [e]; exact List.mem_singleton.mpr rfl),
    fun y => owner_record m id _ _ y, fun y => ?_, fun y => ?_, rfl, question_record _ _ hc, fun y hy => ?_, nth_record _ _ s⟩
  · rw [recordCode_eq, run_record]; split
    · next e => rw [← e]; rfl
    · rfl
  · rw [recordCode_eq, has_record]
    by_cases e : id = y
    · rw [← e, beq_self_eq_true, Bool.true_or, i]
    · rw [beq_eq_false_iff_ne.mpr e, Bool.false_or]
  · rw [List.mem_singleton.mp hy, recordCode_eq, trace_record_same]
    exact Trace.question_closes hc _

theorem quieted_abandonOne {m : M} (k : m.Steady) {id : Id} (i : m.has id = true) (r : m.Rooted id) (ne : id ≠ .world) :
    Quieted m (m.abandonOne id) [id] := by
  have same : Trace.question (m.run id).trace = none → Quieted m m [id] := fun h =>
    ⟨k, fun _ _ => rfl, fun _ => rfl, fun _ => rfl, fun _ => rfl, rfl, fun _ => .inl rfl,
      fun y hy => by rw [List.mem_singleton.mp hy]; exact h, fun _ _ _ h => h⟩
  unfold abandonOne
  simp only
  cases hq : Trace.question (m.run id).trace with
  | none => exact same hq
  | some q =>
    rw [Option.map_some]
    have asked := Trace.asks_of_question hq
    have intent : Trace.asksIntent (m.run id).trace = q.event.isIntent := by unfold Trace.asksIntent; rw [hq]
    cases e : q.event with
    | undo j op args =>
      rw [e] at intent
      refine quieted_record k i r _ _ asked rfl ?_
      rw [← k.agrees id fun h => absurd h ne, intent]; rfl
    | intent op args =>
      rw [e] at intent
      simp only
      have w : (m.run id).code.settle.waits = true := by rw [← k.agrees id fun h => absurd h ne, intent]; rfl
      cases hc : (m.run id).code.settle with
      | waiting w => exact quieted_record k i r _ _ asked rfl rfl
      | _ => rw [hc] at w; cases w
    | _ =>
      exfalso
      rcases Trace.questionFrom_event hq with h | h
      · rw [e] at h; cases h
      · rw [e] at h; cases h

theorem quieted_foldl {m : M} (k : m.Steady) (l : List Id) (h : ∀ y ∈ l, m.has y = true ∧ m.Rooted y ∧ y ≠ .world) :
    Quieted m (l.foldl abandonOne m) l := by
  induction l generalizing m with
  | nil => exact .refl k
  | cons x l ih =>
    rw [List.foldl_cons]
    obtain ⟨i, r, ne⟩ := h x List.mem_cons_self
    have q := quieted_abandonOne k i r ne
    exact q.trans (ih q.sound fun y hy => by
      obtain ⟨i, r, ne⟩ := h y (List.mem_cons_of_mem _ hy)
      exact ⟨(q.has y).trans i, r.of_owners fun z _ => q.owner z, ne⟩)

theorem ne_world_of_owner {m : M} (hw : (m.run .world).owner = none) {x o : Id} (h : (m.run x).owner = some o) : x ≠ .world :=
  fun e => by rw [e, hw] at h; cases h

theorem ne_world_of_within {m : M} (hw : (m.run .world).owner = none) {x y : Id} (h : m.Within x y) (ne : y ≠ .world) :
    x ≠ .world := by
  rcases h.cases with rfl | ⟨o, ho, _⟩
  · exact ne
  · exact ne_world_of_owner hw ho

/-- What a plan that is made says. -/
theorem plan_says {m : M} {id : Id} {to : Option Nat} {p : Plan} (h : m.plan id to = .ok p) :
    (∀ d ∈ p.debts, d.run ∈ m.family id) ∧ ∀ k, to = some k → ∃ c, (m.run id).trace.nth k = some c ∧
      ∀ g ∈ c.heads, m.Beneath (Id.today c.run id g.id) id := by
  have debts : ∀ to hs, ∀ d ∈ (m.planFor id to hs).debts, d.run ∈ m.family id := by
    intro to hs d hd
    unfold planFor at hd
    simp only [List.mem_mergeSort, List.mem_flatMap] at hd
    obtain ⟨x, hx, hd⟩ := hd
    rw [(debts_run d hd).1]
    exact hx
  unfold plan at h
  split at h
  · cases h
    exact ⟨debts _ _, fun k hk => nomatch hk⟩
  · next k =>
    simp only at h
    split at h
    · cases h
    · next c hc =>
      split at h
      · cases h
      · next hm =>
        split at h
        · cases h
        · cases h
          refine ⟨debts _ _, fun k' hk => ?_⟩
          cases hk
          refine ⟨c, hc, fun g hg => ?_⟩
          obtain ⟨t, ht, hid, _⟩ := heads_id (m := m) (id := id) hg
          rw [← hid]
          simp only [Bool.not_eq_true', Bool.not_eq_false, List.isEmpty_iff, moved, List.filter_eq_nil_iff] at hm
          have := hm t ht
          simp only [Bool.and_eq_true] at this
          exact beneath_of_isBelow this.2

/-- The active run starts to take back one that it owns. -/
theorem Inv.begin {m n : M} (k : m.Inv) {x : Id} {rest : List Id} (hs : m.stack = x :: rest) (ix : m.has x = true)
    (hx : ∀ u o, (m.run x).code ≠ .undoing u o) {id : Id} (ho : (m.run id).owner = some x) (hr : x = .world → id = .root)
    {origin : Settled} (ha : Trace.asksIntent (m.run x).trace = origin.waits) {to : Option Nat}
    (h : m.begin x origin id to = .ok n) : n.Inv ∧ ∃ u, (n.run x).code = .undoing u origin := by
  have hw := k.sound.world
  have path := k.path
  rw [hs] at path
  have b : m.Beneath id x := .of_owner ho
  have rid : m.Rooted id := path.rooted.of_within b.within
  unfold M.begin at h
  split at h
  · cases h
  · next p hp =>
    cases h
    obtain ⟨pd, ph⟩ := plan_says hp
    have fam : ∀ {y}, y ∈ m.family id ↔ m.Within y id := mem_family_iff k.sound.nodup hw rid
    have idw : id ≠ .world := ne_world_of_owner hw ho
    have Q : Quieted m (m.abandon id) (m.family id) := quieted_foldl k.sound _ fun y hy => by
      have w := fam.mp hy
      exact ⟨w.cases.elim (fun e => e ▸ has_of_owner ho) Beneath.has, rid.of_within w, ne_world_of_within hw w idw⟩
    generalize m.abandon id = q at Q
    have nx : ¬ m.Within x id := fun h => path.rooted.irrefl hw (h.trans_beneath b)
    have hqx : q.run x = m.run x := Q.other x fun h => nx (fam.mp h)
    have intent : ∀ {y}, m.Within y id → Trace.asksIntent (q.run y).trace = false := fun h =>
      Trace.asksIntent_none (Q.closed _ (fam.mpr h))
    generalize hu : Undoing.mk id to p.debts false [] p.unknown p.undone p.irreversible = u
    have eu : u.run = id ∧ u.to = to ∧ u.todo = p.debts ∧ u.raised = false := by rw [← hu]; exact ⟨rfl, rfl, rfl, rfl⟩
    have s : (q.setCode x (.undoing u origin)).Steady := Q.sound.setCode ((Q.has x).trans ix) _ fun _ => by
      rw [hqx, ha]; rfl
    have run : ∀ y, x ≠ y → (q.setCode x (.undoing u origin)).run y = q.run y := fun y e => run_setCode_ne _ _ e
    have owner : ∀ y, ((q.setCode x (.undoing u origin)).run y).owner = (m.run y).owner := fun y => by
      rw [run_setCode]; split
      · next e => rw [← e]; exact Q.owner x
      · exact Q.owner y
    have code : ((q.setCode x (.undoing u origin)).run x).code = .undoing u origin := by rw [run_setCode_same]
    have trace : ∀ y, ((q.setCode x (.undoing u origin)).run y).trace = (q.run y).trace := trace_setCode q x _
    have far : ∀ y, ¬ m.Within y id → x ≠ y → (q.setCode x (.undoing u origin)).run y = m.run y := fun y h e =>
      (run y e).trans (Q.other y fun h' => h (fam.mp h'))
    have ok : (q.setCode x (.undoing u origin)).BackTaking x u := by
      refine BackTaking.mk ?_ (fun e => eu.1 ▸ hr e) (fun d hd => ?_) (fun h => ?_) fun j hj => ?_
      · rw [eu.1, owner]; exact ho
      · rw [eu.2.2.1] at hd
        have := fam.mp (pd d hd)
        rw [eu.1, trace]
        exact ⟨this.of_owners fun z _ _ => owner z, intent this⟩
      · rw [eu.2.2.2] at h; cases h
      · rw [eu.2.1] at hj
        obtain ⟨c, hc, hh⟩ := ph j hj
        rw [eu.1, trace]
        refine ⟨c, Q.nth id j c hc, fun g hg => ?_⟩
        rw [trace]
        exact ⟨(hh g hg).of_owners fun z _ _ => owner z, intent (hh g hg).within⟩
    refine ⟨⟨⟨s, (owner _).trans k.root, ?_, fun y => ?_⟩, ?_⟩, u, code⟩
    · rw [run_setCode]; split
      · next e => rw [e]; exact (Q.handles _).trans k.handles
      · rw [Q.handles]; exact k.handles
    · by_cases e : x = y
      · right; subst e; unfold Link; rw [code]; exact ok
      · by_cases wi : m.Within y id
        · exact .inl (frozen_of_undo code ok.owner ok.root (by rw [eu.1]; exact wi.of_owners fun z _ _ => owner z))
        · cases hy : m.has y with
          | false =>
            right
            unfold Link
            rw [far y wi e, run_of_not_has hy]; trivial
          | true =>
            by_cases w : m.Within y x
            · have by' : m.Beneath y x := w.cases.resolve_left fun h => e h.symm
              have apart : ∀ z, m.Within z y → ¬ m.Within z id ∧ x ≠ z := fun z hz => by
                refine ⟨fun hi => ?_, fun h => ?_⟩
                · rcases hz.compare hi with g | g
                  · exact wi g
                  · rcases g.cases with rfl | ⟨o, ho', g⟩
                    · exact wi (.refl _)
                    · rw [ho] at ho'
                      cases ho'
                      exact path.rooted.irrefl hw (g.trans_beneath by')
                · subst h
                  exact path.rooted.irrefl hw (hz.trans_beneath by')
              refine k.links.inside hw path hx (fun a u' o ne hc hyu hou => ⟨u', o, ?_, rfl⟩) (fun z _ _ => owner z) fun l =>
                .inr (l.frame (fun z hz => .of_run (far z (apart z hz).1 (apart z hz).2)) fun z _ => owner z)
              rw [far a (fun h => wi ((hyu.trans_beneath (.of_owner hou)).within.trans h)) (Ne.symm ne)]
              exact hc
            · refine k.links.outside hw path (fun z _ hz => ⟨.of_run (far z (fun h => hz (h.trans b.within)) fun e => ?_), owner z⟩) hy w
              exact hz (e ▸ .refl _)
    · show (q.setCode x (.undoing u origin)).Upward q.stack
      rw [Q.stack, hs]
      refine path.frame (owner x) fun y hy => ⟨owner y, ?_⟩
      have by' := path.beneath hy
      rw [far y (fun h => ?_) (path.ne hw hy).symm]
      exact path.rooted.irrefl hw ((by'.trans_within h).trans_within b.within)

/-- The next compensation is raised. -/
theorem Inv.raise {m : M} (k : m.Inv) {x : Id} {rest : List Id} (hs : m.stack = x :: rest) {u : Undoing} {origin : Settled}
    (hc : (m.run x).code = .undoing u origin) {d : Debt} {ds : List Debt} (ht : u.todo = d :: ds) :
    ((m.recordCode d.run (.undo d.at d.op d.args) (m.run d.run).code).setCode x (.undoing { u with raised := true } origin)).Inv := by
  have hw := k.sound.world
  have path := k.path
  rw [hs] at path
  have ix : m.has x = true := has_of_code (by rw [hc]; exact nofun)
  have l : m.BackTaking x u := by
    have := (k.links x).resolve_left (path.not_frozen hw)
    unfold Link at this
    rw [hc] at this
    exact this
  have b : m.Beneath u.run x := .of_owner l.owner
  obtain ⟨dw, di⟩ := l.todo d (by rw [ht]; exact List.mem_cons_self)
  have db : m.Beneath d.run x := dw.trans_beneath b
  have ne : x ≠ d.run := fun e => path.rooted.irrefl hw (e ▸ db : m.Beneath x x)
  have dworld : d.run ≠ .world := ne_world_of_within hw dw (ne_world_of_owner hw l.owner)
  have s₁ : (m.recordCode d.run (.undo d.at d.op d.args) (m.run d.run).code).Steady := by
    refine k.sound.record db.has (path.rooted.of_within db.within) (.inl rfl) _ _ (fun h => nomatch h) ?_
    show _ = (m.run d.run).code.settle.waits
    rw [← k.sound.agrees d.run fun h => absurd h dworld, di]
    unfold Trace.asksIntent
    rw [Trace.question_undo rfl]
    rfl
  generalize hq : m.recordCode d.run (.undo d.at d.op d.args) (m.run d.run).code = q at s₁
  have qcode : ∀ y, (q.run y).code = (m.run y).code := fun y => by
    rw [← hq, recordCode_eq, run_record]; split
    · next e => rw [← e]
    · rfl
  have qowner : ∀ y, (q.run y).owner = (m.run y).owner := fun y => by rw [← hq]; exact owner_record m _ _ _ y
  have qother : ∀ y, d.run ≠ y → q.run y = m.run y := fun y e => by rw [← hq]; exact run_recordCode_ne _ _ _ e
  have qundo : Trace.asksUndo (q.run d.run).trace = true := by
    rw [← hq, recordCode_eq, trace_record_same]
    unfold Trace.asksUndo
    rw [Trace.question_undo rfl]
    rfl
  have qintent : ∀ y, Trace.asksIntent (m.run y).trace = false → Trace.asksIntent (q.run y).trace = false := fun y h => by
    by_cases e : d.run = y
    · rw [← e]; exact Trace.not_intent_of_undo qundo
    · rw [qother y e]; exact h
  have qnth : ∀ y j c, (m.run y).trace.nth j = some c → (q.run y).trace.nth j = some c := by
    rw [← hq] at s₁ ⊢; exact nth_record _ _ s₁
  have qhas : q.has x = true := by rw [← hq, recordCode_eq, has_record, ix, Bool.or_true]
  have qhandles : ∀ y, (q.run y).handles = (m.run y).handles := fun y => by
    rw [← hq, recordCode_eq, run_record]; split
    · next e => rw [← e]; rfl
    · rfl
  have qstack : q.stack = m.stack := by rw [← hq]; rfl
  have qx : q.run x = m.run x := qother x (Ne.symm ne)
  have s : (q.setCode x (.undoing { u with raised := true } origin)).Steady := s₁.setCode qhas _ fun _ => by
    have := k.sound.agrees x fun _ r w => by rw [hc]; exact nofun
    rw [qx, this, hc]; rfl
  have owner : ∀ y, ((q.setCode x (.undoing { u with raised := true } origin)).run y).owner = (m.run y).owner := fun y => by
    rw [run_setCode]; split
    · next e => rw [← e]; exact qowner x
    · exact qowner y
  have code : ((q.setCode x (.undoing { u with raised := true } origin)).run x).code = .undoing { u with raised := true } origin := by
    rw [run_setCode_same]
  have trace : ∀ y, ((q.setCode x (.undoing { u with raised := true } origin)).run y).trace = (q.run y).trace := trace_setCode q x _
  have far : ∀ y, d.run ≠ y → x ≠ y → (q.setCode x (.undoing { u with raised := true } origin)).run y = m.run y := fun y h e =>
    (run_setCode_ne _ _ e).trans (qother y h)
  have ok : (q.setCode x (.undoing { u with raised := true } origin)).BackTaking x { u with raised := true } := by
    refine BackTaking.mk ((owner _).trans l.owner) l.root (fun d' hd => ?_) (fun _ d' ds' hd => ?_) fun j hj => ?_
    · rw [trace]
      exact ⟨(l.todo d' hd).1.of_owners fun z _ _ => owner z, qintent _ (l.todo d' hd).2⟩
    · have hd : u.todo = d' :: ds' := hd
      rw [ht] at hd
      cases hd
      rw [trace]; exact qundo
    · obtain ⟨c, hc', hh⟩ := l.heads j hj
      refine ⟨c, ?_, fun g hg => ?_⟩
      · rw [trace]; exact qnth _ j c hc'
      · rw [trace]
        exact ⟨(hh g hg).1.of_owners fun z _ _ => owner z, qintent _ (hh g hg).2⟩
  refine ⟨⟨s, (owner _).trans k.root, ?_, fun y => ?_⟩, ?_⟩
  · rw [run_setCode]; split
    · next e => rw [qhandles]; exact e ▸ k.handles
    · rw [qhandles]; exact k.handles
  · by_cases e : x = y
    · right; subst e; unfold Link; rw [code]; exact ok
    · by_cases wi : m.Within y u.run
      · exact .inl (frozen_of_undo code ok.owner ok.root (wi.of_owners fun z _ _ => owner z))
      · cases hy : m.has y with
        | false =>
          right
          unfold Link
          rw [far y (fun h => wi (h ▸ dw)) e, run_of_not_has hy]; trivial
        | true =>
          by_cases w : m.Within y x
          · have by' : m.Beneath y x := w.cases.resolve_left fun h => e h.symm
            rcases k.links y with f | f
            · left
              refine f.frame fun a u' o hc' ho' hyu => ⟨⟨u', o, ?_, rfl⟩, fun z _ _ => owner z⟩
              rw [run_setCode_ne _ _ fun h => ?_]
              · exact (qcode a).trans hc'
              · subst h
                rw [hc] at hc'
                cases hc'
                exact wi hyu
            · right
              refine f.frame (fun z hz => .of_run (far z (fun h => ?_) fun h => ?_)) fun z _ => owner z
              · subst h
                rcases hz.compare dw with g | g
                · exact wi g
                · rcases g.cases with rfl | ⟨o, ho', g⟩
                  · exact wi (.refl _)
                  · rw [l.owner] at ho'
                    cases ho'
                    exact path.rooted.irrefl hw (g.trans_beneath by')
              · subst h
                exact path.rooted.irrefl hw (hz.trans_beneath by')
          · refine k.links.outside hw path (fun z _ hz => ⟨.of_run (far z (fun h => hz (h ▸ db.within)) fun e => ?_), owner z⟩) hy w
            exact hz (e ▸ .refl _)
  · show (q.setCode x _).Upward q.stack
    rw [qstack, hs]
    refine path.frame (owner x) fun y hy => ⟨owner y, ?_⟩
    rw [far y (fun h => ?_) (path.ne hw hy).symm]
    subst h
    exact path.rooted.irrefl hw ((path.beneath hy).trans_within db.within)

end M

end Shepherd
