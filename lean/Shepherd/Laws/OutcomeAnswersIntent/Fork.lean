import Shepherd.Laws.OutcomeAnswersIntent.Copies

/-!
# A run is forked
-/

namespace Shepherd

namespace M

theorem takenUp_waits (m : M) (id : Id) (handles : List Id) {w : Waiting} (h : isMachineOp w.op = false) :
    m.takenUp id handles (.waiting w) = .settled (.waiting w) := by
  unfold takenUp
  simp only
  split
  · next e _ =>
    rw [e] at h
    exact absurd h (by decide)
  · rfl

/-- One run, that is settled, gets other code: what others show through it stays. -/
theorem Exposes.mark {m n : M} {y : Id} {s : Settled} (hy : (m.run y).code = .settled s)
    (keep : ∀ w, s = .waiting w → isMachineOp w.op = false → (n.run y).code = .settled s) (other : ∀ z, y ≠ z → n.run z = m.run z)
    (owner : (n.run y).owner = (m.run y).owner) (question : Trace.question (n.run y).trace = Trace.question (m.run y).trace)
    {z : Id} {q : Question} (h : m.Exposes z q) : n.Exposes z q := by
  have owners : ∀ v, (n.run v).owner = (m.run v).owner := fun v => by
    by_cases e : y = v
    · rw [← e]; exact owner
    · rw [other v e]
  induction h with
  | @waits x w hc hm =>
    by_cases e : y = x
    · subst e
      rw [hy] at hc
      cases hc
      exact .waits (keep w rfl hm) hm
    · exact .waits (by rw [other x e]; exact hc) hm
  | @undo x u o d ds hc hr ht ho hroot hd hu =>
    have e : y ≠ x := fun e => by rw [← e, hy] at hc; cases hc
    refine .undo (by rw [other x e]; exact hc) hr ht ((owners _).trans ho) hroot (hd.of_owners fun v _ _ => owners v) ?_
    by_cases ed : y = d.run
    · rw [← ed, Trace.asksUndo_of_question question, ed]; exact hu
    · rw [other _ ed]; exact hu
  | @passes x c q w hc ho _ ih =>
    have e : y ≠ x := fun e => by rw [← e, hy] at hc; cases hc
    exact .passes (by rw [other x e]; exact hc) ((owners _).trans ho) ih

