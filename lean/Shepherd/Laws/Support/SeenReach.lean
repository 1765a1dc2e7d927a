import Shepherd.Laws.Support.SeenForks

/-!
# Traces in the order of the log, in every tree that can be reached
-/

namespace Shepherd

open Id (MayOwn Over)

namespace M

theorem seen_step {m n : M} (s : Sound m) (a : AllMarked m) (t : Seen m) (h : m.step = some n) : Seen n := by
  have w := s.wf
  have calm := w.calm.resolve_left id
  unfold step at h
  split at h
  · cases h
  · next id rest _ =>
    split at h
    · next hc =>
      cases h
      refine (plain_localMove w (has_of_code (by rw [hc]; exact nofun)) (fun e => ?_) _ _ _ _).seen w a t
      rw [← e, hc] at calm; exact calm
    · next hc =>
      split at h
      · refine seen_perform s.bound s.granted.named w a t ⟨has_of_code (by rw [hc]; exact nofun), fun e => ?_⟩ hc h
        rw [← e, hc] at calm; exact calm
      · exact (plain_atStop w h).seen w a t
    · next hc =>
      split at h
      · next hu =>
        cases h
        have wt : Wf m True := w.weaken
        have e := plain_undoStep wt (fun _ => trivial) hc hu
        exact (e.trans (plain_afterWorld (e.has wt wt.world) id)).seen wt a t
      · exact (plain_atStop w h).seen w a t
    · exact (plain_atStop w h).seen w a t

theorem seen_worldAsks {m n : M} (s : Sound m) (a : AllMarked m) (t : Seen m) {op : String} {args : List Value}
    (h : m.worldAsks op args = some n) : Seen n := by
  unfold worldAsks at h
  split at h
  · cases h
  · split at h
    · cases h
    · simp only at h
      split at h
      · cases h
      · next after hp =>
        have k := asks_kept s.wf op args
        have w₁ : Wf _ True := k.wf s.wf fun _ h => h.elim
        have d₁ : Deeds (fun _ => True) m.Stamped m ({ m with stack := [.world] }.recordCode .world (.intent op args)
            (.settled (.waiting { op, args, stack := [] }))) :=
          .record .world _ _ (.stack [.world] .refl (List.pairwise_singleton _ _)) trivial s.wf.world trivial fun _ h => .inl h
        have b₁ := d₁.bound s.bound k.ext.made
        have nm₁ : Named ({ m with stack := [.world] }.recordCode .world (.intent op args)
            (.settled (.waiting { op, args, stack := [] }))) :=
          (((Narrow.refl s.granted.named).same (n := { m with stack := [.world] }) (fun _ => rfl) (fun _ => rfl) fun _ => rfl).record
            s.wf.world _ _).named
        have r₀ : Writable ({ m with stack := [.world] } : M) :=
          ⟨t.unchanged (fun _ h => h) (fun _ => rfl) rfl, s.wf.indexed, s.wf.owner, fun y i nw => (a y i nw).1⟩
        have r₁ : Writable ({ m with stack := [.world] }.recordCode .world (.intent op args)
            (.settled (.waiting { op, args, stack := [] }))) := r₀.record s.wf.world _ _
        have a₁ : AllMarked ({ m with stack := [.world] }.recordCode .world (.intent op args)
            (.settled (.waiting { op, args, stack := [] }))) := a.extends k.ext fun y h => by
          rw [recordCode_eq, has_record, Bool.or_eq_true] at h
          rcases h with h | h
          · rw [← beq_iff_eq.mp h]; exact .inl s.wf.world
          · exact .inl h
        have t₂ := seen_perform b₁ nm₁ w₁ a₁ r₁.seen ⟨k.world, fun _ => trivial⟩ (by rw [run_recordCode_same]) hp
        have iw : after.has .world = true := ((grows_perform w₁ ⟨k.world, fun _ => trivial⟩ hp).extends w₁).has _ k.world
        have back : ∀ stack, Seen { after.setCode .world (m.run .world).code with stack } := fun stack =>
          (t₂.unchanged (n := after.setCode .world (m.run .world).code) (fun y h => by
            rw [has_setCode, Bool.or_eq_true] at h
            exact h.elim (fun h => beq_iff_eq.mp h ▸ iw) fun h => h) (trace_setCode _ _ _) rfl).unchanged
            (n := { after.setCode .world (m.run .world).code with stack }) (fun _ h => h) (fun _ => rfl) rfl
        split at h
        · cases h; exact back _
        · split at h
          · cases h; exact back _
          · cases h; exact t₂

