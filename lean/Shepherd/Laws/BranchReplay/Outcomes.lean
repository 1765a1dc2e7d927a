import Shepherd.Laws.BranchReplay.Retold
import Shepherd.Laws.Support.Files

/-!
# Every run is what its recorded events make of it: outcomes, and taking back
-/

namespace Shepherd

namespace M

/-- Who is apart from whom. The run asked is at an intent of its own, or it waits for nothing; an undo is open where the run waits for
nothing else; who owns a run does not stand below it, nor between it and the one that it asks for; who takes a run back is not taken
back with it; what a run was, that now stands below the one taken back, is the beginning of its trace; and nobody stood below itself. -/
structure Apart (m : M) : Prop where
  shown : ∀ id q, m.shown id = some q → ∀ w, (m.run q.asked).code.settle = .waiting w →
    (m.run q.asked).code = .settled (.waiting w)
  undo : ∀ id c j op args, id ≠ .world → Trace.question (m.run id).trace = some c → c.event = .undo j op args →
    ∀ w, (m.run id).code.settle ≠ .waiting w
  owing : ∀ id u o, (m.run id).code = .undoing u o → ∀ d ∈ u.todo, ∀ w, (m.run d.run).code.settle ≠ .waiting w
  kids : ∀ a id, id ∈ m.kids a → m.owns a id = true
  family : ∀ a id, m.owns a id = true → a ∉ m.family id
  chain : ∀ a id q, m.owns a id = true → m.shown id = some q → a ∉ q.asked :: id :: q.path
  undoing : ∀ id u o, (m.run id).code = .undoing u o → ((m.restore u.run u.to).run id).code = .undoing u o
  shares : ∀ id u o k c, (m.run id).code = .undoing u o → u.to = some k → (m.run u.run).trace.nth k = some c →
    ∀ h ∈ m.heads u.run c, h.trace <:+ (m.run h.id).trace
  heads : ∀ id, ∀ c ∈ (m.run id).trace, ∀ h ∈ c.heads, h.id ≠ c.run

variable {B : Prop} {X : Id → Prop}

namespace Retold

/-! ## Outcomes -/