/-- A copy records `forked`, and may take up what it was passing. -/
theorem mark_step {p : M} (k : p.Steady) {y : Id} (i : p.has y = true) (r : p.Rooted y) {s : Settled}
    (hy : (p.run y).code = .settled s) (ne : y ≠ .world) (of' : Id) (j : Nat) {code : Code}
    (hcode : code = .settled s ∨ ∃ handles, code = p.takenUp y handles s)
    (kids : ∀ z, (p.run z).owner = some y → p.Link z) :
    Steps p (p.recordCode y (.forked of' j) code) y ∧ (p.recordCode y (.forked of' j) code).Calmed y ∧
      ∀ z, y ≠ z → p.Calmed z → (p.recordCode y (.forked of' j) code).Calmed z := by
  have settle : code.settle = s := by
    rcases hcode with e | ⟨hs, e⟩
    · rw [e]; rfl
    · rw [e, settled_takenUp]
  have agrees := k.agrees y fun e => absurd e ne
  rw [hy] at agrees
  have S : Steps p (p.recordCode y (.forked of' j) code) y := by
    refine steps_record i _ _ (k.record i r (.inl rfl) _ _ (fun h => nomatch h) ?_)
    rw [Trace.asksIntent_of_question (Trace.question_between rfl _)]
    show _ = code.settle.waits
    rw [settle]
    exact agrees
  have run : (p.recordCode y (.forked of' j) code).run y = _ := run_recordCode_same p y _ code
  have question : Trace.question ((p.recordCode y (.forked of' j) code).run y).trace = Trace.question (p.run y).trace := by
    rw [run]
    exact Trace.question_between rfl _
  have keep : ∀ w, s = .waiting w → isMachineOp w.op = false →
      ((p.recordCode y (.forked of' j) code).run y).code = .settled s := fun w e hm => by
    rw [run]
    rcases hcode with h | ⟨hs, h⟩
    · exact h
    · rw [h, e]; exact takenUp_waits p y hs hm
  have shows : ∀ {z q}, p.Exposes z q → (p.recordCode y (.forked of' j) code).Exposes z q := fun h =>
    h.mark hy keep S.other (S.owner y) question
  refine ⟨S, ?_, fun z e h => ?_⟩
  · have settled : ∀ t, code = .settled t → (p.recordCode y (.forked of' j) code).Calmed y := fun t e =>
      .of_settled (s := t) (by rw [run]; exact e)
    rcases hcode with e | ⟨hs, e⟩
    · exact settled _ e
    · rcases p.takenUp_cases y hs s with ⟨t, e'⟩ | ⟨w, child, q, e', ho, hsh⟩
      · exact settled t (e.trans e')
      · have hc : ((p.recordCode y (.forked of' j) code).run y).code = .passing (child :: q.path) q.op q.args w := by
          rw [run]; exact e.trans e'
        refine ⟨?_, fun u o => by rw [hc]; exact nofun⟩
        unfold Link
        rw [hc]
        exact ⟨_, .passes hc ((S.owner child).trans ho) (shows ((kids child ho).shows hsh))⟩
  · refine ⟨?_, fun u o => by rw [S.other z e]; exact h.2 u o⟩
    have l := h.1
    unfold Link at l ⊢
    rw [S.other z e]
    cases hc : (p.run z).code with
    | settled t => trivial
    | driving r w => trivial
    | passing ch op a w =>
      rw [hc] at l
      obtain ⟨q, hq⟩ := l
      exact ⟨q, shows hq⟩
    | undoing u o => exact absurd hc (h.2 u o)

variable {m : M} {x : Id} {rest : List Id} {w : Waiting}

theorem Inv.fork (k : m.Inv) (wf : Wf m True) (hs : m.stack = x :: rest) (hc : (m.run x).code = .settled (.waiting w))
    (ne : x ≠ .world) : (m.fork x w).Inv := by
  have hw := k.sound.world
  have path := k.path
  rw [hs] at path
  have ix : m.has x = true := has_of_code (by rw [hc]; exact nofun)
  unfold M.fork
  split
  · split
    · exact k.answered hs hc _
    · next id ho =>
      simp only
      split
      · exact k.answered hs hc _
      · next c t ht =>
        have hsu : c :: t <:+ (m.run id).trace := by
          rw [← ht]
          split
          · exact Trace.upTo_suffix _ _
          · exact List.nil_suffix
        rw [ht]
        have hcm : c ∈ (m.run id).trace := hsu.subset List.mem_cons_self
        have absent : ∀ z, m.has (.copy (.made x (m.run x).made) z) = false := not_has_copy wf x
        have pt := parts k.sound hsu (asker := x)
        have nd := parts_nodup k.sound hsu (asker := x)
        have full : ∀ p ∈ m.forkParts id x (c :: t) c, (m.run p.old).trace ≠ [] → p.trace ≠ [] := fun p hp _ e => by
          obtain ⟨l, hm, hl, _⟩ := pt.trace p hp
          have := (k.sound.hist.member hcm hm).2.1
          rw [e] at hl
          have hl : 0 = l := hl
          omega
        have there := fun (p : Then) (hp : p ∈ m.forkParts id x (c :: t) c) =>
          has_copies (fork := .made x (m.run x).made) pt.ids full hp (fun e => by
            obtain ⟨l, hm, _, _⟩ := pt.trace p hp
            have := k.sound.hist.member hcm hm
            rw [e] at this
            exact absurd (Nat.lt_of_lt_of_le this.2.1 this.2.2) (Nat.lt_irrefl 0))
        have traces := fun (p : Then) (hp : p ∈ m.forkParts id x (c :: t) c) => forkParts_trace hsu (owner := x) p hp
        have today : ∀ p ∈ m.forkParts id x (c :: t) c, ∀ d ∈ p.trace, Id.today d.run p.id d.run = p.id := by
          intro p hp d hd
          obtain ⟨_, _, _, hsu⟩ := pt.trace p hp
          rw [pt.ids p hp]
          exact today_today id (k.sound.hist.named.today p.old d (hsu.subset hd))
        unfold copyTree
        simp only
        generalize m.forkParts id x (c :: t) c = P at pt nd there traces today
        generalize hf : Id.made x (m.run x).made = f at absent there
        have born : ∀ p ∈ m.runs.filterMap (fun r => P.find? fun h => h.old == r.id), p ∈ P ∧ m.has p.old = true := by
          intro p hp
          obtain ⟨r, hr, hfi⟩ := List.mem_filterMap.mp hp
          have := List.find?_some (p := fun h : Then => h.old == r.id) hfi
          exact ⟨List.mem_of_find?_eq_some hfi, (Runs.has_iff _ _).mpr ⟨r, hr, (beq_iff_eq.mp this).symm⟩⟩
        have C : Copied m id f x P ((m.runs.filterMap fun r => P.find? fun h => h.old == r.id).foldl (M.copyOne m id f x c P) m) :=
          foldl_keeps (P := Copied m id f x P) ⟨k.sound.nodup, fun _ h => h, fun _ _ => rfl, fun _ h => .inl h, rfl⟩
            fun n p hp C => C.copyOne c (born p hp).1 (absent p.id)
        have copying : Copying m ((m.runs.filterMap fun r => P.find? fun h => h.old == r.id).foldl (M.copyOne m id f x c P) m) :=
          foldl_keeps (P := Copying m) ⟨fun _ i => i, fun _ _ => rfl, fun _ i => .inl i⟩ fun n p hp C =>
            C.copyOne _ _ _ _ _ p (absent p.id) (pt.ids p (born p hp).1 ▸ Id.copyOf_today _ _ _) (born p hp).2
              (today p (born p hp).1) (traces p (born p hp).1)
        have named := (copying.narrow k.sound.hist.named).named
        generalize ((m.runs.filterMap fun r => P.find? fun h => h.old == r.id).foldl (M.copyOne m id f x c P) m) = n at C named there
        have sn := C.sound k.sound pt hcm named absent wf.world
        have within := C.within k.sound pt hcm absent there
        have nx : n.run x = m.run x := C.same x ix
        have rx : n.Rooted x := path.rooted.of_owners fun z hz => by
          have iz : m.has z = true := by
            rcases hz.cases with rfl | h
            · exact ix
            · obtain ⟨r', v, hd⟩ := path.driving (path.above hw h)
              exact has_of_code (by rw [hd]; exact nofun)
          rw [C.same z iz]
        -- The marks.
        have weird : ∀ y, m.has y = false → ∀ z, m.has z = true → (m.run z).owner = some y → m.Link z := fun y hy z _ hz => by
          refine (k.links z).resolve_left fun ⟨a, u, o, ha, hu, _, hzu⟩ => ?_
          rcases hzu.cases with rfl | ⟨o', ho', hzu⟩
          · rw [hz] at hu
            cases hu
            rw [run_of_not_has hy] at ha; cases ha
          · rw [hz] at ho'
            cases ho'
            have b := (hzu.trans_beneath (.of_owner hu)).has
            rw [hy] at b; cases b
        have go : ∀ (todo : List Then) (p : M), (∀ q ∈ todo, q ∈ P) → (todo.map Then.id).Nodup → p.Steady →
            (∀ y, (p.run y).owner = (n.run y).owner) → (∀ y, p.has y = n.has y) → p.stack = m.stack →
            (∀ y, m.has y = true → p.run y = m.run y) → (∀ y, m.has y = false → p.Calmed y) →
            (∀ q ∈ todo, p.run (.copy f q.id) = n.run (.copy f q.id)) →
            ∃ e, todo.foldl (markCopy id f) p = e ∧ e.Steady ∧ (∀ y, (e.run y).owner = (n.run y).owner) ∧ (∀ y, e.has y = n.has y) ∧
              e.stack = m.stack ∧ (∀ y, m.has y = true → e.run y = m.run y) ∧ ∀ y, m.has y = false → e.Calmed y := by
          intro todo
          induction todo with
          | nil => exact fun p _ _ a b c d e f _ => ⟨p, rfl, a, b, c, d, e, f⟩
          | cons q todo ih =>
            intro p hq hn s o h st old ca fresh
            have mq := hq q List.mem_cons_self
            rw [List.map_cons, List.nodup_cons] at hn
            rw [List.foldl_cons]
            obtain ⟨q', hq', d, ds, et, ey, etr, ec, eo⟩ := (C.new _ (there q mq)).resolve_left (by rw [absent]; exact Bool.false_ne_true)
            have same : q' = q := by
              have e := (Id.copy.inj ey).2
              clear ih hn ca fresh
              have : ∀ l : List Then, (l.map Then.id).Nodup → q ∈ l → q' ∈ l → q' = q := by
                intro l
                induction l with
                | nil => exact fun _ h => absurd h List.not_mem_nil
                | cons a l ih =>
                  intro hn h h'
                  rw [List.map_cons, List.nodup_cons] at hn
                  rcases List.mem_cons.mp h with a₁ | a₁
                  · rcases List.mem_cons.mp h' with b₁ | b₁
                    · rw [a₁, b₁]
                    · exact absurd (List.mem_map.mpr ⟨q', b₁, by rw [← e, a₁]⟩) hn.1
                  · rcases List.mem_cons.mp h' with b₁ | b₁
                    · exact absurd (List.mem_map.mpr ⟨q, a₁, by rw [e, b₁]⟩) hn.1
                    · exact ih hn.2 a₁ b₁
              exact this P nd mq hq'
            subst same
            have py : p.run (.copy f q'.id) = n.run (.copy f q'.id) := fresh q' List.mem_cons_self
            have iy : p.has (.copy f q'.id) = true := (h _).trans (there q' mq)
            have ry : p.Rooted (.copy f q'.id) := (rx.of_within (within q' mq)).of_owners fun z _ => o z
            have kids : ∀ z, (p.run z).owner = some (.copy f q'.id) → p.Link z := fun z hz => by
              cases iz : m.has z with
              | false => exact (ca z iz).1
              | true =>
                rw [old z iz] at hz
                have l := weird _ (absent q'.id) z iz hz
                exact l.frame (fun v hv => .of_run (old v (hv.cases.elim (fun e => e ▸ iz) Beneath.has))) fun v hv => by
                  rw [old v hv.has]
            unfold markCopy
            rw [et]
            simp only
            obtain ⟨S, cy, cz⟩ := mark_step s iy ry (s := d.code) (by rw [py]; exact ec) (fun e => nomatch e) q'.id d.index
              (code := if q'.id = id then .settled d.code else p.takenUp (.copy f q'.id) (p.run (.copy f q'.id)).handles d.code)
              (by split
                  · exact .inl rfl
                  · exact .inr ⟨_, rfl⟩) kids
            refine ih _ (fun r hr => hq r (List.mem_cons_of_mem _ hr)) hn.2 S.sound (fun y => (S.owner y).trans (o y))
              (fun y => (S.has y).trans (h y)) (S.stack.trans st) (fun y hy => ?_) (fun y hy => ?_) fun r hr => ?_
            · rw [S.other y fun e => by rw [← e, absent] at hy; cases hy]
              exact old y hy
            · by_cases e : Id.copy f q'.id = y
              · exact e ▸ cy
              · exact cz y e (ca y hy)
            · rw [S.other _ fun e => hn.1 (List.mem_map.mpr ⟨r, hr, (Id.copy.inj e).2.symm⟩)]
              exact fresh r (List.mem_cons_of_mem _ hr)
        have calm : ∀ y, m.has y = false → n.Calmed y := fun y hy => by
          cases i : n.has y with
          | false =>
            refine .of_settled (s := .discarded) ?_
            rw [run_of_not_has i]; rfl
          | true =>
            obtain ⟨_, _, d, _, _, _, _, ec, _⟩ := (C.new y i).resolve_left (by rw [hy]; exact Bool.false_ne_true)
            exact .of_settled ec
        obtain ⟨e, he, se, oe, hase, ste, olde, cae⟩ := go P n (fun _ h => h) nd sn (fun _ => rfl) (fun _ => rfl) C.stack C.same calm
          fun _ _ => rfl
        rw [he]
        have ex : e.run x = m.run x := olde x ix
        have re : e.Rooted x := rx.of_owners fun z _ => oe z
        obtain ⟨sa, other, ownx, ⟨st, codex⟩, stack⟩ := answerRun_sound se ((hase x).trans (C.has x ix)) re ne
          (by rw [ex]; exact k.sound.waiting hc) w (.copy f id)
        generalize e.answerRun x w (.copy f id) = a at sa other ownx codex stack
        refine k.block hs ne (fun u o => by rw [hc]; exact nofun) sa (by unfold Link; rw [codex]; trivial) (fun y hy exy => ?_) ?_
          (fun y hy => ?_) (fun y hy => ?_) ?_ ?_
        · rw [other y exy, olde y hy]; exact ⟨rfl, rfl⟩
        · rw [ownx, ex]
        · by_cases exy : x = y
          · rw [← exy, ownx, ex]; exact .inl rfl
          · rw [other y exy, olde y hy]; exact .inl rfl
        · have exy : x ≠ y := fun h => by rw [← h, ix] at hy; cases hy
          cases i : e.has y with
          | false =>
            unfold Link
            rw [other y exy, run_of_not_has i]; trivial
          | true =>
            rw [hase] at i
            obtain ⟨p, hp, _, _, _, ey, _⟩ := (C.new y i).resolve_left (by rw [hy]; exact Bool.false_ne_true)
            have wy : e.Within y x := by
              rw [ey]
              exact (within p hp).of_owners fun z _ _ => oe z
            have by' : e.Beneath y x := wy.cases.resolve_left fun h => exy h.symm
            have apart : ∀ z, e.Within z y → x ≠ z := fun z hz h => by
              subst h
              exact re.irrefl se.world (hz.trans_beneath by')
            exact ((cae y hy).1).frame (fun z hz => .of_run (other z (apart z hz))) fun z hz => by rw [other z (apart z hz.within)]
        · rw [other _ ne, olde _ wf.world]
        · rw [stack]; exact ste
  · exact k.answered hs hc _

end M

end Shepherd