theorem seen_forkRoot {m n : M} (s : Sound m) (a : AllMarked m) (t : Seen m) (h : m.forkRoot = some n) : Seen n := by
  obtain ⟨c, u, ht, rfl⟩ := forkRoot_eq h
  have hr : m.has .root = true := has_of_trace (by rw [ht]; exact nofun)
  have f := follows_asForked s.wf c
  have root := f.2.has _ hr
  have fid : ∀ r, (m.asForked c r).id = r.id := fun r => by
    unfold asForked
    repeat' split
    · rfl
    · exact asOf_id _ _ _
    · exact asOf_id _ _ _
    · rfl
  have hhas : ∀ y, M.has { m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used } y = m.has y :=
    fun y => has_map fid _ _
  have tr : ∀ y, (M.run { m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used } y).trace =
      (m.run y).trace := fun y => by
    cases i : m.has y with
    | true => exact f.2.trace_eq rfl i
    | false => rw [run_of_not_has i, run_of_not_has ((hhas y).trans i)]
  have r₁ : Writable { m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used } :=
    ⟨t.unchanged (fun y h => (hhas y).symm.trans h) tr rfl, f.1.indexed, f.1.owner,
      fun y i nw => by rw [tr]; exact (a y ((hhas y).symm.trans i) nw).1⟩
  refine (foldl_keeps (P := fun n => Writable n ∧ ∀ y,
    M.has { m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used } y = true → n.has y = true)
    ⟨r₁, fun _ h => h⟩ fun n x hx h => ?_).1.seen
  refine ⟨h.1.record (h.2 x (has_of_mem_family root hx)) _ _, fun y i => ?_⟩
  show (M.recordCode n x _ _).has y = true
  rw [recordCode_eq, has_record, h.2 y i, Bool.or_true]

theorem seen_start (i : Init) : Seen i.start := by
  let w : Run := { worldRun with files := i.files, base := i.files }
  let r : Run :=
    { id := .root, owner := some .world, givers := [], agent := i.agent, args := i.args, code := bodyOf i.agent i.args,
      files := i.files, base := i.files, grant := [{ origin := .root, clauses := i.request }],
      handles := [], trace := [], inbox := [], made := 0 }
  let m : M := { program := i.program, contents := i.contents, runs := [w, r], stack := [.root, .world],
                 log := [], used := [], written := [] }
  have tr : ∀ y, (m.run y).trace = [] := fun y => by
    show (Runs.find [w, r] y).trace = []
    simp only [Runs.find]
    split
    · rfl
    · split
      · rfl
      · rfl
  have no : ∀ {y : Id} {c : Commit}, c ∉ (m.run y).trace := fun {y c} h => by rw [tr] at h; exact absurd h List.not_mem_nil
  have t : Seen m := by
    refine ⟨fun id => ?_, fun id c hc => absurd hc no, fun id c hc => absurd hc no, fun id c u hc => ?_, fun id c hc => absurd hc no⟩
    · rw [tr]; exact .nil
    · exact absurd (hc.subset List.mem_cons_self) no
  have ind : ∀ y, Trace.Indexed (m.run y).trace := fun y => by rw [tr]; trivial
  have under : ∀ ev, m.headsAt .root ev = [] := fun ev => by
    cases h : m.headsAt .root ev with
    | nil => rfl
    | cons x l =>
      have hx : x ∈ m.headsAt .root ev := by rw [h]; exact List.mem_cons_self
      obtain ⟨l', hl, e⟩ := m.headsAt_eq .root ev
      have : m.kids .root = [] := rfl
      rw [this, List.sublist_nil] at hl
      rw [e, hl] at hx
      exact absurd hx List.not_mem_nil
  exact Seen.record t ind _ _ rfl fun h hh => by rw [under] at hh; exact absurd hh List.not_mem_nil

/-- In every tree that can be reached, traces are in the order of the log, and commits tell of runs below what these then had. -/
theorem After.seen {ω : Oracle} {i : Init} {m : M} (h : After ω i.start m) : Seen m := by
  induction h with
  | refl => exact seen_start i
  | step k s ih => exact seen_step k.sound k.allMarked ih s
  | answer k s ih =>
    unfold outer at s
    split at s
    · cases s
    · exact (plain_answer k.sound.wf s).seen k.sound.wf k.allMarked ih
  | world op args k s ih => exact seen_worldAsks k.sound k.allMarked ih s
  | fork k s ih => exact seen_forkRoot k.sound k.allMarked ih s

/-- What stood below a run at a commit of it: if it is there today and has recorded no more than then, it has what it had then. -/
theorem Seen.untouched {m : M} (t : Seen m) (indexed : ∀ id, Trace.Indexed (m.run id).trace) {id : Id} {c : Commit}
    (hc : c ∈ (m.run id).trace) {h : Head} (hh : h ∈ c.heads) (i : m.has (Id.today c.run id h.id) = true)
    (e : (m.run (Id.today c.run id h.id)).trace.size = Trace.size ((m.run h.id).trace.upTo (h.length - 1))) :
    (m.run (Id.today c.run id h.id)).trace = (m.run h.id).trace.upTo (h.length - 1) := by
  have s := t.same id c hc h hh i
  have suffix := Trace.upTo_suffix (m.run h.id).trace (h.length - 1)
  rw [(indexed _).size, ((indexed h.id).of_suffix suffix).size] at e
  rw [t.upTo indexed hc hh] at e ⊢
  rw [← s] at e ⊢
  exact (List.filter_sublist.eq_of_length e.symm).symm

end M

end Shepherd