theorem answerAsked {m : M} (k : Retold X m) {id : Id} (i : m.has id = true) (answer : Value) (change : Change) (by' : By)
    (keep : by' ≠ .machine ∨ ∀ v, answer ≠ .ok (.some v))
    (h : ∀ w, (m.run id).code.settle = .waiting w → (m.run id).code = .settled (.waiting w)) :
    Retold X (m.answerAsked id answer change by') := by
  unfold M.answerAsked
  refine k.record i _ _ fun x => ?_
  have now := k.now id x i
  simp only
  split
  · next w hc =>
    have hs : (m.run id).code.settle = .waiting w := by rw [hc]; rfl
    have := now.outcome answer change by' (Code.settle (resume answer w.stack)).refused (w := w) hs
    rw [Waiting.leaves_same (.inr keep)] at this
    exact this
  · next hc =>
    refine now.undone answer change by' _ fun w hs => hc w ?_
    exact h w hs

theorem relay {m : M} (k : Retold X m) (id : Id) (answer : Value) (by' : By) (keep : by' ≠ .machine ∨ ∀ v, answer ≠ .some v) :
    Retold X (m.relay id answer by') := by
  unfold M.relay
  split
  · next w hc =>
    have i : m.has id = true := has_of_code (by rw [hc]; exact nofun)
    refine k.recordCode i _ _ fun x => ?_
    have hs : (m.run id).code.settle = .waiting w := by rw [hc]; rfl
    have := (k.now id x i).outcome (.ok answer) [] by' (Code.settle (resume (.ok answer) w.stack)).refused (w := w) hs
    rw [Waiting.leaves_same (.inr (keep.imp_right ok_ne)), Files.apply_nil] at this
    exact this
  · next u o hc =>
    refine k.setCode (has_of_code (by rw [hc]; exact nofun)) _ fun _ => ?_
    rw [hc]; exact .refl _
  · exact k

theorem deliver {m : M} (w : Wf m B) (k : Retold X m) {id : Id} {q : Question} (hq : m.shown id = some q)
    (hs : ∀ w, (m.run q.asked).code.settle = .waiting w → (m.run q.asked).code = .settled (.waiting w))
    (answer : Value) (change : Change) (by' : By)
    (keep : by' ≠ .machine ∨ (∀ v, answer ≠ .some v) ∧ ∀ v, answer ≠ .ok (.some v)) :
    Retold X (m.deliver id q answer change by') := by
  unfold M.deliver
  exact foldl_keeps (P := Retold X) (k.answerAsked (has_of_shown w.codes hq).1 answer change by' (keep.imp_right And.right) hs)
    fun n x _ k => k.relay x answer by' (keep.imp_right And.left)

theorem run_relay_ne {m : M} {id j : Id} (answer : Value) (by' : By) (ne : id ≠ j) : (m.relay id answer by').run j = m.run j := by
  unfold M.relay
  split
  · exact run_recordCode_ne _ _ _ ne
  · exact run_setCode_ne _ _ ne
  · rfl

/-- Who does not wait for the outcome stays what it is. -/
theorem run_deliver_ne {m : M} {id j : Id} {q : Question} (answer : Value) (change : Change) (by' : By)
    (ne : j ∉ q.asked :: id :: q.path) : (m.deliver id q answer change by').run j = m.run j := by
  unfold M.deliver
  refine foldl_keeps (P := fun n => n.run j = m.run j) ?_ fun n x hx e => (run_relay_ne answer by' fun h => ne ?_).trans e
  · unfold M.answerAsked
    exact run_record_ne _ _ _ fun h => ne (h ▸ List.mem_cons_self)
  · subst h
    exact List.mem_cons_of_mem _ (List.dropLast_subset _ (List.mem_reverse.mp hx))

/-! ## Taking back -/

theorem run_abandonOne_ne {m : M} {id j : Id} (ne : id ≠ j) : (m.abandonOne id).run j = m.run j := by
  unfold M.abandonOne
  simp only
  split
  · rfl
  · exact run_recordCode_ne _ _ _ ne
  · split
    · exact run_recordCode_ne _ _ _ ne
    · rfl

theorem question_outcome {c : Commit} {t : Trace} {answer : Value} {change : Change} {by' : By}
    (h : c.event = .outcome answer change by') : Trace.question (c :: t) = none := by
  unfold Trace.question Trace.questionFrom
  rw [h]; rfl

theorem abandonOne {m : M} (k : Retold X m) {id : Id} (i : m.has id = true)
    (a : ∀ c j op args, Trace.question (m.run id).trace = some c → c.event = .undo j op args →
      ∀ w, (m.run id).code.settle ≠ .waiting w) : Retold X (m.abandonOne id) := by
  have told : ∀ w, (m.run id).code.settle = .waiting w → ¬ X id →
      Rerun m.program (m.run id).agent (m.run id).args (m.run id).base
        (⟨.outcome abandoned [] .machine, (Code.settle (resume abandoned w.stack)).refused⟩ :: (m.run id).trace.fixed)
        { (m.run id).alone with code := (Code.settle (resume abandoned w.stack)) } := fun w hs x => by
    have := (k.now id x i).outcome abandoned [] .machine (Code.settle (resume abandoned w.stack)).refused (w := w) hs
    have keep : ∀ v, abandoned ≠ .ok (.some v) := fun v => err_ne _ _ v
    rw [Waiting.leaves_same (answer := abandoned) (.inr (.inr keep)), Files.apply_nil] at this
    exact this
  unfold M.abandonOne
  simp only
  split
  · exact k
  · next j op args hq =>
    obtain ⟨c, hc, he⟩ := Option.map_eq_some_iff.mp hq
    refine k.recordCode i _ _ fun x => ?_
    have := (k.now id x i).undone abandoned [] .machine (m.run id).code.settle.refused (a c j op args hc he)
    rw [Files.apply_nil] at this
    exact this
  · split
    · next w hs => exact k.recordCode i _ _ (told w hs)
    · exact k

theorem abandonOne_done {m : M} (id : Id) :
    (m.abandonOne id).run id = m.run id ∨ Trace.question ((m.abandonOne id).run id).trace = none := by
  unfold M.abandonOne
  simp only
  split
  · exact .inl rfl
  · rw [run_recordCode_same]; exact .inr (question_outcome rfl)
  · split
    · rw [run_recordCode_same]; exact .inr (question_outcome rfl)
    · exact .inl rfl

theorem abandon {m : M} (w : Wf m B) (a : Apart m) (k : Retold X m) {id : Id} (i : m.has id = true) (ne : id ≠ .world) :
    Retold X (m.abandon id) := by
  unfold M.abandon
  refine (foldl_keeps (P := fun n => Retold X n ∧ Wf n B ∧ Plain m n B ∧
    ∀ j, n.run j = m.run j ∨ Trace.question (n.run j).trace = none) ⟨k, w, .refl, fun _ => .inl rfl⟩
    fun n x hx ⟨k, wn, e, same⟩ => ?_).1
  have ix := e.has w (has_of_mem_family i hx)
  have p := plain_abandonOne wn ix (ne_world_of_mem_family w ne hx)
  refine ⟨k.abandonOne ix fun c j op args hq he => ?_, p.wf wn, e.trans p, fun j => ?_⟩
  · rcases same x with h | h
    · rw [h] at hq ⊢; exact a.undo x c j op args (ne_world_of_mem_family w ne hx) hq he
    · rw [h] at hq; cases hq
  · by_cases e : x = j
    · subst e
      rcases abandonOne_done (m := n) x with h | h
      · rw [h]; exact same x
      · exact .inr h
    · rw [run_abandonOne_ne e]; exact same j

theorem run_abandon_ne {m : M} {id j : Id} (ne : j ∉ m.family id) : (m.abandon id).run j = m.run j := by
  unfold M.abandon
  exact foldl_keeps (P := fun n => n.run j = m.run j) rfl fun n x hx e =>
    (run_abandonOne_ne fun h => ne (by rw [← h]; exact hx)).trans e

theorem begin {m n : M} (w : Wf m B) (a : Apart m) (k : Retold X m) {asker id : Id} (own : m.owns asker id = true)
    {origin : Settled} {to : Option Nat} (ia : m.has asker = true)
    (ho : ¬ X asker → Goes m.program (m.run asker).code.settle origin) (h : m.begin asker origin id to = .ok n) :
    Retold X n := by
  unfold M.begin at h
  split at h
  · cases h
  · cases h
    have i := has_of_owns own
    have ne := ne_world_of_owns w.owner own
    have e := plain_abandon w i ne
    refine (k.abandon w a i ne).setCode (e.has w ia) _ fun x => ?_
    rw [run_abandon_ne (a.family asker id own), (e.extends w).program]
    exact ho x

theorem discard {m : M} (k : Retold X m) (id : Id) : Retold X (m.discard id) := by
  unfold M.discard
  split
  · exact k
  · next hc =>
    have i : m.has id = true := has_of_code fun e => hc e
    exact k.recordCode i _ _ fun x => (k.now id x i).discarded _ _

theorem takenUp_settle (m : M) (id : Id) (handles : List Id) (s : Settled) : (m.takenUp id handles s).settle = s := by
  unfold M.takenUp
  repeat' split
  all_goals rfl

theorem rewind {m : M} (w : Wf m B) (k : Retold X m) {id : Id} (i : m.has id = true) {c : Commit} {t : Trace}
    (hs : c :: t <:+ (m.run id).trace) (lower : Bool) : Retold X (m.rewind id c lower) := by
  unfold M.rewind
  refine k.record i _ _ fun x => ?_
  have hl : (Trace.fixed (c :: t)).length = c.index + 1 := by
    have := ((w.indexed id).of_suffix hs).1
    unfold Trace.fixed
    rw [List.length_map, List.length_cons, this]
  obtain ⟨p, hp⟩ := hs
  have suffix : Trace.fixed (c :: t) <:+ (m.run id).trace.fixed := by
    unfold Trace.fixed
    rw [← hp, List.map_append]
    exact List.suffix_append _ _
  have := fun why => (k.now id x i).reverted c.index why suffix hl (k.past id x c t ⟨p, hp⟩)
  simp only
  split
  · have e : (⟨(m.takenUp id (m.handlesToday id c) c.code).settle, c.files, c.inbox⟩ : Alone) = c.alone := by
      rw [takenUp_settle]; rfl
    rw [e]; exact this _
  · exact this _

theorem restoreLower {m : M} (w : Wf m B) (k : Retold X m) (hs : List Then) {id : Id} (i : m.has id = true)
    (shares : ∀ h ∈ hs, h.id = id → h.trace <:+ (m.run h.id).trace) : Retold X (M.restoreLower hs m id) := by
  unfold M.restoreLower
  split
  · exact k.discard id
  · next h hf =>
    have hm := List.mem_of_find?_eq_some hf
    have hid : h.id = id := beq_iff_eq.mp (List.find?_some (p := fun h : Then => h.id == id) hf)
    split
    · exact k
    · next c t ht =>
      simp only
      split
      · have := shares h hm hid
        rw [ht, hid] at this
        exact k.rewind w i this true
      · split
        · next hc =>
          refine k.setCode i _ fun _ => ?_
          rw [hc]; exact .refl _
        · exact k

theorem restore {m : M} (w : Wf m B) (k : Retold X m) {id : Id} (i : m.has id = true) (ne : id ≠ .world) {to : Option Nat}
    (ok : ∀ k, to = some k → ∃ c, (m.run id).trace.nth k = some c ∧ ∀ h ∈ c.heads, m.has (Id.today c.run id h.id) = true)
    (shares : ∀ k c, to = some k → (m.run id).trace.nth k = some c → ∀ h ∈ m.heads id c, h.trace <:+ (m.run h.id).trace) :
    Retold X (m.restore id to) := by
  unfold M.restore
  split
  · exact foldl_keeps (P := Retold X) k fun n x _ k => k.discard x
  · next j =>
    obtain ⟨c, hc, hh⟩ := ok j rfl
    have sh := shares j c rfl hc
    rw [hc]
    simp only
    have hw : ∀ x ∈ c.heads, x.id ≠ .world := w.heads id c (Trace.nth_mem hc)
    have one := foldl_keeps (P := fun n => Plain m n B ∧ Retold X n) (f := fun (m : M) (h : Then) => m.own h.id h.owner h.givers)
      (l := m.heads id c) ⟨.refl, k⟩ fun n t ht ⟨e, k⟩ =>
        ⟨e.trans (plain_own (e.has w (heads_has hh t ht)) (heads_ne_world hw t ht) _ _),
          k.own (e.has w (heads_has hh t ht)) _ _⟩
    obtain ⟨e₁, k₁⟩ := one
    have w₁ := e₁.wf w
    have two := foldl_keeps (P := fun n => Plain ((m.heads id c).foldl (fun m h => m.own h.id h.owner h.givers) m) n B ∧ Retold X n)
      (f := M.restoreLower (m.heads id c)) (l := ((m.heads id c).foldl (fun m h => m.own h.id h.owner h.givers) m).below id)
      ⟨.refl, k₁⟩ fun n x hx ⟨e, k⟩ => by
        have wn := e.wf w₁
        have ix := e.has w₁ (has_of_mem_below hx)
        refine ⟨e.trans (plain_restoreLower wn (m.heads id c) ix (ne_world_of_mem_below w₁.owner hx)),
          k.restoreLower wn _ ix fun h hh _ => ?_⟩
        exact (sh h hh).trans (((e₁.trans e).extends w).trace h.id)
    obtain ⟨e₂, k₂⟩ := two
    have e := e₁.trans e₂
    obtain ⟨t, ht⟩ : ∃ t, c :: t <:+ (m.run id).trace := by
      unfold Trace.nth at hc
      have s := Trace.upTo_suffix (m.run id).trace j
      cases hu : Trace.upTo (m.run id).trace j with
      | nil => rw [hu] at hc; cases hc
      | cons c' t => rw [hu] at hc s; cases hc; exact ⟨t, s⟩
    exact k₂.rewind (e.wf w) (e.has w i) (ht.trans ((e.extends w).trace id)) false

theorem undoStep {m n : M} (w : Wf m B) (a : Apart m) (k : Retold X m) {id : Id} {u : Undoing} {origin : Settled}
    (hc : (m.run id).code = .undoing u origin) (h : m.undoStep id u origin = some n) : Retold X n := by
  have ok := w.codes id
  rw [hc] at ok
  have i : m.has id = true := has_of_code (by rw [hc]; exact nofun)
  unfold M.undoStep at h
  split at h
  · cases h
  · split at h
    · next d ds hd =>
      cases h
      have id' : m.has d.run = true := (ok.2.2.1 d (by rw [hd]; exact List.mem_cons_self)).1
      have k' : Retold X (m.recordCode d.run (.undo d.at d.op d.args) (m.run d.run).code) :=
        k.recordCode id' _ _ fun x => (k.now d.run x id').undo _ _ _ _
          (a.owing id u origin hc d (by rw [hd]; exact List.mem_cons_self))
      refine k'.setCode (by rw [recordCode_eq, has_record, i, Bool.or_true]) _ fun _ => ?_
      have : ((m.recordCode d.run (.undo d.at d.op d.args) (m.run d.run).code).run id).code = (m.run id).code := by
        by_cases e : d.run = id
        · subst e; rw [run_recordCode_same]
        · rw [run_recordCode_ne _ _ _ e]
      rw [this, hc]
      exact .refl _
    · have e := plain_restore w ok.2.1 ok.1 ok.2.2.2
      have k' := k.restore w ok.2.1 ok.1 ok.2.2.2 fun j c hj hcj => a.shares id u origin j c hc hj hcj
      have same := a.undoing id u origin hc
      simp only at h
      split at h
      · cases h
        exact k'.reply (e.has w i) (fun _ => by rw [same]; rfl) _ _ (.inr (ok_ne fun v => nofun))
      · cases h
        refine k'.setCode (e.has w i) _ fun _ => ?_
        rw [same]; exact .refl _

theorem discardMade {m n : M} (w : Wf m B) (a : Apart m) (k : Retold X m) {id : Id} (i : m.has id = true) {again : Comp}
    (ho : ¬ X id → Goes m.program (m.run id).code.settle (.running again [] [] 0)) (h : m.discardMade id again = some n) :
    Retold X n := by
  unfold M.discardMade at h
  split at h
  · cases h
  · next kid hk =>
    have ik : kid ∈ m.kids id := by
      unfold newestMade at hk
      exact (List.mem_filter.mp (List.mem_of_getLast? hk)).1
    split at h
    · next hb =>
      cases h
      exact k.begin w a (a.kids id kid ik) i ho hb
    · cases h

end Retold

end M

end Shepherd
